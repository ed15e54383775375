//! What the service manager is told (sd_notify(3)). Nobody waits for it: what its socket has no room for is said again
//! before the next word.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, PoisonError};

use sd_notify::NotifyState;

/// More changes of state than that nobody makes while a manager is busy; the oldest are forgotten first.
const MOST_OWED: usize = 16;

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
