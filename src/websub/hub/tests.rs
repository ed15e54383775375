use super::*;

const BASE: &str = "https://news.example/desk/";

fn asked(form: &str) -> Result<Wish, Refusal> {
    let allow = ["127.0.0.1:9000".parse().unwrap()];
    let is_topic = |path: &str| path == "politics/atom.xml" || path == "%C3%A4/rss.xml";
    wish(form.as_bytes(), &House { base: BASE, is_topic: &is_topic, allow: &allow })
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut all = vec![
        ("hub.mode", "subscribe"),
        ("hub.topic", "https://news.example/desk/politics/atom.xml"),
        ("hub.callback", "https://reader.example/cb?x=1&y=%26"),
    ];
    for (name, value) in fields {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish()
}

fn at(second: i64) -> Time {
    Time::from_timestamp(second, 0).unwrap()
}

#[test]
fn a_wish_as_it_should_be() {
    let wish = asked(&form(&[("hub.secret", "s3cret"), ("hub.lease_seconds", "864000"), ("x", "y")])).unwrap();
    assert_eq!((wish.mode, wish.topic.as_str()), (Mode::Subscribe, "politics/atom.xml"));
    assert_eq!(wish.callback.as_str(), "https://reader.example/cb?x=1&y=%26");
    assert_eq!((wish.secret.as_deref(), wish.lease), (Some("s3cret"), TimeDelta::days(10)));
    assert_eq!(asked(&form(&[("hub.topic", "https://news.example/desk/ä/rss.xml")])).unwrap().topic, "%C3%A4/rss.xml");
    assert_eq!(asked(&form(&[("hub.topic", "HTTPS://NEWS.example:443/desk/politics/atom.xml")])).unwrap(), {
        Wish { secret: None, ..wish }
    });
}

#[test]
fn leases_are_kept_within_bounds() {
    let check = |stated: &str, want: Option<TimeDelta>| {
        assert_eq!(asked(&form(&[("hub.lease_seconds", stated)])).ok().map(|wish| wish.lease), want, "{stated}");
    };
    check("", Some(TimeDelta::days(10)));
    check("3600", Some(TimeDelta::hours(1)));
    check("0", Some(TimeDelta::minutes(5)));
    check("99999999999999999999", Some(TimeDelta::days(30)));
    check("-1", None);
    check("1e6", None);
    let left = asked(&form(&[("hub.mode", "unsubscribe"), ("hub.lease_seconds", "nonsense")]));
    assert_eq!(left.map(|wish| wish.mode), Ok(Mode::Unsubscribe), "a lease means nothing to who leaves");
}

#[test]
fn what_is_not_taken() {
    let check = |fields: &[(&str, &str)], status: u16, word: &str| {
        let refusal = asked(&form(fields)).expect_err(word);
        assert_eq!(refusal.status, status, "{fields:?}: {refusal:?}");
        assert!(refusal.words.contains(word), "{fields:?}: {refusal:?}");
    };
    check(&[("hub.mode", "")], 400, "missing");
    check(&[("hub.mode", "SUBSCRIBE")], 400, "hub.mode is");
    check(&[("hub.mode", "publish")], 400, "by itself");
    check(&[("hub.mode", "denied")], 400, "hub.mode is");
    check(&[("hub.topic", "https://elsewhere.example/atom.xml")], 404, "no feed of this site");
    check(&[("hub.topic", "https://news.example/desk/")], 404, "no feed of this site");
    check(&[("hub.topic", "https://news.example/desk/politics/../x/atom.xml")], 404, "no feed of this site");
    check(&[("hub.topic", "politics/atom.xml")], 404, "no feed of this site");
    check(&[("hub.callback", "ftp://reader.example/")], 400, "neither http nor https");
    check(&[("hub.callback", "//reader.example/")], 400, "no URL");
    check(&[("hub.callback", "https://u:p@reader.example/")], 400, "userinfo");
    check(&[("hub.callback", "https://reader.example/#x")], 400, "fragment");
    check(&[("hub.callback", "http://reader.example:25/")], 400, "port");
    check(&[("hub.callback", &format!("https://reader.example/{}", "x".repeat(2048)))], 400, "longer");
    for private in ["127.0.0.1", "2130706433", "0x7f.1", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"] {
        check(&[("hub.callback", &format!("http://{private}/"))], 400, "not public");
    }
    assert!(asked(&form(&[("hub.callback", "http://127.0.0.1:9000/")])).is_ok(), "allowed by its owner");
    check(&[("hub.secret", &"s".repeat(200))], 400, "200 bytes");
    assert!(asked(&form(&[("hub.secret", &"s".repeat(199))])).is_ok());
    let twice = format!("{}&hub.callback=https://victim.example/", form(&[]));
    assert!(asked(&twice).unwrap_err().words.contains("twice"));
    assert!(asked("\u{0}%ff%=&&").is_err());
}

#[test]
fn room() {
    let check = |mode, filling, want: u16| {
        let status = admit(mode, filling).map_or_else(|refusal| refusal.status, |()| 202);
        assert_eq!(status, want, "{mode:?} {filling:?}");
    };
    let empty = Filling::default();
    check(Mode::Subscribe, empty, 202);
    check(Mode::Unsubscribe, empty, 404);
    check(Mode::Unsubscribe, Filling { known: true, ..empty }, 202);
    check(Mode::Subscribe, Filling { all: MOST, ..empty }, 503);
    check(Mode::Subscribe, Filling { of_topic: MOST_OF_A_TOPIC, ..empty }, 503);
    check(Mode::Subscribe, Filling { of_host: MOST_OF_A_HOST, ..empty }, 403);
    check(Mode::Subscribe, Filling { of_host: MOST_OF_A_HOST - 1, pending_of_host: 1, ..empty }, 403);
    check(Mode::Subscribe, Filling { known: true, all: MOST, of_host: MOST_OF_A_HOST, ..empty }, 202);
    check(Mode::Subscribe, Filling { known: true, pending: MOST_PENDING, ..empty }, 503);
}

#[test]
fn the_question_keeps_the_callback_as_it_is() {
    let wish = asked(&form(&[])).unwrap();
    let topic = "hub.topic=https%3A%2F%2Fnews.example%2Fdesk%2Fpolitics%2Fatom.xml";
    let own = "https://reader.example/cb?x=1&y=%26";
    let check = |mode, want: &str| {
        let wish = Wish { mode, ..wish.clone() };
        assert_eq!(question(&wish, BASE, "c1").as_str(), format!("{own}&hub.mode={}&{topic}{want}", mode.as_str()));
    };
    check(Mode::Subscribe, "&hub.challenge=c1&hub.lease_seconds=864000");
    check(Mode::Unsubscribe, "&hub.challenge=c1");
    check(Mode::Denied, "&hub.reason=this+feed+is+not+published+any+more");
    let bare = Wish { callback: "https://reader.example/".parse().unwrap(), ..wish };
    assert!(question(&bare, BASE, "c").as_str().starts_with("https://reader.example/?hub.mode=subscribe&"));
}

#[test]
fn only_the_very_challenge_confirms() {
    let check = |answer: Option<(u16, &[u8])>, tries, want| assert_eq!(verdict(answer, "abc", tries, at(0)), want);
    check(Some((200, b"abc")), 0, Verdict::Confirmed);
    check(Some((204, b"abc")), 0, Verdict::Confirmed);
    for wrong in [&b""[..], b"ab", b"abcd", b"abc\n", b"ABC", b"abd"] {
        check(Some((200, wrong)), 0, Verdict::Refused);
    }
    for status in [301, 307, 404, 410, 500, 503] {
        check(Some((status, b"abc")), 0, Verdict::Refused);
    }
    check(None, 0, Verdict::Later(at(10)));
    check(None, 1, Verdict::Later(at(120)));
    check(None, 2, Verdict::Refused);
}

#[test]
fn deliveries_are_tried_again_and_end() {
    let check = |status, tries, want| assert_eq!(told(status, tries, 0, at(0)), want, "{status:?}");
    check(Some(200), 0, Told::Received);
    check(Some(204), 7, Told::Received);
    check(Some(410), 0, Told::Ended);
    for failed in [None, Some(302), Some(404), Some(500)] {
        check(failed, 0, Told::Later(at(5)));
        check(failed, 7, Told::Later(at(6 * 3600)));
        check(failed, 8, Told::GivenUp);
    }
    let Told::Later(spread) = told(None, 7, 31, at(0)) else { panic!("later") };
    assert!(spread > at(6 * 3600) && spread < at(8 * 3600), "those that failed together do not come back together");
}

#[test]
fn the_head_of_a_delivery() {
    let fields = delivery(BASE, "politics/atom.xml", "https://news.example/desk/hub", Some("Jefe"), b"x");
    let links =
        "<https://news.example/desk/hub>; rel=\"hub\", <https://news.example/desk/politics/atom.xml>; rel=\"self\"";
    assert_eq!(fields[0], ("link", links.to_owned()));
    assert!(super::super::signature::proves(&fields[1].1, "Jefe", b"x"));
    assert_eq!(delivery(BASE, "politics/atom.xml", "h", None, b"x").len(), 1);
}
