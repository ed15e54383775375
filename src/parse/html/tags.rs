//! The tags of an HTML text, one after the other, without a tree: for questions that need none.

use super::bounds;

/// One start tag.
#[derive(Debug, Clone, Copy)]
pub(in crate::parse) struct Tag<'a> {
    name: &'a str,
    /// What stands between the name and `>`.
    attributes: &'a str,
}

/// Calls `found` with every address by which the text refers to a picture, a recording or a document.
pub(in crate::parse) fn references(html: &str, found: &mut impl FnMut(&str)) {
    for tag in tags(html) {
        for (name, value) in tag.attributes().take(MAX_ATTRIBUTES) {
            let value = unescaped(value);
            match name.to_ascii_lowercase().as_str() {
                "src" | "href" | "poster" => found(&value),
                // Candidates are apart by commas, each an address and a width.
                "srcset" => value.split(", ").filter_map(|one| one.split_whitespace().next()).for_each(&mut *found),
                _ => {}
            }
        }
    }
}

/// Calls `seen` with every start tag.
pub(in crate::parse) fn each<'a>(html: &'a str, seen: &mut impl FnMut(Tag<'a>)) {
    tags(html).for_each(seen);
}

/// Does a tag hold more attributes than any page does? Tree builders compare them all with each other.
pub(super) fn is_overloaded(html: &str) -> bool {
    tags(html).any(|tag| tag.attributes.len() > MAX_ATTRIBUTES && tag.attributes().nth(MAX_ATTRIBUTES).is_some())
        // Scripts hold more that looks like it.
        || bounds::is_overloaded(html, 10 * MAX_ATTRIBUTES)
}

/// The charset that a page declares in its first kilobytes: `<meta charset>`, or what stands in for a header.
pub(in crate::parse) fn declared_charset(bytes: &[u8]) -> Option<String> {
    const HEAD: usize = 4_096;
    let head = String::from_utf8_lossy(bytes.get(..HEAD).unwrap_or(bytes));
    tags(&head).filter(|tag| tag.name.eq_ignore_ascii_case("meta")).find_map(|tag| {
        let value =
            |key: &str| tag.attributes().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
        let stands_for_type =
            || value("http-equiv").is_some_and(|name| name.trim().eq_ignore_ascii_case("content-type"));
        let in_type = || {
            value("content")
                .filter(|_| stands_for_type())?
                .to_ascii_lowercase()
                .split_once("charset=")
                .map(|(_, name)| name.to_owned())
        };
        let named = value("charset").map(str::to_owned).or_else(in_type)?;
        let name = named.trim().trim_matches(['"', '\'']).split(';').next()?.trim().to_owned();
        (!name.is_empty()).then_some(name)
    })
}

/// Is there anything to look at or to listen to, though there may be no word?
pub(super) fn holds_media(html: &str) -> bool {
    let media = ["img", "audio", "video", "picture", "iframe", "svg"];
    tags(html).any(|tag| media.iter().any(|name| name.eq_ignore_ascii_case(tag.name)))
}

/// Attributes that a tag may hold.
const MAX_ATTRIBUTES: usize = 500;

/// Every start tag outside of comments and of text that only looks like markup (scripts, styles).
fn tags(html: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find('<')?;
            rest = rest.get(at + 1..)?;
            if let Some(comment) = rest.strip_prefix("!--") {
                // `<!-->` and `<!--->` are whole.
                if let Some(after) = comment.strip_prefix('>').or_else(|| comment.strip_prefix("->")) {
                    rest = after;
                    continue;
                }
                rest = comment.find("-->").and_then(|end| comment.get(end + 3..)).unwrap_or_default();
                continue;
            }
            if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                continue;
            }
            let end = tag_end(rest);
            let inside = rest.get(..end).unwrap_or(rest);
            rest = rest.get(end..).unwrap_or_default();
            let name_end = inside.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(inside.len());
            let (name, attributes) = inside.split_at(name_end);
            if ["script", "style"].iter().any(|raw| raw.eq_ignore_ascii_case(name)) {
                rest = raw_text_end(rest, name);
            }
            return Some(Tag { name, attributes });
        }
    })
}

impl<'a> Tag<'a> {
    pub(in crate::parse) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The raw value of its first attribute of that name.
    pub(in crate::parse) fn value(&self, name: &str) -> Option<&'a str> {
        let mut attributes = self.attributes().take(MAX_ATTRIBUTES);
        attributes.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names and raw values, in order.
    fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            let first = rest.chars().next()?;
            // An equals sign that opens a name belongs to it.
            let tail = rest.get(first.len_utf8()..)?;
            let length = tail.find(|c: char| c.is_whitespace() || c == '/' || c == '=').unwrap_or(tail.len());
            let name = rest.get(..first.len_utf8() + length)?;
            rest = tail.get(length..)?;
            let Some(value) = rest.trim_start().strip_prefix('=') else { return Some((name, "")) };
            let value = value.trim_start();
            let (value, after) = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let quoted = value.get(1..)?;
                    quoted.split_once(quote).unwrap_or((quoted, ""))
                }
                _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            };
            rest = after;
            Some((name, value))
        })
    }
}

/// Where a tag ends: at the first `>` that no attribute's quotes hold.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    let mut after_equals = false;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return at,
            (None, b'"' | b'\'') if after_equals => quote = Some(byte),
            (None, _) => {}
        }
        after_equals = byte == b'=' || after_equals && byte.is_ascii_whitespace();
    }
    text.len()
}

/// What follows `</name`.
fn raw_text_end<'a>(text: &'a str, name: &str) -> &'a str {
    for (at, _) in text.match_indices("</") {
        let end = text.get(at + 2..at + 2 + name.len());
        if end.is_some_and(|end| end.eq_ignore_ascii_case(name)) {
            return text.get(at..).unwrap_or_default();
        }
    }
    ""
}

/// The entities that stand in addresses.
fn unescaped(value: &str) -> String {
    value.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
