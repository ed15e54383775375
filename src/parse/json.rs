//! JSON as it comes: read value by value, so that a document cut short still gives what is whole in it.
//!
//! Trailing and missing commas, control characters in strings, wrong escapes, `NaN` and the like cost nothing but
//! themselves. Depth and number of values are limited; what lies beyond is passed over, and nothing recurses on input.

use std::borrow::Cow;

/// One value. Members stand in the order of the document.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`, and everything that is no value.
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// The member of that name; of several, the last, as in most parsers.
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Json::Object(members) => members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Json::Array(values) => Some(values),
            _ => None,
        }
    }
}

/// A cursor over a document.
pub struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The document ended inside a value.
    pub cut: bool,
    /// Words that are no JSON.
    pub mended: u32,
}

/// A container that is being read.
enum Open<'a> {
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>, Cow<'a, str>),
    /// Beyond the limits: read and forgotten.
    Skipped,
}

impl<'a> Scan<'a> {
    pub fn new(text: &'a str, depth: usize) -> Self {
        Scan { text, at: 0, depth, cut: false, mended: 0 }
    }

    /// The next byte that is no white space.
    pub fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let skip = rest.iter().position(|b| !b.is_ascii_whitespace())?;
        self.at += skip;
        Some(rest[skip])
    }

    /// Take the byte if it is next.
    pub fn eat(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// The next key of an object whose `{` has been taken, and its colon. `None`: the object has ended.
    pub fn key(&mut self) -> Option<Cow<'a, str>> {
        loop {
            match self.peek() {
                None => {
                    self.cut = true;
                    return None;
                }
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return None;
                }
                // An array that ends here ends what is around the object.
                Some(b']') => return None,
                Some(b'"') => {
                    let key = self.string();
                    self.eat(b':');
                    return Some(key);
                }
                Some(_) => {
                    self.mended += 1;
                    let key = self.word().trim_matches('\'');
                    self.eat(b':');
                    return Some(Cow::Borrowed(key));
                }
            }
        }
    }

    /// Is there another element of an array whose `[` has been taken?
    pub fn element(&mut self) -> bool {
        loop {
            match self.peek() {
                None => {
                    self.cut = true;
                    return false;
                }
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return false;
                }
                Some(b'}') => return false,
                Some(_) => return true,
            }
        }
    }

    /// The next value, of at most `budget` values in all.
    pub fn value(&mut self, mut budget: usize) -> Json<'a> {
        let mut open: Vec<Open<'a>> = Vec::new();
        let mut skipped = 0_usize;
        loop {
            let mut value = match self.peek() {
                Some(b'{' | b'[') if skipped > 0 || open.len() >= self.depth || budget == 0 => {
                    self.at += 1;
                    skipped += 1;
                    if skipped == 1 {
                        open.push(Open::Skipped);
                    }
                    None
                }
                Some(b'{') => {
                    self.at += 1;
                    open.push(Open::Object(Vec::new(), Cow::Borrowed("")));
                    None
                }
                Some(b'[') => {
                    self.at += 1;
                    open.push(Open::Array(Vec::new()));
                    None
                }
                Some(b'"') => Some(Json::String(self.string())),
                Some(b'}' | b']' | b',') => Some(Json::Null),
                Some(_) => {
                    let word = self.word();
                    let value = scalar(word);
                    self.mended += u32::from(value == Json::Null && word != "null");
                    Some(value)
                }
                None => {
                    self.cut = true;
                    Some(Json::Null)
                }
            };
            budget = budget.saturating_sub(1);
            // Put it where it belongs, and close what ends here.
            loop {
                match open.last_mut() {
                    None => return value.unwrap_or(Json::Null),
                    Some(Open::Skipped) => {
                        if self.skip_on(&mut skipped) {
                            break;
                        }
                        value = Some(Json::Null);
                        open.pop();
                    }
                    Some(Open::Array(values)) => {
                        values.extend(value.take().filter(|_| budget > 0));
                        if self.element() {
                            break;
                        }
                        let Some(Open::Array(values)) = open.pop() else { return Json::Null };
                        value = Some(Json::Array(values));
                    }
                    Some(Open::Object(members, key)) => {
                        members.extend(value.take().filter(|_| budget > 0).map(|value| (std::mem::take(key), value)));
                        if let Some(next) = self.key() {
                            *key = next;
                            break;
                        }
                        let Some(Open::Object(members, _)) = open.pop() else { return Json::Null };
                        value = Some(Json::Object(members));
                    }
                }
            }
        }
    }

    /// Inside of what is passed over. `false`: it has ended.
    fn skip_on(&mut self, skipped: &mut usize) -> bool {
        loop {
            match self.peek() {
                None => {
                    self.cut = true;
                    *skipped = 0;
                    return false;
                }
                Some(b'}' | b']') => {
                    self.at += 1;
                    *skipped -= 1;
                    if *skipped == 0 {
                        return false;
                    }
                }
                Some(b'{' | b'[') => return true,
                Some(b'"') => {
                    self.string();
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// A string, its opening quote being next.
    fn string(&mut self) -> Cow<'a, str> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut end = start;
        let mut escaped = false;
        loop {
            match memchr::memchr2(b'"', b'\\', &bytes[end..]) {
                Some(offset) if bytes[end + offset] == b'"' => {
                    end += offset;
                    self.at = end + 1;
                    break;
                }
                Some(offset) => {
                    escaped = true;
                    // What is escaped may be longer than a byte, but only an ASCII byte matters.
                    end = (end + offset + 2).min(bytes.len());
                }
                None => {
                    self.cut = true;
                    end = bytes.len();
                    self.at = end;
                    break;
                }
            }
        }
        let raw = &self.text[start.min(end)..end];
        if escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
    }

    /// Anything up to the next sign that separates values; at least one character.
    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| c.is_ascii_whitespace() || matches!(c, ',' | ':' | '{' | '}' | '[' | ']' | '"'))
            .map_or(rest.len(), |(at, _)| at);
        self.at += end;
        &rest[..end]
    }
}

fn scalar(word: &str) -> Json<'_> {
    match word {
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') && word.parse::<f64>().is_ok() => {
            Json::Number(word)
        }
        _ => Json::Null,
    }
}

/// Escapes resolved (RFC 8259 §7). Surrogates without their other half are U+FFFD.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let mut chars = rest[at + 1..].chars();
        let Some(c) = chars.next() else { return out };
        rest = chars.as_str();
        match c {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' | 'f' => out.push(' '),
            'u' => rest = unicode_escape(rest, &mut out),
            c => out.push(c),
        }
    }
    out.push_str(rest);
    out
}

/// The four digits after `\u`, and the second half of a pair. What follows is returned.
fn unicode_escape<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let unit = |text: &str| {
        // A sign would be read as part of the number.
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(rest) else { return rest };
    let after = &rest[4..];
    if (0xD800..0xDC00).contains(&first)
        && let Some(second) =
            after.strip_prefix("\\u").and_then(unit).filter(|second| (0xDC00..0xE000).contains(second))
    {
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        return &after[6..];
    }
    let c = char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend(Some(c).filter(|&c| super::xml::is_xml_char(c)));
    after
}

#[cfg(test)]
mod tests {
    use super::{Json, Scan};

    fn check(text: &str, expected: &str) {
        fn show(value: &Json<'_>) -> String {
            let list = |items: Vec<String>| items.join(",");
            match value {
                Json::Null => "null".into(),
                Json::Bool(value) => value.to_string(),
                Json::Number(number) => (*number).into(),
                Json::String(text) => format!("{text:?}"),
                Json::Array(values) => format!("[{}]", list(values.iter().map(show).collect())),
                Json::Object(members) => {
                    format!(
                        "{{{}}}",
                        list(members.iter().map(|(key, value)| format!("{key}:{}", show(value))).collect())
                    )
                }
            }
        }
        assert_eq!(show(&Scan::new(text, 4).value(100)), expected, "{text}");
    }

    #[test]
    fn values() {
        check(r#" {"a": [1, -2.5e3, true, null], "b": {"c": "d"}} "#, r#"{a:[1,-2.5e3,true,null],b:{c:"d"}}"#);
        check(r#""\u+123""#, r#""+123""#);
        check(r#""\u00e9\ud83d\ude00\n\/\ud83d\u0001""#, "\"é😀\\n/\u{FFFD}\"");
        check("[[[[[[1]]],2],3]]", "[[[[null],2],3]]");
    }

    #[test]
    fn what_is_broken_costs_only_itself() {
        check(r#"{"a": 1,, "b": NaN, c: 2, "d" 3,}"#, r#"{a:1,b:null,c:2,d:3}"#);
        check(
            r#"{"a": "line
break", "b": [1 2,], "c": }"#,
            r#"{a:"line\nbreak",b:[1,2],c:null}"#,
        );
        check(r#"{"a": [{"b": "cut"#, r#"{a:[{b:"cut"}]}"#);
        check(r#"{"a": "x\"#, r#"{a:"x"}"#);
        check("[1}", "[1]");
        check("]", "null");
        check("[::[:]:]", "[null,null,[null],null]");
    }
}
