use super::*;

/// The value, or its reason and what was meant.
fn said<T: std::fmt::Debug>(checked: Checked<T>) -> String {
    match checked {
        Ok(value) => format!("{value:?}"),
        Err(Wrong { reason, meant, .. }) => format!("{reason}; {}", meant.unwrap_or_default()),
    }
}

#[test]
fn durations() {
    let check = |written: &str, expected: &str| assert_eq!(said(duration(written, 0, 1 << 40)), expected);
    check("10s", "10s");
    check(" 1h30m ", "5400s");
    check("2 days", "172800s");
    check("250ms", "250ms");
    check("0s", "0ns");
    check("1w", "604800s");
    for wrong in
        ["", "s", "10 fortnights", "1h30", "-1s", "1.5h", "99999999999999999999s", "18446744073709551615w", "١s"]
    {
        assert!(duration(wrong, 0, u64::MAX).is_err(), "{wrong:?}");
    }
    check("10", "\"10\" is not a length of time; \"10s\"");
    assert_eq!(said(duration("2h", 60, 3600)), "\"2h\" is out of range; ");
}

#[test]
fn sizes() {
    let check = |written: &str, expected: u64| assert_eq!(size(written, 0, u64::MAX), Ok(expected), "{written}");
    check("16 MiB", 16 << 20);
    check("16MiB", 16 << 20);
    check("64k", 64 << 10);
    check("1 GB", 1_000_000_000);
    check("1000", 1000);
    for wrong in ["", "MiB", "1.5 MiB", "-1", "99999999999 GiB", "1 TiB"] {
        assert!(size(wrong, 0, u64::MAX).is_err(), "{wrong:?}");
    }
}

#[test]
fn urls() {
    let check = |written: &str, expected: &str| assert_eq!(said(url(written).map(String::from)), expected);
    check("https://example.org", "\"https://example.org/\"");
    check("example.org/feed", "is not an absolute URL; \"https://example.org/feed\"");
    check("feed://example.org/feed", "feed: is no way to fetch something; \"https://example.org/feed\"");
    check("feed:https://example.org/feed", "feed: is no way to fetch something; \"https://example.org/feed\"");
    check("ftp://example.org/", "ftp: is not supported; ");
    check("", "is not an absolute URL; ");
    check("https://", "is not a URL: empty host; ");
    assert_eq!(site_url("https://example.org/news").unwrap().as_str(), "https://example.org/news/");
    assert!(site_url("https://example.org/?a").is_err() && site_url("https://a:b@example.org/").is_err());
}

#[test]
fn addresses() {
    for fine in ["127.0.0.1:8080", "[::1]:8080", "localhost:0", "0.0.0.0:80"] {
        assert_eq!(listen(fine).as_deref(), Ok(fine));
    }
    let check = |written: &str, expected: &str| assert_eq!(said(listen(written)), expected);
    check(":8080", "the host is missing; \"127.0.0.1:8080\"");
    check("8080", "the host is missing; \"127.0.0.1:8080\"");
    check("localhost", "the port is missing; \"localhost:8080\"");
    check("http://localhost:80/", "an address to listen on is not a URL; \"localhost:80\"");
    check("localhost:http", "\"http\" is not a port; ");
    check("localhost:70000", "\"70000\" is not a port; ");
    check("a b:80", "\"a b\" is not a host; ");
    assert_eq!(admin("unix:/run/a.sock"), Ok(AdminAddress::Unix("/run/a.sock".into())));
    assert!(admin("unix:a.sock").is_err());
}

#[test]
fn stores() {
    assert_eq!(store("sqlite:newsdesk.db").as_deref(), Ok("newsdesk.db"));
    assert_eq!(store("sqlite:///var/a.db").as_deref(), Ok("/var/a.db"));
    for wrong in ["", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro", "postgresql://db/a", "mysql://db/a"] {
        assert!(store(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn names_of_sections_and_sources() {
    for fine in ["politics", "World-2", "política", "政治"] {
        assert_eq!(section_name(fine).as_deref(), Ok(fine));
    }
    for wrong in ["", "a b", "a/b", "..", "a.xml", "Status", "hub", "articles", &"a".repeat(65)] {
        assert!(section_name(wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["", "..", ".a", "a/b", "a\\b", "a\nb", &"a".repeat(201)] {
        assert!(source_name(wrong).is_err(), "{wrong:?}");
        let tame = tame_source_name(wrong);
        assert!(tame.is_empty() || source_name(&tame).is_ok(), "{wrong:?} {tame:?}");
    }
}

#[test]
fn tags_and_people() {
    for (tag, fine) in
        [("en", true), ("de-AT", true), ("zh-Hant-TW", true), ("e", false), ("en--a", false), ("", false)]
    {
        assert_eq!(language(tag).is_ok(), fine, "{tag}");
    }
    assert_eq!(said(language("pt_BR")).split("; ").nth(1), Some("\"pt-BR\""));
    assert!(contact("editor@example.org").is_ok() && contact("https://example.org/").is_ok());
    assert!(contact("Jane Doe").is_err() && contact("a@b.c\r\nX: y").is_err() && contact("a(b)@c.d").is_err());
}

#[test]
fn schedules() {
    let meant = |written: &str| cadence(written, Tz::UTC).err().and_then(|wrong| wrong.meant);
    assert_eq!(cadence("Adaptive", Tz::UTC), Ok(Cadence::Adaptive));
    assert!(cadence("*/20 6-22 * * mon-fri", Tz::UTC).is_ok());
    assert_eq!(meant("adaptve").as_deref(), Some("\"adaptive\""));
    assert_eq!(meant("hourly").as_deref(), Some("\"@hourly\""));
    assert_eq!(meant("15m").as_deref(), Some("\"*/15 * * * *\""));
    assert_eq!(meant("6h").as_deref(), Some("\"0 */6 * * *\""));
    assert_eq!(meant("1d").as_deref(), Some("\"0 0 * * *\""));
    assert_eq!(meant("7m"), None);
}

#[test]
fn zones() {
    assert_eq!(time_zone("europe/berlin"), Ok(Tz::Europe__Berlin));
    let meant = |written: &str| time_zone(written).err().and_then(|wrong| wrong.meant);
    assert_eq!(meant("New York").as_deref(), Some("\"America/New_York\""));
    assert_eq!(meant("Europe/Berln").as_deref(), Some("\"Europe/Berlin\""));
}

#[test]
fn the_nearest_name() {
    let check = |word: &str, expected: Option<&str>| {
        let names = ["politics", "world", "us", "password-file"];
        assert_eq!(nearest(word, names).as_deref(), expected, "{word}");
    };
    check("politcs", Some("politics"));
    check("WORLD", Some("world"));
    check("wrold", Some("world"));
    check("password", Some("password-file"));
    check("password_file", Some("password-file"));
    check("eu", None);
    check("sport", None);
    check("", None);
}
