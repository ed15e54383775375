//! The head of a text: headers, section line, title, byline, in the order in which they may stand.

use std::ops::Range;

use super::headers::{self, Header};
use super::names::byline;
use super::page::{Page, starts_lower, width};
use super::section_line::{self, Reading};
use super::{SectionLine, Vocabulary, title};
use crate::model::Person;
use crate::parse::article::LineUse;

/// What stands above the body.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub headers: Vec<Header>,
    pub authors: Vec<Person>,
    pub sections: Vec<String>,
    pub categories: Vec<String>,
    pub title: Title,
    /// Every row that is not the body's. The body is what is left.
    pub uses: Vec<(Range<usize>, LineUse)>,
    /// The first row of the body; a byline under a deck may stand behind it.
    pub body: usize,
}

/// Where the title comes from.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Title {
    /// No text at all.
    #[default]
    Missing,
    Rows(Range<usize>),
    /// In a header.
    Stated,
    /// The first sentence of the paragraph at this row.
    SentenceAt(usize),
}

/// Reads the head of a text that has at least one row.
pub(super) fn read(page: &Page<'_>, policy: SectionLine, vocabulary: &Vocabulary) -> Head {
    let mut head = Head::default();
    let lead = headers_at(page, 0, vocabulary);
    let line = section_line(page, &lead, policy, vocabulary);
    let start = match line {
        Some(_) => lead.end + 1,
        None => 0,
    };
    if let Some(reading) = line {
        head.uses.push((lead.end..lead.end + 1, LineUse::Section));
        head.take_headers(page, lead.clone(), vocabulary);
        head.sections = reading.sections;
        head.categories = reading.unknown;
    }
    let stated = head.states_title();
    let opening = opening(page, start, stated, false, vocabulary);
    head.take_headers(page, opening.headers.clone(), vocabulary);
    head.body = opening.next;
    head.title = opening.title;
    if let Title::Rows(rows) = &head.title {
        head.uses.push((rows.clone(), LineUse::Title));
    }
    if matches!(head.title, Title::Rows(_) | Title::Stated) {
        head.under_title(page, vocabulary);
    }
    head
}

/// Could this line, under a title, be anything but the title's next line? A header, a byline, a rule.
pub(super) fn opens_something_else(line: &str) -> bool {
    is_rule(line) || byline(line).is_some() || headers::read(line, &Vocabulary::default()).is_some()
}

impl Head {
    fn states_title(&self) -> bool {
        self.headers.iter().any(|header| matches!(header, Header::Title(_)))
    }

    /// Takes these rows, all of them headers.
    fn take_headers(&mut self, page: &Page<'_>, rows: Range<usize>, vocabulary: &Vocabulary) {
        self.headers.extend(rows.clone().filter_map(|row| headers::read(page.text(row), vocabulary)));
        self.uses.push((rows, LineUse::Header));
    }

    /// Takes what stands under the title: underlining, byline, headers.
    fn under_title(&mut self, page: &Page<'_>, vocabulary: &Vocabulary) {
        let glued = !page.starts_block(self.body);
        let mut at = self.body;
        if glued {
            let block = page.rest_of_block(at);
            at = self.take_lines(page, block.clone(), vocabulary);
            self.body = at;
            if at < block.end {
                return;
            }
        }
        loop {
            let block = page.rest_of_block(at);
            let whole = block.clone().all(|row| self.is_head_line(page, row, vocabulary));
            let starts = self.authors.is_empty() && self.byline_at(page, at).is_some();
            if block.is_empty() || !whole && !starts {
                break;
            }
            at = self.take_lines(page, block.clone(), vocabulary);
            self.body = at;
            if at < block.end {
                return;
            }
        }
        self.take_byline_under_deck(page);
    }

    /// Takes the leading lines of a block that belong to the head, and says where they end.
    fn take_lines(&mut self, page: &Page<'_>, block: Range<usize>, vocabulary: &Vocabulary) -> usize {
        for row in block.clone() {
            if is_rule(page.text(row)) {
                self.uses.push((row..row + 1, LineUse::Dropped));
            } else if let Some(authors) = self.byline_at(page, row).filter(|_| self.authors.is_empty()) {
                self.authors = authors;
                self.uses.push((row..row + 1, LineUse::Header));
            } else if headers::read(page.text(row), vocabulary).is_some() {
                self.take_headers(page, row..row + 1, vocabulary);
            } else {
                return row;
            }
        }
        block.end
    }

    fn is_head_line(&self, page: &Page<'_>, row: usize, vocabulary: &Vocabulary) -> bool {
        let byline = self.authors.is_empty() && self.byline_at(page, row).is_some();
        byline || headers::read(page.text(row), vocabulary).is_some()
    }

    /// A line that the next one goes on with is a sentence: "By Monday Night / the city had fallen".
    fn byline_at(&self, page: &Page<'_>, row: usize) -> Option<Vec<Person>> {
        let goes_on = page.rest_of_block(row).len() > 1 && starts_lower(page.text(row + 1));
        byline(page.text(row)).filter(|_| !goes_on)
    }

    /// Title, deck of a line, byline, text: the byline is one all the same.
    fn take_byline_under_deck(&mut self, page: &Page<'_>) {
        let deck = page.rest_of_block(self.body);
        if deck.len() != 1 || !self.authors.is_empty() || page.is_paragraph(deck.clone()) {
            return;
        }
        let below = page.rest_of_block(deck.end);
        let followed = below.len() == 1 && page.is_paragraph(page.unit(below.end));
        if let Some(authors) = byline(page.text(below.start)).filter(|_| followed) {
            self.authors = authors;
            self.uses.push((below, LineUse::Header));
        }
    }
}

/// Headers and title from some row on.
struct Opening {
    headers: Range<usize>,
    title: Title,
    /// The row behind both.
    next: usize,
}

/// Reads headers and the title behind them. `strict`: a byline is no title.
fn opening(page: &Page<'_>, from: usize, stated: bool, strict: bool, vocabulary: &Vocabulary) -> Opening {
    let headers = headers_at(page, from, vocabulary);
    let stated = stated || titles(page, headers.clone(), vocabulary);
    let at = headers.end;
    if stated {
        return Opening { headers, title: Title::Stated, next: at };
    }
    let rows = title::rows(page, at).filter(|rows| !strict || !names_people(page.text(rows.start)));
    if let Some(rows) = rows {
        return Opening { headers, next: rows.end, title: Title::Rows(rows) };
    }
    // A single line with a colon is the title when nothing else is one; but a date or a name never is, over a text.
    let last = headers.end.saturating_sub(1);
    let single = !headers.is_empty() && page.starts_block(last) && page.rest_of_block(last).len() == 1;
    let may_be = headers::read(page.text(last), vocabulary).is_some_and(|header| header.may_be_a_title());
    if single && (may_be || page.rows.len() == 1) {
        return Opening { headers: from..last, title: Title::Rows(last..at), next: at };
    }
    let title = if at < page.rows.len() { Title::SentenceAt(at) } else { Title::Missing };
    Opening { headers, title, next: at }
}

/// A byline whose every name has two words: "By Land and Sea" may be a title.
fn names_people(line: &str) -> bool {
    let full = |person: &Person| person.name.as_ref().is_some_and(|name| name.contains(' '));
    byline(line).is_some_and(|people| people.iter().all(full))
}

/// The rows from `from` on that are headers: whole blocks of them, and lines glued on top of what follows.
fn headers_at(page: &Page<'_>, from: usize, vocabulary: &Vocabulary) -> Range<usize> {
    let mut end = from;
    loop {
        let block = page.rest_of_block(end);
        let read = |row: usize| headers::read(page.text(row), vocabulary);
        let run = block.clone().take_while(|row| read(*row).is_some()).count();
        let sure = run > 1 || run == block.len() || read(block.start).is_some_and(|header| !header.may_be_a_title());
        if run == 0 || !sure {
            return from..end;
        }
        end += run;
        if run < block.len() {
            return from..end;
        }
    }
}

fn titles(page: &Page<'_>, rows: Range<usize>, vocabulary: &Vocabulary) -> bool {
    rows.into_iter().any(|row| matches!(headers::read(page.text(row), vocabulary), Some(Header::Title(_))))
}

/// What the line behind the leading headers names, if it is a section line.
fn section_line(page: &Page<'_>, lead: &Range<usize>, policy: SectionLine, vocabulary: &Vocabulary) -> Option<Reading> {
    let at = lead.end;
    let line = page.rows.get(at).filter(|row| row.width <= section_line::WIDEST)?;
    let stated = titles(page, lead.clone(), vocabulary);
    match policy {
        SectionLine::Never => None,
        SectionLine::Always => {
            let whole = || Reading { unknown: vec![line.text.to_owned()], ..Reading::default() };
            (at + 1 < page.rows.len()).then(|| section_line::read(line.text, vocabulary).unwrap_or_else(whole))
        }
        SectionLine::Auto => {
            let reading = section_line::read(line.text, vocabulary)?;
            let below = opening(page, at + 1, stated, true, vocabulary);
            let titled = matches!(below.title, Title::Rows(_) | Title::Stated);
            let followed = titled && below.next < page.rows.len();
            let fits = reading.unknown.is_empty() || unknown_words_fit(page, at, &reading, &below);
            (followed && fits).then_some(reading)
        }
    }
}

/// Words that no section has are categories only where the text around leaves no doubt that they are no title.
fn unknown_words_fit(page: &Page<'_>, at: usize, reading: &Reading, below: &Opening) -> bool {
    let own_block = page.starts_block(at) && page.rest_of_block(at).len() == 1;
    let next_words = match &below.title {
        Title::Rows(rows) => page.text(rows.start).split_whitespace().count(),
        _ => page.text(at + 1).split_whitespace().count(),
    };
    let (most, least_next) = if reading.sections.is_empty() { (3, 4) } else { (5, 3) };
    let short = reading.words <= most && next_words >= least_next;
    own_block && short && reading.capitalised && paragraph_follows(page, below.next)
}

fn paragraph_follows(page: &Page<'_>, from: usize) -> bool {
    let mut at = from;
    while at < page.rows.len() {
        let unit = page.unit(at);
        if page.is_paragraph(unit.clone()) {
            return true;
        }
        at = unit.end;
    }
    false
}

/// A line drawn with characters, as under a title.
fn is_rule(line: &str) -> bool {
    width(line) > 2 && line.chars().all(|c| "=-_~*─═—–".contains(c))
}
