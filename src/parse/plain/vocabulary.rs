//! The words by which articles name sections.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Section;

/// Names, titles and aliases of all sections. Built once for a configuration.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// First word of a phrase -> phrases that begin with it, longest first.
    phrases: BTreeMap<String, Vec<Phrase>>,
}

#[derive(Debug, Clone)]
struct Phrase {
    words: Vec<String>,
    section: String,
}

impl Vocabulary {
    /// An earlier section wins a word that two sections claim.
    pub fn new(sections: &[Arc<Section>]) -> Self {
        let mut vocabulary = Self::default();
        for section in sections {
            vocabulary.add(&section.name, &section.name);
            vocabulary.add(&section.name.replace(['-', '_'], " "), &section.name);
            vocabulary.add(&section.title, &section.name);
            for alias in &section.aliases {
                vocabulary.add(alias, &section.name);
            }
        }
        vocabulary
    }

    /// Makes `phrase` a way to name `section`.
    fn add(&mut self, phrase: &str, section: &str) {
        let words: Vec<String> = words(phrase).iter().map(|word| fold(word)).collect();
        let Some(first) = words.first() else { return };
        let phrases = self.phrases.entry(first.clone()).or_default();
        if phrases.iter().all(|known| known.words != words) {
            phrases.push(Phrase { words, section: section.to_owned() });
            phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.words.len()));
        }
    }

    /// The name of the section that the whole of `text` names, in any case.
    pub fn resolve(&self, text: &str) -> Option<&str> {
        let words = words(text);
        self.longest(&words).filter(|(count, _)| *count == words.len()).map(|(_, section)| section)
    }

    /// The section that the innermost folder of a path is named like, if one of them is.
    pub fn of_folder(&self, path: &str) -> Option<&str> {
        let (folders, _) = path.rsplit_once('/')?;
        folders.rsplit('/').find_map(|name| self.resolve(name))
    }

    /// The longest phrase that `words` begin with: how many words it takes, and its section's name.
    pub(super) fn longest(&self, words: &[&str]) -> Option<(usize, &str)> {
        let phrases = self.phrases.get(&fold(words.first()?))?;
        phrases.iter().find_map(|phrase| {
            let taken = words.get(..phrase.words.len())?;
            let same = taken.iter().zip(&phrase.words).all(|(word, known)| fold(word) == *known);
            same.then_some((phrase.words.len(), phrase.section.as_str()))
        })
    }
}

/// The words of a line; `&`, `,`, `/` and `|` are words of their own.
pub(super) fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for piece in line.split_whitespace() {
        for part in piece.split_inclusive(SEPARATORS) {
            let word = part.trim_end_matches(SEPARATORS);
            if !word.is_empty() {
                words.push(word);
            }
            if word.len() < part.len() {
                words.push(&part[word.len()..]);
            }
        }
    }
    words
}

/// Is this word only there to keep names apart?
pub(super) fn is_separator(word: &str) -> bool {
    word.eq_ignore_ascii_case("and") || word.chars().all(|c| SEPARATORS.contains(&c))
}

const SEPARATORS: [char; 4] = ['&', ',', '/', '|'];

/// Two spellings of one word are the same when this is.
fn fold(word: &str) -> String {
    if word.eq_ignore_ascii_case("and") { "&".to_owned() } else { word.to_lowercase() }
}
