//! The elements of a document, one after the other, with what is in scope: namespaces, xml:base, xml:lang.
//!
//! The adapters ask for the next child of an element, for its text or its markup; whatever they do not ask for is
//! skipped. The reader keeps the stack of open elements, so an end tag that is missing, doubled or in the wrong place is
//! mended here and nowhere else. Nothing recurses, and the stack has a limit.

mod markup;

use std::borrow::Cow;

use url::Url;

use super::Limits;
use super::feed::{Repairs, Text, TextKind};
pub use super::namespaces::Ns;
use super::namespaces::{namespace, usual_prefix};
use super::xml::{self, Tag, Token, Tokens};

/// One start tag, placed.
#[derive(Debug, Clone)]
pub struct Element<'a> {
    pub ns: Ns,
    /// Local name in lower case.
    pub name: Cow<'a, str>,
    pub tag: Tag<'a>,
    /// How many elements are open, this one included.
    pub level: usize,
}

impl<'a> Element<'a> {
    /// The value of an attribute by its local name in lower case, references resolved, trimmed; `None` when blank.
    pub fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        let same = |written: &str| written.eq_ignore_ascii_case(name) || local(written).1.eq_ignore_ascii_case(name);
        let raw = xml::attributes(self.tag.attributes).find(|(written, _)| same(written))?.1.trim();
        (!raw.is_empty()).then(|| xml::unescape(raw, &mut Repairs::default()))
    }
}

struct Open<'a> {
    raw: &'a str,
}

/// Bytes of a language tag: the longest that is registered has less (RFC 5646 §4.4.1).
const LANGUAGE_LENGTH: usize = 35;

/// A namespace declaration in scope.
struct Declared<'a> {
    level: usize,
    prefix: &'a str,
    uri: &'a str,
    ns: Ns,
}

/// Reads the elements of one document.
pub struct Reader<'a> {
    tokens: Tokens<'a>,
    open: Vec<Open<'a>>,
    /// A start tag that was read ahead: it ended an element whose end tag is missing.
    ahead: Option<Tag<'a>>,
    /// The innermost element had no content (`<name/>`): it ends before the next token.
    closing: bool,
    /// Elements open beyond the depth limit; they are passed over.
    too_deep: usize,
    namespaces: Vec<Declared<'a>>,
    bases: Vec<(usize, Url)>,
    languages: Vec<(usize, Cow<'a, str>)>,
    /// Where the document came from.
    base: Option<Url>,
    depth: usize,
    max_namespaces: usize,
    /// Bytes of an xml:base that is in force.
    max_url: usize,
    /// Which namespace the root is in, so that its elements are `Core`.
    core: Option<&'a str>,
    doctype: &'a str,
    /// How many elements were open when the document ended too early.
    cut_at: Option<usize>,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, base: Option<&Url>, limits: &Limits) -> Self {
        Reader {
            tokens: Tokens::new(text),
            open: Vec::new(),
            ahead: None,
            closing: false,
            too_deep: 0,
            namespaces: Vec::new(),
            bases: Vec::new(),
            languages: Vec::new(),
            base: base.cloned(),
            depth: limits.depth,
            max_namespaces: limits.namespaces,
            max_url: limits.url_bytes,
            core: None,
            doctype: "",
            cut_at: None,
        }
    }

    pub fn repairs(&mut self) -> &mut Repairs {
        &mut self.tokens.repairs
    }

    pub fn into_repairs(self) -> Repairs {
        self.tokens.repairs
    }

    /// What the DOCTYPE declaration says, raw.
    pub fn doctype(&self) -> &'a str {
        self.doctype
    }

    /// The addresses of the namespaces that are declared in scope.
    pub fn declared(&self) -> impl Iterator<Item = &'a str> {
        self.namespaces.iter().map(|declared| declared.uri)
    }

    /// Did the document end inside a child of the element at `level`, or in the middle of a tag?
    pub fn is_cut_below(&self, level: usize) -> bool {
        self.cut_at.is_some_and(|open| open > level || self.tokens.cut)
    }

    /// How many elements are open.
    pub fn level(&self) -> usize {
        self.open.len()
    }

    /// The next child of the element at `level` (0: of the document). `None`: that element has ended.
    /// What is left of the child before is passed over.
    pub fn child(&mut self, level: usize) -> Option<Element<'a>> {
        loop {
            if self.open.len() < level {
                return None;
            }
            let inner = self.open.len() > level;
            match self.token()? {
                Token::Open(tag) => {
                    if inner && !ends_entry(tag.name) {
                        self.push(&tag);
                        continue;
                    }
                    if self.ends_open_entry(&tag) {
                        continue;
                    }
                    return Some(self.enter(tag));
                }
                Token::DocType(text) => self.doctype = text,
                Token::Close(_) | Token::Text(_) | Token::CData(_) => {}
            }
        }
    }

    /// The next child of an element that holds no entries. One that begins there means that the element lacks its end
    /// tag: it ends, and the entry is read where it belongs.
    pub fn part(&mut self, level: usize) -> Option<Element<'a>> {
        let child = self.child(level)?;
        if !ends_entry(child.tag.name) {
            return Some(child);
        }
        self.tokens.repairs.note("element without its end tag");
        self.pop_to(level.saturating_sub(1));
        self.ahead = Some(child.tag);
        None
    }

    /// The text of an element and of all in it, references resolved. The element is consumed.
    pub fn text(&mut self, element: &Element<'a>) -> Cow<'a, str> {
        let mut out = Cow::Borrowed("");
        while self.open.len() >= element.level {
            match self.token() {
                None => break,
                Some(Token::Text(raw)) => {
                    let text = xml::unescape(raw, &mut self.tokens.repairs);
                    append(&mut out, text);
                }
                Some(Token::CData(text)) => append(&mut out, Cow::Borrowed(text)),
                Some(Token::Open(tag)) => {
                    if self.ends_text(&tag, element) {
                        break;
                    }
                    self.push(&tag);
                }
                Some(Token::Close(_) | Token::DocType(_)) => {}
            }
        }
        out
    }

    /// The text of an element before its first child, trimmed; `None` when blank.
    pub fn own_text(&mut self, element: &Element<'a>) -> Option<String> {
        match self.text_only(element) {
            Some(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            None => self.leading_text().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
        }
    }

    /// Text up to the next tag.
    fn leading_text(&mut self) -> Option<Cow<'a, str>> {
        match self.token()? {
            Token::Text(raw) => Some(xml::unescape(raw, &mut self.tokens.repairs)),
            Token::CData(text) => Some(Cow::Borrowed(text)),
            Token::Open(tag) => {
                self.push(&tag);
                None
            }
            Token::Close(_) | Token::DocType(_) => None,
        }
    }

    /// [`Reader::text`], trimmed; `None` when blank.
    pub fn value(&mut self, element: &Element<'a>) -> Option<String> {
        let text = self.text(element);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The content of an element as the document has it: its text, or its markup where it has any that is not escaped.
    /// The element is consumed.
    pub fn content(&mut self, element: &Element<'a>) -> Content<'a> {
        let start = self.tokens.position();
        let mut out = Cow::Borrowed("");
        while self.open.len() >= element.level {
            match self.token() {
                None => break,
                Some(Token::Text(raw)) => {
                    let text = xml::unescape(raw, &mut self.tokens.repairs);
                    append(&mut out, text);
                }
                Some(Token::CData(text)) => append(&mut out, Cow::Borrowed(text)),
                Some(Token::Open(tag)) => {
                    if self.ends_text(&tag, element) {
                        break;
                    }
                    self.tokens.rewind(start);
                    return Content::Markup(self.markup(element));
                }
                Some(Token::Close(_) | Token::DocType(_)) => {}
            }
        }
        Content::Text(out)
    }

    /// The text of an element that has nothing but text; one that has children is left as it was, to read them.
    pub fn text_only(&mut self, element: &Element<'a>) -> Option<Cow<'a, str>> {
        let start = self.tokens.position();
        let mut out = Cow::Borrowed("");
        while self.open.len() >= element.level {
            match self.token() {
                None => break,
                Some(Token::Text(raw)) => {
                    let text = xml::unescape(raw, &mut self.tokens.repairs);
                    append(&mut out, text);
                }
                Some(Token::CData(text)) => append(&mut out, Cow::Borrowed(text)),
                Some(Token::Open(_)) => {
                    self.tokens.rewind(start);
                    return None;
                }
                Some(Token::Close(_) | Token::DocType(_)) => {}
            }
        }
        Some(out)
    }

    /// The xml:base in scope, absolute if it or the document's own address is.
    pub fn base(&self) -> Option<&Url> {
        self.bases.last().map(|(_, url)| url)
    }

    /// The xml:lang in scope.
    pub fn language(&self) -> Option<&str> {
        self.languages.last().map(|(_, language)| &**language).filter(|language| !language.is_empty())
    }

    /// A text construct in the scope of the element just entered.
    pub fn construct(&self, kind: TextKind, value: String) -> Text {
        Text { kind, value, base: self.base().cloned(), language: self.language().map(str::to_owned) }
    }

    /// The address as written, made absolute where an xml:base is in scope.
    pub fn resolve(&self, href: &str) -> String {
        let href = href.trim();
        match self.base() {
            Some(base) if !super::is_absolute(href) => base.join(href).map_or_else(|_| href.to_owned(), Into::into),
            _ => href.to_owned(),
        }
    }

    /// Take the namespace that a prefix stands for in the root's scope as the format's own.
    pub fn set_core(&mut self, root: &Element<'a>) {
        let prefix = local(root.tag.name).0;
        self.core = Some(prefix);
        for declared in self.namespaces.iter_mut().filter(|declared| declared.prefix == prefix) {
            declared.ns = Ns::Core;
        }
    }

    fn token(&mut self) -> Option<Token<'a>> {
        if let Some(tag) = self.ahead.take() {
            return Some(Token::Open(tag));
        }
        if self.closing {
            self.closing = false;
            self.pop_to(self.open.len().saturating_sub(1));
            return Some(Token::Close(""));
        }
        let parent = self.open.last().map_or("", |open| open.raw);
        let token = self.tokens.next(parent);
        match token {
            Some(Token::Close(name)) => self.close(name),
            None if !self.open.is_empty() => {
                self.tokens.repairs.note("document cut short");
                self.cut_at = Some(self.open.len());
                self.pop_to(0);
            }
            _ => {}
        }
        token
    }

    fn enter(&mut self, tag: Tag<'a>) -> Element<'a> {
        self.push(&tag);
        let (prefix, name) = local(tag.name);
        let ns = self.namespace(prefix);
        let name = self.lower_case(name, ns);
        Element { ns, name, tag, level: self.open.len() }
    }

    fn lower_case(&mut self, name: &'a str, ns: Ns) -> Cow<'a, str> {
        if !name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Cow::Borrowed(name);
        }
        let known = CAMEL_CASE.iter().find(|(written, _)| *written == name);
        match known {
            Some((_, lower)) => Cow::Borrowed(lower),
            None => {
                if ns == Ns::Core {
                    self.tokens.repairs.note("element in the wrong case");
                }
                Cow::Owned(name.to_ascii_lowercase())
            }
        }
    }

    fn push(&mut self, tag: &Tag<'a>) {
        if self.open.len() >= self.depth {
            if !tag.empty {
                self.too_deep += 1;
            }
            self.tokens.repairs.note("nested too deeply");
            return;
        }
        self.open.push(Open { raw: tag.name });
        self.closing = tag.empty;
        if tag.attributes.len() >= 5 {
            self.scope(tag);
        }
    }

    /// Namespace declarations, xml:base and xml:lang of the element just opened.
    fn scope(&mut self, tag: &Tag<'a>) {
        if !tag.attributes.as_bytes().windows(3).any(|three| matches!(three, b"xml" | b"XML" | b"Xml")) {
            return;
        }
        let level = self.open.len();
        for (name, value) in xml::attributes(tag.attributes) {
            if let Some(declared) = name.strip_prefix("xmlns") {
                let prefix = match declared.strip_prefix(':') {
                    Some(prefix) => prefix,
                    None if declared.is_empty() => "",
                    None => continue,
                };
                if self.namespaces.len() >= self.max_namespaces {
                    self.tokens.repairs.note("too many namespaces");
                    continue;
                }
                let uri = value.trim();
                self.namespaces.push(Declared { level, prefix, uri, ns: namespace(uri) });
            } else if name.eq_ignore_ascii_case("xml:base") {
                let value = xml::unescape(value.trim(), &mut self.tokens.repairs);
                let outer = self.base().or(self.base.as_ref());
                let url = match outer {
                    Some(outer) => outer.join(&value),
                    None => Url::parse(&value),
                };
                // Both are copied into every text below them.
                if let Some(url) = url.ok().filter(|url| url.as_str().len() <= self.max_url) {
                    self.bases.push((level, url));
                }
            } else if name.eq_ignore_ascii_case("xml:lang") && value.len() <= LANGUAGE_LENGTH {
                self.languages.push((level, xml::unescape(value.trim(), &mut self.tokens.repairs)));
            }
        }
    }

    fn namespace(&mut self, prefix: &str) -> Ns {
        let declared =
            self.namespaces.iter().rev().find(|declared| declared.prefix == prefix).map(|declared| declared.ns);
        if prefix.is_empty() {
            return declared.filter(|ns| *ns != Ns::Unknown).unwrap_or(Ns::Core);
        }
        match declared {
            Some(Ns::Unknown) | None => {
                if declared.is_none() && prefix != "xml" && self.core != Some(prefix) {
                    self.tokens.repairs.note("undeclared prefix");
                }
                if self.core == Some(prefix) { Ns::Core } else { usual_prefix(prefix) }
            }
            Some(ns) => ns,
        }
    }

    fn close(&mut self, name: &str) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        let Some(top) = self.open.last() else {
            self.tokens.repairs.note("end tag without its start tag");
            return;
        };
        if top.raw == name {
            self.pop_to(self.open.len() - 1);
            return;
        }
        let same = |open: &Open<'_>| open.raw.eq_ignore_ascii_case(name);
        match self.open.iter().rposition(same) {
            Some(at) => {
                self.tokens.repairs.note("element without its end tag");
                self.pop_to(at);
            }
            None => self.tokens.repairs.note("end tag without its start tag"),
        }
    }

    fn pop_to(&mut self, level: usize) {
        self.open.truncate(level);
        self.closing = false;
        fn trim<T>(scopes: &mut Vec<T>, level: usize, of: impl Fn(&T) -> usize) {
            while scopes.last().is_some_and(|scope| of(scope) > level) {
                scopes.pop();
            }
        }
        trim(&mut self.namespaces, level, |scope| scope.level);
        trim(&mut self.bases, level, |scope| scope.0);
        trim(&mut self.languages, level, |scope| scope.0);
    }

    /// An entry begins inside an entry: the outer one lacks its end tag and ends here. The tag is read again.
    fn ends_open_entry(&mut self, tag: &Tag<'a>) -> bool {
        if !ends_entry(tag.name) {
            return false;
        }
        let Some(at) = self.open.iter().rposition(|open| open.raw.eq_ignore_ascii_case(tag.name)) else { return false };
        self.tokens.repairs.note("element without its end tag");
        self.pop_to(at);
        self.ahead = Some(*tag);
        true
    }

    /// Does the tag belong behind the text element that is being read, because that one lacks its end tag?
    fn ends_text(&mut self, tag: &Tag<'a>, element: &Element<'a>) -> bool {
        if self.ends_open_entry(tag) {
            return true;
        }
        let name = local(tag.name).1;
        let ends = SIBLINGS.iter().any(|sibling| sibling.eq_ignore_ascii_case(name))
            || (*element.name == *"title" && TITLE_SIBLINGS.iter().any(|sibling| sibling.eq_ignore_ascii_case(name)));
        if !ends || element.ns != Ns::Core || self.open.len() != element.level {
            return false;
        }
        self.tokens.repairs.note("element without its end tag");
        self.pop_to(element.level - 1);
        self.ahead = Some(*tag);
        true
    }
}

/// What stands in an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// Nothing but text (which may be escaped markup).
    Text(Cow<'a, str>),
    /// Elements, as HTML.
    Markup(String),
}

fn append<'a>(out: &mut Cow<'a, str>, text: Cow<'a, str>) {
    if out.is_empty() {
        *out = text;
    } else if !text.is_empty() {
        out.to_mut().push_str(&text);
    }
}

/// Prefix and local name.
fn local(name: &str) -> (&str, &str) {
    // Names are short: a plain loop is the fastest search.
    match name.bytes().position(|b| b == b':') {
        Some(colon) => (&name[..colon], &name[colon + 1..]),
        None => ("", name),
    }
}

/// Elements that begin an entry, whatever else is open.
fn ends_entry(name: &str) -> bool {
    matches!(local(name).1, "item" | "entry" | "ITEM" | "ENTRY" | "Item" | "Entry")
}

/// Elements of an entry that are no HTML: inside a text they mean that its end tag is missing.
const SIBLINGS: [&str; 12] = [
    "guid",
    "pubDate",
    "description",
    "enclosure",
    "comments",
    "content:encoded",
    "updated",
    "published",
    "author",
    "category",
    "id",
    "lastBuildDate",
];
/// The same for titles, which hold no such HTML.
const TITLE_SIBLINGS: [&str; 5] = ["link", "title", "summary", "content", "encoded"];

/// Names with capitals in them, as their formats write them.
const CAMEL_CASE: [(&str, &str); 24] = [
    ("pubDate", "pubdate"),
    ("lastBuildDate", "lastbuilddate"),
    ("RDF", "rdf"),
    ("managingEditor", "managingeditor"),
    ("webMaster", "webmaster"),
    ("textInput", "textinput"),
    ("textinput", "textinput"),
    ("skipHours", "skiphours"),
    ("skipDays", "skipdays"),
    ("updatePeriod", "updateperiod"),
    ("updateFrequency", "updatefrequency"),
    ("updateBase", "updatebase"),
    ("origLink", "origlink"),
    ("origEnclosureLink", "origenclosurelink"),
    ("commentRss", "commentrss"),
    ("commentRSS", "commentrss"),
    ("Seq", "seq"),
    ("Channel", "channel"),
    ("generatorAgent", "generatoragent"),
    ("errorReportsTo", "errorreportsto"),
    ("feedburnerHostname", "feedburnerhostname"),
    ("browserFriendly", "browserfriendly"),
    ("emailServiceId", "emailserviceid"),
    ("episodeType", "episodetype"),
];
