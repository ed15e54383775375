//! The title: which rows it takes, and the first sentence that stands in for one.

use std::ops::Range;

use super::page::{CLOSING, Page, QUOTES, SENTENCE_ENDS, ends_sentence, starts_lower, width};

/// The rows from `at` on that are a title; `None` if a paragraph stands there.
pub(super) fn rows(page: &Page<'_>, at: usize) -> Option<Range<usize>> {
    let block = page.rest_of_block(at);
    if block.is_empty() {
        return None;
    }
    let title = joined_rows(page, block.clone());
    if page.one_paragraph_a_line(at) || title.end < block.end && broken_on_purpose(page, &title, &block) {
        let paragraph = page.is_paragraph(title.clone()) && !is_headline(page, &title);
        return (!paragraph).then_some(title);
    }
    let paragraph = page.is_paragraph(block.clone()) && !is_headline(page, &block);
    (!paragraph).then_some(title)
}

/// The first sentence of a text, cut at [`LONGEST_SENTENCE`] characters.
pub(in crate::parse) fn first_sentence(text: &str) -> String {
    let sentence = text.get(..sentence_end(text)).unwrap_or(text).trim();
    let Some((limit, _)) = sentence.char_indices().nth(LONGEST_SENTENCE) else { return sentence.to_owned() };
    // One character is the ellipsis's.
    let room = sentence.char_indices().nth(LONGEST_SENTENCE - 1).map_or(limit, |(end, _)| end);
    let head = sentence.get(..room).unwrap_or(sentence);
    let whole_words = head.rfind(char::is_whitespace).filter(|end| *end > room / 2).unwrap_or(head.len());
    let head = head.get(..whole_words).unwrap_or(head);
    format!("{}…", head.trim_end_matches(|c: char| c.is_whitespace() || ",;:–—-".contains(c)))
}

const LONGEST_SENTENCE: usize = 100;

/// The first row and those that go on with it.
fn joined_rows(page: &Page<'_>, block: Range<usize>) -> Range<usize> {
    let mut end = block.start + 1;
    while end < block.end {
        let (before, next) = (page.text(end - 1), page.text(end));
        let goes_on = starts_lower(next) || is_unfinished(before);
        if !goes_on || page.width(block.start..end + 1) > WIDEST || super::head::opens_something_else(next) {
            break;
        }
        end += 1;
    }
    block.start..end
}

/// A title of several rows stays below this.
const WIDEST: usize = 180;

/// Does the line end in a comma, colon, dash or small word?
fn is_unfinished(line: &str) -> bool {
    if line.ends_with([',', ':', '：', '，', '、', '–', '—', '-']) {
        return true;
    }
    let last = line.split_whitespace().next_back().unwrap_or_default();
    line.contains(char::is_whitespace) && SMALL_WORDS.contains(&last.to_lowercase().as_str())
}

/// A wrapped line is as full as it can be; one that had room for the next word was broken on purpose.
fn broken_on_purpose(page: &Page<'_>, title: &Range<usize>, block: &Range<usize>) -> bool {
    let next = page.text(title.end);
    if super::head::opens_something_else(next) || super::body::marker(next).is_some() {
        return true;
    }
    let widths = |rows: Range<usize>| page.rows.get(rows).unwrap_or_default().iter().map(|row| row.width);
    let first = widths(title.end - 1..title.end).max().unwrap_or_default();
    let others = widths(title.end..block.end).max().unwrap_or_default();
    let next_word = next.split_whitespace().next().map(width).unwrap_or_default();
    let had_room = first + 1 + next_word <= others;
    let sticks_out = first > others + 10 && block.end - title.end > 2;
    had_room || sticks_out
}

/// A single question, exclamation or quotation in front of a text is its title, however long it is; so is a line that
/// does not end like a sentence and holds none.
fn is_headline(page: &Page<'_>, rows: &Range<usize>) -> bool {
    const LONGEST: usize = 160;
    if rows.len() > 2 || page.width(rows.clone()) > LONGEST {
        return false;
    }
    let text = page.joined(rows.clone());
    let bare = text.trim_end_matches(QUOTES);
    let asks = text.ends_with(['?', '!', '？', '！', '؟']);
    let quotes = bare.len() < text.len() && !bare.ends_with(['.', '。', ',']);
    let open = rows.len() == 1 && !ends_sentence(&text) && !text.ends_with([',', ';', ':']);
    let single = sentence_end(&text) == text.len();
    let dateline = super::page::starts_with_dateline(&text, page.width(rows.clone()));
    (asks || quotes || open) && single && !dateline && page.is_paragraph(page.unit(rows.end))
}

/// Where the first sentence of a text ends, in bytes.
fn sentence_end(text: &str) -> usize {
    let mut previous_word_start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            previous_word_start = at + c.len_utf8();
        }
        if !SENTENCE_ENDS.contains(&c) {
            continue;
        }
        let word = text.get(previous_word_start..at).unwrap_or_default();
        let mut end = at + c.len_utf8();
        while let Some((next, closing)) = chars.next_if(|(_, c)| SENTENCE_ENDS.contains(c) || CLOSING.contains(c)) {
            end = next + closing.len_utf8();
        }
        let wide = !c.is_ascii() && c != '…';
        let rest = text.get(end..).unwrap_or_default();
        let new_sentence = rest.starts_with(char::is_whitespace) && !starts_lower(rest.trim_start());
        if rest.trim().is_empty() || wide || new_sentence && !(c == '.' && is_abbreviation(word)) {
            return end;
        }
    }
    text.len()
}

/// "Mr", "U.S", "J", "No": a full stop behind it ends no sentence.
fn is_abbreviation(word: &str) -> bool {
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let initials = word.split('.').all(|part| part.chars().count() == 1 && part.chars().all(char::is_uppercase));
    initials || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

const ABBREVIATIONS: [&str; 39] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "gen", "lt", "col", "sgt", "capt", "cmdr", "gov", "sen", "rep",
    "rev", "hon", "jr", "sr", "inc", "ltd", "co", "corp", "jan", "feb", "aug", "sept", "oct", "nov", "dec", "approx",
    "ca", "z.b", "bzw", "nr", "m", "mme",
];

/// A title does not end in one of these.
const SMALL_WORDS: [&str; 71] = [
    "a", "an", "the", "and", "or", "but", "nor", "of", "in", "on", "at", "by", "for", "from", "to", "with", "as",
    "into", "over", "under", "after", "before", "about", "against", "between", "during", "without", "through", "amid",
    "than", "that", "is", "are", "its", "their", "his", "her", "not", "vs", "via", "&", "der", "die", "das", "und",
    "von", "mit", "für", "im", "zu", "le", "la", "les", "de", "des", "du", "et", "à", "en", "el", "los", "las", "y",
    "del", "con", "por", "para", "il", "di", "della", "per",
];
