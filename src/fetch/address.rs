//! The guard at the door: only global unicast addresses are contacted, judged where the connection is made.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One entry of `[fetch] allow-networks`: an address or a network that may be contacted although it is not public,
/// with an optional port. `127.0.0.1`, `10.0.0.0/8`, `127.0.0.1:9000`, `::1`, `[::1]:8080`, `fd00::/8`, `[fd00::/8]:80`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowNetwork {
    net: Net,
    /// `None`: every port.
    port: Option<u16>,
}

/// Why an entry of `allow-networks` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowNetworkError {
    #[error(
        "{0:?} is not an address: write 127.0.0.1, 10.0.0.0/8, [::1]:8080 or 127.0.0.1:9000 (names are not allowed here)"
    )]
    Address(String),
    #[error("{0:?}: the part after \"/\" is a number from 0 to {1}")]
    Prefix(String, u8),
    #[error("{0:?}: the part after \":\" is a port from 1 to 65535")]
    Port(String),
    #[error("{0:?} has bits set after its prefix; {1} is the network")]
    HostBits(String, String),
}

/// An address that is not contacted, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{ip} is {range}, and only public addresses are contacted; if it is meant, add \"{ip}\" to [fetch] allow-networks"
)]
pub struct Refused {
    pub ip: IpAddr,
    /// The range in words: "a loopback address".
    pub range: &'static str,
}

/// May this address be contacted?
pub fn judge(ip: IpAddr, port: u16, allow: &[AllowNetwork]) -> Result<(), Refused> {
    if allow.iter().any(|net| net.permits(ip, port)) {
        return Ok(());
    }
    let range = match ip {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    };
    match range {
        Some(range) => Err(Refused { ip, range }),
        None => Ok(()),
    }
}

impl AllowNetwork {
    fn permits(&self, ip: IpAddr, port: u16) -> bool {
        // An IPv4-mapped address is dialled as the IPv4 address that it holds.
        self.port.is_none_or(|allowed| allowed == port) && self.net.contains(ip.to_canonical())
    }
}

impl FromStr for AllowNetwork {
    type Err = AllowNetworkError;

    fn from_str(text: &str) -> Result<AllowNetwork, AllowNetworkError> {
        let text = text.trim();
        let (net, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (net, after) = rest.split_once(']').ok_or_else(|| AllowNetworkError::Address(text.to_owned()))?;
                match after.strip_prefix(':') {
                    Some(port) => (net, Some(port)),
                    None if after.is_empty() => (net, None),
                    // "[fd00::]/8"
                    None => return AllowNetwork::from_bracketed(net, after, text),
                }
            }
            // One colon is a port, more are IPv6.
            None => match text.split_once(':') {
                Some((net, port)) if !port.contains(':') => (net, Some(port)),
                _ => (text, None),
            },
        };
        Ok(AllowNetwork { net: Net::read(net, text)?, port: port.map(|port| read_port(port, text)).transpose()? })
    }
}

impl AllowNetwork {
    fn from_bracketed(net: &str, after: &str, text: &str) -> Result<AllowNetwork, AllowNetworkError> {
        let (prefix, port) = match after.split_once(':') {
            Some((prefix, port)) => (prefix, Some(read_port(port, text)?)),
            None => (after, None),
        };
        Ok(AllowNetwork { net: Net::read(&format!("{net}{prefix}"), text)?, port })
    }
}

impl fmt::Display for AllowNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.net.ip) {
            (None, _) => write!(f, "{}", self.net),
            (Some(port), IpAddr::V4(_)) => write!(f, "{}:{port}", self.net),
            (Some(port), IpAddr::V6(_)) => write!(f, "[{}]:{port}", self.net),
        }
    }
}

fn read_port(port: &str, text: &str) -> Result<u16, AllowNetworkError> {
    port.parse().ok().filter(|port| *port > 0).ok_or_else(|| AllowNetworkError::Port(text.to_owned()))
}

/// An address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Net {
    ip: IpAddr,
    prefix: u8,
}

impl Net {
    fn read(net: &str, text: &str) -> Result<Net, AllowNetworkError> {
        let (address, prefix) = match net.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (net, None),
        };
        let ip: IpAddr = address.parse().map_err(|_| AllowNetworkError::Address(text.to_owned()))?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= most),
            None => Some(most),
        };
        let prefix = prefix.ok_or_else(|| AllowNetworkError::Prefix(text.to_owned(), most))?;
        let net = Net { ip, prefix }.masked();
        if net.ip != ip {
            return Err(AllowNetworkError::HostBits(text.to_owned(), net.to_string()));
        }
        Ok(net)
    }

    fn masked(self) -> Net {
        let ip = match self.ip {
            IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask_v4(self.prefix))),
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask_v6(self.prefix))),
        };
        Net { ip, ..self }
    }

    fn contains(&self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => ip.to_bits() & mask_v4(self.prefix) == net.to_bits(),
            (IpAddr::V6(net), IpAddr::V6(ip)) => ip.to_bits() & mask_v6(self.prefix) == net.to_bits(),
            _ => false,
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.prefix == if self.ip.is_ipv4() { 32 } else { 128 };
        if whole { write!(f, "{}", self.ip) } else { write!(f, "{}/{}", self.ip, self.prefix) }
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0)
}

/// IANA IPv4 Special-Purpose Address Registry (RFC 6890), what of it is not globally reachable, and multicast.
const SPECIAL_V4: &[(Ipv4Addr, u8, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "an address of \"this network\""),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private address"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "an address shared by a carrier's customers"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "a loopback address"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "a link-local address"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private address"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "an address of an IETF protocol"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "an address of 6to4 relays"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private address"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "an address for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast address"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "the broadcast address"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "a reserved address"),
];

/// IANA IPv6 Special-Purpose Address Registry, what of it is not globally reachable, and multicast. What is not in
/// 2000::/3 and in no line of this table is not global unicast either.
const SPECIAL_V6: &[(Ipv6Addr, u8, &str)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "the unspecified address"),
    (Ipv6Addr::LOCALHOST, 128, "the loopback address"),
    (Ipv6Addr::UNSPECIFIED, 96, "an IPv4-compatible address, long out of use"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "an address of a local NAT64"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "an address that discards what it is sent"),
    (Ipv6Addr::new(0x100, 0, 0, 1, 0, 0, 0, 0), 64, "a dummy prefix"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "an address of an IETF protocol"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "an address for documentation"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "an address for documentation"),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, "a segment routing identifier"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "a unique local address"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "a link-local address"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "a site-local address"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "a multicast address"),
];

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    SPECIAL_V4
        .iter()
        .find(|(net, prefix, _)| ip.to_bits() & mask_v4(*prefix) == net.to_bits())
        .map(|(_, _, range)| *range)
}

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if let Some(mut held) = embedded(ip) {
        return held.find_map(special_v4);
    }
    let within = |net: Ipv6Addr, prefix: u8| ip.to_bits() & mask_v6(prefix) == net.to_bits();
    let special = SPECIAL_V6.iter().find(|(net, prefix, _)| within(*net, *prefix)).map(|(_, _, range)| *range);
    let global = within(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    special.or_else(|| (!global).then_some("not a global unicast address"))
}

/// The IPv4 addresses to which an IPv6 address of a transition mechanism leads; each of them is judged.
fn embedded(ip: Ipv6Addr) -> Option<impl Iterator<Item = Ipv4Addr>> {
    let bits = ip.to_bits();
    let v4 = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
    let held = match ip.segments() {
        // IPv4-mapped, ::ffff:a.b.c.d (RFC 4291 §2.5.5.2), and its translated cousin ::ffff:0:a.b.c.d (RFC 2765).
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => [Some(v4(0)), None],
        // NAT64, 64:ff9b::a.b.c.d (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some(v4(0)), None],
        // 6to4, 2002:aabb:ccdd:: (RFC 3056).
        [0x2002, ..] => [Some(v4(80)), None],
        // Teredo, 2001:0:server:flags:port:client with the client's bits turned (RFC 4380).
        [0x2001, 0, ..] => [Some(v4(64)), Some(Ipv4Addr::from_bits(!(bits as u32)))],
        _ => return None,
    };
    Some(held.into_iter().flatten())
}
