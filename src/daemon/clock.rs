//! The wall clock of the daemon: asked here and nowhere else, so that a test can hold it and let it jump.

use chrono::{SubsecRound, Utc};

use crate::model::Time;

/// To the nanosecond: between two requests lie whole seconds.
pub(super) fn wall() -> Time {
    #[cfg(test)]
    if let Some(held) = held::now() {
        return held;
    }
    Utc::now()
}

/// In whole seconds, as the store keeps it.
pub(super) fn now() -> Time {
    wall().trunc_subsecs(0)
}

/// A wall clock that goes with tokio's, which a test may pause and advance. It holds for the thread of the test: for a
/// runtime of one thread, and not for what goes to the threads for long work.
#[cfg(test)]
pub(super) mod held {
    use std::cell::Cell;

    use chrono::TimeDelta;
    use tokio::time::Instant;

    use super::Time;

    thread_local! {
        static HELD: Cell<Option<(Time, Instant)>> = const { Cell::new(None) };
    }

    /// From now on it is `time`.
    pub fn set(time: Time) {
        HELD.set(Some((time, Instant::now())));
    }

    /// Somebody sets the clock, or the machine slept: tokio's knows nothing of it.
    pub fn jump(by: TimeDelta) {
        set(now().expect("a clock that is held") + by);
    }

    pub fn now() -> Option<Time> {
        let (time, since) = HELD.get()?;
        Some(time + TimeDelta::from_std(since.elapsed()).unwrap_or_default())
    }
}
