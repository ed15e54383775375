//! The section line: which sections, and which categories, the first line of an article names.

use super::page::QUOTES;
use super::vocabulary::{Vocabulary, is_separator, words};

/// What the words of a line name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Names of sections, in the order of the line, each once.
    pub sections: Vec<String>,
    /// Words that no section has, as they stand in the line.
    pub unknown: Vec<String>,
    /// Are all unknown words capitalised?
    pub capitalised: bool,
    /// Words that are no separators.
    pub words: usize,
}

/// A line that is wider than this names no sections.
pub(super) const WIDEST: usize = 80;

/// What a line names; `None` if it is a sentence or names nothing. Marks inside a section's own name do not count.
pub(super) fn read(line: &str, vocabulary: &Vocabulary) -> Option<Reading> {
    let words = words(line);
    let mut reading = Reading { capitalised: true, ..Reading::default() };
    let mut run: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(rest) = words.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some((taken, section)) = vocabulary.longest(rest) {
            close(&mut run, &mut reading.unknown);
            if reading.sections.iter().all(|known| known != section) {
                reading.sections.push(section.to_owned());
            }
            reading.words += rest.iter().take(taken).filter(|word| !is_separator(word)).count();
            at += taken;
            continue;
        }
        let word = rest.first()?;
        at += 1;
        if is_separator(word) {
            close(&mut run, &mut reading.unknown);
            continue;
        }
        if word.contains(STOPS) || word.contains(QUOTES) {
            return None;
        }
        reading.words += 1;
        reading.capitalised &= word.chars().next().is_some_and(char::is_uppercase);
        run.push(word);
    }
    close(&mut run, &mut reading.unknown);
    (reading.words > 0).then_some(reading)
}

/// Marks of a sentence or of a title.
const STOPS: [char; 5] = ['.', '!', '?', ':', ';'];

fn close(run: &mut Vec<&str>, unknown: &mut Vec<String>) {
    if !run.is_empty() {
        unknown.push(run.join(" "));
        run.clear();
    }
}
