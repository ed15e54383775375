//! Where the daemon listens: sockets that systemd holds for us, so that no request is lost across a restart, else the
//! addresses of the configuration.

use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::path::Path;

use tokio::net::{TcpListener, UnixListener};

use crate::config::Settings;
use crate::config::settings::AdminAddress;
use crate::daemon::StartError;
use crate::serve::Listener;

/// The socket of this name (`FileDescriptorName=`) is for control; any other is public.
const ADMIN: &str = "admin";

/// Sockets that were handed to us, open and listening.
#[derive(Default)]
pub struct Given {
    public: Vec<Listener>,
    admin: Option<Listener>,
    /// What they listen on; the configuration has no say in it.
    listen: Option<String>,
    admin_address: Option<AdminAddress>,
}

impl Given {
    /// Takes what the service manager hands over (`sd_listen_fds(3)`). Called once, inside the runtime.
    pub fn take() -> Result<Given, StartError> {
        let given = |cause| StartError::Given { cause };
        let mut taken = Given::default();
        for (descriptor, name) in sd_notify::listen_fds_with_names().map_err(given)? {
            let (listener, address) = adopt(descriptor).map_err(given)?;
            if name == ADMIN && taken.admin.is_none() {
                (taken.admin, taken.admin_address) = (Some(listener), Some(address));
                continue;
            }
            taken.public.push(listener);
            if let AdminAddress::Tcp(address) = address {
                taken.listen.get_or_insert(address);
            }
        }
        Ok(taken)
    }

    /// The addresses as they are, not as they are stated.
    pub fn addresses(&self) -> (Option<String>, Option<AdminAddress>) {
        (self.listen.clone(), self.admin_address.clone())
    }

    /// Public ones and the one for control: what was given, and what has to be bound.
    pub async fn listeners(self, settings: &Settings) -> Result<(Vec<Listener>, Listener), StartError> {
        let public = match self.public.is_empty() {
            true => vec![listen(&settings.server.listen).await?],
            false => self.public,
        };
        let admin = match self.admin {
            Some(admin) => admin,
            None => listen_admin(&settings.server.admin).await?,
        };
        Ok((public, admin))
    }
}

/// Settings that say where we really listen, if that was decided elsewhere.
pub fn overrule(settings: &mut Settings, (listen, admin): &(Option<String>, Option<AdminAddress>)) {
    if let Some(listen) = listen {
        settings.server.listen.clone_from(listen);
    }
    if let Some(admin) = admin {
        settings.server.admin.clone_from(admin);
    }
}

fn adopt(descriptor: RawFd) -> std::io::Result<(Listener, AdminAddress)> {
    // SAFETY: the service manager opened it for this process and told us its number; nobody else here knows it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let tcp = std::net::TcpListener::from(descriptor);
    if let Ok(address) = tcp.local_addr() {
        tcp.set_nonblocking(true)?;
        let listener = Listener::Tcp(TcpListener::from_std(tcp)?);
        return Ok((listener, AdminAddress::Tcp(address.to_string())));
    }
    let unix = std::os::unix::net::UnixListener::from(OwnedFd::from(tcp));
    unix.set_nonblocking(true)?;
    let path = unix.local_addr()?.as_pathname().map(Path::to_path_buf).unwrap_or_default();
    Ok((Listener::Unix(UnixListener::from_std(unix)?), AdminAddress::Unix(path)))
}

async fn listen(address: &str) -> Result<Listener, StartError> {
    TcpListener::bind(address).await.map(Listener::Tcp).map_err(|cause| cannot_listen(address, cause))
}

async fn listen_admin(address: &AdminAddress) -> Result<Listener, StartError> {
    match address {
        AdminAddress::Tcp(address) => listen(address).await,
        AdminAddress::Unix(path) => {
            let shown = path.display().to_string();
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|cause| cannot_listen(&shown, cause))?;
            }
            // A socket that nobody answers on is what a killed daemon left behind.
            if path.exists() && tokio::net::UnixStream::connect(path).await.is_err() {
                let _ = std::fs::remove_file(path);
            }
            let listener = UnixListener::bind(path).map_err(|cause| cannot_listen(&shown, cause))?;
            // Who may connect may control: its owner, and nobody else on this machine.
            let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(path, owner_only).map_err(|cause| cannot_listen(&shown, cause))?;
            Ok(Listener::Unix(listener))
        }
    }
}

fn cannot_listen(address: &str, cause: std::io::Error) -> StartError {
    let hint = match cause.kind() {
        std::io::ErrorKind::AddrInUse => {
            "; another program, or another newsdesk, has it: stop that one, or set another address in [server]"
        }
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 need a right: use a higher one behind a proxy",
        std::io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
        _ => "; see [server] in the configuration",
    };
    StartError::Listen { address: address.to_owned(), hint, cause }
}
