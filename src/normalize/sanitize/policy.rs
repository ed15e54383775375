//! What is kept of an element: which names, which attributes, which addresses.

use std::borrow::Cow;

use url::Url;

use super::super::embed;
use super::escape;

/// See the module.
pub struct Policy<'a> {
    /// Against which relative addresses are resolved.
    pub base: Option<&'a Url>,
}

/// An attribute, references in its value resolved.
pub struct Attribute<'a> {
    pub name: &'a str,
    pub value: Cow<'a, str>,
}

/// What becomes of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Tag and content.
    Keep,
    /// Content only.
    Unwrap,
    /// Neither; or it has been written already, as something else.
    Drop,
}

impl Policy<'_> {
    /// Write the start of an element. `is_html`: it is of HTML, and not of a drawing or a formula in it.
    pub fn open(&self, name: &str, is_html: bool, attributes: &[Attribute<'_>], out: &mut String) -> Fate {
        match name {
            "script" | "style" | "template" | "applet" | "frameset" | "frame" => return Fate::Drop,
            "iframe" | "embed" | "object" => return self.embedded(attributes, out),
            "img" if is_tracking_pixel(attributes) => return Fate::Drop,
            _ => {}
        }
        let image = if name == "img" { image_attribute(attributes) } else { None };
        let address = match name {
            "a" => value(attributes, "href").and_then(|href| resolve(href, self.base, false)),
            _ => image.and_then(|image| resolve(&image.value, self.base, true)),
        };
        let kept = is_html
            && match name {
                "a" => address.is_some(),
                "img" => address.is_some() || value(attributes, "srcset").is_some(),
                // Without an attribute it says nothing.
                "span" => attributes.iter().any(|attribute| matches!(attribute.name, "title" | "lang" | "dir")),
                name => is_allowed(name),
            };
        if !kept {
            return Fate::Unwrap;
        }
        out.push('<');
        out.push_str(name);
        for attribute in attributes {
            match (name, attribute.name) {
                ("a", "href") => push_attribute("href", address.as_deref(), out),
                // An image that is loaded late has a stand-in for `src`, and its own address elsewhere.
                ("img", "src" | "data-src" | "data-lazy-src" | "data-original") => {
                    if image.is_some_and(|image| image.name == attribute.name) {
                        push_attribute("src", address.as_deref(), out);
                    }
                }
                _ => push_attribute(attribute.name, self.kept_value(name, attribute).as_deref(), out),
            }
        }
        if matches!(name, "video" | "audio") {
            out.push_str(" controls=\"\"");
        }
        out.push('>');
        Fate::Keep
    }

    /// A player we know becomes a link to what it plays; the rest is passed over, save its text.
    fn embedded(&self, attributes: &[Attribute<'_>], out: &mut String) -> Fate {
        let source = ["src", "data", "data-src"].iter().find_map(|wanted| value(attributes, wanted));
        let Some((page, player)) = source.and_then(|source| embed::page(&resolve(source, self.base, true)?)) else {
            return Fate::Unwrap;
        };
        let title = value(attributes, "title").map(str::trim).filter(|title| !title.is_empty());
        out.push_str("<a href=\"");
        escape(&page, out);
        out.push_str("\">");
        escape(title.unwrap_or(player), out);
        out.push_str("</a>");
        Fate::Drop
    }

    /// What an attribute says that may stay.
    fn kept_value<'v>(&self, element: &str, attribute: &'v Attribute<'_>) -> Option<Cow<'v, str>> {
        let value = &*attribute.value;
        let resolved = |loads| resolve(value, self.base, loads).map(Cow::Owned);
        match (element, attribute.name) {
            (_, "title" | "lang" | "dir") => Some(value.into()),
            ("video" | "audio" | "source" | "track", "src") | ("video", "poster") => resolved(true),
            ("blockquote" | "q" | "ins" | "del", "cite") => resolved(false),
            ("img" | "source", "srcset") => srcset(value, self.base).map(Cow::Owned),
            ("img", "alt") => Some(value.into()),
            ("img" | "video" | "source" | "td" | "th" | "col" | "table", "width" | "height") => {
                number(value).map(Cow::Owned)
            }
            ("source" | "a", "type") | ("source", "media") | ("img" | "source", "sizes") => Some(value.into()),
            ("a", "hreflang") => Some(value.into()),
            ("track", "kind" | "srclang" | "label") => Some(value.into()),
            ("td" | "th", "colspan" | "rowspan") | ("col" | "colgroup", "span") | ("ol", "start") | ("li", "value") => {
                number(value).map(Cow::Owned)
            }
            ("td" | "th", "headers" | "scope" | "align") => Some(value.into()),
            ("ol", "type" | "reversed") | ("details", "open") => Some(value.into()),
            ("time" | "ins" | "del", "datetime") | ("data", "value") => Some(value.into()),
            _ => None,
        }
    }
}

/// Write the end of an element whose start was written.
pub fn close(name: &str, out: &mut String) {
    if !is_void(name) {
        out.push_str("</");
        out.push_str(name);
        out.push('>');
    }
}

fn push_attribute(name: &str, value: Option<&str>, out: &mut String) {
    let Some(value) = value else { return };
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(value, out);
    out.push('"');
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

fn value<'a>(attributes: &'a [Attribute<'_>], name: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.name == name).map(|attribute| &*attribute.value)
}

/// The attribute that holds an image's address: `src`, unless that is a stand-in.
fn image_attribute<'a, 'b>(attributes: &'a [Attribute<'b>]) -> Option<&'a Attribute<'b>> {
    let find = |name: &str| {
        let named = attributes.iter().find(|attribute| attribute.name == name);
        named.filter(|attribute| !attribute.value.trim().is_empty() && !starts_with(attribute.value.trim(), "data:"))
    };
    ["src", "data-src", "data-lazy-src", "data-original"].iter().find_map(|name| find(name))
}

/// An image that nobody is meant to see: at most one pixel in both directions, or hidden.
fn is_tracking_pixel(attributes: &[Attribute<'_>]) -> bool {
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
        // A control character that is left out of it would make another address of it.
        Err(url::ParseError::RelativeUrlWithoutBase) if address.contains(char::is_control) => None,
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
