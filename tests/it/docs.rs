//! What the documents say of the program is true of it.

use std::fs;
use std::path::Path;

/// Every message that the troubleshooting page explains is one that the program has.
#[test]
fn explained_messages_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = sources(&root.join("src"));
    let page = fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let messages: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    assert!(!messages.is_empty());
    for message in messages {
        for part in message.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            assert!(source.contains(part), "no message says {part:?}");
        }
    }
}

/// Every promise of the list is held by a test, and every test that it names is one.
#[test]
fn promises_are_held_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("tests/README.md")).unwrap();
    // What stands between two promises, or between one and the next heading, belongs to the first.
    let promises: Vec<&str> = list.split("\n- ").skip(1).map(|rest| rest.split("\n\n").next().unwrap()).collect();
    assert!(!promises.is_empty());
    for promise in promises {
        let named: Vec<(&str, &str)> = promise.split('`').filter_map(|code| code.split_once(".rs::")).collect();
        assert!(!named.is_empty(), "nothing holds this: {promise}");
        for (file, test) in named {
            let text = fs::read_to_string(root.join(file).with_extension("rs"));
            let text = text.unwrap_or_else(|cause| panic!("{file}.rs: {cause}"));
            let before = text.split(&format!("fn {test}(")).next().filter(|before| before.len() < text.len());
            let before = before.unwrap_or_else(|| panic!("{file}.rs has no {test}"));
            let attribute = before.lines().rev().find(|line| line.trim_start().starts_with("#["));
            assert!(attribute.is_some_and(|line| line.contains("test]")), "{file}.rs: {test} is no test");
        }
    }
}

/// The text of all modules.
fn sources(root: &Path) -> String {
    let mut text = String::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}
