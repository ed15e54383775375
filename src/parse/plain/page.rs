//! The rows and blocks of a plain text, and the measures that tell a title from a paragraph.

use std::ops::Range;

/// A text as rows that are not blank, grouped in blocks by the blank lines between them.
pub(super) struct Page<'a> {
    pub rows: Vec<Row<'a>>,
    /// The rows of every block.
    blocks: Vec<Block>,
}

/// One line that is not blank.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// From 1, blank lines counted.
    pub number: usize,
    /// Without white space around it.
    pub text: &'a str,
    /// See [`width`].
    pub width: usize,
    block: usize,
}

struct Block {
    rows: Range<usize>,
    /// Holds a line so long that nobody wrapped it by hand: then every line is a paragraph.
    one_paragraph_a_line: bool,
}

/// Wider lines than this were not wrapped by hand.
const HAND_WRAPPED: usize = 160;

impl<'a> Page<'a> {
    /// `text` as [`normalized`] gives it.
    pub fn new(text: &'a str) -> Self {
        let mut page = Page { rows: Vec::new(), blocks: Vec::new() };
        let mut after_blank = true;
        for (index, line) in text.split('\n').enumerate() {
            let line = line.trim();
            if line.is_empty() {
                after_blank = true;
                continue;
            }
            let start = page.rows.len();
            if after_blank {
                page.blocks.push(Block { rows: start..start, one_paragraph_a_line: false });
            }
            after_blank = false;
            let width = width(line);
            page.rows.push(Row { number: index + 1, text: line, width, block: page.blocks.len().saturating_sub(1) });
            if let Some(block) = page.blocks.last_mut() {
                block.rows.end = start + 1;
                block.one_paragraph_a_line |= width > HAND_WRAPPED;
            }
        }
        page
    }

    /// The rows from `at` to the end of its block; empty behind the last row.
    pub fn rest_of_block(&self, at: usize) -> Range<usize> {
        match self.rows.get(at).and_then(|row| self.blocks.get(row.block)) {
            Some(block) => at..block.rows.end,
            None => at..at,
        }
    }

    /// The rows that make one paragraph from `at` on: the rest of its block, or the row alone.
    pub fn unit(&self, at: usize) -> Range<usize> {
        if self.one_paragraph_a_line(at) { at..at + 1 } else { self.rest_of_block(at) }
    }

    /// The rows that make one paragraph up to `last`, which belongs to it.
    pub fn unit_ending(&self, last: usize) -> Range<usize> {
        match self.rows.get(last).and_then(|row| self.blocks.get(row.block)) {
            Some(block) if !block.one_paragraph_a_line => block.rows.start..last + 1,
            Some(_) => last..last + 1,
            None => last..last,
        }
    }

    pub fn one_paragraph_a_line(&self, at: usize) -> bool {
        self.rows.get(at).and_then(|row| self.blocks.get(row.block)).is_some_and(|block| block.one_paragraph_a_line)
    }

    /// Does a block begin with this row?
    pub fn starts_block(&self, at: usize) -> bool {
        self.rows.get(at).and_then(|row| self.blocks.get(row.block)).is_some_and(|block| block.rows.start == at)
    }

    pub fn text(&self, at: usize) -> &'a str {
        self.rows.get(at).map_or("", |row| row.text)
    }

    /// These rows as one running text.
    pub fn joined(&self, rows: Range<usize>) -> String {
        join(rows.map(|row| self.text(row)))
    }

    /// Is this a paragraph, as opposed to a title, a heading, a caption?
    pub fn is_paragraph(&self, rows: Range<usize>) -> bool {
        let (Some(first), Some(last)) = (self.rows.get(rows.start), rows.end.checked_sub(1)) else { return false };
        if rows.is_empty() {
            return false;
        }
        let width = self.width(rows.clone());
        width >= PARAGRAPH
            || width >= SENTENCE && ends_sentence(self.text(last))
            || starts_with_dateline(first.text, width)
    }

    /// Of these rows, joined by one space each.
    pub fn width(&self, rows: Range<usize>) -> usize {
        let spaces = rows.len().saturating_sub(1);
        self.rows.get(rows).unwrap_or_default().iter().map(|row| row.width).sum::<usize>() + spaces
    }
}

/// A text this wide is a paragraph.
const PARAGRAPH: usize = 120;

/// A text this wide is a paragraph if it ends like a sentence.
const SENTENCE: usize = 60;

/// One kind of line end and of space; neither byte order marks nor soft hyphens nor what does not show.
pub(super) fn normalized(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut after_return = false;
    for c in text.chars() {
        match c {
            '\n' if after_return => {}
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => clean.push('\n'),
            '\t' | '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{3000}' => clean.push(' '),
            '\u{feff}' | '\u{200b}' | '\u{2060}' | '\u{ad}' => {}
            c if c.is_control() => {}
            c => clean.push(c),
        }
        after_return = c == '\r';
    }
    clean
}

/// Running text of lines: a space between them, none where the script writes none.
pub(super) fn join<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines {
        let apart = match (text.chars().next_back(), line.chars().next()) {
            (Some(before), Some(after)) => !(is_wide(before) && is_wide(after)) || is_hangul(before),
            _ => false,
        };
        if apart {
            text.push(' ');
        }
        text.push_str(line);
    }
    text
}

/// Characters; ideographs, kana and hangul count twice, since they say about twice as much.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{20000}'..='\u{3fffd}')
}

/// Korean is written with spaces.
fn is_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7a3}')
}

/// Marks that end a sentence, in the scripts that have their own.
pub(super) const SENTENCE_ENDS: [char; 15] =
    ['.', '!', '?', '…', '。', '！', '？', '．', '｡', '؟', '۔', '।', '॥', '։', '።'];

/// Marks that close what was said or bracketed.
pub(super) const CLOSING: [char; 14] = ['"', '\'', '”', '’', '»', '›', '“', '‘', ')', ']', '」', '』', '）', '›'];

/// Marks of quotation, either side, of any language.
pub(super) const QUOTES: [char; 17] =
    ['"', '“', '”', '„', '‟', '«', '»', '‹', '›', '「', '」', '『', '』', '‘', '’', '\'', '‚'];

/// Does the text end in . ! ? or a quote, brackets behind a sentence end aside?
pub(super) fn ends_sentence(text: &str) -> bool {
    let bare = text.trim_end_matches([')', ']', '）']);
    let bare = if bare.ends_with(SENTENCE_ENDS) { bare } else { text };
    bare.ends_with(SENTENCE_ENDS) || bare.ends_with(QUOTES)
}

/// Does the first letter say that a sentence goes on?
pub(super) fn starts_lower(text: &str) -> bool {
    text.trim_start_matches(QUOTES).chars().next().is_some_and(char::is_lowercase)
}

/// "LONDON, March 3 —", "LONDON (Reuters) -", and in front of a longer text "LONDON —" alone.
pub(super) fn starts_with_dateline(text: &str, width: usize) -> bool {
    let Some((place, rest)) = dateline(text) else { return false };
    let dated = place.contains(|c: char| c.is_ascii_digit()) || place.ends_with(')');
    let named = place.split([',', '(']).next().unwrap_or_default();
    let capitals = !named.chars().any(char::is_lowercase) && named.chars().filter(|c| c.is_uppercase()).count() > 2;
    let capitalised = named.split_whitespace().all(|word| !starts_lower(word));
    !rest.is_empty() && if dated { capitalised } else { capitals && width >= SENTENCE }
}

/// What stands before and behind the dash of a dateline.
fn dateline(text: &str) -> Option<(&str, &str)> {
    const LONGEST: usize = 60;
    let head = match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text.get(..end)?,
        None => text,
    };
    let (at, dash) =
        [" — ", " – ", " - ", " -- ", "— "].iter().filter_map(|dash| Some((head.find(dash)?, *dash))).min()?;
    let place = text.get(..at)?.trim();
    let words = place.split_whitespace().count();
    let sober = !place.contains(['?', '!', ':', ';']) && !place.contains(QUOTES);
    (sober && (1..=8).contains(&words) && place.starts_with(char::is_alphabetic))
        .then(|| (place, text.get(at + dash.len()..).unwrap_or_default().trim()))
}
