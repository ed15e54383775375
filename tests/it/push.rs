//! newsdesk as a WebSub subscriber: the real daemon, a publisher and a hub on loopback. And two of them, each the other's
//! hub, publisher and subscriber.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;

use crate::peer::{Came, Peer, Reply, send};
use crate::support::{Answer, Desk, until};

const DATE: &str = "2026-03-01T00:00:00Z";

/// Callbacks that a hub on loopback can reach, and these sources in "news".
fn configure(desk: &Desk, sources: &[(&str, String)]) {
    let mut tables = format!(
        "max-body = \"1 MiB\"\n[site]\nurl = \"http://127.0.0.1:{}/desk/\"\n[[section]]\nname = \"news\"\n",
        desk.port
    );
    for (name, url) in sources {
        tables += &format!("[[source]]\nname = \"{name}\"\nurl = \"{url}\"\nsections = [\"news\"]\n");
    }
    desk.configure(&tables);
}

/// The feed at a path: these titles, the newest first, with a hub in its header.
fn offer(desk: &Desk, hub: &str, path: &str, titles: &[&str]) {
    let links = format!("<{hub}>; rel=\"hub\", <{}>; rel=self", desk.origin.url(path));
    let etag = format!("\"{}\"", titles.len());
    desk.origin.answer(path, 200, &[("Link", &links), ("ETag", &etag)], document(path, titles));
}

fn document(path: &str, titles: &[&str]) -> String {
    let name = path.trim_start_matches('/');
    let entries: Vec<(String, &str, String)> = titles
        .iter()
        .enumerate()
        .map(|(at, title)| {
            (format!("tag:{name},2026:{title}"), *title, format!("2026-03-01T00:00:{:02}Z", titles.len() - at))
        })
        .collect();
    let entries: Vec<(&str, &str, &str)> = entries.iter().map(|(id, title, date)| (&**id, *title, &**date)).collect();
    crate::support::atom(name, &entries)
}

/// Confirm a request for a subscription as a hub does; the answer.
fn confirm(desk: &Desk, asked: &Came, mode: &str, lease: &str, challenge: &str) -> Answer {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("hub.mode", mode), ("hub.topic", &asked.parameter("hub.topic"))])
        .extend_pairs([("hub.challenge", challenge), ("hub.lease_seconds", lease)])
        .finish();
    desk.get(&format!("{}?{query}", callback(asked)))
}

/// Path of the callback that a request names.
fn callback(asked: &Came) -> String {
    url::Url::parse(&asked.parameter("hub.callback")).unwrap().path().to_owned()
}

fn signed<M: Mac + KeyInit>(method: &str, secret: &str, body: &str) -> String {
    let mut mac = <M as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{method}={hex}")
}

fn push(desk: &Desk, asked: &Came, body: &str, signature: &str) -> u16 {
    let fields = [("Content-Type", "application/atom+xml"), ("X-Hub-Signature", signature)];
    send(desk.port, "POST", &callback(asked), &fields, body.as_bytes()).status
}

fn sha256(asked: &Came, body: &str) -> String {
    signed::<Hmac<sha2::Sha256>>("sha256", &asked.parameter("hub.secret"), body)
}

/// Hours until the next poll.
fn hours(row: &Value) -> i64 {
    let next: chrono::DateTime<chrono::Utc> = row["next_poll"].as_str().unwrap().parse().unwrap();
    (next - chrono::Utc::now()).num_hours()
}

fn titles(desk: &Desk) -> Vec<String> {
    desk.titles("desk/news")
}

#[test]
fn a_source_is_pushed_from_then_on() {
    let (hub, desk) = (Peer::start(), Desk::new());
    configure(&desk, &[("wires", desk.origin.url("/wires").to_string())]);
    offer(&desk, &hub.url("/hub"), "/wires", &["One"]);
    let _daemon = desk.serve();
    let asked = hub.nth("POST", "/hub", 1);
    assert_eq!(asked.parameter("hub.mode"), "subscribe");
    assert_eq!(asked.parameter("hub.topic"), desk.origin.url("/wires").as_str());
    assert!(asked.parameter("hub.secret").len() >= 32 && callback(&asked).len() >= 32);
    assert_ne!(asked.parameter("hub.secret"), callback(&asked).rsplit('/').next().unwrap());

    // Only what was asked for is confirmed, and never as a page.
    assert_eq!(confirm(&desk, &asked, "unsubscribe", "36000", "c").status, 404);
    assert_eq!(desk.get(&format!("{}?hub.mode=subscribe&hub.topic=x&hub.challenge=c", callback(&asked))).status, 404);
    assert_eq!(confirm(&desk, &asked, "subscribe", "36000", "two words").status, 404);
    let echoed = confirm(&desk, &asked, "subscribe", "36000", "<script>");
    assert_eq!((echoed.status, echoed.text().as_str()), (200, "<script>"));
    assert_eq!(echoed.field("content-type"), "application/octet-stream");
    assert_eq!(echoed.field("x-content-type-options"), "nosniff");
    let row =
        desk.until_status("wires", "is told", |row| row["push"].as_str().is_some_and(|push| push.contains("lease")));
    assert!(row["push"].as_str().unwrap().starts_with("pushed by 127.0.0.1, lease until "), "{row}");
    assert!(hours(&row) < 4, "nothing has come yet: {row}");

    // Every registered method; the poll's own affairs stay as they are.
    let secret = asked.parameter("hub.secret");
    let mut shown = vec!["One"];
    for (title, method) in [("Two", "sha1"), ("Three", "sha256"), ("Four", "sha384"), ("Five", "sha512")] {
        shown.insert(0, title);
        let body = document("/wires", &shown);
        let signature = match method {
            "sha1" => signed::<Hmac<sha1::Sha1>>(method, &secret, &body),
            "sha256" => signed::<Hmac<sha2::Sha256>>(method, &secret, &body),
            "sha384" => signed::<Hmac<sha2::Sha384>>(method, &secret, &body),
            _ => signed::<Hmac<sha2::Sha512>>(method, &secret, &body),
        };
        assert_eq!(push(&desk, &asked, &body, &signature), 202);
        desk.until_titles("desk/news", &shown);
    }
    let row = desk.status("wires");
    assert!(row["outcome"].as_str().unwrap().starts_with("pushed: 1 new"), "{row}");
    assert!(row["why"].as_str().unwrap().contains("pushed by 127.0.0.1, lease until"), "{row}");
    assert!(hours(&row) >= 5, "{row}");
    assert_eq!(desk.origin.count("/wires"), 1);

    // A poll that finds what had not been pushed is the end of trust, but not of pushes.
    shown.insert(0, "Six");
    offer(&desk, &hub.url("/hub"), "/wires", &shown);
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let polled = desk.origin.asked().into_iter().filter(|asked| asked.path == "/wires").nth(1).unwrap();
    assert_eq!(polled.field("if-none-match"), Some("\"1\""), "the validators are those of the last poll");
    desk.until_titles("desk/news", &shown);
    let row = desk.until_status("wires", "is doubted", |row| row["push"].as_str().unwrap().contains("missed"));
    assert!(hours(&row) < 4, "{row}");
    assert_eq!(hub.came("POST", "/hub").len(), 1, "asked once");
}

#[test]
fn what_is_forged_or_goes_astray_changes_nothing() {
    let (hub, desk) = (Peer::start(), Desk::new());
    let sources = [("a", desk.origin.url("/a").to_string()), ("b", desk.origin.url("/b").to_string())];
    configure(&desk, &sources);
    offer(&desk, &hub.url("/hub"), "/a", &["Alpha"]);
    offer(&desk, &hub.url("/hub"), "/b", &["Beta"]);
    let _daemon = desk.serve();
    let both = [hub.nth("POST", "/hub", 1), hub.nth("POST", "/hub", 2)];
    let of = |path: &str| both.iter().find(|came| came.parameter("hub.topic").ends_with(path)).unwrap();
    for asked in &both {
        assert_eq!(confirm(&desk, asked, "subscribe", "36000", "c").status, 200);
    }
    let forged = document("/a", &["Forged"]);
    let other = sha256(of("/b"), &forged);
    let shortened = sha256(of("/a"), &forged)[..40].to_owned();
    for signature in ["", "sha256=", "sha256=00", "md5=00", &other, &shortened] {
        assert_eq!(push(&desk, of("/a"), &forged, signature), 202, "{signature:?}: nobody learns what is right");
    }
    assert_eq!(send(desk.port, "POST", &callback(of("/a")), &[], forged.as_bytes()).status, 202);
    let large = "x".repeat((1 << 20) + 1);
    assert_eq!(push(&desk, of("/a"), &large, &sha256(of("/a"), &large)), 413);
    let page = "<!doctype html><title>Log in</title>";
    assert_eq!(push(&desk, of("/a"), page, &sha256(of("/a"), page)), 202);
    let astray = format!("{}x", callback(of("/a")));
    assert_eq!(send(desk.port, "POST", &astray, &[], forged.as_bytes()).status, 410);

    // What comes for one source is that source's, whatever it says.
    let beta = desk.feed("/desk/news/atom.xml").into_iter().find(|entry| entry.title == "Beta").unwrap();
    let stolen = document("/b", &["Beta"]).replace("Beta</title>", "Stolen</title>");
    let stolen =
        stolen.replace("https://atom.example/", "https://thief.example/").replace("Text of Beta", "Other words");
    assert_eq!(push(&desk, of("/a"), &stolen, &sha256(of("/a"), &stolen)), 202);
    until("the other's entry is there as its own", || titles(&desk).contains(&"Stolen".to_owned()).then_some(()));
    let feed = desk.feed("/desk/news/atom.xml");
    assert!(feed.contains(&beta), "{feed:?}");
    assert!(feed.iter().all(|entry| entry.title != "Stolen" || entry.id != beta.id), "{feed:?}");
    assert!(!titles(&desk).contains(&"Forged".to_owned()));
    assert!(desk.log().contains("signature is missing or wrong"));
    assert!(!desk.log().contains(&of("/a").parameter("hub.secret")));
    assert!(!desk.log().contains(callback(of("/a")).rsplit('/').next().unwrap()));
}

#[test]
fn a_lease_is_renewed_and_kept_over_a_restart() {
    let (hub, desk) = (Peer::start(), Desk::new());
    configure(&desk, &[("wires", desk.origin.url("/wires").to_string())]);
    offer(&desk, &hub.url("/hub"), "/wires", &["One"]);
    let daemon = desk.serve();
    let asked = hub.nth("POST", "/hub", 1);
    assert_eq!(confirm(&desk, &asked, "subscribe", "3", "c").status, 200);
    let renewed = hub.nth("POST", "/hub", 2);
    assert_eq!(callback(&renewed), callback(&asked), "what is under way still finds its way");
    assert_eq!(confirm(&desk, &renewed, "subscribe", "36000", "c").status, 200);
    desk.until_status("wires", "is live", |row| row["push"].as_str().unwrap().starts_with("pushed by"));
    assert!(daemon.stop().success());

    let _daemon = desk.serve();
    let body = document("/wires", &["Two", "One"]);
    assert_eq!(push(&desk, &asked, &body, &sha256(&asked, &body)), 202);
    desk.until_titles("desk/news", &["Two", "One"]);
    assert_eq!(hub.came("POST", "/hub").len(), 2);
}

#[test]
fn a_source_that_leaves_says_goodbye() {
    let (hub, desk) = (Peer::start(), Desk::new());
    let url = desk.origin.url("/wires").to_string();
    configure(&desk, &[("wires", url.clone())]);
    hub.on("/old", Reply::Words(404, String::new()), Reply::Redirect(307, hub.url("/hub")));
    offer(&desk, &hub.url("/old"), "/wires", &["One"]);
    let _daemon = desk.serve();
    let asked = hub.nth("POST", "/hub", 1);
    assert_eq!(asked.body, hub.nth("POST", "/old", 1).body, "the hub named another one");
    assert_eq!(confirm(&desk, &asked, "subscribe", "36000", "c").status, 200);

    // The feed names another hub: the old one is left, the new one asked, with another callback.
    offer(&desk, &hub.url("/new"), "/wires", &["Two", "One"]);
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let left = hub.nth("POST", "/hub", 2);
    assert_eq!((left.parameter("hub.mode").as_str(), callback(&left)), ("unsubscribe", callback(&asked)));
    assert_eq!(left.parameter("hub.secret"), "");
    let body = document("/wires", &["Three"]);
    assert_eq!(push(&desk, &asked, &body, &sha256(&asked, &body)), 410, "what is left is not heard any more");
    assert_eq!(confirm(&desk, &left, "unsubscribe", "", "bye").text(), "bye");
    let again = hub.nth("POST", "/new", 1);
    assert_ne!(callback(&again), callback(&asked));
    assert_eq!(confirm(&desk, &again, "subscribe", "36000", "c").status, 200);

    // A hub that does not want to is not asked again; one whose source is gone is told so.
    assert_eq!(confirm(&desk, &again, "denied", "", "").status, 200);
    desk.until_status("wires", "is denied", |row| row["push"].as_str().unwrap().contains("does not want to"));
    configure(&desk, &[]);
    assert_eq!(desk.run(&["reload"]).code, Some(0));
    assert!(!titles(&desk).contains(&"Three".to_owned()));
    assert_eq!(hub.came("POST", "/new").len(), 1, "a lease that has ended needs no farewell");
}

#[test]
fn without_a_public_address_nobody_is_asked_to_push() {
    let (hub, desk) = (Peer::start(), Desk::new());
    let secret = format!("{}?token=hunter2", desk.origin.url("/private"));
    offer(&desk, &hub.url("/hub"), "/private", &["One"]);
    offer(&desk, &hub.url("/hub"), "/open", &["Two"]);
    desk.configure(&format!(
        "[site]\nurl = \"http://desk.example/\"\n[[section]]\nname = \"news\"\n\
         [[source]]\nname = \"open\"\nurl = \"{}\"\nsections = [\"news\"]\n",
        desk.origin.url("/open")
    ));
    let daemon = desk.serve();
    desk.until_status("open", "is read", |row| row["mark"] == "well");
    assert_eq!(desk.status("open")["push"], Value::Null);
    daemon.stop();
    // With an address the known hub is asked at once; that of a source with a secret never.
    configure(&desk, &[("open", desk.origin.url("/open").to_string()), ("private", secret)]);
    let _daemon = desk.serve();
    desk.until_status("private", "is read", |row| row["mark"] == "well");
    hub.nth("POST", "/hub", 1);
    assert_eq!(desk.status("private")["push"], Value::Null);
    assert_eq!(hub.came("POST", "/hub").len(), 1);
}

/// Each has a folder of its own and takes the other's section, told by the other's hub.
#[test]
fn two_desks_tell_each_other() {
    let desks = [Desk::new(), Desk::new()];
    for (at, name) in [(0, "a"), (1, "b")] {
        let (own, other) = (&desks[at], &desks[1 - at]);
        own.configure(&format!(
            "[site]\nurl = \"http://127.0.0.1:{}/\"\n[[section]]\nname = \"own\"\n[[section]]\nname = \"theirs\"\n\
             [[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"own\"]\n\
             [[source]]\nname = \"other\"\nurl = \"http://127.0.0.1:{}/own/atom.xml\"\nsections = [\"theirs\"]\n",
            own.port, other.port
        ));
        let text = std::fs::read_to_string(own.path("newsdesk.toml")).unwrap();
        own.write("newsdesk.toml", text.replace("[publish]\n", "[publish]\nhub = \"own\"\n"));
        own.write("articles/first.md", format!("---\ntitle: {name}1\ndate: {DATE}\n---\nThe first of {name}.\n"));
    }
    let _daemons = desks.each_ref().map(Desk::serve);
    for desk in &desks {
        // Whoever was up first did not find the other.
        assert_eq!(desk.run(&["update", "other"]).code, Some(0));
        desk.until_status("other", "is pushed", |row| {
            row["push"].as_str().is_some_and(|push| push.starts_with("pushed by"))
        });
    }
    desks[0].write("articles/second.md", "---\ntitle: a2\ndate: 2026-03-02T00:00:00Z\n---\nThe second of a.\n");
    desks[1].until_titles("theirs", &["a2", "a1"]);
    desks[1].write("articles/second.md", "---\ntitle: b2\ndate: 2026-03-02T00:00:00Z\n---\nThe second of b.\n");
    desks[0].until_titles("theirs", &["b2", "b1"]);
    for desk in &desks {
        let row = desk.until_status("other", "is trusted", |row| hours(row) >= 5);
        assert!(row["outcome"].as_str().unwrap().starts_with("pushed: 1 new"), "{row}");
    }
}

/// Who asks for an update waits for the host's turn; what is pushed meanwhile does not make it wait for the next poll.
#[test]
fn an_update_is_answered_although_a_push_comes_before_it() {
    let (hub, desk) = (Peer::start(), Desk::new());
    configure(&desk, &[("wires", desk.origin.url("/wires").to_string())]);
    let config = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", config.replace("host-interval = \"0s\"", "host-interval = \"4s\""));
    offer(&desk, &hub.url("/hub"), "/wires", &["One"]);
    let _daemon = desk.serve();
    let asked = hub.nth("POST", "/hub", 1);
    assert_eq!(confirm(&desk, &asked, "subscribe", "36000", "c").status, 200);
    // The first takes the turn, the second waits for the next.
    assert_eq!(desk.run(&["update", "wires"]).code, Some(0));
    let update = desk.command(&["update", "wires"]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let body = document("/wires", &["Two", "One"]);
    assert_eq!(push(&desk, &asked, &body, &sha256(&asked, &body)), 202);
    until("the push is read", || (titles(&desk).first().is_some_and(|title| title == "Two")).then_some(()));
    let mut update = update;
    let ended = until("the update is answered", || update.try_wait().unwrap());
    assert!(ended.success(), "{ended:?}");
}
