//! The tree of an HTML document, built only as far as it is sane.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use dom_query::{Document, NodeId};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeBuilderOpts, TreeSink};
use html5ever::{Attribute, ParseOpts, QualName};

use super::bounds::{self, Effort};
use super::tags;
use crate::parse::article::NotAnArticle;

/// Builds the tree of a document, by the rules of browsers.
///
/// The text is fed in pieces, and given up as soon as the tree is too deep, or costs much more than what was fed.
pub(super) fn build(html: &str, max_depth: usize) -> Result<Document, NotAnArticle> {
    if tags::is_overloaded(html) {
        return Err(NotAnArticle::Markup("a tag holds hundreds of attributes"));
    }
    let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let mut parser = html5ever::parse_document(Watched::default(), ParseOpts { tree_builder, ..ParseOpts::default() });
    bounds::feed(&mut parser, html, |watched, fed| {
        if watched.effort.deepest() > max_depth {
            return Err(NotAnArticle::TooDeep(max_depth));
        }
        if watched.effort.is_beyond(fed, watched.document.tree.len()) {
            return Err(NotAnArticle::Markup("hundreds of formatting tags are never closed"));
        }
        Ok(())
    })?;
    Ok(parser.finish())
}

/// A tree in the making that knows what it costs, contents of templates and misplaced children of tables included.
#[derive(Default)]
struct Watched {
    document: Document,
    effort: Effort,
    /// How many attributes elements have, where they have any.
    attributes: RefCell<HashMap<NodeId, usize>>,
    /// Contents of a template -> the template.
    templates: RefCell<HashMap<NodeId, NodeId>>,
}

impl Watched {
    /// A node has been put in its place.
    fn placed(&self, node: NodeId) {
        let (attributes, templates) = (self.attributes.borrow(), self.templates.borrow());
        let of = |node: &NodeId| attributes.get(node).copied().unwrap_or_default();
        let (mut levels, mut weight, mut below) = (0, of(&node), node);
        loop {
            for above in self.document.tree.ancestor_ids_of_it(&below, None) {
                (levels, weight, below) = (levels + 1, weight + of(&above), above);
            }
            let Some(template) = templates.get(&below) else { break };
            (levels, weight, below) = (levels + 1, weight + of(template), *template);
        }
        self.effort.note(levels, weight);
    }
}

fn node_of(child: &NodeOrText<NodeId>) -> Option<NodeId> {
    match child {
        NodeOrText::AppendNode(node) => Some(*node),
        NodeOrText::AppendText(_) => None,
    }
}

impl TreeSink for Watched {
    type Handle = NodeId;
    type Output = Document;
    type ElemName<'a> = <Document as TreeSink>::ElemName<'a>;

    fn finish(self) -> Document {
        self.document
    }

    /// Nobody asks which errors a page holds.
    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        self.document.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Self::ElemName<'a> {
        self.document.elem_name(target)
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> NodeId {
        let count = attributes.len();
        let element = self.document.create_element(name, attributes, flags);
        if count > 0 {
            self.attributes.borrow_mut().insert(element, count);
        }
        element
    }

    fn create_comment(&self, text: StrTendril) -> NodeId {
        self.document.create_comment(text)
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> NodeId {
        self.document.create_pi(target, data)
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        let placed = node_of(&child);
        self.document.append(parent, child);
        placed.into_iter().for_each(|node| self.placed(node));
    }

    fn append_before_sibling(&self, sibling: &NodeId, child: NodeOrText<NodeId>) {
        let placed = node_of(&child);
        self.document.append_before_sibling(sibling, child);
        placed.into_iter().for_each(|node| self.placed(node));
    }

    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        match self.document.tree.parent_of(element) {
            Some(_) => self.append_before_sibling(element, child),
            None => self.append(previous, child),
        }
    }

    fn append_doctype_to_document(&self, name: StrTendril, public_id: StrTendril, system_id: StrTendril) {
        self.document.append_doctype_to_document(name, public_id, system_id);
    }

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        let contents = self.document.get_template_contents(target);
        self.templates.borrow_mut().insert(contents, *target);
        contents
    }

    fn same_node(&self, one: &NodeId, other: &NodeId) -> bool {
        self.document.same_node(one, other)
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.document.set_quirks_mode(mode);
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attributes: Vec<Attribute>) {
        self.document.add_attrs_if_missing(target, attributes);
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.document.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        self.document.reparent_children(node, new_parent);
    }

    fn is_mathml_annotation_xml_integration_point(&self, handle: &NodeId) -> bool {
        self.document.is_mathml_annotation_xml_integration_point(handle)
    }
}
