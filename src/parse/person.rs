//! People as feeds write them in one line: "Jane Doe", "jane@example.org (Jane Doe)", "Jane Doe <jane@example.org>".

use crate::model::Person;

/// The person a line speaks of; `None` when it says nothing.
pub fn from_line(line: &str) -> Option<Person> {
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    let email = line
        .split([' ', '(', ')', '<', '>', ',', ';', '"', '[', ']', '\n', '\t'])
        .map(clean_address)
        .find(|word| is_address(word));
    let Some(email) = email else {
        return Some(Person { name: Some(collapse(line)), ..Person::default() });
    };
    let rest = line.replacen(email, "", 1).replace("mailto:", "").replace("()", "").replace("<>", "").replace("[]", "");
    let name = rest.trim().trim_matches(['(', ')', '<', '>', '"', ',', ';', '[', ']', '\'']).trim();
    Some(Person { name: (!name.is_empty()).then(|| collapse(name)), email: Some(email.to_owned()), uri: None })
}

/// A mail address, as far as a feed cares.
pub fn is_address(word: &str) -> bool {
    match word.split_once('@') {
        Some((user, host)) => {
            !user.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && !user.contains('/')
                && host.chars().next().is_some_and(char::is_alphanumeric)
        }
        None => false,
    }
}

fn clean_address(word: &str) -> &str {
    word.strip_prefix("mailto:").unwrap_or(word).trim_end_matches(['.', ':'])
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
