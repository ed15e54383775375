//! Does it still work? The loop is asked for a word, the store for a write that writes nothing; as long as both answer,
//! the watchdog of the service manager is fed, and `/healthz` says ok.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Newsdesk;
use super::control::Ask;

/// How often both are asked, unless a watchdog wants it oftener.
const EVERY: Duration = Duration::from_secs(10);
/// So many times in a row somebody may be late before it counts as stuck.
const MISSED: u32 = 6;

/// When all was well last.
#[derive(Debug)]
pub struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    well: Instant,
    every: Duration,
    /// Whose answer is waited for.
    waits: Part,
}

/// What has to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Loop,
    Store,
}

impl Default for Health {
    fn default() -> Health {
        Health { state: Mutex::new(State { well: Instant::now(), every: EVERY, waits: Part::Loop }) }
    }
}

impl Health {
    /// What is stuck, in words; `None`: all is well.
    pub fn trouble(&self) -> Option<String> {
        self.state().trouble(Instant::now())
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn trouble(&self, now: Instant) -> Option<String> {
        let silent = now.saturating_duration_since(self.well);
        if silent < self.every * MISSED {
            return None;
        }
        let part = match self.waits {
            Part::Loop => "the scheduler",
            Part::Store => "the store",
        };
        Some(format!("{part} has not answered for {} s", silent.as_secs()))
    }
}

/// Ask both again and again, for as long as the daemon runs; `alive` is called whenever both have answered. With a
/// watchdog that bites after `watchdog`, three times before it does.
pub async fn watch(newsdesk: Newsdesk, asks: mpsc::Sender<Ask>, watchdog: Option<Duration>, alive: impl Fn() + Send) {
    let every = watchdog.map_or(EVERY, |bites| (bites / 3).min(EVERY));
    newsdesk.health.note(|state| (state.every, state.well) = (every, Instant::now()));
    loop {
        newsdesk.health.note(|state| state.waits = Part::Loop);
        let (reply, answer) = oneshot::channel();
        if asks.send(Ask::Ping { reply }).await.is_err() || answer.await.is_err() {
            // The daemon is stopping.
            return;
        }
        newsdesk.health.note(|state| state.waits = Part::Store);
        match newsdesk.store.ping().await {
            Ok(()) => {
                newsdesk.health.note(|state| state.well = Instant::now());
                alive();
            }
            Err(cause) => tracing::error!(stage = "store", "{}", super::chain(&cause)),
        }
        tokio::time::sleep(every).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_not_stuck() {
        let well = Instant::now();
        let check = |silent: u64, waits: Part, want: Option<&str>| {
            let state = State { well, every: Duration::from_secs(10), waits };
            assert_eq!(state.trouble(well + Duration::from_secs(silent)).as_deref(), want);
        };
        check(0, Part::Loop, None);
        check(59, Part::Store, None);
        check(60, Part::Store, Some("the store has not answered for 60 s"));
        check(3600, Part::Loop, Some("the scheduler has not answered for 3600 s"));
    }
}
