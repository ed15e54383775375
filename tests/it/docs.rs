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
