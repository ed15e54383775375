//! Names of people in bylines and headers.

use super::page::{starts_lower, width};
use crate::model::Person;

/// The authors of "By Jane Doe and René van der Berg"; `None` if the line is anything else.
///
/// 2 to 10 capitalised words, particles and "and", at most 80 characters, no full stop but those of initials. Where
/// they wrote it ("in London") and what they are ("Political Editor") may stand beside the names.
pub(super) fn byline(line: &str) -> Option<Vec<Person>> {
    let by = line.get(..2).filter(|by| by.eq_ignore_ascii_case("by"))?;
    let names = line.get(by.len()..)?.strip_prefix([' ', ':'])?.trim();
    let names = (width(line) <= LONGEST).then(|| without_places(names))??;
    if !(2..=10).contains(&names.split_whitespace().count()) {
        return None;
    }
    people(&names).filter(|people| !people.is_empty())
}

/// The people that a list of names names; `None` if a word of it is part of no name.
pub(super) fn people(list: &str) -> Option<Vec<Person>> {
    if list.is_empty() || width(list) > LONGEST || list.split_whitespace().count() > 10 {
        return None;
    }
    let mut people = Vec::new();
    for part in list.split([',', ';', '&']).flat_map(split_and) {
        let part = part.trim();
        if part.is_empty() || is_office(part) {
            continue;
        }
        people.push(person(part)?);
    }
    Some(people)
}

/// The list without "in London"; `None` if what follows an "in" is no place.
fn without_places(list: &str) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    let mut in_place = false;
    for word in list.split_whitespace() {
        let ends_place = word.eq_ignore_ascii_case("and") || word == "&";
        if word == "in" && !names.is_empty() {
            in_place = true;
        } else if in_place && !ends_place {
            if starts_lower(word) {
                return None;
            }
            // A comma behind the place parts the names.
            if word.ends_with(',') {
                names.push(",");
                in_place = false;
            }
        } else {
            in_place = false;
            names.push(word);
        }
    }
    Some(names.join(" "))
}

const LONGEST: usize = 80;

/// "Jane Doe", "J. K. Rowling", "Jane Doe <jane@example.org>".
fn person(text: &str) -> Option<Person> {
    if let Some((name, rest)) = text.split_once('<') {
        let email = rest.strip_suffix('>').filter(|email| is_email(email))?;
        let name = Some(name.trim()).filter(|name| !name.is_empty()).map(str::to_owned);
        return Some(Person { name, email: Some(email.to_owned()), uri: None });
    }
    if is_email(text) {
        return Some(Person { email: Some(text.to_owned()), ..Person::default() });
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let named = words.iter().any(|word| !starts_lower(word));
    let fits = words.len() <= 6 && named && words.iter().all(|word| is_name_word(word));
    fits.then(|| Person { name: Some(words.join(" ")), ..Person::default() })
}

fn split_and(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut at = 0;
    // Words of one list are few: the caller has counted them.
    for word in text.split(' ') {
        if word.eq_ignore_ascii_case("and") {
            parts.push(text.get(start..at).unwrap_or_default());
            start = at + word.len();
        }
        at += word.len() + 1;
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// A capitalised word, a particle, an initial.
fn is_name_word(word: &str) -> bool {
    let letters = word.chars().all(|c| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-' | '‐' | '.' | '·' | '・'))
        || word.chars().any(|c| !c.is_alphanumeric() && !c.is_ascii());
    let no_digit = !word.contains(|c: char| c.is_ascii_digit());
    let stop = word.strip_suffix('.').is_none_or(|bare| {
        bare.chars().count() == 1 || bare.split(['.', '-']).all(|c| c.chars().count() == 1) || TITLES.contains(&bare)
    });
    let inner_stop = word.trim_end_matches('.').split('.').all(|part| part.chars().count() == 1) || {
        let bare = word.trim_end_matches('.');
        !bare.contains('.')
    };
    let capital = word.chars().find(|c| c.is_alphabetic()).is_some_and(|c| !c.is_lowercase());
    let particle = PARTICLES.contains(&word.to_lowercase().as_str());
    let joined_particle = word.split_once(['\'', '’', '-']).is_some_and(|(particle, name)| {
        particle.chars().count() <= 2 && name.chars().next().is_some_and(|c| !c.is_lowercase())
    });
    letters && no_digit && stop && inner_stop && (capital || particle || joined_particle)
}

/// "Political Editor" behind a name is not a second author.
fn is_office(part: &str) -> bool {
    const OFFICES: [&str; 12] = [
        "editor",
        "correspondent",
        "reporter",
        "writer",
        "columnist",
        "chief",
        "bureau",
        "staff",
        "director",
        "professor",
        "analyst",
        "commentator",
    ];
    part.split_whitespace().any(|word| OFFICES.contains(&word.to_lowercase().as_str()))
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>@,;".contains(c));
    plain(local) && plain(domain) && domain.contains('.')
}

/// Abbreviated parts of names that end in a full stop.
const TITLES: [&str; 8] = ["Dr", "Jr", "Sr", "St", "Prof", "Mr", "Mrs", "Ms"];

/// Lower-case parts of names.
const PARTICLES: [&str; 41] = [
    "van", "der", "den", "de", "het", "'t", "’t", "ter", "ten", "te", "von", "vom", "zu", "zum", "zur", "af", "av",
    "du", "des", "la", "le", "les", "del", "della", "dei", "di", "da", "do", "dos", "das", "y", "e", "i", "bin",
    "bint", "ibn", "ben", "al", "el", "st", "san",
];
