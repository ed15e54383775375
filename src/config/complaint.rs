//! What is wrong with a configuration, said so that a person can mend it: where, the line itself, why, what was
//! probably meant, and what to do next.
//!
//! Nothing secret is shown: what stands in a password's place is masked before a line is quoted.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Everything that is wrong with one configuration, in the order of the file. `Display` shows them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct Complaints(pub Vec<Complaint>);

/// One thing that is wrong, or worth a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Complaint {
    pub severity: Severity,
    /// The file that states it; `None`: nothing was read (built-in defaults).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// `None`: it concerns the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What is wrong, in one sentence without a full stop.
    pub reason: String,
    /// What was probably meant, as it would be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Another place that has to do with it: where a doubled name stands first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<Also>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// newsdesk does not start with it.
    Error,
    /// It runs, but not as its owner may think.
    Warning,
}

/// A spot in a text, with its line as quoted to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The line, with secrets masked and long ones cut around the spot.
    pub excerpt: String,
    /// Characters of `excerpt` that the carets stand under: start (from 0) and count (at least 1).
    #[serde(skip)]
    pub caret: (usize, usize),
}

/// A second place, in few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Also {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    /// What stands there: "first used here".
    pub what: String,
}

impl Complaint {
    /// An error that concerns a file as a whole, or none.
    pub fn error(file: Option<&Path>, reason: impl Into<String>) -> Complaint {
        Complaint {
            severity: Severity::Error,
            file: file.map(Path::to_path_buf),
            place: None,
            reason: printable(reason.into()),
            suggestion: None,
            next: None,
            also: None,
        }
    }

    /// A warning that concerns a file as a whole, or none.
    pub fn warning(file: Option<&Path>, reason: impl Into<String>) -> Complaint {
        Complaint { severity: Severity::Warning, ..Complaint::error(file, reason) }
    }

    #[must_use]
    pub fn at(mut self, place: Place) -> Complaint {
        self.place = Some(place);
        self
    }

    #[must_use]
    pub fn meant(mut self, suggestion: Option<String>) -> Complaint {
        self.suggestion = suggestion.map(printable);
        self
    }

    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Complaint {
        self.next = Some(printable(next.into()));
        self
    }
}

impl Complaints {
    /// Is there one that keeps newsdesk from starting?
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|complaint| complaint.severity == Severity::Error)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// ```text
/// config/newsdesk.toml:14:1: error: unknown key "limitt" in [[section]]
///    |
/// 14 | limitt = 50
///    | ^^^^^^ did you mean "limit"?
///    = known here: name, title, description
/// ```
impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(place) = &self.place {
                write!(f, "{}:{}:", place.line, place.column)?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}: {}", self.severity, self.reason)?;
        let gutter = match &self.place {
            Some(place) => {
                let number = place.line.to_string();
                let gutter = " ".repeat(number.len());
                let (start, count) = place.caret;
                write!(f, "\n{gutter} |\n{number} | {}", place.excerpt)?;
                write!(f, "\n{gutter} | {}{}", " ".repeat(start), "^".repeat(count))?;
                if let Some(meant) = &self.suggestion {
                    write!(f, " did you mean {meant}?")?;
                }
                gutter
            }
            None => {
                if let Some(meant) = &self.suggestion {
                    write!(f, "; did you mean {meant}?")?;
                }
                String::from(" ")
            }
        };
        if let Some(also) = &self.also {
            write!(f, "\n{gutter} = {}:{}:{}: {}", also.file.display(), also.line, also.column, also.what)?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n{gutter} = {next}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for complaint in self.0.iter().take(MAX_SHOWN) {
            write!(f, "{complaint}\n\n")?;
        }
        if self.0.len() > MAX_SHOWN {
            write!(f, "... and {} more\n\n", self.0.len() - MAX_SHOWN)?;
        }
        let errors = self.0.iter().filter(|complaint| complaint.severity == Severity::Error).count();
        match (errors, self.0.len() - errors) {
            (errors, 0) => write!(f, "{}", counted(errors, "error")),
            (0, warnings) => write!(f, "{}", counted(warnings, "warning")),
            (errors, warnings) => write!(f, "{}, {}", counted(errors, "error"), counted(warnings, "warning")),
        }
    }
}

/// Complaints beyond this many are counted only: a file of another kind would fill the screen.
const MAX_SHOWN: usize = 100;

/// A text with what is needed to quote a spot of it.
#[derive(Debug)]
pub(super) struct Quoted {
    pub path: PathBuf,
    pub text: String,
    /// Offset of every line's first byte.
    lines: Vec<usize>,
    /// Byte ranges that hold secrets.
    secrets: RefCell<Vec<Range<usize>>>,
}

impl Quoted {
    pub fn new(path: PathBuf, text: String) -> Quoted {
        let starts = memchr::memchr_iter(b'\n', text.as_bytes()).map(|end| end + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Quoted { path, text, lines, secrets: RefCell::default() }
    }

    /// What stands there is never quoted.
    pub fn mask(&self, secret: Range<usize>) {
        self.secrets.borrow_mut().push(secret);
    }

    /// The spot of a byte range, for people.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let start = span.start.min(self.text.len());
        let line = self.lines.partition_point(|first| *first <= start).max(1);
        let first = self.lines[line - 1]; // `lines` starts with 0 and `line` is at least 1
        let end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        let shown: String = self.text.get(first..end).unwrap_or_default().trim_end_matches('\r').to_owned();
        let before = self.text.get(first..start).map_or(0, |text| text.chars().count());
        let inside = self.text.get(start..span.end.clamp(start, end.max(start))).map_or(0, |text| text.chars().count());
        let (excerpt, caret) = window(&self.masked(first, &shown), before, inside.max(1));
        Place { line, column: before + 1, excerpt, caret }
    }

    pub fn also(&self, span: &Range<usize>, what: &str) -> Also {
        let place = self.place(span);
        Also { file: self.path.clone(), line: place.line, column: place.column, what: what.to_owned() }
    }

    /// The line with every character of a secret replaced, one by one, so that the caret still stands right.
    fn masked(&self, first: usize, line: &str) -> Vec<char> {
        let guessed = secrets_of_line(line);
        let secrets = self.secrets.borrow();
        let line_range = first..first + line.len();
        let secrets: Vec<&Range<usize>> =
            secrets.iter().filter(|range| range.start < line_range.end && line_range.start < range.end).collect();
        let hidden = |offset: usize| {
            secrets.iter().any(|range| range.contains(&(first + offset)))
                || guessed.iter().any(|range| range.contains(&offset))
        };
        let readable = |character: char| match character {
            '\t' => ' ',
            control if is_treacherous(control) => char::REPLACEMENT_CHARACTER,
            other => other,
        };
        line.char_indices().map(|(at, character)| if hidden(at) { '*' } else { readable(character) }).collect()
    }
}

/// At most 140 characters around the caret, which is moved along.
fn window(line: &[char], before: usize, count: usize) -> (String, (usize, usize)) {
    const WIDTH: usize = 140;
    const LEAD: usize = 60;
    let before = before.min(line.len());
    let from = if line.len() <= WIDTH { 0 } else { before.saturating_sub(LEAD).min(line.len() - WIDTH) };
    let to = line.len().min(from + WIDTH);
    let start = before - from;
    (line[from..to].iter().collect(), (start, count.clamp(1, (to - from).saturating_sub(start).max(1))))
}

/// Where a line of TOML or XML seems to hold a secret, found without understanding it: a line with a syntax error is
/// quoted too. Byte ranges.
fn secrets_of_line(line: &str) -> Vec<Range<usize>> {
    static PATTERNS: std::sync::LazyLock<[regex::Regex; 3]> = std::sync::LazyLock::new(|| {
        #[expect(clippy::expect_used, reason = "three constants, which every test that quotes a line compiles")]
        [
            r"://([^/\s'\x22]*)@",
            r"(?i)[?&;][^=&'\x22\s]*(?:token|key|auth|sig|secret|pass|session)[^=&'\x22\s]*=([^&'\x22#\s<>]+)",
            r"(?i)(?:password|passwd|secret|token|auth[a-z]*|api[-_]?key|cookie)['\x22]?\s*=\s*(?:'''|\x22{3}|'|\x22)?([^'\x22\s,}\]][^'\x22]*)",
        ]
        .map(|pattern| regex::Regex::new(pattern).expect("a constant pattern"))
    });
    let found = PATTERNS.iter().flat_map(|pattern| pattern.captures_iter(line));
    found.filter_map(|captures| captures.get(1)).map(|secret| secret.range()).collect()
}

/// Without what could play tricks on a terminal: names may come from other people's files.
fn printable(text: String) -> String {
    if !text.contains(is_treacherous) {
        return text;
    }
    text.replace(is_treacherous, "\u{fffd}")
}

/// Control characters, and those that turn the direction of writing.
fn is_treacherous(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> Quoted {
        Quoted::new(PathBuf::from("a.toml"), text.to_owned())
    }

    #[test]
    fn a_complaint_reads_like_a_compilers() {
        let file = quoted("[site]\n\tlimitt = 50\n");
        let complaint = Complaint::error(Some(&file.path), "unknown key \"limitt\"")
            .at(file.place(&(8..14)))
            .meant(Some("\"limit\"".to_owned()))
            .next("known here: limit");
        let shown = "a.toml:2:2: error: unknown key \"limitt\"\n  |\n2 |  limitt = 50\n  |  ^^^^^^ did you mean \"limit\"?\n  = known here: limit";
        assert_eq!(complaint.to_string(), shown);
    }

    #[test]
    fn a_place_may_be_anywhere() {
        for text in ["", "\n", "é", "a\r\nb", "a\n\n"] {
            for start in 0..=text.len() + 2 {
                for end in 0..=text.len() + 3 {
                    let place = quoted(text).place(&(start..end));
                    assert!(place.line >= 1 && place.column >= 1 && place.caret.1 >= 1, "{text:?} {start} {end}");
                }
            }
        }
        assert_eq!(quoted("a\r\nbc").place(&(4..5)).excerpt, "bc");
        let long = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let place = quoted(&long).place(&(500..501));
        assert_eq!(place.excerpt.chars().count(), 140);
        assert_eq!(place.excerpt.chars().nth(place.caret.0), Some('x'));
    }

    #[test]
    fn secrets_are_not_quoted() {
        for line in [
            "url = \"https://me:hunter2@example.org/\"",
            "url = \"https://example.org/?a=b&access_token=hunter2&c=d\"",
            "password = \"hunter2\"",
            "password = 'hunter2",
            "password=hunter2",
            "headers = { Authorization = \"Bearer hunter2\" }",
            "headers = { \"X-Api-Key\" = \"hunter2\" }",
        ] {
            let place = quoted(line).place(&(0..1));
            assert!(!place.excerpt.contains("hunter2"), "{}", place.excerpt);
            assert_eq!(place.excerpt.chars().count(), line.chars().count());
        }
        let plain = "password-file = \"wire.password\"";
        assert_eq!(quoted(plain).place(&(0..1)).excerpt, plain);
    }

    #[test]
    fn terminals_are_not_tricked() {
        assert_eq!(Complaint::warning(None, "a\u{1b}[2Jb").reason, "a\u{fffd}[2Jb");
    }
}
