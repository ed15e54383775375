//! Writes that wait for the writing thread. It is woken for the first of them and for one that somebody waits for; the
//! others lie until it comes, and share its commit: to wake it for each, and to write the pages that all of them change
//! again and again, would cost more than the writes themselves.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::StoreError;

/// Operations that may share one commit.
pub(super) const MOST_IN_A_COMMIT: usize = 256;
/// So long a patient write waits for others.
const PATIENCE: Duration = Duration::from_millis(10);
/// Writes that may wait; who brings more waits too.
const MOST: usize = 1024;

/// A write with the one who waits for it.
pub(super) trait Work: Send {
    /// Carry it out inside a transaction; may be called again after that was rolled back. Did it succeed?
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tell what came of it: of the last run, if its transaction was committed or it failed itself.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

/// See the module.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    woken: Condvar,
    room: Semaphore,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Box<dyn Work>>,
    /// One of them is not patient.
    urgent: bool,
    writer: Writer,
    closed: bool,
}

/// What the writing thread is about.
#[derive(Default, PartialEq)]
enum Writer {
    /// It looks at the queue before it sleeps.
    #[default]
    Busy,
    /// It sleeps until there is anything.
    Idle,
    /// It sleeps so that others may join the first.
    Patient,
}

impl Default for Queue {
    fn default() -> Queue {
        Queue { waiting: Mutex::default(), woken: Condvar::new(), room: Semaphore::new(MOST) }
    }
}

impl Queue {
    /// Put it at the end, once there is room; `patient`: it may wait a moment for others. Refused after the end.
    pub async fn put(&self, work: Box<dyn Work>, patient: bool) -> Result<(), StoreError> {
        // Never closed: whoever waits for room gets it when others are written, and is told then.
        let room = self.room.acquire().await.map_err(|_| StoreError::Closed)?;
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        room.forget();
        waiting.jobs.push_back(work);
        waiting.urgent |= !patient;
        let wake = match waiting.writer {
            Writer::Busy => false,
            Writer::Idle => true,
            Writer::Patient => !patient || waiting.jobs.len() >= MOST_IN_A_COMMIT,
        };
        if wake {
            // Not twice for one sleep.
            waiting.writer = Writer::Busy;
            drop(waiting);
            self.woken.notify_one();
        }
        Ok(())
    }

    /// Sleep until there is something to write, and until its patience is over; `false`: there will be nothing more.
    pub fn wait(&self) -> bool {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return false;
            }
            waiting.writer = Writer::Idle;
            waiting = self.woken.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + PATIENCE;
        while !waiting.urgent && !waiting.closed && waiting.jobs.len() < MOST_IN_A_COMMIT {
            let Some(rest) = until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) else { break };
            waiting.writer = Writer::Patient;
            waiting = self.woken.wait_timeout(waiting, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        waiting.writer = Writer::Busy;
        true
    }

    /// The next one, if one is there.
    pub fn take(&self) -> Option<Box<dyn Work>> {
        let mut waiting = self.lock();
        let work = waiting.jobs.pop_front();
        waiting.urgent &= !waiting.jobs.is_empty();
        drop(waiting);
        self.room.add_permits(usize::from(work.is_some()));
        work
    }

    /// Take no more; what waits is still written.
    pub fn close(&self) {
        self.lock().closed = true;
        self.woken.notify_one();
    }

    /// There is nobody left to write: what waits is told so.
    fn abandon(&self) {
        self.close();
        let left = std::mem::take(&mut self.lock().jobs);
        drop(left);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// A poisoned lock guards plain data here: take it as it is.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by the writing thread as long as it runs.
pub(super) struct Ending<'a>(pub &'a Queue);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Nothing;

    impl Work for Nothing {
        fn run(&mut self, _: &Connection) -> bool {
            true
        }

        fn finish(self: Box<Self>, _: Result<(), StoreError>) {}
    }

    #[tokio::test]
    async fn the_urgent_one_takes_those_that_wait_with_it() {
        let queue = Queue::default();
        queue.put(Box::new(Nothing), true).await.unwrap();
        queue.put(Box::new(Nothing), false).await.unwrap();
        // However long patience is: it does not sleep.
        assert!(queue.wait());
        assert!(queue.lock().urgent);
        assert!(queue.take().is_some() && queue.take().is_some() && queue.take().is_none());
        assert!(!queue.lock().urgent);
    }

    #[tokio::test]
    async fn a_full_queue_lets_wait_and_loses_nothing() {
        let queue = Arc::new(Queue::default());
        let putting = queue.clone();
        let all = tokio::spawn(async move {
            for n in 0..3 * MOST {
                putting.put(Box::new(Nothing), n % 2 == 0).await.unwrap();
            }
        });
        let taking = queue.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let mut taken = 0;
            while taking.wait() {
                assert!(taking.len() <= MOST);
                while taking.take().is_some() {
                    taken += 1;
                }
            }
            taken
        });
        all.await.unwrap();
        queue.close();
        assert_eq!(taken.await.unwrap(), 3 * MOST);
        assert!(queue.put(Box::new(Nothing), true).await.is_err());
    }

    #[tokio::test]
    async fn a_writer_that_ends_leaves_nobody_waiting() {
        let queue = Queue::default();
        queue.put(Box::new(Nothing), false).await.unwrap();
        drop(Ending(&queue));
        assert_eq!(queue.len(), 0);
        assert!(!queue.wait());
    }
}
