//! One request through the door whose answer counts whatever it is: what hubs and subscribers send each other.

use newsdesk::fetch::exchange::{Exchange, FORM};
use newsdesk::fetch::http::Door;
use newsdesk::schedule::Failure;
use url::Url;

use crate::http;
use crate::origin::Origin;
use crate::peer::{Peer, Reply};

fn get(url: &Url) -> Exchange<'_> {
    Exchange { url, post: None, fields: Vec::new(), most: 4 }
}

#[tokio::test]
async fn a_callback_is_judged_where_it_is_dialled() {
    let origin = Origin::start().await;
    let strict = newsdesk::config::settings::FetchSettings { allow_networks: Vec::new(), ..http::settings() };
    let door = Door::with_names(&strict, None, http::names(&[("rebound.test", &["127.0.0.1"])])).unwrap();
    for host in ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "rebound.test"] {
        let url = Url::parse(&format!("http://{host}:{}/callback", origin.address.port())).unwrap();
        let post = Exchange { post: Some(("x".into(), FORM)), ..get(&url) };
        for exchange in [get(&url), post] {
            assert_eq!(door.exchange(exchange).await.unwrap_err().kind(), Failure::AddressRefused, "{host}");
        }
    }
    assert_eq!(origin.connections(), 0, "nothing was sent");
}

#[tokio::test]
async fn every_answer_counts_as_it_is() {
    let (peer, door) = (Peer::start(), http::door());
    let url = |path: &str| Url::parse(&peer.url(path)).unwrap();
    peer.on("/moved", Reply::Redirect(307, "/there".into()), Reply::Words(500, "trouble".into()));
    peer.on("/long", Reply::Words(200, "123456789".into()), Reply::Words(410, String::new()));

    let moved = door.exchange(get(&url("/moved"))).await.unwrap();
    assert_eq!((moved.status, moved.location), (307, Some(url("/there"))));
    assert!(peer.came("GET", "/there").is_empty());
    let long = door.exchange(get(&url("/long"))).await.unwrap();
    assert_eq!(long.body, b"12345", "one byte more than matters tells that it is another");

    let address = url("/long");
    let fields = vec![("x-hub-signature", "sha256=00".to_owned())];
    let post = Exchange { post: Some(("<rss/>".into(), "application/rss+xml")), fields, ..get(&address) };
    assert_eq!(door.exchange(post).await.unwrap().status, 410);
    let came = peer.nth("POST", "/long", 1);
    assert_eq!((came.field("content-type"), came.field("x-hub-signature")), ("application/rss+xml", "sha256=00"));
    assert_eq!(came.body, b"<rss/>");
    assert!(came.field("user-agent").starts_with("newsdesk/"));
    assert_eq!(door.post_form(&url("/moved"), &[("a", "b")]).await.unwrap_err().status(), Some(500));
    door.post_form(&url("/taken"), &[("a", "b")]).await.unwrap();
    assert_eq!(peer.nth("POST", "/taken", 1).parameter("a"), "b");
}
