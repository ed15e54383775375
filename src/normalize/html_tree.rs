//! The tree that `html5ever` builds: nodes in one list that name each other by their places, so that it is dropped and
//! walked without recursion.

use std::cell::{Ref, RefCell};

use html5ever::tendril::StrTendril;
use html5ever::tree_builder::{ElemName, ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, LocalName, Namespace, QualName};

use crate::parse::html::bounds::Effort;

/// A node of the flat tree; links are places in the list.
#[derive(Debug)]
pub struct Node {
    pub parent: Option<usize>,
    pub first_child: Option<usize>,
    last_child: Option<usize>,
    previous: Option<usize>,
    pub next: Option<usize>,
    pub data: Data,
}

#[derive(Debug)]
pub enum Data {
    Element { name: QualName, attributes: Vec<Attribute> },
    Text(StrTendril),
    Other,
}

impl Node {
    fn new(data: Data) -> Self {
        Node { parent: None, first_child: None, last_child: None, previous: None, next: None, data }
    }

    /// Elements in which the parser takes markup for text.
    pub fn is_raw_text(&self) -> bool {
        matches!(&self.data, Data::Element { name, .. } if matches!(&*name.local, "iframe" | "noembed" | "noframes" | "noscript" | "xmp" | "plaintext"))
    }
}

/// What the parser builds. Node 0 is the document.
#[derive(Debug)]
pub struct Tree {
    nodes: RefCell<Vec<Node>>,
    /// What it took so far.
    pub effort: Effort,
    /// Of what is no element.
    nameless: QualName,
}

impl Default for Tree {
    fn default() -> Self {
        let nameless = QualName::new(None, Namespace::default(), LocalName::default());
        Tree { nodes: RefCell::new(vec![Node::new(Data::Other)]), effort: Effort::default(), nameless }
    }
}

/// The name of an element, as the parser asks for it.
#[derive(Debug)]
pub enum Name<'a> {
    Of(Ref<'a, QualName>),
    /// Of what is no element.
    Missing(&'a QualName),
}

impl Name<'_> {
    fn get(&self) -> &QualName {
        match self {
            Name::Of(name) => name,
            Name::Missing(name) => name,
        }
    }
}

impl ElemName for Name<'_> {
    fn ns(&self) -> &Namespace {
        &self.get().ns
    }

    fn local_name(&self) -> &LocalName {
        &self.get().local
    }
}

impl Tree {
    /// Everything that was built, the document first.
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes.into_inner()
    }

    /// Nodes that were built, those that were left out again included.
    pub fn len(&self) -> usize {
        self.nodes.borrow().len()
    }

    /// A node has been put in its place.
    fn placed(&self, nodes: &[Node], id: usize) {
        let Data::Element { attributes, .. } = &nodes[id].data else { return };
        let (mut levels, mut weight) = (0, attributes.len());
        let mut above = nodes[id].parent;
        while let Some(node) = above.map(|id| &nodes[id]) {
            levels += 1;
            if let Data::Element { attributes, .. } = &node.data {
                weight += attributes.len();
            }
            above = node.parent;
        }
        self.effort.note(levels, weight);
    }

    fn add(&self, data: Data) -> usize {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node::new(data));
        nodes.len() - 1
    }

    fn detach(nodes: &mut [Node], id: usize) {
        let (parent, previous, next) = (nodes[id].parent.take(), nodes[id].previous.take(), nodes[id].next.take());
        match previous {
            Some(previous) => nodes[previous].next = next,
            None => {
                if let Some(parent) = parent {
                    nodes[parent].first_child = next;
                }
            }
        }
        match next {
            Some(next) => nodes[next].previous = previous,
            None => {
                if let Some(parent) = parent {
                    nodes[parent].last_child = previous;
                }
            }
        }
    }

    fn append_node(&self, nodes: &mut [Node], parent: usize, id: usize) {
        Self::detach(nodes, id);
        let last = nodes[parent].last_child;
        nodes[id].parent = Some(parent);
        nodes[id].previous = last;
        match last {
            Some(last) => nodes[last].next = Some(id),
            None => nodes[parent].first_child = Some(id),
        }
        nodes[parent].last_child = Some(id);
        self.placed(nodes, id);
    }

    /// Add to a text that stands there already. `Err`: there is none.
    fn merge(nodes: &mut [Node], neighbour: Option<usize>, text: StrTendril) -> Result<(), StrTendril> {
        match neighbour.and_then(|id| nodes.get_mut(id)).map(|node| &mut node.data) {
            Some(Data::Text(there)) => {
                there.push_tendril(&text);
                Ok(())
            }
            _ => Err(text),
        }
    }
}

impl TreeSink for Tree {
    type Handle = usize;
    type Output = Self;
    type ElemName<'a> = Name<'a>;

    fn finish(self) -> Self {
        self
    }

    fn parse_error(&self, _: std::borrow::Cow<'static, str>) {}

    fn get_document(&self) -> usize {
        0
    }

    fn elem_name<'a>(&'a self, target: &'a usize) -> Name<'a> {
        let name = Ref::filter_map(self.nodes.borrow(), |nodes| match &nodes[*target].data {
            Data::Element { name, .. } => Some(name),
            Data::Text(_) | Data::Other => None,
        });
        // The parser asks for the names of elements only; whatever a page says, this is no place to stop.
        name.map_or(Name::Missing(&self.nameless), Name::Of)
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> usize {
        self.add(Data::Element { name, attributes })
    }

    fn create_comment(&self, _: StrTendril) -> usize {
        self.add(Data::Other)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> usize {
        self.add(Data::Other)
    }

    fn append(&self, parent: &usize, child: NodeOrText<usize>) {
        let id = match child {
            NodeOrText::AppendNode(id) => id,
            NodeOrText::AppendText(text) => {
                let mut nodes = self.nodes.borrow_mut();
                let last = nodes[*parent].last_child;
                match Self::merge(&mut nodes, last, text) {
                    Ok(()) => return,
                    Err(text) => {
                        nodes.push(Node::new(Data::Text(text)));
                        nodes.len() - 1
                    }
                }
            }
        };
        self.append_node(&mut self.nodes.borrow_mut(), *parent, id);
    }

    fn append_based_on_parent_node(&self, element: &usize, previous: &usize, child: NodeOrText<usize>) {
        let has_parent = self.nodes.borrow()[*element].parent.is_some();
        if has_parent {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &usize) -> usize {
        // Templates are dropped with all that is in them.
        *target
    }

    fn same_node(&self, x: &usize, y: &usize) -> bool {
        x == y
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &usize, child: NodeOrText<usize>) {
        let mut nodes = self.nodes.borrow_mut();
        let id = match child {
            NodeOrText::AppendNode(id) => id,
            NodeOrText::AppendText(text) => {
                let before = nodes[*sibling].previous;
                match Self::merge(&mut nodes, before, text) {
                    Ok(()) => return,
                    Err(text) => {
                        nodes.push(Node::new(Data::Text(text)));
                        nodes.len() - 1
                    }
                }
            }
        };
        Self::detach(&mut nodes, id);
        let (parent, previous) = (nodes[*sibling].parent, nodes[*sibling].previous);
        nodes[id].parent = parent;
        nodes[id].previous = previous;
        nodes[id].next = Some(*sibling);
        nodes[*sibling].previous = Some(id);
        match (previous, parent) {
            (Some(previous), _) => nodes[previous].next = Some(id),
            (None, Some(parent)) => nodes[parent].first_child = Some(id),
            (None, None) => {}
        }
        self.placed(&nodes, id);
    }

    fn add_attrs_if_missing(&self, _: &usize, _: Vec<Attribute>) {
        // Only for `html` and `body`, which are not written.
    }

    fn remove_from_parent(&self, target: &usize) {
        Self::detach(&mut self.nodes.borrow_mut(), *target);
    }

    fn reparent_children(&self, node: &usize, new_parent: &usize) {
        let mut nodes = self.nodes.borrow_mut();
        while let Some(child) = nodes[*node].first_child {
            self.append_node(&mut nodes, *new_parent, child);
        }
    }
}
