//! What the service manager is told (sd_notify(3)). Nobody waits for it: what its socket has no room for is said again
//! before the next word.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;

/// More changes of state than that nobody makes while a manager is busy; the oldest are forgotten first.
const MOST_OWED: usize = 16;

/// A start that takes longer than that says so, and again each time that it has passed.
const LONG: Duration = Duration::from_secs(30);
/// Microseconds from then on in which it is heard of again.
const MORE: u32 = 120_000_000;

/// `$NOTIFY_SOCKET`; without one nothing is said.
pub struct Manager {
    line: Option<(UnixDatagram, SocketAddr)>,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    /// Changes of state that found no room, oldest first.
    owed: VecDeque<String>,
    /// The last STATUS that was taken.
    status: String,
}

impl Manager {
    pub fn from_env() -> Manager {
        let line =
            std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()).and_then(|name| match open(&name) {
                Ok(line) => Some(line),
                Err(cause) => {
                    tracing::warn!("the service manager at {} cannot be told anything: {cause}", name.display());
                    None
                }
            });
        Manager { line, said: Mutex::default() }
    }

    /// A change of state, which must arrive.
    pub fn tell(&self, states: &[NotifyState<'_>]) {
        if self.line.is_none() {
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.owed.push_back(message(states));
        if said.owed.len() > MOST_OWED {
            said.owed.pop_front();
        }
        self.pay(&mut said);
    }

    /// One line for people; where it finds no room the next call says it as it is by then.
    pub fn status(&self, words: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        self.pay(&mut said);
        if said.status != words && self.send(&message(&[NotifyState::Status(words)])) {
            said.status = words.to_owned();
        }
    }

    /// A step of the start that may take long is given the time that it takes: `words` say what it is.
    pub async fn patiently<T>(&self, words: &str, step: impl Future<Output = T>) -> T {
        let mut step = std::pin::pin!(step);
        loop {
            tokio::select! {
                biased;
                done = &mut step => return done,
                () = tokio::time::sleep(LONG) => {
                    self.status(words);
                    self.tell(&[NotifyState::ExtendTimeoutUsec(MORE)]);
                }
            }
        }
    }

    /// Feeds the watchdog. A lost one is made up for by the next: three are sent before it bites.
    pub fn alive(&self) {
        self.pay(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner));
        self.send(&message(&[NotifyState::Watchdog]));
    }

    /// In the order in which they came.
    fn pay(&self, said: &mut Said) {
        while said.owed.front().is_some_and(|owed| self.send(owed)) {
            said.owed.pop_front();
        }
    }

    /// Was it taken?
    fn send(&self, message: &str) -> bool {
        let Some((socket, manager)) = &self.line else { return false };
        socket.send_to_addr(message.as_bytes(), manager).is_ok()
    }
}

fn message(states: &[NotifyState<'_>]) -> String {
    states.iter().map(|state| format!("{state}\n")).collect()
}

/// A path, or after an `@` a name without a file.
fn open(name: &OsStr) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let manager = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, manager))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_long_start_asks_for_more_time() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("notify");
        let heard = UnixDatagram::bind(&path).unwrap();
        heard.set_nonblocking(true).unwrap();
        let manager = Manager { line: Some(open(path.as_os_str()).unwrap()), said: Mutex::default() };
        assert_eq!(manager.patiently("opening", async { 7 }).await, 7);
        manager.patiently("opening", tokio::time::sleep(LONG * 5 / 2)).await;
        let mut said = Vec::new();
        let mut buffer = [0; 200];
        while let Ok(length) = heard.recv(&mut buffer) {
            said.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        assert_eq!(said, ["STATUS=opening\n", "EXTEND_TIMEOUT_USEC=120000000\n", "EXTEND_TIMEOUT_USEC=120000000\n"]);
    }
}
