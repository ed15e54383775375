//! Work that is not for the threads that wait for the network.

use std::num::NonZero;
use std::sync::LazyLock;

use tokio::sync::Semaphore;

/// Work that takes the processor, off the threads that wait for the network. No more of it runs at once than there are
/// processors for: more threads would only take turns, and memory.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    static TURNS: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, NonZero::get) + 1));
    // The semaphore is never closed.
    let _turn = TURNS.acquire().await;
    on_disk(work).await
}

/// Work that waits for a disk, which may be a network's and hang: it takes nobody's turn.
pub(super) async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
