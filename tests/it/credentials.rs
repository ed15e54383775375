//! Who we are is told to the configured origin alone, in every way that it can be said, and to nobody else.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Desk, Ran, rss};

fn secret(desk: &Desk, name: &str, content: &str) {
    let path = desk.write(name, content);
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

fn feed(title: &str) -> String {
    rss(title, &[(&format!("tag:x,2026:{title}"), title, "Mon, 02 Mar 2026 10:00:00 GMT")])
}

/// Name of the source, its keys, and the header that its server must see.
const WAYS: [(&str, &str, &str, &str); 5] = [
    ("basic", "username = \"me\"\npassword-file = \"secrets/password\"", "authorization", "Basic bWU6aHVudGVyMg=="),
    ("bearer", "token-file = \"secrets/token\"", "authorization", "Bearer hunter2"),
    ("credential", "token-file = \"from-systemd\"", "authorization", "Bearer hunter2.systemd"),
    ("header", "headers = { X-Wire = { file = \"secrets/token\" } }", "x-wire", "hunter2"),
    ("written", "headers = { Cookie = \"session=hunter2\" }", "cookie", "session=hunter2"),
];

#[test]
fn credentials_reach_the_configured_origin_alone() {
    let (desk, elsewhere) = (Desk::new(), Desk::new());
    secret(&desk, "secrets/password", "hunter2\n");
    secret(&desk, "secrets/token", "hunter2\n");
    secret(&desk, "credentials/from-systemd", "hunter2.systemd\n");
    let mut tables = "[[section]]\nname = \"news\"\n".to_owned();
    for (name, keys, ..) in WAYS {
        desk.origin.answer(&format!("/{name}"), 200, &[], feed(name));
        desk.origin.redirect(&format!("/{name}-moved"), 301, elsewhere.origin.url(&format!("/{name}")));
        elsewhere.origin.answer(&format!("/{name}"), 200, &[], feed(&format!("{name} elsewhere")));
        for path in [name.to_owned(), format!("{name}-moved"), format!("{name}-refused")] {
            let url = desk.origin.url(&format!("/{path}"));
            desk.origin.answer(&format!("/{name}-refused"), 401, &[], "hunter2 is wrong");
            tables += &format!("[[source]]\nname = \"{path}\"\nurl = \"{url}\"\nsections = [\"news\"]\n{keys}\n");
        }
    }
    desk.configure(&tables);
    let run = |arguments: &[&str]| {
        Ran::from(desk.command(arguments).env("CREDENTIALS_DIRECTORY", desk.path("credentials")).output().unwrap())
    };
    let checked = run(&["check"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let mut serve = desk.command(&["serve"]);
    serve.env("CREDENTIALS_DIRECTORY", desk.path("credentials")).env("NEWSDESK_LOG", "trace");
    let daemon = desk.spawn(serve);
    daemon.ready();
    for (name, ..) in WAYS {
        desk.until_status(name, "is well", |row| row["mark"] == "well");
        desk.until_status(&format!("{name}-moved"), "is well", |row| row["mark"] == "well");
        desk.until_status(&format!("{name}-refused"), "has failed", |row| row["mark"] == "failing");
    }

    let asked = desk.origin.asked();
    for (name, _, field, value) in WAYS {
        for path in [format!("/{name}"), format!("/{name}-moved"), format!("/{name}-refused")] {
            let request = asked.iter().find(|asked| asked.path == path).unwrap();
            assert_eq!(request.field(field), Some(value), "{path}");
        }
    }
    assert_eq!(elsewhere.origin.asked().len(), WAYS.len());
    for request in elsewhere.origin.asked() {
        let told = request.fields.iter().any(|(name, value)| {
            matches!(name.as_str(), "authorization" | "x-wire" | "cookie") || value.contains("hunter2")
        });
        assert!(!told, "{request:?}");
    }

    for path in ["/", "/status", "/news/", "/news/atom.xml", "/news/feed.json", "/sources.opml", "/sections.opml"] {
        assert!(!desk.get(path).text().contains("hunter2"), "{path}");
    }
    let ran = [run(&["status"]), run(&["status", "--json"]), run(&["update"]), run(&["check", "--json"])];
    let told = ran.iter().map(|ran| format!("{}{}", ran.out, ran.err)).collect::<String>() + &desk.log();
    for word in ["hunter2", "bWU6aHVudGVyMg", "Bearer"] {
        assert!(!told.contains(word), "{word} in {told}");
    }
    assert!(told.contains("401"), "{told}");
}
