//! Fit: sanitized HTML as part of a page that a validator has nothing against.
//!
//! What came in is safe and nested as a parser left it, but says what it says in any HTML of thirty years: headings of
//! the first rank, obsolete elements, lists without items, a second `main`. Here every element is given the nearest
//! place that the content model of HTML allows; all text stays. Feeds carry the text as it is: only pages are fitted.
//!
//! One pass to learn what stands in what, one to write; no recursion.

mod content_model;
mod grid;

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::view::may_link;
use crate::render::text;
use content_model::{
    RANKS, ROW, caption_of, is_closed_to_blocks, is_phrasing, is_transparent, is_void, modern, wrapper,
};
use grid::Grid;

/// Where the content model has no place for a block, one that looks the same: the stylesheet makes it one.
const BLOCK_IN_LINE: &str = "<span class=\"block\">";

/// Conforming HTML for the inside of a `div`.
pub(super) fn fit(html: &str) -> String {
    if !html.contains('<') {
        return html.to_owned();
    }
    let tokens = tokens(html);
    let families = families(&tokens);
    let mut writer = Writer { out: String::with_capacity(html.len()), open: Vec::new(), rank: 1 };
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Text(text) => writer.text(text),
            Token::Start(tag) => writer.start(tag, families.get(&at)),
            Token::End(name) => writer.end(name),
        }
    }
    while writer.open.pop().is_some_and(|open| writer.close(open)) {}
    writer.out
}

enum Token<'a> {
    Text(&'a str),
    Start(Tag<'a>),
    End(&'a str),
}

struct Tag<'a> {
    name: &'a str,
    /// Values as they are written: escaped.
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Tag<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn number(&self, name: &str, most: u32) -> Option<u32> {
        self.get(name)?.trim().parse().ok().filter(|number| (1..=most).contains(number))
    }
}

/// Tags as `normalize` writes them: `<name key="value">`; whatever looks otherwise is text.
fn tokens(html: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        if !text.is_empty() {
            tokens.push(Token::Text(text));
        }
        // Values hold no `>` that is not escaped.
        let Some((inner, after)) = tag.get(1..).unwrap_or_default().split_once('>') else { return tokens };
        rest = after;
        match inner.strip_prefix('/') {
            Some(name) => tokens.push(Token::End(name.trim())),
            None => tokens.push(Token::Start(tag_of(inner))),
        }
    }
    if !rest.is_empty() {
        tokens.push(Token::Text(rest));
    }
    tokens
}

fn tag_of(inner: &str) -> Tag<'_> {
    let (name, mut rest) = inner.split_once(' ').unwrap_or((inner, ""));
    let mut attributes = Vec::new();
    while let Some((key, after)) = rest.split_once("=\"") {
        let Some((value, after)) = after.split_once('"') else { break };
        attributes.push((key.trim(), value));
        rest = after;
    }
    Tag { name: name.trim_end_matches('/'), attributes }
}

/// What stands directly in an element, as far as its content model asks.
#[derive(Default)]
struct Family {
    children: usize,
    first: Option<&'static str>,
    /// Of one kind: captions of a figure or table, summaries, terms and what explains them.
    captions: usize,
    last_is_caption: bool,
    has_ruby_text: bool,
    /// Terms followed by their explanations, and nothing else.
    is_dictionary: bool,
    last_of_dictionary: &'static str,
    /// Cells stand where they seem to: spans do not overlap, and none opens a column that no cell begins in.
    grid: Grid,
}

impl Family {
    fn of(name: &str) -> Option<Family> {
        matches!(name, "dl" | "figure" | "details" | "table" | "ruby")
            .then(|| Family { is_dictionary: true, ..Family::default() })
    }

    fn text(&mut self) {
        self.is_dictionary = false;
    }

    fn child(&mut self, name: &str) {
        const CAPTIONS: [&str; 3] = ["figcaption", "caption", "summary"];
        let known =
            ["dt", "dd", "rt", "rp"].into_iter().chain(CAPTIONS).find(|known| *known == name).unwrap_or("other");
        if self.children == 0 {
            self.first = Some(known);
        }
        self.children += 1;
        self.last_is_caption = CAPTIONS.contains(&known);
        self.captions += usize::from(self.last_is_caption);
        self.has_ruby_text |= known == "rt";
        let follows = matches!(
            (self.last_of_dictionary, known),
            ("", "dt") | ("dt", "dt") | ("dt", "dd") | ("dd", "dd") | ("dd", "dt")
        );
        self.is_dictionary &= follows;
        self.last_of_dictionary = known;
    }
}

/// By the place of their start tag.
fn families(tokens: &[Token<'_>]) -> HashMap<usize, Family> {
    let mut families = HashMap::new();
    let mut open: Vec<(&str, usize, Option<Family>)> = Vec::new();
    let mut tables: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Text(text) if text.trim().is_empty() => {}
            Token::Text(_) => {
                if let Some((.., Some(family))) = open.last_mut() {
                    family.text();
                }
            }
            Token::Start(tag) => {
                if let Some((.., Some(family))) = open.last_mut() {
                    family.child(tag.name);
                }
                let table =
                    tables.last().and_then(|depth| open.get_mut(*depth)).and_then(|(.., family)| family.as_mut());
                match (tag.name, table) {
                    ("tr", Some(table)) => table.grid.row(),
                    ("td" | "th", Some(table)) => {
                        let span = |key, most| tag.number(key, most).unwrap_or(1);
                        table.grid.cell(span("colspan", 1000), span("rowspan", 65_534));
                    }
                    ("thead" | "tbody" | "tfoot", Some(table)) => table.grid.group(),
                    _ => {}
                }
                if !is_void(tag.name) {
                    if tag.name == "table" {
                        tables.push(open.len());
                    }
                    open.push((tag.name, at, Family::of(tag.name)));
                }
            }
            Token::End(name) => {
                let Some(depth) = open.iter().rposition(|(open, ..)| open == name) else { continue };
                for (_, at, family) in open.drain(depth..) {
                    families.extend(family.map(|family| (at, family)));
                }
                tables.retain(|table| *table < depth);
            }
        }
    }
    for (_, at, family) in open {
        families.extend(family.map(|family| (at, family)));
    }
    families
}

/// An element that was opened.
struct Open {
    /// Its end tag in what is read.
    read: String,
    /// What it became; empty: nothing was written for it.
    name: &'static str,
    /// Written after its end tag: the item or explanation that it was put into.
    wrapped: Option<&'static str>,
    /// Only words and what stands among them may be in it.
    phrasing: bool,
    /// Of a table whose spans may stand; of an element inside one, the table's.
    spans: bool,
    /// A caption may stand in it: it has one, in a place that the content model allows.
    caption: bool,
}

struct Writer {
    out: String,
    open: Vec<Open>,
    /// Of the last heading; the page's headline has the first.
    rank: usize,
}

impl Writer {
    /// The nearest element that was written.
    fn parent(&self) -> &'static str {
        self.open.iter().rev().map(|open| open.name).find(|name| !name.is_empty()).unwrap_or("div")
    }

    fn inside(&self, names: &[&str]) -> bool {
        self.open.iter().any(|open| names.contains(&open.name))
    }

    fn text(&mut self, text: &str) {
        let wrap = if text.trim().is_empty() { None } else { wrapper(self.parent(), "") };
        match wrap {
            Some(wrap) => self.out.extend(["<", wrap, ">", text, "</", wrap, ">"]),
            None => self.out.push_str(text),
        }
    }

    fn start(&mut self, tag: &Tag<'_>, family: Option<&Family>) {
        let parent = self.parent();
        let phrasing = self.open.last().is_some_and(|open| open.phrasing);
        let mut name = self.place(tag, family, parent);
        let wrapped = if name.is_empty() { None } else { wrapper(parent, name) };
        let block = phrasing && wrapped.is_none() && !name.is_empty() && !is_phrasing(name);
        if block {
            name = if name == "hr" { "br" } else { "span" };
        }
        if let Some(rank) = RANKS.iter().position(|heading| *heading == name) {
            // No rank is left out on the way down.
            self.rank = (rank + 2).min(self.rank + 1);
            name = RANKS[self.rank - 2];
        }
        self.out.extend(wrapped.into_iter().flat_map(|wrap| ["<", wrap, ">"]));
        match (name, block) {
            ("", _) => {}
            ("span", true) => self.out.push_str(BLOCK_IN_LINE),
            _ => self.tag(name, tag, parent),
        }
        if is_void(tag.name) {
            self.out.extend(wrapped.into_iter().flat_map(|wrap| ["</", wrap, ">"]));
            return;
        }
        let spans = match family {
            Some(family) if name == "table" => family.grid.is_sound(),
            _ => self.open.last().is_some_and(|open| open.spans),
        };
        let caption = family.is_some_and(|family| {
            let at_an_end = family.first.is_some_and(|first| first == caption_of(name)) || family.last_is_caption;
            family.captions == 1 && (at_an_end && name == "figure" || family.first == Some(caption_of(name)))
        });
        let phrasing =
            is_closed_to_blocks(name) || (is_transparent(name) || name.is_empty()) && phrasing && wrapped.is_none();
        self.open.push(Open { read: tag.name.to_owned(), name, wrapped, phrasing, spans, caption });
    }

    /// What an element becomes: itself, another one, or nothing but what is in it.
    fn place(&self, tag: &Tag<'_>, family: Option<&Family>, parent: &str) -> &'static str {
        let may_be_captioned = self.open.last().is_some_and(|open| open.caption);
        match modern(tag.name) {
            "li" if !matches!(parent, "ul" | "ol") => "div",
            "dl" if !family.is_some_and(|family| family.is_dictionary && family.last_of_dictionary == "dd") => "div",
            "dt" | "dd" if parent != "dl" => "div",
            "figcaption" if !(parent == "figure" && may_be_captioned) => "div",
            "details"
                if self.inside(&["a"]) || !family.is_some_and(|f| f.first == Some("summary") && f.captions == 1) =>
            {
                "div"
            }
            "summary" if !(parent == "details" && may_be_captioned) => "div",
            // One that is not the first of its table becomes a row of it.
            "caption" if parent == "table" && !may_be_captioned => "td",
            "caption" if parent != "table" => "div",
            "thead" | "tbody" | "tfoot" if parent != "table" => "div",
            "tr" if !matches!(parent, "table" | "thead" | "tbody" | "tfoot") => "div",
            "td" | "th" if parent != "tr" => "div",
            "ruby" if !family.is_some_and(|family| family.has_ruby_text) => "span",
            "rt" | "rp" if parent != "ruby" => "span",
            "a" if self.inside(&["a"]) || !tag.get("href").is_some_and(|href| may_link(&plain(href))) => "span",
            "audio" | "video" if self.inside(&["a", "audio", "video"]) || address(tag, "src").is_none() => "span",
            "img" if address(tag, "src").is_none() => "",
            "time" if !tag.get("datetime").is_some_and(is_moment) => "span",
            "data" if tag.get("value").is_none() => "span",
            "bdo" if !matches!(tag.get("dir"), Some("ltr" | "rtl")) => "span",
            "dfn" if self.inside(&["dfn"]) => "span",
            name => name,
        }
    }

    fn tag(&mut self, name: &'static str, tag: &Tag<'_>, parent: &str) {
        self.out.extend(["<", name]);
        // A block that stands for another one, or words for a part of speech, say no more than that.
        let same = modern(tag.name) == name;
        for key in ["lang", "dir", "title"] {
            let value = tag.get(key).and_then(|value| match key {
                "lang" => text::language(&plain(value)),
                "dir" => Some(value.to_ascii_lowercase()).filter(|dir| matches!(&**dir, "ltr" | "rtl" | "auto")),
                _ => Some(value.to_owned()),
            });
            self.attribute(key, value);
        }
        let spans = self.open.last().is_some_and(|open| open.spans);
        match name {
            "a" => {
                self.attribute("href", address(tag, "href"));
                self.attribute("hreflang", tag.get("hreflang").and_then(|value| text::language(&plain(value))));
            }
            "img" => {
                self.attribute("src", address(tag, "src"));
                self.attribute("alt", Some(tag.get("alt").unwrap_or_default().to_owned()));
                self.size(tag);
                self.out.push_str(" loading=\"lazy\"");
            }
            "audio" | "video" => {
                self.attribute("src", address(tag, "src"));
                self.out.push_str(" controls preload=\"none\"");
                if name == "video" {
                    self.attribute("poster", address(tag, "poster"));
                    self.size(tag);
                }
            }
            "td" | "th" if spans => {
                self.attribute("colspan", tag.number("colspan", 1000).map(|number| number.to_string()));
                self.attribute("rowspan", tag.number("rowspan", 65_534).map(|number| number.to_string()));
            }
            "ol" if same => {
                self.attribute(
                    "start",
                    tag.get("start").and_then(|at| at.trim().parse::<i32>().ok()).map(|at| at.to_string()),
                );
                self.attribute(
                    "type",
                    tag.get("type").filter(|kind| ["1", "a", "A", "i", "I"].contains(kind)).map(str::to_owned),
                );
                if tag.get("reversed").is_some() {
                    self.out.push_str(" reversed");
                }
            }
            "li" if parent == "ol" => {
                self.attribute(
                    "value",
                    tag.get("value").and_then(|at| at.trim().parse::<i32>().ok()).map(|at| at.to_string()),
                );
            }
            "time" => self.attribute("datetime", tag.get("datetime").map(str::to_owned)),
            "data" => self.attribute("value", tag.get("value").map(str::to_owned)),
            "details" if tag.get("open").is_some() => self.out.push_str(" open"),
            _ => {}
        }
        if name == "th" {
            let scope = tag.get("scope").filter(|scope| ["row", "col", "rowgroup", "colgroup"].contains(scope));
            self.attribute("scope", scope.map(str::to_owned));
        }
        self.out.push('>');
    }

    fn size(&mut self, tag: &Tag<'_>) {
        for key in ["width", "height"] {
            self.attribute(key, tag.number(key, 10_000).map(|number| number.to_string()));
        }
    }

    /// `value` is escaped.
    fn attribute(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.out.extend([" ", key, "=\"", &value, "\""]);
        }
    }

    fn end(&mut self, name: &str) {
        let Some(depth) = self.open.iter().rposition(|open| open.read == name) else { return };
        while self.open.len() > depth {
            if let Some(open) = self.open.pop() {
                self.close(open);
            }
        }
    }

    fn close(&mut self, open: Open) -> bool {
        if !open.name.is_empty() && !is_void(open.name) {
            self.out.extend(["</", open.name, ">"]);
        }
        self.out.extend(
            open.wrapped.into_iter().flat_map(|wrap| ["</", if wrap == ROW { "tr></tbody" } else { wrap }, ">"]),
        );
        true
    }
}

/// A value without its escapes.
fn plain(value: &str) -> String {
    if !value.contains('&') {
        return value.to_owned();
    }
    value
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&nbsp;", "\u{a0}")
        .replace("&amp;", "&")
}

/// An absolute address as the URL standard writes it, escaped.
fn address(tag: &Tag<'_>, key: &str) -> Option<String> {
    let value = plain(tag.get(key)?.trim());
    if key == "href" && !may_link(&value) {
        return None;
    }
    let parsed = url::Url::parse(&value).ok()?;
    (key == "href" || matches!(parsed.scheme(), "http" | "https" | "data"))
        .then(|| text::escape_html(&text::url(parsed.as_str())))
}

fn is_moment(value: &str) -> bool {
    let value = value.trim();
    DateTime::parse_from_rfc3339(value)
        .is_ok_and(|moment| !value.contains(' ') && moment.to_utc().timestamp() > YEAR_ONE)
        || NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok_and(|_| value.len() == 10)
        || NaiveDateTime::parse_from_str(value, "%Y-%m-%dT%H:%M").is_ok_and(|_| value.len() == 16)
}

/// HTML knows no year before this one.
const YEAR_ONE: i64 = -62_135_596_800;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, want: &str) {
        assert_eq!(fit(html), want, "{html}");
    }

    #[test]
    fn what_conforms_stays() {
        for html in [
            "plain &amp; simple",
            "<p>One <em>two</em> <a href=\"https://e.example/?a=1&amp;b=2\">three</a></p>",
            "<ul><li>a</li><li>b<ol start=\"3\"><li value=\"5\">c</li></ol></li></ul>",
            "<dl><dt>a</dt><dd>b</dd><dd>c</dd><dt>d</dt><dd>e</dd></dl>",
            "<figure><img src=\"https://e.example/a.png\" alt=\"x\" loading=\"lazy\"><figcaption>c</figcaption></figure>",
            "<details><summary>s</summary><p>t</p></details>",
            "<table><caption>c</caption><tbody><tr><th scope=\"row\">a</th><td>b</td></tr></tbody></table>",
            "<a href=\"https://e.example/\"><p>block in a link</p></a>",
            "<ruby>漢<rp>(</rp><rt>kan</rt></ruby>",
            "<time datetime=\"2026-03-28\">then</time>",
        ] {
            check(html, html);
        }
    }

    #[test]
    fn elements_of_another_day() {
        check(
            "<h1>a</h1><center><big>b</big> <tt>c</tt> <strike>d</strike></center>",
            "<h2>a</h2><div><span>b</span> <code>c</code> <s>d</s></div>",
        );
        check("<main><article><header>a</header></article></main>", "<div><div><div>a</div></div></div>");
        check("<dir><li>a</li></dir>", "<ul><li>a</li></ul>");
        check("<acronym title=\"t\">a</acronym>", "<abbr title=\"t\">a</abbr>");
    }

    #[test]
    fn no_rank_is_left_out() {
        check("<h1>a</h1><h4>b</h4><h6>c</h6><h2>d</h2>", "<h2>a</h2><h3>b</h3><h4>c</h4><h2>d</h2>");
        check("<h5>a</h5><em><h6>b</h6></em><h6>c</h6>", "<h2>a</h2><em><span class=\"block\">b</span></em><h3>c</h3>");
    }

    #[test]
    fn blocks_among_words() {
        check("<em><p>a</p><hr></em>", "<em><span class=\"block\">a</span><br></em>");
        check("<span lang=\"en\"><div>a</div></span>", "<span lang=\"en\"><span class=\"block\">a</span></span>");
        check(
            "<p><a href=\"https://e.example/\"><div>a</div></a></p>",
            "<p><a href=\"https://e.example/\"><span class=\"block\">a</span></a></p>",
        );
        check("<b><ul><li>a</li></ul></b>", "<b><span class=\"block\"><span class=\"block\">a</span></span></b>");
    }

    #[test]
    fn parts_without_their_whole() {
        check(
            "<li>a</li><dd>b</dd><figcaption>c</figcaption><summary>d</summary>",
            "<div>a</div><div>b</div><div>c</div><div>d</div>",
        );
        check("<ul>a<p>b</p><li>c</li></ul>", "<ul><li>a</li><li><p>b</p></li><li>c</li></ul>");
        check("<dl><dd>a</dd></dl>", "<div><div>a</div></div>");
        check("<dl><dt>a</dt></dl>", "<div><div>a</div></div>");
        check("<details open=\"\"><summary>a</summary></details>", "<details open><summary>a</summary></details>");
        check("<details><p>a</p></details>", "<div><p>a</p></div>");
        check(
            "<figure><p>a</p><figcaption>b</figcaption><p>c</p></figure>",
            "<figure><p>a</p><div>b</div><p>c</p></figure>",
        );
        check(
            "<table><tbody></tbody><caption>a</caption></table>",
            "<table><tbody></tbody><tbody><tr><td>a</td></tr></tbody></table>",
        );
        check("<ruby>a</ruby><rt>b</rt>", "<span>a</span><span>b</span>");
        check("<tr><td>a</td></tr>", "<div><div>a</div></div>");
        check(
            "<a href=\"https://a.example/\">a<span><a href=\"https://b.example/\">b</a></span></a>",
            "<a href=\"https://a.example/\">a<span><span>b</span></span></a>",
        );
    }

    #[test]
    fn attributes_that_say_nothing_valid() {
        check("<p lang=\"??\" dir=\"up\" title=\"t\">a</p>", "<p title=\"t\">a</p>");
        check(
            "<img src=\"https://e.example/a b.png\" width=\"90%\" height=\"3\" sizes=\"x\">",
            "<img src=\"https://e.example/a%20b.png\" alt=\"\" height=\"3\" loading=\"lazy\">",
        );
        check(
            "<time datetime=\"soon\">a</time><data>b</data><bdo>c</bdo>",
            "<span>a</span><span>b</span><span>c</span>",
        );
        check("<ol type=\"disc\" reversed=\"\"><li value=\"x\">a</li></ol>", "<ol reversed><li>a</li></ol>");
        check(
            "<video src=\"https://e.example/v.mp4\" controls=\"\"><track src=\"https://e.example/t.vtt\">x</video>",
            "<video src=\"https://e.example/v.mp4\" controls preload=\"none\">x</video>",
        );
        check(
            "<picture><source srcset=\"https://e.example/b.webp\"><img src=\"https://e.example/a.png\" alt=\"\"></picture>",
            "<img src=\"https://e.example/a.png\" alt=\"\" loading=\"lazy\">",
        );
    }

    #[test]
    fn spans_stand_only_in_a_sound_grid() {
        let table = |rows: &str| format!("<table><tbody>{rows}</tbody></table>");
        let sound = table("<tr><td colspan=\"2\">a</td></tr><tr><td>b</td><td>c</td></tr>");
        check(&sound, &sound);
        let sound = table("<tr><td rowspan=\"2\">a</td><td>b</td></tr><tr><td>c</td></tr>");
        check(&sound, &sound);
        check(&table("<tr><td colspan=\"2\">a</td></tr>"), &table("<tr><td>a</td></tr>"));
        check(&table("<tr><td rowspan=\"9\">a</td></tr>"), &table("<tr><td>a</td></tr>"));
        check(&table("<tr><td colspan=\"4000\">a</td></tr>"), &table("<tr><td>a</td></tr>"));
        check(&table("<tr><td colspan=\"0\">a</td></tr>"), &table("<tr><td>a</td></tr>"));
    }

    #[test]
    fn markup_that_ends_anywhere() {
        check("<p><em>a", "<p><em>a</em></p>");
        check("a</p></em>", "a");
        check("a <", "a ");
        check("<nothing>a</nothing>", "a");
    }
}
