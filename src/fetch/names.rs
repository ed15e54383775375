//! Names into addresses, for the connector: only judged ones come out, and those very ones are dialled, so that a name
//! cannot be public when it is judged and private when it is dialled.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{self, AllowNetwork};

/// Addresses of one name that are tried.
const ADDRESSES: usize = 16;

tokio::task_local! {
    /// The port about to be dialled: the resolver is asked for a name alone, but a network may be allowed for one port.
    pub(super) static PORT: u16;
}

/// Who knows the addresses of names.
#[derive(Clone)]
pub enum Names {
    /// The machine's resolver.
    System,
    /// Somebody in its place; where he has no address, the name is unknown.
    Told(Arc<Tell>),
}

/// The addresses of a name.
pub type Tell = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

/// Resolves names for the connector, and lets only judged addresses out: those very addresses are dialled.
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
            Names::Told(tell) => Some(tell(name.as_str())),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What of these addresses the connector is given to dial, or why nothing.
    fn check(found: &[&str], port: u16, dialled: Result<&[&str], &str>) {
        let parsed = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let (addresses, allow) = (parsed(found), vec!["127.0.0.1:8080".parse().unwrap()]);
        let guard = Guard { names: Names::Told(Arc::new(move |_| addresses.clone())), allow };
        let resolving = PORT.sync_scope(port, || guard.resolve("name.test".parse().unwrap()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        match (runtime.block_on(resolving), dialled) {
            (Ok(given), Ok(expected)) => {
                assert_eq!(given.map(|address| address.ip()).collect::<Vec<_>>(), parsed(expected), "{found:?}");
            }
            (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{found:?}: {error}"),
            (given, _) => panic!("{found:?}: {:?}", given.map(Iterator::collect::<Vec<_>>)),
        }
    }

    #[test]
    fn of_good_and_bad_addresses_only_the_good_are_dialled() {
        check(&["8.8.8.8", "2600::1"], 443, Ok(&["8.8.8.8", "2600::1"]));
        let mixed = ["10.0.0.1", "8.8.8.8", "::1", "169.254.169.254", "::ffff:192.168.0.1", "2600::1", "fe80::1"];
        check(&mixed, 443, Ok(&["8.8.8.8", "2600::1"]));
        check(&["64:ff9b::808:808", "64:ff9b::a00:1", "2002:a00:1::1"], 443, Ok(&["64:ff9b::808:808"]));
        check(&["10.0.0.1", "::1"], 443, Err("10.0.0.1 is a private address"));
        check(&[], 443, Err("no address is known"));
    }

    #[test]
    fn a_network_that_is_allowed_for_one_port_is_dialled_at_that_port() {
        check(&["127.0.0.1", "127.0.0.2"], 8080, Ok(&["127.0.0.1"]));
        check(&["::ffff:127.0.0.1"], 8080, Ok(&["::ffff:127.0.0.1"]));
        check(&["127.0.0.1", "8.8.8.8"], 80, Ok(&["8.8.8.8"]));
        check(&["127.0.0.1"], 80, Err("127.0.0.1 is a loopback address"));
    }

    #[test]
    fn a_name_with_a_thousand_addresses_is_tried_at_a_few() {
        let many: Vec<String> = (0..1000).map(|n| format!("8.8.{}.{}", n / 250, n % 250)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(&many, 443, Ok(&many[..ADDRESSES]));
    }
}
