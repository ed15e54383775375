//! How often one client may ask: so many at once, then one in each period. A client costs a few bytes while it is known,
//! and no more than so many are.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use chrono::TimeDelta;

use crate::model::Time;

/// See the module.
#[derive(Debug)]
pub struct Rate {
    burst: i32,
    period: TimeDelta,
    /// When each client will have used up nothing any more.
    clients: HashMap<String, Time>,
}

/// Clients that are remembered at once; beyond it strangers are refused until some are forgotten.
const CLIENTS: usize = 10_000;

impl Rate {
    pub fn new(burst: i32, period: TimeDelta) -> Rate {
        Rate { burst, period, clients: HashMap::new() }
    }

    /// Take one; else how long to wait for the next.
    pub fn take(&mut self, client: &str, now: Time) -> Result<(), TimeDelta> {
        if self.clients.len() >= CLIENTS && !self.clients.contains_key(client) {
            self.clients.retain(|_, free| *free > now);
            if self.clients.len() >= CLIENTS {
                return Err(self.period);
            }
        }
        let most = self.period * self.burst;
        let free = self.clients.entry(client.to_owned()).or_insert(now);
        // A clock that was set back must not lock anybody out.
        let used = (*free - now).clamp(TimeDelta::zero(), most);
        *free = now + used;
        let after = used + self.period;
        if after > most {
            return Err(after - most);
        }
        *free = now + after;
        Ok(())
    }
}

/// Who asks: the address of the connection; behind a reverse proxy on this machine, the last one that it has written into
/// X-Forwarded-For. An IPv6 client is its /64: it has all of that.
pub fn client(peer: Option<IpAddr>, forwarded: Option<&str>) -> String {
    let local = peer.is_none_or(|peer| peer.to_canonical().is_loopback());
    let stated = forwarded.filter(|_| local).and_then(|list| list.rsplit(',').next());
    let stated = stated.and_then(|text| text.trim().trim_matches(['[', ']']).parse::<IpAddr>().ok());
    match stated.or(peer).map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).to_string(),
        None => "local".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn a_burst_and_then_one_in_each_period() {
        let mut rate = Rate::new(3, TimeDelta::seconds(10));
        assert_eq!([0, 0, 0].map(|second| rate.take("a", at(second)).is_ok()), [true; 3]);
        assert_eq!(rate.take("a", at(1)), Err(TimeDelta::seconds(9)));
        assert!(rate.take("b", at(1)).is_ok(), "another client is another matter");
        assert!(rate.take("a", at(10)).is_ok());
        assert!(rate.take("a", at(11)).is_err());
        assert!(rate.take("a", at(-1_000_000)).is_err(), "no gain from a clock that is set back ...");
        assert!(rate.take("a", at(-1_000_000 + 10)).is_ok(), "... and no loss");
    }

    #[test]
    fn who_asks() {
        let check = |peer: &str, forwarded: Option<&str>, want: &str| {
            assert_eq!(client(peer.parse().ok(), forwarded), want, "{peer} {forwarded:?}");
        };
        check("192.0.2.7", None, "192.0.2.7");
        check("192.0.2.7", Some("198.51.100.1"), "192.0.2.7");
        check("127.0.0.1", Some("203.0.113.9, 198.51.100.1"), "198.51.100.1");
        check("::ffff:127.0.0.1", Some("[2001:db8:1:2:3::4]"), "2001:db8:1:2::");
        check("127.0.0.1", Some("nonsense"), "127.0.0.1");
        check("2001:db8:1:2:9:9:9:9", None, "2001:db8:1:2::");
        check("(a Unix socket)", None, "local");
    }

    #[test]
    fn strangers_wait_when_too_many_are_known() {
        let mut rate = Rate::new(1, TimeDelta::seconds(10));
        (0..CLIENTS).for_each(|n| rate.take(&n.to_string(), at(0)).unwrap());
        assert!(rate.take("stranger", at(0)).is_err());
        assert!(rate.take("stranger", at(11)).is_ok());
        assert_eq!(rate.clients.len(), 1);
    }
}
