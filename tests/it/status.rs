//! How the sources are, as everybody may see it: the page, and the feed of troubles.

use newsdesk::render::page::anchor;

use crate::support::{Answer, Desk, atom, read, rss, until};

fn desk(sources: &[(&str, &str)]) -> Desk {
    let desk = Desk::new();
    let sources: String = sources
        .iter()
        .map(|(name, path)| {
            format!("[[source]]\nname = \"{name}\"\nurl = \"{}\"\nsections = [\"news\"]\n", desk.origin.url(path))
        })
        .collect();
    desk.configure(&format!("[site]\ntitle = \"The desk\"\n[[section]]\nname = \"news\"\n{sources}"));
    desk
}

/// The row of one source, as HTML.
fn row(page: &Answer, source: &str) -> String {
    let text = page.text();
    let start = format!("<tr id=\"{}\">", anchor(source));
    let row = text.split(&start).nth(1).and_then(|rest| rest.split("</tr>").next());
    row.unwrap_or_else(|| panic!("no row of {source} in {text}")).to_owned()
}

fn until_row(desk: &Desk, source: &str, words: &str) -> String {
    until(&format!("the row of {source} says {words}"), || {
        Some(row(&desk.get("/status"), source)).filter(|row| row.contains(words))
    })
}

#[test]
fn quiet_is_told_from_broken_and_nobody_is_shown_an_address() {
    let desk =
        desk(&[("busy", "/busy"), ("silent", "/silent"), ("broken", "/broken"), ("secret", "/secret?token=hunter2")]);
    let days = |month: u32| -> Vec<(String, String, String)> {
        (1..=9)
            .map(|day| {
                (format!("tag:{month},{day}"), format!("Entry {day}"), format!("20{month:02}-03-0{day}T00:00:00Z"))
            })
            .collect()
    };
    fn borrowed(days: &[(String, String, String)]) -> Vec<(&str, &str, &str)> {
        days.iter().map(|(id, title, date)| (&**id, &**title, &**date)).collect()
    }
    let now = chrono::Utc::now();
    let moments: Vec<String> =
        (0..9).map(|n| (now - chrono::TimeDelta::days(n)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)).collect();
    let busy: Vec<(String, String, String)> = moments
        .iter()
        .enumerate()
        .map(|(n, moment)| (format!("tag:b,{n}"), format!("Busy {n}"), moment.clone()))
        .collect();
    desk.origin
        .answer("/busy", 200, &[], atom("Busy", &borrowed(&busy)))
        .answer("/silent", 200, &[], atom("Silent", &borrowed(&days(11))))
        .answer("/broken", 500, &[], "")
        .answer("/secret", 404, &[], "");
    let _daemon = desk.serve();

    let busy = until_row(&desk, "busy", "Well");
    assert!(busy.contains("<svg class=\"spark\" role=\"img\""), "{busy}");
    assert!(busy.contains("<title>9 entries in 30 days, at most 1 a day, the last one "), "{busy}");
    let silent = until_row(&desk, "silent", "Quiet");
    assert!(silent.contains("its usual gap is 24 h") && !silent.contains("<svg"), "{silent}");
    let broken = until_row(&desk, "broken", "Failing");
    assert!(broken.contains("500 Internal Server Error") && broken.contains("Next poll"), "{broken}");
    let secret = until_row(&desk, "secret", "Failing");
    assert!(secret.contains("the step that failed: fetch") && !secret.contains("there is nothing there"), "{secret}");

    let page = desk.get("/status");
    let text = page.text();
    assert!(!text.contains(&desk.origin.address.to_string()) && !text.contains("hunter2"), "{text}");
    let place = |source: &str| text.find(&anchor(source)).unwrap();
    assert!(place("broken") < place("silent") && place("silent") < place("busy"), "those in trouble come first");
    assert!(page.field("content-security-policy").contains("style-src 'self'") && !text.contains(" style="));
    assert_eq!(desk.get("/status/2").status, 404);
}

#[test]
fn troubles_are_a_feed_that_changes_only_with_them() {
    let desk = desk(&[("wire", "/wire"), ("secret", "/secret?token=hunter2"), ("good", "/good")]);
    desk.origin.answer("/wire", 500, &[], "").answer("/secret", 403, &[], "").answer(
        "/good",
        200,
        &[],
        rss("Good", &[]),
    );
    let daemon = desk.serve();
    let titles = || -> Vec<String> { desk.feed("/status.atom").into_iter().map(|entry| entry.title).collect() };
    until("both troubles are told", || (titles().len() == 2).then_some(()));
    let first = desk.get("/status.atom");
    assert_eq!(first.field("content-type"), "application/atom+xml; charset=utf-8");
    assert!(first.field("link").contains("/status.atom>; rel=\"self\""));
    let text = first.text();
    assert!(!text.contains("hunter2") && !text.contains(&desk.origin.address.to_string()), "{text}");
    assert!(
        text.contains("500 Internal Server Error") && !text.contains("403"),
        "a private source by its name only: {text}"
    );
    let ids = |answer: &Answer| -> Vec<String> {
        read("status.atom", &answer.body).into_iter().map(|entry| entry.id).collect()
    };
    let known = ids(&first);

    // The same trouble again is no news.
    desk.run(&["update"]);
    assert_eq!(desk.get("/status.atom").revision(), first.revision());

    desk.origin.answer("/wire", 200, &[], rss("Wire", &[("tag:w,1", "News", "Mon, 02 Mar 2026 10:00:00 GMT")]));
    desk.run(&["update", "wire"]);
    until("the end of it is told", || titles().contains(&"wire is well again".to_owned()).then_some(()));
    let second = desk.get("/status.atom");
    let all = ids(&second);
    assert_eq!((all.len(), known.iter().all(|id| all.contains(id))), (3, true));

    // A restart tells nothing anew, a second spell is another one.
    assert_eq!(daemon.stop().code(), Some(0));
    let _daemon = desk.serve();
    assert_eq!(desk.get("/status.atom").revision(), second.revision());
    desk.origin.answer("/wire", 500, &[], "");
    until("the second trouble is told", || {
        desk.run(&["update", "wire"]);
        (titles().len() == 4).then_some(())
    });
}
