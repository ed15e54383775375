//! The status page: a row for each source, those in trouble first; what is wrong is said in words, never by colour alone.

use askama::Template;

use super::view::{FeedLink, Frame, finish, may_link};
use super::{Mark, SourceRow, StatusPage, spark};
use crate::render::{text, troubles};

pub(super) fn status(page: &StatusPage) -> String {
    let mut frame = Frame::new(&page.site, "status", "Status");
    let own = FeedLink {
        name: "Atom",
        kind: "application/atom+xml",
        title: "Troubles of the sources (Atom)".to_owned(),
        href: text::url(&format!("{}{}", page.site.url, troubles::STATUS)).into_owned(),
    };
    frame.feeds.insert(0, own);
    finish(StatusTemplate { summary: health(&page.counts), page, frame })
}

#[derive(Template)]
#[template(path = "status.html")]
struct StatusTemplate<'a> {
    page: &'a StatusPage,
    frame: Frame<'a>,
    summary: String,
}

impl SourceRow {
    fn anchor(&self) -> String {
        super::anchor(&self.name)
    }

    fn href(&self) -> Option<&str> {
        self.link.as_deref().filter(|url| may_link(url))
    }

    fn is_drawn(&self) -> bool {
        self.days.iter().any(|count| *count > 0)
    }

    fn spark_width(&self) -> usize {
        spark::size(&self.days).0
    }

    fn spark_height(&self) -> usize {
        spark::size(&self.days).1
    }

    fn spark(&self) -> String {
        spark::path(&self.days)
    }

    fn spark_words(&self) -> String {
        spark::words(&self.days)
    }

    fn a_week(&self) -> String {
        spark::a_week(&self.days)
    }
}

impl Mark {
    fn class(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Quiet => "quiet",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Well => "Well",
            Self::Quiet => "Quiet",
            Self::Waiting => "Not asked yet",
            Self::Failing => "Failing",
            Self::Gone => "Gone",
        }
    }
}

/// "412 sources: 9 failing, 3 gone, 400 well."
fn health(counts: &[(Mark, usize)]) -> String {
    let word = |mark: Mark| mark.word().to_lowercase();
    let some = counts.iter().filter(|(_, count)| *count > 0);
    let words: Vec<String> = some.map(|(mark, count)| format!("{count} {}", word(*mark))).collect();
    match counts.iter().map(|(_, count)| count).sum() {
        0 => "No sources.".to_owned(),
        1 => format!("1 source: {}.", words.join(", ")),
        n => format!("{n} sources: {}.", words.join(", ")),
    }
}
