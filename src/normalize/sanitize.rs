//! Sanitize: HTML as anyone wrote it in, HTML out that is safe to show anywhere.
//!
//! What is on the list of elements and attributes is written out, everything else only as its text ([`policy`]). Text and
//! values are always escaped and nothing that is written holds raw text, so no second reading can see other elements than
//! the first. Markup that needs no repair is read in one pass ([`regular`]); for the rest `html5ever` reads it as a browser
//! would, into a flat tree of our own, and one walk writes that. Both give the same.
//!
//! The parser's time grows with depth and with the attributes of one element: what goes beyond that is shown as its text.

mod policy;
mod regular;
#[cfg(test)]
mod tests;

use html5ever::tendril::TendrilSink;
use html5ever::tokenizer::TokenizerOpts;
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{ParseOpts, QualName, local_name, ns};
use url::Url;

use super::html_tree::{Data, Node, Tree};
use crate::parse::html::bounds;
use crate::swar::{self, Eight};
use policy::{Attribute, Fate, Policy};

/// Elements inside each other; markup that is deeper is shown as its text.
const MAX_DEPTH: usize = 256;
/// Levels that the parser puts around a fragment.
const OUTSIDE: usize = 1;
/// Attributes of one element.
const MAX_ATTRIBUTES: usize = 512;

/// Safe HTML. `None`: elements are too deep inside each other, one has too many attributes, or formatting is never closed.
pub fn sanitize(markup: &str, base: Option<&Url>) -> Option<String> {
    let policy = Policy { base };
    if let Some(safe) = regular::sanitize(markup, &policy) {
        debug_assert!(
            by_tree(markup, &policy).is_none_or(|other| safe == other),
            "the two readings of {markup:?} differ"
        );
        return Some(safe);
    }
    by_tree(markup, &policy)
}

/// Fed in pieces and given up as soon as the tree is too deep, or costs much more than what was fed.
fn by_tree(markup: &str, policy: &Policy<'_>) -> Option<String> {
    if bounds::is_overloaded(markup, MAX_ATTRIBUTES) {
        return None;
    }
    let opts = ParseOpts {
        tree_builder: TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() },
        tokenizer: TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() },
    };
    let context = QualName::new(None, ns!(html), local_name!("body"));
    let mut parser = html5ever::parse_fragment(Tree::default(), opts, context, Vec::new(), false);
    bounds::feed(&mut parser, markup, |tree, fed| {
        let too_deep = tree.effort.deepest() > OUTSIDE + MAX_DEPTH;
        if too_deep || tree.effort.is_beyond(fed, tree.len()) { Err(()) } else { Ok(()) }
    })
    .ok()?;
    let nodes = parser.finish().into_nodes();
    Some(Writer { nodes: &nodes, policy, open: Vec::new(), out: String::with_capacity(markup.len()) }.write())
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
