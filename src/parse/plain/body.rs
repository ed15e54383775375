//! The body as HTML: paragraphs, lists, links.

use super::page::{Page, starts_lower, width};
use crate::parse::article::web_address;
use crate::parse::xml::escape;

/// The body's text.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub html: String,
    /// The first paragraph, or the first block when none is one; plain text.
    pub first: Option<String>,
}

/// These rows, in order, as HTML. Every one of them stands in it.
pub(super) fn html(page: &Page<'_>, rows: &[usize]) -> Body {
    let segments = segments(page, rows);
    let mut body = Body::default();
    let mut first_paragraph = None;
    let mut at = 0;
    while let Some(segment) = segments.get(at) {
        let items = list_length(segments.get(at..).unwrap_or_default());
        if items >= 2 {
            list(segments.get(at..at + items).unwrap_or_default(), &mut body.html);
            body.first.get_or_insert_with(|| segment.unmarked().to_owned());
            at += items;
            continue;
        }
        // A marker that makes no list is text like any other: back to where the row stood.
        let mut end = at + 1;
        while segments.get(end).is_some_and(|next| next.goes_on)
            && list_length(segments.get(end..).unwrap_or_default()) < 2
        {
            end += 1;
        }
        let text = super::page::join(segments.get(at..end).unwrap_or_default().iter().map(|segment| &*segment.text));
        if first_paragraph.is_none() && segment.is_paragraph {
            first_paragraph = Some(text.clone());
        }
        body.html.push_str("<p>");
        link_urls(&text, &mut body.html);
        body.html.push_str("</p>\n");
        body.first.get_or_insert(text);
        at = end;
    }
    body.first = first_paragraph.or(body.first);
    body
}

/// What an item of a list begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    Bullet(char),
    /// The number and the mark behind it.
    Number(u32, char),
}

/// The marker that a line begins with, and the text behind it.
pub(super) fn marker(line: &str) -> Option<(Marker, &str)> {
    let (mark, rest) = line.split_once(' ')?;
    let rest = rest.trim_start();
    let mut chars = mark.chars();
    let first = chars.next()?;
    if chars.next().is_none() {
        return BULLETS.contains(&first).then_some((Marker::Bullet(first), rest));
    }
    let digits = mark.trim_end_matches(['.', ')']);
    let stop = mark.get(digits.len()..)?;
    let number = digits.strip_prefix('(').unwrap_or(digits);
    let fits = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    // A bracket that opens must close; a mark is a single one.
    let marked = if number.len() < digits.len() { stop == ")" } else { matches!(stop, "." | ")") };
    (fits && marked && !rest.is_empty())
        .then(|| Some((Marker::Number(number.parse().ok()?, stop.chars().next()?), rest)))?
}

/// A dash that opens a line is dialogue in half of Europe; a hyphen is not.
const BULLETS: [char; 8] = ['-', '*', '•', '·', '◦', '‣', '▪', '●'];

/// Rows that belong together: an item with the rows that it runs over, or text up to the next item.
#[derive(Debug)]
struct Segment {
    /// Running text, marker included.
    text: String,
    /// The marker, and where the text behind it begins.
    marker: Option<(Marker, usize)>,
    /// In the same block as the segment before.
    goes_on: bool,
    is_paragraph: bool,
}

impl Segment {
    /// The text behind the marker, if it has one.
    fn unmarked(&self) -> &str {
        self.text.get(self.marker.map_or(0, |(_, start)| start)..).unwrap_or_default()
    }
}

fn segments(page: &Page<'_>, rows: &[usize]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(&start) = rows.get(at) {
        let unit = page.unit(start);
        let length =
            rows.iter().skip(at).zip(unit.clone()).take_while(|(row, expected)| **row == *expected).count().max(1);
        let block = start..start + length;
        split_unit(page, block, &mut segments);
        at += length;
    }
    segments
}

/// One block: cut in front of every item, and behind one that ends before its block does.
fn split_unit(page: &Page<'_>, block: std::ops::Range<usize>, segments: &mut Vec<Segment>) {
    let is_paragraph = page.is_paragraph(block.clone());
    let widest = page.rows.get(block.clone()).unwrap_or_default().iter().map(|row| row.width).max().unwrap_or_default();
    let mut start = block.start;
    for row in block.clone() {
        let next = row + 1;
        let item = marker(page.text(start)).is_some();
        let ends = next == block.end
            || marker(page.text(next)).is_some()
            || item && !starts_lower(page.text(next)) && had_room(page, row, next, widest);
        if !ends {
            continue;
        }
        let text = page.joined(start..next);
        let marker = marker(&text).map(|(marker, rest)| (marker, text.len() - rest.len()));
        segments.push(Segment { text, marker, goes_on: start > block.start, is_paragraph });
        start = next;
    }
}

/// Would the next row's first word have fitted behind this row? Then it was not wrapped there.
fn had_room(page: &Page<'_>, row: usize, next: usize, widest: usize) -> bool {
    let word = page.text(next).split_whitespace().next().map(width).unwrap_or_default();
    page.rows.get(row).is_some_and(|row| row.width + 1 + word <= widest)
}

/// How many of the segments, from the first on, are items of one list.
fn list_length(segments: &[Segment]) -> usize {
    let mut length = 0;
    let mut before: Option<Marker> = None;
    for (marker, _) in segments.iter().map_while(|segment| segment.marker) {
        let follows = match (before, marker) {
            (None, _) => true,
            (Some(Marker::Bullet(a)), Marker::Bullet(b)) => a == b,
            (Some(Marker::Number(a, mark)), Marker::Number(b, same)) => a.checked_add(1) == Some(b) && mark == same,
            _ => false,
        };
        if !follows {
            break;
        }
        length += 1;
        before = Some(marker);
    }
    length
}

fn list(items: &[Segment], html: &mut String) {
    let (open, close) = match items.first().and_then(|item| item.marker) {
        Some((Marker::Number(1, _), _)) => ("<ol>\n".to_owned(), "</ol>\n"),
        Some((Marker::Number(first, _), _)) => (format!("<ol start=\"{first}\">\n"), "</ol>\n"),
        _ => ("<ul>\n".to_owned(), "</ul>\n"),
    };
    html.push_str(&open);
    for item in items {
        html.push_str("<li>");
        link_urls(item.unmarked(), html);
        html.push_str("</li>\n");
    }
    html.push_str(close);
}

/// Escapes a text and links the bare URLs in it.
fn link_urls(text: &str, html: &mut String) {
    let mut written = 0;
    for (at, _) in text.match_indices("http") {
        let behind_word = text.get(..at).and_then(|head| head.chars().next_back()).is_some_and(char::is_alphanumeric);
        let Some(rest) = text.get(at..).filter(|_| at >= written && !behind_word) else { continue };
        let Some(url) = url_at_start(rest) else { continue };
        escape(text.get(written..at).unwrap_or_default(), html);
        html.push_str("<a href=\"");
        escape(url, html);
        html.push_str("\">");
        escape(url, html);
        html.push_str("</a>");
        written = at + url.len();
    }
    escape(text.get(written..).unwrap_or_default(), html);
}

/// The address that a text begins with, without the marks of the sentence around it.
fn url_at_start(text: &str) -> Option<&str> {
    const LONGEST: usize = 4096;
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return None;
    }
    let end = text
        .char_indices()
        .find(|(at, c)| *at > LONGEST || c.is_whitespace() || "<>\"“”„«»|{}^`".contains(*c))
        .map_or(text.len(), |(at, _)| at);
    let mut url = text.get(..end)?;
    let opened = url.matches('(').count();
    let mut closed = url.matches(')').count();
    loop {
        let shorter = match url.chars().next_back()? {
            ')' if closed > opened => {
                closed -= 1;
                url.strip_suffix(')')
            }
            c if ".,;:!?'’…]*_".contains(c) => url.strip_suffix(c),
            _ => None,
        };
        match shorter {
            Some(shorter) => url = shorter,
            None => break,
        }
    }
    web_address(url).is_some().then_some(url)
}
