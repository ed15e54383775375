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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, range: &str) {
        let ip: IpAddr = address.parse().unwrap();
        let answer = judge(ip, 80, &[]).map_err(|refused| refused.range).err().unwrap_or("");
        assert_eq!(answer, range, "{address}");
    }

    #[test]
    fn edges_of_every_special_range_of_ipv4() {
        for (first, last, range) in [
            ("0.0.0.0", "0.255.255.255", "an address of \"this network\""),
            ("10.0.0.0", "10.255.255.255", "a private address"),
            ("100.64.0.0", "100.127.255.255", "an address shared by a carrier's customers"),
            ("127.0.0.0", "127.255.255.255", "a loopback address"),
            ("169.254.0.0", "169.254.255.255", "a link-local address"),
            ("172.16.0.0", "172.31.255.255", "a private address"),
            ("192.0.0.0", "192.0.0.255", "an address of an IETF protocol"),
            ("192.0.2.0", "192.0.2.255", "an address for documentation"),
            ("192.88.99.0", "192.88.99.255", "an address of 6to4 relays"),
            ("192.168.0.0", "192.168.255.255", "a private address"),
            ("198.18.0.0", "198.19.255.255", "an address for benchmarks"),
            ("198.51.100.0", "198.51.100.255", "an address for documentation"),
            ("203.0.113.0", "203.0.113.255", "an address for documentation"),
            ("224.0.0.0", "239.255.255.255", "a multicast address"),
            ("240.0.0.0", "255.255.255.254", "a reserved address"),
            ("255.255.255.255", "255.255.255.255", "the broadcast address"),
        ] {
            check(first, range);
            check(last, range);
        }
        for public in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
        ] {
            check(public, "");
        }
    }

    #[test]
    fn edges_of_every_special_range_of_ipv6() {
        let last = "ffff:ffff:ffff:ffff";
        for (first, last, range) in [
            ("::", "::", "the unspecified address"),
            ("::1", "::1", "the loopback address"),
            ("::2", "::fffe:ffff", "an IPv4-compatible address, long out of use"),
            ("64:ff9b:1::", &format!("64:ff9b:1:ffff:{last}"), "an address of a local NAT64"),
            ("100::", &format!("100::{last}"), "an address that discards what it is sent"),
            ("100:0:0:1::", &format!("100:0:0:1:{last}"), "a dummy prefix"),
            ("2001:1::", &format!("2001:1ff:ffff:ffff:{last}"), "an address of an IETF protocol"),
            ("2001:db8::", &format!("2001:db8:ffff:ffff:{last}"), "an address for documentation"),
            ("3fff::", &format!("3fff:fff:ffff:ffff:{last}"), "an address for documentation"),
            ("5f00::", &format!("5f00:ffff:ffff:ffff:{last}"), "a segment routing identifier"),
            ("fc00::", &format!("fdff:ffff:ffff:ffff:{last}"), "a unique local address"),
            ("fe80::", &format!("febf:ffff:ffff:ffff:{last}"), "a link-local address"),
            ("fec0::", &format!("feff:ffff:ffff:ffff:{last}"), "a site-local address"),
            ("ff00::", &format!("ffff:ffff:ffff:ffff:{last}"), "a multicast address"),
            ("4000::", &format!("5eff:ffff:ffff:ffff:{last}"), "not a global unicast address"),
            ("1::", &format!("1fff:ffff:ffff:ffff:{last}"), "not a global unicast address"),
            ("64:ff9b::1:0:0", "64:ff9b:0:ffff::1", "not a global unicast address"),
        ] {
            check(first, range);
            check(last, range);
        }
        for public in
            ["2000::", "2001:200::", "2001:db7::", "2001:db9::", "2003::", "2600::1", "3ffe:ffff::", "3fff:1000::"]
        {
            check(public, "");
        }
    }

    #[test]
    fn embedded_addresses_are_unwrapped_and_judged() {
        let special = [("127.0.0.1", "a loopback address"), ("10.1.2.3", "a private address"), ("8.8.8.8", "")];
        for (inner, range) in special {
            let [a, b, c, d] = inner.parse::<Ipv4Addr>().unwrap().octets();
            check(&format!("::ffff:{inner}"), range);
            check(&format!("::ffff:0:{inner}"), range);
            check(&format!("64:ff9b::{inner}"), range);
            check(&format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"), range);
            // Teredo: the server plain, the client with its bits turned.
            check(&format!("2001:0:{a:02x}{b:02x}:{c:02x}{d:02x}:0:0:f7f7:f7f7"), range);
            check(&format!("2001:0:808:808:0:0:{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d), range);
        }
    }

    #[test]
    fn networks_allowed_all_the_same() {
        for (allow, address, port, permitted) in [
            ("127.0.0.1", "127.0.0.1", 80, true),
            ("127.0.0.1", "127.0.0.2", 80, false),
            ("127.0.0.1", "::ffff:127.0.0.1", 80, true),
            ("10.0.0.0/8", "10.255.0.1", 1, true),
            ("10.0.0.0/8", "64:ff9b::10.0.0.1", 1, false),
            ("127.0.0.1:9000", "127.0.0.1", 9000, true),
            ("127.0.0.1:9000", "127.0.0.1", 9001, false),
            ("10.0.0.0/8:80", "10.1.1.1", 80, true),
            ("::1", "::1", 80, true),
            ("[::1]:8080", "::1", 8080, true),
            ("[::1]:8080", "::1", 80, false),
            ("[fd00::/8]:80", "fd12::1", 80, true),
            ("[fd00::]/8:80", "fd12::1", 81, false),
            ("fd00::/8", "fe80::1", 80, false),
            ("0.0.0.0/0", "192.168.0.1", 80, true),
            ("::/0", "192.168.0.1", 80, false),
        ] {
            let net: AllowNetwork = allow.parse().unwrap();
            assert_eq!(judge(address.parse().unwrap(), port, &[net]).is_ok(), permitted, "{allow} {address}:{port}");
        }
    }

    #[test]
    fn entries_are_shown_as_they_are_read() {
        for text in ["127.0.0.1", "10.0.0.0/8", "127.0.0.1:9000", "::1", "fd00::/8", "[::1]:8080", "[fd00::/8]:80"] {
            assert_eq!(text.parse::<AllowNetwork>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn entries_that_cannot_be_read_say_why() {
        for (text, why) in [
            ("localhost", "is not an address"),
            ("", "is not an address"),
            ("10.0.0", "is not an address"),
            ("[::1", "is not an address"),
            ("127.0.0.1:", "is a port from 1 to 65535"),
            ("127.0.0.1:0", "is a port from 1 to 65535"),
            ("127.0.0.1:65536", "is a port from 1 to 65535"),
            ("10.0.0.0/33", "number from 0 to 32"),
            ("fd00::/129", "number from 0 to 128"),
            ("10.0.0.1/8", "10.0.0.0/8 is the network"),
        ] {
            let error = text.parse::<AllowNetwork>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_refusal_says_which_range_and_what_to_do() {
        let refused = judge("169.254.169.254".parse().unwrap(), 80, &[]).unwrap_err().to_string();
        assert_eq!(
            refused,
            "169.254.169.254 is a link-local address, and only public addresses are contacted; if it is meant, add \
             \"169.254.169.254\" to [fetch] allow-networks"
        );
    }
}
