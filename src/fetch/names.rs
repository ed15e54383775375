//! Names into addresses, for the connector: only judged ones come out, and those very ones are dialled, so that a name
//! cannot be public when it is judged and private when it is dialled.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{self, AllowNetwork};

/// Addresses of one name that are tried.
const ADDRESSES: usize = 16;

tokio::task_local! {
    /// The port about to be dialled: the resolver is asked for a name alone, but a network may be allowed for one port.
    pub(super) static PORT: u16;
}

/// Who knows the addresses of names.
#[derive(Debug, Clone)]
pub enum Names {
    /// The machine's resolver.
    System,
    /// A fixed table: nothing else resolves.
    Table(BTreeMap<String, Vec<IpAddr>>),
}

/// Resolves names for the connector, and lets only judged addresses out: those very addresses are dialled.
#[derive(Debug)]
pub(super) struct Guard {
    pub names: Names,
    pub allow: Vec<AllowNetwork>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        // Outside of a request there is no port: then only networks allowed for all ports are.
        let port = PORT.try_with(|port| *port).unwrap_or(0);
        let allow = self.allow.clone();
        let known = match &self.names {
            Names::System => None,
            Names::Table(table) => Some(table.get(name.as_str()).cloned().unwrap_or_default()),
        };
        Box::pin(async move {
            let found = match known {
                Some(found) => found,
                None => {
                    let looked_up = tokio::net::lookup_host((name.as_str(), 0)).await;
                    looked_up.map_err(NameError::Lookup)?.map(|address| address.ip()).collect()
                }
            };
            let mut refused = None;
            let judged = found.into_iter().filter(|ip| match address::judge(*ip, port, &allow) {
                Ok(()) => true,
                Err(why) => {
                    refused.get_or_insert(why);
                    false
                }
            });
            // Port 0: the connector puts in the URL's.
            let public: Vec<SocketAddr> = judged.take(ADDRESSES).map(|ip| SocketAddr::new(ip, 0)).collect();
            match refused {
                Some(why) if public.is_empty() => Err(NameError::Refused(why).into()),
                None if public.is_empty() => Err(NameError::Unknown.into()),
                _ => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

/// Travels through the client's own errors, and is found again at their bottom.
#[derive(Debug, thiserror::Error)]
pub(super) enum NameError {
    #[error("no address is known")]
    Unknown,
    #[error("the lookup failed")]
    Lookup(#[source] std::io::Error),
    #[error("{0}")]
    Refused(address::Refused),
}
