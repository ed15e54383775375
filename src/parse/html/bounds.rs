//! What building the tree of an HTML text may cost. A builder compares the attributes of one tag all with each other, walks
//! up the open elements for many a tag, compares formatting with all that is open, and repeats that in every paragraph: by
//! itself its work, and the tree, grow with the square of hostile text.

use std::cell::Cell;

use html5ever::Parser;
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::TreeSink;
use memchr::{memchr, memchr_iter};

/// Bytes fed between two looks at the tree.
const PIECE: usize = 2 * 1024;

/// Feed a parser in pieces. `look` is given the sink and how many bytes it has got so far; what it refuses ends it.
pub fn feed<Sink: TreeSink, E>(
    parser: &mut Parser<Sink>,
    html: &str,
    mut look: impl FnMut(&Sink, usize) -> Result<(), E>,
) -> Result<(), E> {
    let mut rest = html;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(PIECE));
        parser.process(StrTendril::from_slice(piece));
        rest = after;
        look(&parser.tokenizer.sink.sink, html.len() - rest.len())?;
    }
    Ok(())
}

/// Elements that are put into a tree, with all that is above them.
#[derive(Debug, Default)]
pub struct Effort {
    deepest: Cell<usize>,
    spent: Cell<usize>,
}

impl Effort {
    /// What every text may take, and so much more for each of its bytes: the deepest articles take a tenth of it.
    const FREE: usize = 1 << 20;
    const FOR_A_BYTE: usize = 64;
    /// Nodes that every tree may have, besides one for each byte.
    const NODES: usize = 10_000;

    /// An element is put in its place: so many levels are above it. `attributes`: theirs, and its own.
    pub fn note(&self, levels: usize, attributes: usize) {
        self.deepest.set(self.deepest.get().max(levels));
        self.spent.set(self.spent.get().saturating_add(1 + levels + attributes));
    }

    /// The most levels above an element.
    pub fn deepest(&self) -> usize {
        self.deepest.get()
    }

    /// Is it out of proportion to so many bytes, or a tree of so many `nodes`?
    pub fn is_beyond(&self, bytes: usize, nodes: usize) -> bool {
        self.spent.get() > Effort::FREE + Effort::FOR_A_BYTE * bytes || nodes > Effort::NODES + bytes
    }
}

/// So many times the length of the text is read at most.
const AGAIN: usize = 8;

/// May a tag hold more than `most` attributes, in whatever way the text around it is read? Linear.
///
/// Every `<` before a letter is taken for the beginning of a tag, also within comments, raw text and values: which of them
/// are tags is what hostile text hides. Where tags lie so much inside each other that this would be read again and again,
/// the answer is yes.
pub fn is_overloaded(html: &str, most: usize) -> bool {
    let bytes = html.as_bytes();
    // Each takes two bytes.
    if bytes.len() <= 2 * most {
        return false;
    }
    let mut budget = AGAIN * bytes.len();
    for at in memchr_iter(b'<', bytes) {
        // End tags are read likewise, though what they state is forgotten.
        let tag = &bytes[at + 1..];
        let tag = tag.strip_prefix(b"/").unwrap_or(tag);
        if !tag.first().is_some_and(u8::is_ascii_alphabetic) {
            continue;
        }
        let (attributes, read) = attributes(tag, most);
        if attributes > most || read > budget {
            return true;
        }
        budget -= read;
    }
    false
}

/// How many attributes a tag has, no more than one beyond `most`, and how many bytes that took. By the states of the HTML
/// standard (§13.2.5.32 and those after it): an equals sign or a quote at the beginning of a name belongs to the name, and
/// an equals sign in a value without quotes to the value.
fn attributes(tag: &[u8], most: usize) -> (usize, usize) {
    let is_space = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ');
    let skip = |mut at: usize, wanted: &dyn Fn(u8) -> bool| {
        while tag.get(at).is_some_and(|byte| wanted(*byte)) {
            at += 1;
        }
        at
    };
    let mut at = skip(0, &|byte| !is_space(byte) && byte != b'/' && byte != b'>');
    let mut count = 0;
    while count <= most {
        at = skip(at, &|byte| is_space(byte) || byte == b'/');
        if tag.get(at).is_none_or(|byte| *byte == b'>') {
            break;
        }
        count += 1;
        at = skip(at + 1, &|byte| !is_space(byte) && !matches!(byte, b'/' | b'>' | b'='));
        let equals = skip(at, &is_space);
        if tag.get(equals) != Some(&b'=') {
            continue;
        }
        at = skip(equals + 1, &is_space);
        at = match tag.get(at) {
            Some(&quote @ (b'"' | b'\'')) => {
                memchr(quote, &tag[at + 1..]).map_or(tag.len(), |length| at + 1 + length + 1)
            }
            _ => skip(at, &|byte| !is_space(byte) && byte != b'>'),
        };
    }
    (count, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_counted_as_browsers_count_them() {
        for (tag, count) in [
            ("i>", 0),
            ("i a b=c d = 'e' f=\"g > h\">x y", 4),
            ("i =\">", 1),
            ("i a b=c=\" d>", 3),
            ("i a=\"b\"c/d / e>", 4),
            ("i a= >b", 1),
            ("i a='b", 1),
            ("i a", 1),
        ] {
            assert_eq!(attributes(tag.as_bytes(), 100).0, count, "<{tag}");
        }
    }

    #[test]
    fn floods_are_found_wherever_they_hide() {
        let flood: String = (0..200).map(|at| format!(" a{at}")).collect();
        for before in ["", "<i =\">", "<!--<x a=\"--><p>", "<!--><p>", "<title><x a=\"</title>", "<a b=c=\">"] {
            assert!(is_overloaded(&format!("{before}<i{flood}>"), 100), "{before}");
            assert!(is_overloaded(&format!("{before}</i{flood}>"), 100), "{before}");
            assert!(!is_overloaded(&format!("{before}<i{flood}>"), 1000), "{before}");
        }
        let many = "<p class=\"a\">x</p>".repeat(1000) + "<a href='x' title='a > b'>y</a>";
        assert!(!is_overloaded(&many, 100));
        // In one another, so that each would be read to the end.
        assert!(is_overloaded(&"<a".repeat(100_000), 100));
        assert!(is_overloaded(&"<a b='".repeat(100_001), 100));
    }
}
