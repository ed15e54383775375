//! Sanitize: HTML as anyone wrote it in, HTML out that is safe to show anywhere.
//!
//! What is on the list of elements and attributes is written out, everything else only as its text ([`policy`]). Text and
//! values are always escaped and nothing that is written holds raw text, so no second reading can see other elements than
//! the first. Markup that needs no repair is read in one pass ([`regular`]); for the rest `html5ever` reads it as a browser
//! would, into a flat tree of our own, and one walk writes that. Both give the same.
//!
//! The parser's time grows with depth and with the attributes of one element: [`is_bounded`] is asked before.

mod policy;
mod regular;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use html5ever::tendril::TendrilSink;
use html5ever::tokenizer::TokenizerOpts;
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{ParseOpts, QualName, local_name, ns};
use url::Url;

use super::html_tree::{Data, Node, Tree};
use crate::swar::{self, Eight};
use policy::{Attribute, Fate, Policy};

/// Elements inside each other; markup that is deeper is shown as its text.
const MAX_DEPTH: usize = 256;
/// Attributes of one element.
const MAX_ATTRIBUTES: usize = 512;

/// Safe HTML. `None`: elements are too deep inside each other, or one has too many attributes.
pub fn sanitize(markup: &str, base: Option<&Url>) -> Option<String> {
    let policy = Policy { base };
    if let Some(safe) = regular::sanitize(markup, &policy) {
        debug_assert!(!is_bounded(markup) || safe == by_tree(markup, &policy), "the two readings of {markup:?} differ");
        return Some(safe);
    }
    is_bounded(markup).then(|| by_tree(markup, &policy))
}

fn by_tree(markup: &str, policy: &Policy<'_>) -> String {
    let opts = ParseOpts {
        tree_builder: TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() },
        tokenizer: TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() },
    };
    let context = QualName::new(None, ns!(html), local_name!("body"));
    let tree = html5ever::parse_fragment(Tree::default(), opts, context, Vec::new(), false).one(markup);
    let nodes = tree.into_nodes();
    Writer { nodes: &nodes, policy, open: Vec::new(), out: String::with_capacity(markup.len()) }.write()
}

/// Is the markup shallow enough, and free of floods of attributes? Linear; depth is rather over- than underestimated.
fn is_bounded(markup: &str) -> bool {
    let bytes = markup.as_bytes();
    let few = memchr::memchr_iter(b'<', bytes).take(MAX_DEPTH).count() < MAX_DEPTH;
    if few && bytes.len() < 4 * MAX_ATTRIBUTES {
        return true;
    }
    let mut open: HashMap<String, usize> = HashMap::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(offset) = memchr::memchr(b'<', &bytes[at..]) {
        at += offset + 1;
        let closes = bytes.get(at) == Some(&b'/');
        let start = at + usize::from(closes);
        if !bytes.get(start).is_some_and(u8::is_ascii_alphabetic) {
            continue;
        }
        let length = bytes[start..].iter().take(32).take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
        let name = markup[start..start + length].to_ascii_lowercase();
        let Some(end) = tag_end(bytes, start + length) else { return false };
        at = end;
        if closes {
            if let Some(count) = open.get_mut(&name).filter(|count| **count > 0) {
                *count -= 1;
                depth -= 1;
            }
        } else if !ends_by_itself(&name) {
            *open.entry(name).or_default() += 1;
            depth += 1;
            if depth > MAX_DEPTH {
                return false;
            }
        }
    }
    true
}

/// After the tag; `None` when it holds too many attributes.
fn tag_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let (mut parts, mut after_equals) = (0, false);
    while let Some(&b) = bytes.get(at) {
        at += 1;
        match b {
            b'>' => return Some(at),
            b'"' | b'\'' if after_equals => {
                at += memchr::memchr(b, &bytes[at..]).map_or(bytes.len() - at, |offset| offset + 1);
                after_equals = false;
                parts += 1;
            }
            b'=' => after_equals = true,
            b' ' | b'\t' | b'\n' | b'\r' | b'/' => parts += usize::from(!after_equals),
            _ => after_equals = false,
        }
        if parts > 2 * MAX_ATTRIBUTES {
            return None;
        }
    }
    Some(at)
}

/// Elements that never stay open inside themselves.
fn ends_by_itself(name: &str) -> bool {
    matches!(
        name,
        "p" | "li"
            | "dd"
            | "dt"
            | "tr"
            | "td"
            | "th"
            | "option"
            | "br"
            | "hr"
            | "img"
            | "wbr"
            | "input"
            | "source"
            | "col"
            | "area"
            | "embed"
            | "track"
            | "meta"
            | "link"
            | "base"
            | "param"
    )
}

/// Writes the tree; no recursion, whatever its depth.
struct Writer<'a> {
    nodes: &'a [Node],
    policy: &'a Policy<'a>,
    /// For each element that is open: has its tag been written?
    open: Vec<bool>,
    out: String,
}

impl Writer<'_> {
    fn write(mut self) -> String {
        let root = 0;
        // The fragment stands in an `html` element under the document.
        let mut at = self.nodes[root].first_child;
        while let Some(id) = at {
            let node = &self.nodes[id];
            at = match (self.begin(node), node.first_child) {
                (true, Some(child)) => Some(child),
                (true, None) => {
                    self.end(node);
                    self.after(id)
                }
                (false, _) => self.after(id),
            };
        }
        self.out
    }

    /// The next node after this one and all in it, with the end tags between them.
    fn after(&mut self, mut id: usize) -> Option<usize> {
        loop {
            if let Some(next) = self.nodes[id].next {
                return Some(next);
            }
            id = self.nodes[id].parent?;
            if id == 0 {
                return None;
            }
            self.end(&self.nodes[id]);
        }
    }

    /// `true`: it is open, and what is in it is to be written too.
    fn begin(&mut self, node: &Node) -> bool {
        match &node.data {
            Data::Text(text) => {
                if node.parent.is_some_and(|parent| self.nodes[parent].is_raw_text()) {
                    // What a frame or the like has for readers without frames is markup that nobody has read yet.
                    let text = super::clean::strip(text);
                    escape(&text, &mut self.out);
                } else {
                    escape(text, &mut self.out);
                }
                false
            }
            Data::Element { name, attributes } => {
                let attributes: Vec<Attribute<'_>> = attributes
                    .iter()
                    .map(|attribute| Attribute { name: &attribute.name.local, value: (&*attribute.value).into() })
                    .collect();
                let fate = self.policy.open(&name.local, name.ns == ns!(html), &attributes, &mut self.out);
                if !matches!(fate, Fate::Drop) {
                    self.open.push(matches!(fate, Fate::Keep));
                }
                !matches!(fate, Fate::Drop)
            }
            Data::Other => false,
        }
    }

    fn end(&mut self, node: &Node) {
        let Data::Element { name, .. } = &node.data else { return };
        if self.open.pop() == Some(true) {
            policy::close(&name.local, &mut self.out);
        }
    }
}

/// Text or an attribute's value, escaped, without what XML forbids.
pub fn escape(text: &str, out: &mut String) {
    /// Bytes that may not stay as they are.
    const SPECIAL: [bool; 256] = {
        let mut special = [false; 256];
        let mut b = 0;
        while b < 0x20 {
            special[b] = !matches!(b as u8, b'\t' | b'\n' | b'\r');
            b += 1;
        }
        special[b'&' as usize] = true;
        special[b'<' as usize] = true;
        special[b'>' as usize] = true;
        special[b'"' as usize] = true;
        special[0xEF] = true;
        special
    };
    let bytes = text.as_bytes();
    let (mut copied, mut at) = (0, 0);
    let plain = |eight: Eight| {
        let special = [b'&', b'<', b'>', b'"'].into_iter().fold(0, |mask, b| mask | eight.is(b));
        eight.within(b' ', b'~') & !special
    };
    while let Some(offset) = swar::position(&bytes[at..], plain, |b| SPECIAL[usize::from(b)]) {
        at += offset;
        let b = bytes[at];
        let replacement = match b {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            // U+FFFE and U+FFFF.
            0xEF if matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])) => "\u{FFFD}",
            0xEF => {
                at += 1;
                continue;
            }
            _ => "",
        };
        out.push_str(&text[copied..at]);
        out.push_str(replacement);
        at += if b == 0xEF { 3 } else { 1 };
        copied = at;
    }
    out.push_str(&text[copied..]);
}
