//! Our WebSub hub as its subscribers see it: the real daemon, callbacks on loopback.

use newsdesk::websub::signature;

use crate::peer::{Came, Peer, Reply, post_form, send};
use crate::support::{Desk, until};

fn article(title: &str, day: u32) -> String {
    format!("---\ntitle: {title}\ndate: 2026-03-{day:02}T08:00:00Z\n---\nWhat {title} has to say.\n")
}

/// A desk with a hub of its own and one article.
fn desk() -> Desk {
    let desk = Desk::new();
    configure(&desk, "news");
    desk.write("articles/a.md", article("Alpha", 1));
    desk
}

fn configure(desk: &Desk, section: &str) {
    desk.configure(&format!(
        "[site]\nurl = \"http://127.0.0.1:{}/desk/\"\n[[section]]\nname = \"{section}\"\n\
         [[source]]\nname = \"own\"\nfolder = \"articles\"\nsections = [\"{section}\"]\n",
        desk.port
    ));
    let text = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", text.replace("[publish]\n", "[publish]\nhub = \"own\"\n"));
}

fn topic(desk: &Desk, path: &str) -> String {
    format!("http://127.0.0.1:{}/desk/{path}", desk.port)
}

/// Ask the hub; its answer.
fn ask(desk: &Desk, mode: &str, callback: &str, more: &[(&str, &str)]) -> u16 {
    let topic = topic(desk, "news/atom.xml");
    let mut fields = vec![("hub.mode", mode), ("hub.callback", callback), ("hub.topic", &topic)];
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    post_form(desk.port, "/desk/hub", &fields).status
}

/// Subscribe and wait until the hub has heard the answer: only then is it sure to be told what comes.
fn subscribe(desk: &Desk, peer: &Peer, path: &str, more: &[(&str, &str)]) {
    assert_eq!(ask(desk, "subscribe", &peer.url(path), more), 202);
    until_logged(desk, "subscribe news/atom.xml");
}

/// Wait for one more line of the log with these words.
fn until_logged(desk: &Desk, words: &str) {
    let seen = desk.path(&format!("seen {}", words.replace('/', " ")));
    let before: usize = std::fs::read_to_string(&seen).map_or(0, |count| count.parse().unwrap());
    let count = until(&format!("the log says {words:?}"), || {
        Some(desk.log().matches(words).count()).filter(|count| *count > before)
    });
    std::fs::write(seen, count.min(before + 1).to_string()).unwrap();
}

fn feed(desk: &Desk) -> Vec<u8> {
    desk.get("/desk/news/atom.xml").body
}

/// A delivery is signed with the secret, and says what it is.
fn assert_delivery(desk: &Desk, came: &Came, secret: &str) {
    assert!(signature::proves(came.field("x-hub-signature"), secret, &came.body), "{came:?}");
    assert!(came.field("x-hub-signature").starts_with("sha256="));
    assert_eq!(came.field("content-type"), "application/atom+xml; charset=utf-8");
    let (hub, own) = (topic(desk, "hub"), topic(desk, "news/atom.xml"));
    assert_eq!(came.field("link"), format!("<{hub}>; rel=\"hub\", <{own}>; rel=\"self\""));
}

#[test]
fn a_subscriber_is_asked_told_and_let_go() {
    let (desk, peer) = (desk(), Peer::start());
    let _daemon = desk.serve();
    let answer = desk.get("/desk/news/atom.xml");
    let hub = topic(&desk, "hub");
    assert!(answer.text().contains(&format!("href=\"{hub}\" rel=\"hub\"")), "{}", answer.text());
    for path in ["news/rss.xml", "news/feed.json", "atom.xml"] {
        assert!(desk.get(&format!("/desk/{path}")).text().contains(&hub), "{path}");
    }

    subscribe(&desk, &peer, "/a?x=1&y=%26", &[("hub.secret", "one"), ("hub.lease_seconds", "3600")]);
    subscribe(&desk, &peer, "/b", &[]);
    let asked = peer.nth("GET", "/a", 1);
    assert!(asked.url.query().unwrap().starts_with("x=1&y=%26&hub.mode=subscribe&"), "{}", asked.url);
    assert_eq!(asked.parameter("hub.topic"), topic(&desk, "news/atom.xml"));
    assert_eq!(asked.parameter("hub.lease_seconds"), "3600");
    assert!(asked.parameter("hub.challenge").len() >= 32);

    desk.write("articles/b.md", article("Beta", 2));
    let told = peer.nth("POST", "/a", 1);
    assert_eq!(told.url.query(), Some("x=1&y=%26"));
    assert_delivery(&desk, &told, "one");
    assert_eq!(told.body, feed(&desk), "the whole feed, as it is served");
    assert_eq!(peer.nth("POST", "/b", 1).field("x-hub-signature"), "", "nothing to sign with");

    // Another secret replaces the first, once it is confirmed; each challenge is another.
    subscribe(&desk, &peer, "/a?x=1&y=%26", &[("hub.secret", "two")]);
    assert_ne!(peer.nth("GET", "/a", 2).parameter("hub.challenge"), asked.parameter("hub.challenge"));
    desk.write("articles/c.md", article("Gamma", 3));
    assert_delivery(&desk, &peer.nth("POST", "/a", 2), "two");
    peer.nth("POST", "/b", 2);

    assert_eq!(ask(&desk, "unsubscribe", &peer.url("/a?x=1&y=%26"), &[]), 202);
    until_logged(&desk, "unsubscribe news/atom.xml");
    desk.write("articles/d.md", article("Delta", 4));
    peer.nth("POST", "/b", 3);
    assert_eq!(peer.came("POST", "/a").len(), 2, "let go");
    assert_eq!(ask(&desk, "unsubscribe", &peer.url("/a?x=1&y=%26"), &[]), 404);
}

#[test]
fn who_does_not_confirm_is_not_told() {
    let (desk, peer) = (desk(), Peer::start());
    let _daemon = desk.serve();
    let challenges: Vec<(&str, Reply)> = vec![
        ("/wrong", Reply::Words(200, "something else".into())),
        ("/nothing", Reply::Words(200, String::new())),
        ("/no", Reply::Words(404, String::new())),
        ("/moved", Reply::Redirect(307, peer.url("/elsewhere"))),
        ("/long", Reply::Words(200, "x".repeat(5_000_000))),
    ];
    for (path, reply) in &challenges {
        peer.on(path, reply.clone(), Reply::Words(202, String::new()));
        assert_eq!(ask(&desk, "subscribe", &peer.url(path), &[]), 202, "{path}: nobody is told before who is who");
        peer.nth("GET", path, 1);
    }
    // A challenge that was once right is no answer to the next.
    subscribe(&desk, &peer, "/replay", &[("hub.secret", "old")]);
    let old = peer.nth("GET", "/replay", 1).parameter("hub.challenge");
    peer.on("/replay", Reply::Words(200, old), Reply::Words(202, String::new()));
    assert_eq!(ask(&desk, "subscribe", &peer.url("/replay"), &[("hub.secret", "new")]), 202);
    peer.nth("GET", "/replay", 2);
    assert_eq!(ask(&desk, "unsubscribe", &peer.url("/replay"), &[]), 202);
    peer.nth("GET", "/replay", 3);
    subscribe(&desk, &peer, "/good", &[]);

    desk.write("articles/b.md", article("Beta", 2));
    peer.nth("POST", "/good", 1);
    assert_delivery(&desk, &peer.nth("POST", "/replay", 1), "old");
    for (path, _) in &challenges {
        assert!(peer.came("POST", path).is_empty(), "{path}");
    }
    assert!(peer.came("GET", "/elsewhere").is_empty());
}

#[test]
fn what_is_not_delivered_is_delivered_later_even_after_a_kill() {
    let (desk, peer) = (desk(), Peer::start());
    let daemon = desk.serve();
    peer.on("/moved", Reply::Echo, Reply::Redirect(308, peer.url("/elsewhere")));
    peer.on("/silent", Reply::Echo, Reply::Silence);
    peer.on("/full", Reply::Echo, Reply::Words(500, String::new()));
    peer.on("/over", Reply::Echo, Reply::Words(410, String::new()));
    for path in ["/moved", "/silent", "/full", "/over", "/good"] {
        subscribe(&desk, &peer, path, &[("hub.secret", "s")]);
    }
    desk.write("articles/b.md", article("Beta", 2));
    for path in ["/moved", "/silent", "/full", "/over", "/good"] {
        peer.nth("POST", path, 1);
    }
    until_logged(&desk, "ends its subscription of news/atom.xml");
    desk.write("articles/c.md", article("Gamma", 3));
    peer.nth("POST", "/good", 2);
    assert_eq!(ask(&desk, "unsubscribe", &peer.url("/over"), &[]), 404, "410 has ended it");
    daemon.kill();

    for path in ["/moved", "/silent", "/full"] {
        peer.on(path, Reply::Echo, Reply::Words(200, "thanks".into()));
    }
    let _daemon = desk.serve();
    for path in ["/moved", "/silent", "/full"] {
        let last = until(&format!("{path} is told the newest"), || {
            peer.came("POST", path).into_iter().next_back().filter(|told| told.body == feed(&desk))
        });
        assert_delivery(&desk, &last, "s");
    }
    assert_eq!(peer.came("POST", "/over").len(), 1);
    assert!(peer.came("POST", "/elsewhere").is_empty(), "a redirect moves no subscription");
}

#[test]
fn a_slow_callback_delays_nobody() {
    let (desk, peer) = (desk(), Peer::start());
    let _daemon = desk.serve();
    peer.on("/slow", Reply::Echo, Reply::Silence);
    subscribe(&desk, &peer, "/slow", &[]);
    subscribe(&desk, &peer, "/quick", &[]);
    for (nth, (title, day)) in [("Beta", 2), ("Gamma", 3), ("Delta", 4)].into_iter().enumerate() {
        desk.write(&format!("articles/{title}.md"), article(title, day));
        let told = peer.nth("POST", "/quick", nth + 1);
        assert!(String::from_utf8_lossy(&told.body).contains(title), "in order: {title}");
    }
    assert_eq!(peer.came("POST", "/slow").len(), 1, "the first is still under way; what follows waits as one");
}

#[test]
fn a_feed_that_is_no_more_is_said_to_be() {
    let (desk, peer) = (desk(), Peer::start());
    let daemon = desk.serve();
    subscribe(&desk, &peer, "/a", &[]);
    daemon.stop();
    configure(&desk, "other");
    let _daemon = desk.serve();
    let denied = peer.nth("GET", "/a", 2);
    assert_eq!(denied.parameter("hub.mode"), "denied");
    assert_eq!(denied.parameter("hub.topic"), topic(&desk, "news/atom.xml"));
}

#[test]
fn a_first_fetch_is_announced_to_nobody() {
    let (desk, peer) = (desk(), Peer::start());
    let _daemon = desk.serve();
    subscribe(&desk, &peer, "/a", &[]);
    let wires = [("tag:wires,2026:1", "Wires", "2026-03-01T09:00:00Z")];
    desk.origin.answer("/wires", 200, &[], crate::support::atom("Wires", &wires));
    let source = format!("[[source]]\nname = \"w\"\nurl = \"{}\"\nsections = [\"news\"]\n", desk.origin.url("/wires"));
    let text = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", text + &source);
    assert_eq!(desk.run(&["reload"]).code, Some(0));
    desk.until_titles("desk/news", &["Wires", "Alpha"]);
    desk.write("articles/b.md", article("Beta", 2));
    let told = String::from_utf8(peer.nth("POST", "/a", 1).body).unwrap();
    assert!(told.contains("Wires") && told.contains("Beta"), "it comes along with the next news: {told}");
}

/// A folder that was empty at first has been read all the same: its first article is news.
#[test]
fn the_first_article_of_an_empty_folder_is_announced() {
    let (desk, peer) = (desk(), Peer::start());
    std::fs::create_dir(desk.path("letters")).unwrap();
    let text = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    let source = "[[source]]\nname = \"letters\"\nfolder = \"letters\"\nsections = [\"news\"]\n";
    desk.write("newsdesk.toml", text + source);
    let _daemon = desk.serve();
    subscribe(&desk, &peer, "/a", &[]);
    desk.until_status("letters", "the empty folder was read", |row| !row["last_success"].is_null());
    desk.write("letters/first.md", article("A first letter", 9));
    let told = String::from_utf8(peer.nth("POST", "/a", 1).body).unwrap();
    assert!(told.contains("A first letter"), "{told}");
}

#[test]
fn what_the_hub_does_not_take() {
    let (desk, peer) = (desk(), Peer::start());
    let _daemon = desk.serve();
    let callback = peer.url("/a");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for (private, why) in [("http://10.0.0.1/", "a private net"), ("http://169.254.169.254/latest", "metadata")] {
        assert_eq!(ask(&desk, "subscribe", private, &[]), 400, "{why}");
    }
    assert_eq!(ask(&desk, "subscribe", &callback, &[("hub.topic", "https://elsewhere.example/atom.xml")]), 404);
    assert_eq!(ask(&desk, "subscribe", &callback, &[("hub.topic", &topic(&desk, "news/"))]), 404, "a page is no feed");
    assert_eq!(ask(&desk, "subscribe", &callback, &[("hub.secret", &"s".repeat(200))]), 400);
    assert_eq!(ask(&desk, "publish", &callback, &[]), 400);
    assert_eq!(send(desk.port, "POST", "/desk/hub", &form, &[b'x'; 100_000]).status, 413);
    assert_eq!(send(desk.port, "POST", "/desk/hub", &[("Content-Type", "application/json")], b"{}").status, 415);
    assert_eq!(send(desk.port, "PUT", "/desk/hub", &form, b"").status, 405);
    assert_eq!(desk.get("/desk/hub").status, 200);
    assert_eq!(send(desk.port, "POST", "/desk/news/atom.xml", &form, b"").status, 405, "the rest only reads");
    assert_eq!(send(desk.port, "POST", "/desk/websub/guess", &[], b"<rss/>").status, 410);
    assert_eq!(desk.get("/desk/websub/guess?hub.mode=subscribe&hub.challenge=x").status, 404);

    // One client that asks again and again is told to wait.
    let refused = (0..400).find(|_| ask(&desk, "subscribe", "nonsense", &[]) == 429);
    assert!(refused.is_some());
    assert!(peer.came("GET", "/a").is_empty());
}

#[test]
fn without_a_hub_there_is_none() {
    let desk = Desk::new();
    desk.configure("[[section]]\nname = \"news\"\n");
    let _daemon = desk.serve();
    assert_eq!(post_form(desk.port, "/hub", &[("hub.mode", "subscribe")]).status, 405);
    assert_eq!(desk.get("/hub").status, 404);
    assert!(!desk.get("/news/atom.xml").text().contains("rel=\"hub\""));
}
