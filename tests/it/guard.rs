//! The guard at the door: every special address, in every spelling, at the first hop, at a later one, and behind a name.
//!
//! No packet leaves for them, nor would it if the guard let one pass unnoticed: each address is first judged as a value,
//! and only what was refused there is tried at the door. What a name may lead to instead lies on loopback.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use newsdesk::config::settings::FetchSettings;
use newsdesk::fetch::address;
use newsdesk::fetch::exchange::{Exchange, FORM};
use newsdesk::fetch::http::{Answer, Door, FetchError, Names, Request};
use newsdesk::schedule::Failure;
use url::Url;

use crate::http::{go, names, settings};
use crate::origin::Origin;

const LIMIT: u64 = 1 << 10;

/// First and last address of what is no global unicast (IANA registries of special-purpose addresses, multicast, and
/// what is not assigned).
const SPECIAL_V4: [(&str, &str); 15] = [
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("169.254.0.0", "169.254.169.254"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "239.255.255.255"),
    ("240.0.0.0", "255.255.255.255"),
];
const SPECIAL_V6: [(&str, &str); 15] = [
    ("::", "::1"),
    ("::2", "::ffff:ffff"),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
    ("100::", "100::ffff:ffff:ffff:ffff"),
    ("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff"),
    ("2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("1::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
];

/// Every address of the table, and every address of a transition mechanism that leads to one.
fn special() -> Vec<IpAddr> {
    let v4 = SPECIAL_V4.iter().flat_map(|(first, last)| [*first, *last]).map(|text| text.parse::<Ipv4Addr>().unwrap());
    let v6 = SPECIAL_V6.iter().flat_map(|(first, last)| [*first, *last]).map(|text| text.parse::<IpAddr>().unwrap());
    v4.flat_map(|ip| std::iter::once(IpAddr::V4(ip)).chain(embeddings(ip).map(IpAddr::V6))).chain(v6).collect()
}

/// IPv4-mapped, its translated cousin, NAT64, 6to4, Teredo by its server and by its client.
fn embeddings(ip: Ipv4Addr) -> impl Iterator<Item = Ipv6Addr> {
    let bits = u128::from(ip.to_bits());
    let public = u128::from(Ipv4Addr::new(8, 8, 8, 8).to_bits());
    let teredo = |server: u128, client: u128| (0x2001_u128 << 112) | (server << 64) | (!client & 0xffff_ffff);
    let held = [
        (0xffff << 32) | bits,
        (0xffff << 48) | bits,
        (0x0064_ff9b_u128 << 96) | bits,
        (0x2002_u128 << 112) | (bits << 80) | 1,
        teredo(bits, public),
        teredo(public, bits),
    ];
    held.into_iter().map(Ipv6Addr::from_bits)
}

/// What can be written as the host of a URL for it.
fn spellings(ip: IpAddr) -> Vec<String> {
    match ip {
        IpAddr::V4(ip) => spellings_v4(ip),
        IpAddr::V6(ip) => {
            let groups = ip.segments().map(|group| format!("{group:04X}"));
            let [.., a, b, c, d] = ip.octets();
            let dotted = format!("{}:{a}.{b}.{c}.{d}", groups[..6].join(":"));
            vec![format!("[{ip}]"), format!("[{}]", groups.join(":")), format!("[{dotted}]")]
        }
    }
}

fn spellings_v4(ip: Ipv4Addr) -> Vec<String> {
    let (bits, [a, b, c, d]) = (ip.to_bits(), ip.octets());
    let plain = ip.to_string();
    vec![
        plain.clone(),
        format!("{plain}."),
        // Whole numbers, of two parts, of three.
        format!("{bits}"),
        format!("0x{bits:x}"),
        format!("0X{bits:08X}."),
        format!("0{bits:o}"),
        format!("{a}.{}", bits & 0x00ff_ffff),
        format!("{a}.{b}.0x{:x}", bits & 0xffff),
        // Parts in eights and sixteens, with zeros before them.
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0x0000{a:x}.{b}.0000{c:o}.{d}"),
        // Percent signs, full-width digits, an ideographic stop.
        plain.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        plain
            .chars()
            .map(|digit| digit.to_digit(10).and_then(|n| char::from_u32(0xff10 + n)).unwrap_or('。'))
            .collect(),
    ]
}

/// A door through which only this origin can be reached.
fn door(origin: &Origin, names: Names) -> Door {
    let allowed = origin.address.to_string().parse().unwrap();
    Door::with_names(&FetchSettings { allow_networks: vec![allowed], ..settings() }, None, names).unwrap()
}

async fn refused(door: &Door, url: &Url) -> FetchError {
    let error = go(door, Request::feed(url, LIMIT)).await.unwrap_err();
    assert_eq!(error.kind(), Failure::AddressRefused, "{url}: {error:?}");
    error
}

fn assert_judged(ip: IpAddr) {
    assert!(address::judge(ip, 80, &[]).is_err(), "{ip} is not refused: it is not tried at the door");
}

#[tokio::test]
async fn every_special_address_is_refused_in_every_spelling_at_every_hop() {
    let origin = Origin::start().await;
    let door = door(&origin, names(&[]));
    for ip in special() {
        assert_judged(ip);
        for host in spellings(ip) {
            let url = Url::parse(&format!("http://{host}/")).unwrap_or_else(|cause| panic!("{host}: {cause}"));
            let meant = url.host().unwrap().to_string();
            assert_eq!(meant.trim_matches(['[', ']']).parse(), Ok(ip), "{host}");
            let error = refused(&door, &url).await;
            assert_eq!((error.hops.len(), error.status()), (0, None), "{host}");
            // As it stands in the header of somebody's answer.
            origin.redirect("/away", 302, format!("http://{host}/"));
            let error = refused(&door, &origin.url("/away")).await;
            assert_eq!((error.hops.len(), &error.url), (1, &url), "{host}");
            for post in [None, Some(("x".into(), FORM))] {
                let exchange = Exchange { url: &url, post, fields: Vec::new(), most: 0 };
                assert_eq!(door.exchange(exchange).await.unwrap_err().kind(), Failure::AddressRefused, "{host}");
            }
        }
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_special_address_is_refused_at_every_hop() {
    let origin = Origin::start().await;
    for ip in special() {
        assert_judged(ip);
        let door = door(&origin, Names::Told(Arc::new(move |_| vec![ip])));
        for name in ["name.test", "name.test.", "NAME.test", "localhost"] {
            let url = Url::parse(&format!("http://{name}/")).unwrap();
            assert_eq!(refused(&door, &url).await.hops.len(), 0, "{name} {ip}");
            origin.redirect("/away", 307, url.as_str());
            assert_eq!(refused(&door, &origin.url("/away")).await.hops.len(), 1, "{name} {ip}");
        }
    }
}

/// What stands before the host, after it and instead of it.
#[tokio::test]
async fn tricks_in_the_url_lead_nowhere_else() {
    let origin = Origin::start().await;
    let door = door(&origin, names(&[]));
    // (a URL or what a redirect says, the host that is meant)
    for (written, host) in [
        ("http://public.test@10.0.0.1/", "10.0.0.1"),
        ("http://public.test:80@10.0.0.1:8080/", "10.0.0.1"),
        ("http://public.test%2f@10.0.0.1/", "10.0.0.1"),
        ("http://10.0.0.1\\@public.test/", "10.0.0.1"),
        ("http://10.0.0.1#@public.test/", "10.0.0.1"),
        ("http://10.0.0.1?@public.test/", "10.0.0.1"),
        ("HTTP:\\\\10.0.0.1\\feed", "10.0.0.1"),
        ("ht\ttp://10.0.\t0.1/", "10.0.0.1"),
        ("//10.0.0.1/", "10.0.0.1"),
        ("/\\10.0.0.1/", "10.0.0.1"),
        ("https:////10.0.0.1/", "10.0.0.1"),
    ] {
        let url = origin.url("/").join(written).unwrap();
        assert_eq!(url.host_str(), Some(host), "{written}");
        assert_judged(host.parse().unwrap());
        refused(&door, &url).await;
        origin.redirect("/away", 302, written);
        refused(&door, &origin.url("/away")).await;
    }
    // The address stands where no host does: a name is asked for, and there is none.
    for written in [
        "http://10.0.0.1@public.test/",
        "http://public.test#@10.0.0.1/",
        "http://public.test\\@10.0.0.1/",
        "http://public.test/@10.0.0.1/",
        "http://10.0.0.1.public.test/",
    ] {
        origin.redirect("/away", 302, written);
        for url in [Url::parse(written).unwrap(), origin.url("/away")] {
            let error = go(&door, Request::feed(&url, LIMIT)).await.unwrap_err();
            assert_eq!(error.kind(), Failure::Dns, "{written}: {error:?}");
        }
    }
    // These are no URLs: numbers that are no addresses, zones, an address in an address.
    for written in [
        "http://10.0.0.256/",
        "http://0x100000000/",
        "http://10.0.0.1.1/",
        "http://10.0.0.08/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[::ffff:10.0.0.1/",
        "http://[[::1]]/",
        "http://[10.0.0.1]/",
        "http:///",
        "http://public.test%00.10.0.0.1/",
    ] {
        assert!(Url::parse(written).is_err(), "{written}");
        origin.redirect("/away", 302, written);
        let error = go(&door, Request::feed(&origin.url("/away"), LIMIT)).await.unwrap_err();
        assert_eq!((error.kind(), error.hops.len()), (Failure::Redirects, 0), "{written}: {error:?}");
    }
}

#[tokio::test]
async fn of_a_name_with_good_and_bad_addresses_the_bad_are_not_dialled() {
    // One port on two addresses of loopback, one of which is allowed.
    let (good, bad) = loop {
        let good = Origin::start().await;
        let beside = format!("127.0.0.2:{}", good.address.port());
        if std::net::TcpListener::bind(&beside).is_ok() {
            break (good, Origin::start_at(&beside).await);
        }
    };
    good.answer("/feed", 200, &[], "good").redirect(
        "/away",
        302,
        format!("http://mixed.test:{}/feed", good.address.port()),
    );
    bad.answer("/feed", 200, &[], "bad");
    let mixed = names(&[("mixed.test", &["127.0.0.2", "::ffff:127.0.0.2", "127.0.0.1", "127.0.0.2"])]);
    let door = door(&good, mixed);
    for url in [Url::parse(&format!("http://mixed.test:{}/feed", good.address.port())).unwrap(), good.url("/away")] {
        let Ok(Answer::Document(found)) = go(&door, Request::feed(&url, LIMIT)).await else { panic!("{url}") };
        assert_eq!(&found.body[..], b"good");
    }
    assert_eq!((good.count("/feed"), bad.connections()), (2, 0));
}

/// A name that is another address each time it is asked for is asked for once for each connection, and what was judged
/// is what is dialled.
#[tokio::test]
async fn a_name_that_changes_its_address_is_judged_each_time() {
    let origin = Origin::start().await;
    let url = |path: &str| Url::parse(&format!("http://rebound.test:{}{path}", origin.address.port())).unwrap();
    origin.redirect("/once", 302, url("/twice")).redirect("/twice", 302, url("/thrice").as_str());
    let turns = |answers: &[&str]| {
        let answers: VecDeque<IpAddr> = answers.iter().map(|text| text.parse().unwrap()).collect();
        let left = Arc::new(Mutex::new(answers));
        let told = left.clone();
        (left, Names::Told(Arc::new(move |_| told.lock().unwrap().pop_front().into_iter().collect())))
    };
    for (answers, hops) in [
        (&["127.0.0.2", "127.0.0.1"][..], 0),
        (&["127.0.0.1", "127.0.0.2", "127.0.0.1"], 1),
        (&["127.0.0.1", "127.0.0.1", "::1", "127.0.0.1"], 2),
    ] {
        let (left, names) = turns(answers);
        let before = origin.connections();
        let error = go(&door(&origin, names), Request::feed(&url("/once"), LIMIT)).await.unwrap_err();
        assert_eq!((error.kind(), error.hops.len()), (Failure::AddressRefused, hops), "{answers:?}");
        assert_eq!((origin.connections() - before, left.lock().unwrap().len()), (hops, 1), "{answers:?}");
    }
    // From one poll to the next, and where a connection was to be kept.
    origin.answer("/feed", 200, &[], "x");
    let (_, names) = turns(&["127.0.0.1", "127.0.0.2"]);
    let door = door(&origin, names);
    let (asked, other) = (url("/feed"), Url::parse("http://rebound.test:1/feed").unwrap());
    go(&door, Request { keep: true, ..Request::feed(&asked, LIMIT) }).await.unwrap();
    let error = go(&door, Request { keep: true, ..Request::feed(&other, LIMIT) }).await.unwrap_err();
    assert_eq!(error.kind(), Failure::AddressRefused);
}
