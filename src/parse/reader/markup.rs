//! Markup out of a document: what stands in an element (`type="xhtml"`, or HTML that was never escaped), as HTML needs it.

use super::{Element, Reader, local};
use crate::parse::feed::Repairs;
use crate::parse::xml::{self, Tag, Token};

impl<'a> Reader<'a> {
    /// The markup in an element, with prefixes dropped and empty elements written out, as HTML needs it.
    pub(super) fn markup(&mut self, element: &Element<'a>) -> String {
        let mut out = String::new();
        loop {
            let before = self.open.len();
            if before < element.level {
                break;
            }
            match self.token() {
                None => break,
                Some(Token::Text(raw)) => out.push_str(raw),
                Some(Token::CData(text)) => xml::escape(text, &mut out),
                Some(Token::Open(tag)) => {
                    if self.ends_text(&tag, element) {
                        break;
                    }
                    self.push(&tag);
                    let name = local(tag.name).1;
                    out.push('<');
                    out.push_str(name);
                    self.markup_attributes(&tag, &mut out);
                    out.push('>');
                    if tag.empty && !is_void(name) {
                        out.push_str("</");
                        out.push_str(name);
                        out.push('>');
                    }
                }
                Some(Token::Close(name)) => {
                    // An end tag that ended nothing is dropped; one may end several elements, as it does in HTML.
                    let still_inside = self.open.len() >= element.level;
                    // HTML reads `</br>` as another one.
                    let ends = !name.is_empty() && !is_void(local(name).1);
                    if ends && still_inside && self.open.len() < before {
                        out.push_str("</");
                        out.push_str(local(name).1);
                        out.push('>');
                    }
                }
                Some(Token::DocType(_)) => {}
            }
        }
        out
    }

    fn markup_attributes(&self, tag: &Tag<'a>, out: &mut String) {
        let attributes = tag.attributes.trim_end();
        if attributes.is_empty() {
            return;
        }
        // An xml:base inside the text moves the addresses below it; HTML has no word for that.
        let inner_base = self.bases.last().filter(|(level, _)| *level > 0 && *level <= self.open.len());
        for (name, value) in xml::attributes(attributes) {
            let (prefix, name) = local(name);
            if prefix == "xmlns" || name == "xmlns" || prefix == "xml" {
                continue;
            }
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            let resolved = match inner_base {
                Some((_, base)) if matches!(name, "href" | "src" | "cite" | "longdesc" | "poster") => {
                    base.join(&xml::unescape(value.trim(), &mut Repairs::default())).ok()
                }
                _ => None,
            };
            match resolved {
                Some(url) => xml::escape(url.as_str(), out),
                None => out.push_str(&value.replace('"', "&quot;")),
            }
            out.push('"');
        }
    }
}

/// HTML elements that have no end tag.
fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "source"
            | "track"
            | "wbr"
    )
}
