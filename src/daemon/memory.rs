//! How the allocator is used. A refresh takes and gives back many blocks of document size; by default glibc returns each
//! of them to the system and fetches it again, which costs an eighth of all processor time (`benches/refresh.rs`). mimalloc
//! took a twelfth less time than glibc with what is set here, and twice its memory. What is freed is joined with what lies
//! beside it at once (`M_MXFAST`): to do that for all small blocks together, whenever a large one is freed, cost a
//! twentieth.

/// Heaps that the threads share. By default each thread gets one of its own, and what one has freed serves no other: with
/// 20,000 sources a third of all memory lay idle so (`benches/poll`). With two of them threads wait for each other: a poll
/// that brings nothing took half as much time again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: libc::c_int = 4;

/// A heap grows by so much at once: by default each page that it grows by is asked for. What is not used takes no room.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const PAD: libc::c_int = 16 << 20;

/// Keep freed memory for the next refresh. Called once, first thing.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` only sets five numbers of the allocator; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MXFAST, 0);
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_TOP_PAD, PAD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 << 20);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
    }
}

/// Hand what is not needed back to the system: called now and then, so that a burst does not stay for years.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
