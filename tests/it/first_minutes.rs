//! The first minutes with the program: started with nothing at all, then with what its page says, then with a typo.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::service::with_socket;
use crate::support::{Desk, Ran, until};

/// The program in a home where nobody has set up anything.
fn bare(desk: &Desk, command: &mut Command) {
    let home = desk.path("home");
    std::fs::create_dir_all(&home).unwrap();
    command.current_dir(&home).env("HOME", &home).env("RUNTIME_DIRECTORY", desk.path("run"));
    for name in ["NEWSDESK_CONFIG", "CONFIGURATION_DIRECTORY", "STATE_DIRECTORY", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
        command.env_remove(name);
    }
}

/// A block of code of the page, as it is read.
fn block(page: &str) -> String {
    let block =
        page.split("<pre").nth(1).and_then(|rest| rest.split_once("<code>")?.1.split("</code>").next()).unwrap();
    block
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&amp;", "&")
}

#[test]
fn without_any_configuration_its_page_says_what_to_add() {
    if Path::new("/etc/newsdesk/newsdesk.toml").exists() {
        return println!("left out: this machine has a newsdesk of its own");
    }
    // The address that it would bind by itself may be taken on this machine.
    let mut desk = Desk::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    desk.port = listener.local_addr().unwrap().port();
    let program = env!("CARGO_BIN_EXE_newsdesk");
    let mut serve = with_socket(Command::new(program).arg("serve"), &listener);
    bare(&desk, &mut serve);
    let daemon = desk.spawn(serve);
    daemon.ready();
    let page = desk.get("/");
    assert_eq!(page.status, 200);
    let page = page.text();
    assert!(
        page.contains("Nothing is published here yet") && page.contains("<code>config/newsdesk.toml</code>"),
        "{page}"
    );
    assert_eq!(daemon.stop().code(), Some(0));

    // It is done as it says, with an article in the folder and none of the feeds elsewhere.
    let check = |state: &str| {
        let mut check = Command::new(program);
        bare(&desk, check.arg("check"));
        let ran = Ran::from(check.output().unwrap());
        assert_eq!(ran.code, Some(0), "{state}: {ran:?}");
        ran
    };
    check("nothing").says(&["no configuration found", "config/newsdesk.toml", "/etc/newsdesk/newsdesk.toml"]);
    let text = block(&page);
    desk.write("home/config/newsdesk.toml", &text);
    desk.write("home/config/articles/one.md", "---\ntitle: The first one\nsections: [politics]\n---\nIt is read.\n");
    desk.write("home/config/subscriptions.opml", "<opml version=\"2.0\"><head/><body/></opml>");
    check("as the page says");
    let local: Vec<&str> =
        text.split("\n\n").filter(|table| !table.contains("url ") && !table.contains("opml ")).collect();
    desk.write("home/config/newsdesk.toml", local.join("\n\n"));
    let mut serve = with_socket(Command::new(program).arg("serve"), &listener);
    bare(&desk, &mut serve);
    let _daemon = desk.spawn(serve);
    until("the article is on the page", || desk.get("/").text().contains("The first one").then_some(()));
    desk.until_titles("politics", &["The first one"]);
}

/// The very words; README shows the same.
#[test]
fn the_first_typo_is_answered_with_its_place_and_what_was_meant() {
    let desk = Desk::new();
    let path = desk.write("newsdesk.toml", "[site]\ntitle = \"Mine\"\ntimzone = \"Europe/Berlin\"\n");
    let words = format!(
        "{}:3:1: error: unknown key \"timzone\" in [site]\n  |\n3 | timzone = \"Europe/Berlin\"\n  | ^^^^^^^ did you mean timezone?\n",
        path.display()
    );
    for verb in ["check", "serve", "update"] {
        let ran = desk.run(&[verb]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(78), ""), "{verb}");
        ran.says(&[&words]);
    }
}
