//! Sanitize: HTML as anyone wrote it in, HTML out that is safe to show anywhere.
//!
//! `html5ever` reads the markup as a browser would, into a flat tree of our own; one walk writes out what is on the
//! list of elements and attributes, everything else only as its text. Text and values are always escaped and nothing
//! that is written holds raw text, so no second reading can see other elements than the first.
//!
//! The parser's time grows with depth and with the attributes of one element: [`is_bounded`] is asked before.

use std::collections::HashMap;

use html5ever::tendril::TendrilSink;
use html5ever::tokenizer::TokenizerOpts;
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{Attribute, ParseOpts, QualName, local_name, ns};
use url::Url;

use super::embed;
use super::html_tree::{Data, Node, Tree};

/// Elements inside each other; markup that is deeper is shown as its text.
const MAX_DEPTH: usize = 256;
/// Attributes of one element.
const MAX_ATTRIBUTES: usize = 512;

/// Safe HTML. Only for markup that [`is_bounded`].
pub fn sanitize(markup: &str, base: Option<&Url>) -> String {
    let opts = ParseOpts {
        tree_builder: TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() },
        tokenizer: TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() },
    };
    let context = QualName::new(None, ns!(html), local_name!("body"));
    let tree = html5ever::parse_fragment(Tree::default(), opts, context, Vec::new(), false).one(markup);
    let nodes = tree.into_nodes();
    Writer { nodes: &nodes, base, out: String::with_capacity(markup.len()) }.write()
}

/// Is the markup shallow enough, and free of floods of attributes? Linear; depth is rather over- than underestimated.
pub fn is_bounded(markup: &str) -> bool {
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
    base: Option<&'a Url>,
    out: String,
}

/// What becomes of an element.
enum Fate {
    /// Tag and content.
    Keep,
    /// Content only.
    Unwrap,
    /// Neither.
    Drop,
    /// It has been written already, as something else.
    Replaced,
}

impl Writer<'_> {
    fn write(mut self) -> String {
        let root = 0;
        // The fragment stands in an `html` element under the document.
        let mut at = self.nodes[root].first_child;
        while let Some(id) = at {
            let node = &self.nodes[id];
            let descend = self.open(node);
            at = if descend && node.first_child.is_some() {
                node.first_child
            } else {
                if descend {
                    self.close(node);
                }
                self.after(id)
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
            self.close(&self.nodes[id]);
        }
    }

    /// `true`: what is in the node is to be written too.
    fn open(&mut self, node: &Node) -> bool {
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
            Data::Element { name, attributes } => match self.fate(name, attributes) {
                Fate::Keep => true,
                Fate::Unwrap => true,
                Fate::Drop | Fate::Replaced => false,
            },
            Data::Other => false,
        }
    }

    fn close(&mut self, node: &Node) {
        let Data::Element { name, attributes } = &node.data else { return };
        if is_kept(name, attributes, self.base) && !is_void(&name.local) {
            self.out.push_str("</");
            self.out.push_str(&name.local);
            self.out.push('>');
        }
    }

    fn fate(&mut self, name: &QualName, attributes: &[Attribute]) -> Fate {
        match &*name.local {
            "script" | "style" | "template" | "applet" | "frameset" | "frame" => return Fate::Drop,
            "iframe" | "embed" | "object" => return self.embedded(attributes),
            "img" if is_tracking_pixel(attributes) => return Fate::Drop,
            _ => {}
        }
        if !is_kept(name, attributes, self.base) {
            return Fate::Unwrap;
        }
        self.out.push('<');
        self.out.push_str(&name.local);
        for attribute in attributes {
            self.attribute(&name.local, attribute, attributes);
        }
        if matches!(&*name.local, "video" | "audio") {
            self.out.push_str(" controls=\"\"");
        }
        self.out.push('>');
        Fate::Keep
    }

    /// A player we know becomes a link to what it plays; the rest is passed over, save its text.
    fn embedded(&mut self, attributes: &[Attribute]) -> Fate {
        let source = ["src", "data", "data-src"].iter().find_map(|wanted| value(attributes, wanted));
        let Some((page, player)) = source.and_then(|source| embed::page(&resolve(source, self.base, true)?)) else {
            return Fate::Unwrap;
        };
        let title = value(attributes, "title").map(str::trim).filter(|title| !title.is_empty());
        self.out.push_str("<a href=\"");
        escape(&page, &mut self.out);
        self.out.push_str("\">");
        escape(title.unwrap_or(player), &mut self.out);
        self.out.push_str("</a>");
        Fate::Replaced
    }

    fn attribute(&mut self, element: &str, attribute: &Attribute, all: &[Attribute]) {
        let name = &*attribute.name.local;
        let value = &*attribute.value;
        let kept = match (element, name) {
            (_, "title" | "lang" | "dir") => Some(value.to_owned()),
            ("a", "href") => resolve(value, self.base, false),
            ("img", "src" | "data-src" | "data-lazy-src" | "data-original") => {
                return self.image_source(name, all);
            }
            ("video" | "audio" | "source" | "track", "src") | ("video", "poster") => resolve(value, self.base, true),
            ("blockquote" | "q" | "ins" | "del", "cite") => resolve(value, self.base, false),
            ("img" | "source", "srcset") => srcset(value, self.base),
            ("img", "alt") => Some(value.to_owned()),
            ("img" | "video" | "source" | "td" | "th" | "col" | "table", "width" | "height") => number(value),
            ("source" | "a", "type") | ("source", "media") | ("img" | "source", "sizes") => Some(value.to_owned()),
            ("a", "hreflang") => Some(value.to_owned()),
            ("track", "kind" | "srclang" | "label") => Some(value.to_owned()),
            ("td" | "th", "colspan" | "rowspan") | ("col" | "colgroup", "span") | ("ol", "start") | ("li", "value") => {
                number(value)
            }
            ("td" | "th", "headers" | "scope" | "align") => Some(value.to_owned()),
            ("ol", "type" | "reversed") | ("details", "open") => Some(value.to_owned()),
            ("time" | "ins" | "del", "datetime") | ("data", "value") => Some(value.to_owned()),
            _ => None,
        };
        if let Some(kept) = kept {
            self.push_attribute(name, &kept);
        }
    }

    /// An image that is loaded late has a stand-in for `src`, and its own address elsewhere.
    fn image_source(&mut self, name: &str, all: &[Attribute]) {
        let chosen = image_attribute(all);
        if chosen.is_some_and(|chosen| &*chosen.name.local == name)
            && let Some(url) = chosen.and_then(|chosen| resolve(&chosen.value, self.base, true))
        {
            self.push_attribute("src", &url);
        }
    }

    fn push_attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(value, &mut self.out);
        self.out.push('"');
    }
}

/// Does the element's own tag go out? The same answer for its start and its end.
fn is_kept(name: &QualName, attributes: &[Attribute], base: Option<&Url>) -> bool {
    name.ns == ns!(html)
        && match &*name.local {
            "a" => value(attributes, "href").is_some_and(|href| resolve(href, base, false).is_some()),
            "img" => {
                let addressed = |attribute: &Attribute| resolve(&attribute.value, base, true).is_some();
                image_attribute(attributes).is_some_and(addressed) || value(attributes, "srcset").is_some()
            }
            // Without an attribute it says nothing.
            "span" => attributes.iter().any(|attribute| matches!(&*attribute.name.local, "title" | "lang" | "dir")),
            local => is_allowed(local),
        }
}

fn is_allowed(name: &str) -> bool {
    matches!(
        name,
        "abbr"
            | "acronym"
            | "address"
            | "article"
            | "aside"
            | "audio"
            | "b"
            | "bdi"
            | "bdo"
            | "big"
            | "blockquote"
            | "br"
            | "caption"
            | "center"
            | "cite"
            | "code"
            | "col"
            | "colgroup"
            | "data"
            | "dd"
            | "del"
            | "details"
            | "dfn"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "em"
            | "figcaption"
            | "figure"
            | "footer"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "hr"
            | "i"
            | "ins"
            | "kbd"
            | "li"
            | "main"
            | "mark"
            | "menu"
            | "nav"
            | "ol"
            | "p"
            | "picture"
            | "pre"
            | "q"
            | "rp"
            | "rt"
            | "ruby"
            | "s"
            | "samp"
            | "section"
            | "small"
            | "source"
            | "strike"
            | "strong"
            | "sub"
            | "summary"
            | "sup"
            | "table"
            | "tbody"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "time"
            | "tr"
            | "track"
            | "tt"
            | "u"
            | "ul"
            | "var"
            | "video"
            | "wbr"
    )
}

fn is_void(name: &str) -> bool {
    matches!(name, "br" | "col" | "hr" | "img" | "source" | "track" | "wbr")
}

fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| &*attribute.value)
}

/// The attribute that holds an image's address: `src`, unless that is a stand-in.
fn image_attribute(attributes: &[Attribute]) -> Option<&Attribute> {
    let find = |name: &str| {
        let named = attributes.iter().find(|attribute| &*attribute.name.local == name);
        named.filter(|attribute| !attribute.value.trim().is_empty() && !starts_with(attribute.value.trim(), "data:"))
    };
    ["src", "data-src", "data-lazy-src", "data-original"].iter().find_map(|name| find(name))
}

/// An image that nobody is meant to see: at most one pixel in both directions, or hidden.
fn is_tracking_pixel(attributes: &[Attribute]) -> bool {
    let tiny = |name: &str| {
        value(attributes, name).is_some_and(|value| matches!(value.trim().trim_end_matches("px"), "0" | "1"))
    };
    if tiny("width") && tiny("height") {
        return true;
    }
    value(attributes, "style").is_some_and(|style| {
        let style: String = style.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        let says = |wanted: &[&str]| style.split(';').any(|rule| wanted.contains(&rule.trim_end_matches("!important")));
        says(&["display:none"])
            || says(&["width:1px", "width:0", "width:0px"]) && says(&["height:1px", "height:0", "height:0px"])
    })
}

/// The address, absolute if there is a base, if its scheme is harmless. `loads`: it is fetched without a click.
fn resolve(address: &str, base: Option<&Url>, loads: bool) -> Option<String> {
    let address = address.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    if is_plain_http(address) {
        return Some(address.to_owned());
    }
    let parsed = match base {
        Some(base) => base.join(address),
        None => Url::parse(address),
    };
    match parsed {
        Ok(url) => {
            let harmless = match url.scheme() {
                "http" | "https" => true,
                "mailto" | "tel" | "ftp" | "magnet" | "xmpp" | "irc" | "ircs" | "sms" | "geo" | "news" | "nntp"
                | "gemini" | "gopher" | "webcal" | "feed" | "sip" | "matrix" => !loads,
                _ => false,
            };
            harmless.then(|| url.into())
        }
        Err(url::ParseError::RelativeUrlWithoutBase) if !address.is_empty() => match address.strip_prefix("//") {
            Some(rest) => Some(format!("https://{rest}")),
            None => Some(address.to_owned()),
        },
        Err(_) => None,
    }
}

/// An absolute address in nothing but the usual characters needs no parser.
fn is_plain_http(address: &str) -> bool {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        rest.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && rest.bytes().all(|b| {
                b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
            })
    })
}

/// `srcset` with every address resolved (HTML, 4.8.4.2.1); candidates that cannot be are left out.
fn srcset(value: &str, base: Option<&Url>) -> Option<String> {
    let mut out = String::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() {
            break;
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (address, after) = rest.split_at(end);
        let (address, descriptor) = match address.strip_suffix(',') {
            Some(address) => {
                rest = after;
                (address.trim_end_matches(','), "")
            }
            None => {
                let (descriptor, after) = after.split_once(',').unwrap_or((after, ""));
                rest = after;
                (address, descriptor.trim())
            }
        };
        if let Some(url) = resolve(address, base, true) {
            let separator = if out.is_empty() { "" } else { ", " };
            out.push_str(separator);
            // A comma at its end would be taken for the separator.
            out.push_str(&url.replace(',', "%2C"));
            if !descriptor.is_empty() {
                out.push(' ');
                out.push_str(descriptor);
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

fn number(value: &str) -> Option<String> {
    let value = value.trim();
    let digits = value.trim_end_matches("px").trim_end_matches('%');
    let is_number = !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| value.trim_end_matches("px").to_owned())
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// Text or an attribute's value, escaped, without what XML forbids.
pub fn escape(text: &str, out: &mut String) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &b) in bytes.iter().enumerate() {
        let replacement = match b {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            0..0x20 if !matches!(b, b'\t' | b'\n' | b'\r') => "",
            // U+FFFE and U+FFFF.
            0xEF if matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])) => "\u{FFFD}",
            _ => continue,
        };
        out.push_str(&text[copied..at]);
        out.push_str(replacement);
        copied = if b == 0xEF { at + 3 } else { at + 1 };
    }
    out.push_str(&text[copied..]);
}
