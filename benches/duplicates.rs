//! What it costs to look for copies of a new entry, and how well they are found.
//!
//! ```sh
//! cargo bench --bench duplicates             # 100,000 texts in the index
//! cargo bench --bench duplicates -- 20000    # fewer
//! ```
//!
//! Time, as the processor counts it for this thread: from the visible text of a new entry to the answer, and into the index. Every text that is compared is read
//! again from its markup, as the store reads it. Quality: made-up agency copies (`tests/it/agency.rs`, fixed seed).

#[path = "../tests/it/agency.rs"]
mod agency;

use std::time::Duration;

use chrono::DateTime;
use newsdesk::duplicates::{Index, Text};
use newsdesk::model::Html;
use newsdesk::normalize::clean;

fn main() {
    let size = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
    let text = |html: &str| Text::new(&clean::visible(&Html(html.to_owned())));
    let mut index = Index::default();
    let mut firsts: Vec<agency::Piece> = Vec::new();
    let mut known = std::collections::HashSet::new();
    let (mut copies, mut found, mut others, mut wrong) = (0, 0, 0, 0);
    let mut last = Vec::new();
    // A story brings about four texts, three of which are copies or not indexed.
    for piece in agency::pieces(7, size * 6 / 10) {
        let begun = spent();
        let own = text(&piece.html);
        let anchors = own.anchors();
        let joined = index.candidates(now, &anchors).into_iter().find(|row| {
            let other = &firsts[usize::try_from(*row).unwrap_or_default()];
            other.source != piece.source && own.likeness(&text(&other.html)).is_some()
        });
        if joined.is_none() {
            index.insert(now, i64::try_from(firsts.len()).unwrap_or_default(), &anchors);
        }
        let took = spent().saturating_sub(begun);
        if index.len() * 10 >= size * 9 {
            last.push(took);
        }
        let is_copy = known.contains(&piece.story);
        copies += usize::from(is_copy);
        others += usize::from(!is_copy);
        match joined {
            Some(row) if firsts[usize::try_from(row).unwrap_or_default()].story == piece.story => found += 1,
            Some(_) => wrong += 1,
            None => {
                known.insert(piece.story);
                firsts.push(piece);
            }
        }
    }
    last.sort_unstable();
    let mean = last.iter().sum::<Duration>().as_secs_f64() * 1000.0 / last.len().max(1) as f64;
    let at = |part: usize| last.get(last.len() * part / 100).copied().unwrap_or_default().as_secs_f64() * 1000.0;
    println!(
        "{} texts in the index; of the last {} entries each took {mean:.4} ms, the median {:.4} ms, 99 of 100 less than {:.4} ms",
        index.len(),
        last.len(),
        at(50),
        at(99)
    );
    println!(
        "{found} of {copies} copies found ({:.2} %), {wrong} of {others} others taken for copies ({:.3} %)",
        found as f64 * 100.0 / copies as f64,
        wrong as f64 * 100.0 / others as f64
    );
}

/// Processor time of this thread: the machine may be busy with other things.
fn spent() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a place of the right type that lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
