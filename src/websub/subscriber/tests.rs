use super::*;

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Time {
    Time::from_timestamp(NOW + second, 0).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn wanted() -> Subscription {
    let offer = Advertised { hub: url("https://hub.example/"), topic: url("https://a.example/feed") };
    Subscription::begin(offer, "https://a.example/", &url("https://us.example/desk/"), "token", "secret", at(0))
}

/// Confirmed for ten hours.
fn live() -> Subscription {
    let mut subscription = wanted();
    subscription.ask(at(0));
    assert_eq!(subscription.answer(&question("subscribe"), at(0)), Verdict::Echo("c".into()));
    subscription
}

fn question(mode: &str) -> Question {
    Question { mode: mode.into(), topic: "https://a.example/feed".into(), challenge: "c".into(), lease: "36000".into() }
}

#[test]
fn the_header_comes_before_the_document() {
    let check = |header: &[(&str, &str)], hubs: &[&str], own: Option<&str>, want: Option<(&str, &str)>| {
        let header: Vec<_> = header.iter().map(|(rel, target)| (rel.to_string(), url(target))).collect();
        let hubs: Vec<_> = hubs.iter().map(ToString::to_string).collect();
        let found = advertised(&header, &hubs, own, &url("https://a.example/f?x=1"));
        let found = found.as_ref().map(|found| (found.hub.as_str(), found.topic.as_str()));
        assert_eq!(found, want, "{header:?} {hubs:?} {own:?}");
    };
    let (hub, own) = (("hub", "https://h.example/"), ("self", "https://a.example/self"));
    check(&[], &[], Some("https://a.example/self"), None);
    check(&[own], &[], None, None);
    check(&[hub, own], &["https://other.example/"], Some("/x"), Some(("https://h.example/", "https://a.example/self")));
    check(&[hub], &[], Some("/x#top"), Some(("https://h.example/", "https://a.example/x")));
    check(&[hub], &[], None, Some(("https://h.example/", "https://a.example/f?x=1")));
    check(&[], &["/hub"], None, Some(("https://a.example/hub", "https://a.example/f?x=1")));
    check(&[("hub", "http://b.example/"), hub], &[], None, Some(("https://h.example/", "https://a.example/f?x=1")));
    check(&[("hub", "http://b.example/")], &[], None, Some(("http://b.example/", "https://a.example/f?x=1")));
    check(&[], &["mailto:a@b.example", "javascript:1"], None, None);
    check(&[hub], &[], Some("urn:x"), Some(("https://h.example/", "https://a.example/f?x=1")));
}

#[test]
fn where_hubs_can_reach_us() {
    let check = |site: &str, allow: &[&str], want: bool| {
        let allow: Vec<AllowNetwork> = allow.iter().map(|net| net.parse().unwrap()).collect();
        assert_eq!(callback_base(Some(&url(site)), &allow).is_some(), want, "{site} {allow:?}");
    };
    check("https://news.example.org/", &[], true);
    check("http://news.example.org/", &[], false);
    check("https://localhost/", &[], false);
    check("https://192.168.1.2/", &[], false);
    check("https://127.0.0.1/", &[], false);
    check("http://127.0.0.1:8080/", &["127.0.0.0/8"], true);
    check("http://127.0.0.1:8080/", &["127.0.0.1:9000"], false);
    check("http://8.8.8.8/", &["8.8.8.8"], false);
    check("https://8.8.8.8/", &[], true);
    check("https://[fd00::1]/", &[], false);
    assert_eq!(callback_base(None, &[]), None);
}

#[test]
fn what_the_hub_is_asked() {
    let mut subscription = wanted();
    assert_eq!(subscription.step(at(0)), Step::Ask);
    let fields = subscription.ask(at(0));
    let want = [
        ("hub.mode", "subscribe"),
        ("hub.topic", "https://a.example/feed"),
        ("hub.callback", "https://us.example/desk/websub/token"),
        ("hub.lease_seconds", "864000"),
        ("hub.secret", "secret"),
    ];
    assert_eq!(fields, want.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(subscription.step(at(0)), Step::Wait(at(15 * 60)), "nobody asks twice at once");
}

#[test]
fn a_hub_that_does_not_answer_is_asked_ever_more_rarely() {
    let (mut subscription, mut now, mut waits) = (wanted(), at(0), Vec::new());
    for _ in 0..9 {
        assert_eq!(subscription.step(now), Step::Ask);
        subscription.ask(now);
        let Step::Wait(next) = subscription.step(now) else { panic!("waits") };
        waits.push((next - now).num_minutes());
        now = next;
    }
    assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
    subscription.not_taken(Some(503), Some(TimeDelta::days(9)), now);
    assert_eq!(subscription.due, now + TimeDelta::days(1), "no hub silences us for longer");
    subscription.ask(now);
    subscription.answer(&question("subscribe"), now);
    subscription.not_taken(None, None, now);
    assert!(subscription.is_live(now) && subscription.requests == 0, "it confirmed before it answered");
}

#[test]
fn the_lease_is_renewed_ahead() {
    let mut subscription = live();
    assert_eq!(subscription.lease_until, Some(at(36_000)));
    let Step::Wait(renewal) = subscription.step(at(0)) else { panic!("waits") };
    assert!(renewal >= at(25_200) && renewal < at(31_000), "{renewal}");
    subscription.ask(renewal);
    assert!(subscription.is_live(renewal), "the old lease goes on");
    assert!(subscription.due <= renewal + (at(36_000) - renewal) / 2, "and is hurried for");
    subscription.answer(&question("subscribe"), renewal);
    assert_eq!(subscription.lease_until, Some(renewal + TimeDelta::hours(10)));
    assert!(!subscription.is_live(renewal + TimeDelta::hours(10)));
}

#[test]
fn questions_are_answered_only_as_we_asked() {
    let check = |before: &Subscription, question: Question, want: Verdict| {
        let mut subscription = before.clone();
        assert_eq!(subscription.answer(&question, at(1)), want, "{question:?}");
        if want == Verdict::No {
            assert_eq!(&subscription, before, "and nothing has changed");
        }
    };
    let (unasked, mut asked, live) = (wanted(), wanted(), live());
    asked.ask(at(0));
    let mut leaving = live.clone();
    leaving.leave(at(1));
    let of = |mode: &str| question(mode);
    check(&unasked, of("subscribe"), Verdict::No);
    check(&asked, of("subscribe"), Verdict::Echo("c".into()));
    check(&asked, of("unsubscribe"), Verdict::No);
    check(&asked, of(""), Verdict::No);
    check(&asked, Question { topic: "https://a.example/other".into(), ..of("subscribe") }, Verdict::No);
    check(&asked, Question { topic: String::new(), ..of("subscribe") }, Verdict::No);
    check(&asked, Question { challenge: String::new(), ..of("subscribe") }, Verdict::No);
    check(&asked, Question { challenge: "<script> ".into(), ..of("subscribe") }, Verdict::No);
    check(&asked, Question { challenge: "\u{1}".into(), ..of("subscribe") }, Verdict::No);
    check(&asked, Question { challenge: "x".repeat(513), ..of("subscribe") }, Verdict::No);
    for lease in ["", "0", "-5", "ten"] {
        check(&asked, Question { lease: lease.into(), ..of("subscribe") }, Verdict::No);
    }
    check(&leaving, of("subscribe"), Verdict::No);
    check(&leaving, of("unsubscribe"), Verdict::Left("c".into()));
    check(&live, of("unsubscribe"), Verdict::No);
    check(&live, Question { topic: "https://a.example/other".into(), ..of("denied") }, Verdict::No);
    let mut replayed = live.clone();
    assert_eq!(replayed.answer(&of("subscribe"), at(9)), Verdict::Echo("c".into()));
    assert_eq!(replayed, live, "a question that is sent again prolongs nothing");
    let mut denied = live;
    assert_eq!(denied.answer(&Question { challenge: String::new(), ..of("denied") }, at(1)), Verdict::Heard);
    assert!(!denied.is_live(at(1)));
    assert_eq!((denied.step(at(1)), denied.step(denied.due)), (Step::Wait(denied.due), Step::Forget));
}

#[test]
fn a_lease_is_believed_for_a_year() {
    let mut asked = wanted();
    asked.ask(at(0));
    asked.answer(&Question { lease: "99999999999999999999".into(), ..question("subscribe") }, at(0));
    assert_eq!(asked.lease_until, Some(at(0) + TimeDelta::days(365)));
}

#[test]
fn leaving() {
    let mut never = wanted();
    never.leave(at(1));
    assert_eq!(never.step(at(1)), Step::Forget);
    let mut unknown = live();
    unknown.leave(at(1));
    unknown.ask(at(1));
    unknown.not_taken(Some(404), None, at(1));
    assert_eq!(unknown.step(at(1)), Step::Forget, "the hub does not know us");
    let mut subscription = live();
    subscription.leave(at(1));
    let mut now = at(1);
    for _ in 0..3 {
        assert_eq!(subscription.step(now), Step::Ask);
        assert_eq!(subscription.ask(now)[0].1, "unsubscribe");
        now = subscription.due;
    }
    assert_eq!(subscription.step(now), Step::Forget, "the lease will end it");
}

#[test]
fn trust_is_earned_lost_and_dearer_each_time() {
    let mut trust = Trust::default();
    assert!(!trust.is_given(), "not before something came");
    trust.missed(at(0));
    assert_eq!(trust, Trust::default(), "what was not trusted cannot disappoint");
    trust.pushed(at(1));
    assert!(trust.is_given());
    for (needed, second) in [(2, 10), (4, 20), (8, 30), (8, 40)] {
        trust.missed(at(second * 10_000));
        assert!(!trust.is_given());
        for push in 1..=needed {
            assert!(!trust.is_given());
            trust.pushed(at(second * 10_000 + 1000 + push));
        }
        assert!(trust.is_given(), "after {needed}");
    }
    trust = Trust::default();
    trust.pushed(at(0));
    let before = trust;
    trust.missed(at(100));
    trust.pushed(at(130));
    assert_eq!((trust.is_given(), trust.needed), (true, before.needed), "the poll was only quicker");
}

#[test]
fn polls_are_rare_while_the_hub_is_trusted() {
    let normal = |minutes: i64| NextPoll { at: at(0) + TimeDelta::minutes(minutes), reason: "normal".into() };
    let hours = |subscription: &Subscription, minutes: i64| {
        (subscription.pace(normal(minutes), at(0), at(0)).at - at(0)).num_minutes()
    };
    let mut subscription = live();
    subscription.lease_until = Some(at(0) + TimeDelta::days(10));
    assert_eq!(subscription.pace(normal(15), at(0), at(0)), normal(15), "nothing has come yet");
    subscription.note_push(at(0));
    assert_eq!([15, 60, 120, 600, 1440].map(|m| hours(&subscription, m)), [360, 480, 960, 1440, 1440]);
    assert_eq!(hours(&subscription, 5000), 5000, "what the schedule holds back longer stays so");
    let reason = subscription.pace(normal(60), at(0), at(0)).reason;
    assert_eq!(reason, "in 8 h: pushed by hub.example, lease until 2027-01-25 08:00 UTC; polled then to be sure");
    let later = at(0) + TimeDelta::hours(5);
    let counted = subscription.pace(normal(15), at(0), later).at;
    assert_eq!(counted, at(0) + TimeDelta::hours(6), "pushes do not put off the poll that checks them");
    assert_eq!(subscription.pace(normal(15), at(0), later + TimeDelta::hours(9)).at, later + TimeDelta::hours(9));
    subscription.lease_until = Some(at(0) + TimeDelta::hours(7));
    assert_eq!(hours(&subscription, 60), 420, "when the lease ends, polls are all there is");
    subscription.note_miss(at(0));
    assert_eq!(subscription.pace(normal(15), at(0), at(0)), normal(15));
    assert!(subscription.words(at(0)).contains("missed something"));
    subscription.lease_until = Some(at(0));
    assert_eq!(subscription.words(at(0)), "hub.example was asked to push");
}

#[test]
fn what_makes_it_another_subscription() {
    let (subscription, base) = (wanted(), url("https://us.example/desk/"));
    let same = subscription.at.clone();
    assert!(subscription.is_for(&same, "https://a.example/", &base));
    assert!(!subscription.is_for(&same, "https://b.example/", &base));
    assert!(!subscription.is_for(&same, "https://a.example/", &url("https://us.example/")));
    assert!(!subscription.is_for(
        &Advertised { hub: url("https://other.example/"), ..same },
        "https://a.example/",
        &base
    ));
}
