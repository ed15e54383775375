//! newsboat's `urls` file: a feed a line, with tags behind it.
//!
//! ```text
//! https://example.org/feed.xml  tag  "another tag"  "~Its title"  !
//! "query:Unread:unread = \"yes\""
//! "exec:~/bin/make-feed"
//! # a comment
//! ```

use super::charset;

/// What is taken of one file.
const MOST_LINES: usize = 20_000;

/// One line that is neither blank nor a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Feed {
        url: String,
        /// Behind `~`.
        title: Option<String>,
        tags: Vec<String>,
    },
    /// A search over other feeds, by its name: it is no source.
    Query(String),
    /// Something that is run ("exec", "filter"), or a line that cannot be understood.
    Refused(String),
}

/// Every line of the file, in order.
pub fn lines(bytes: &[u8]) -> Vec<Line> {
    let text = charset::decode(bytes, None).text;
    let numbered = text.lines().enumerate().take(MOST_LINES);
    numbered.filter_map(|(at, line)| Some(Line { number: at + 1, what: what(line)? })).collect()
}

fn what(line: &str) -> Option<What> {
    let Some(words) = words(line) else { return Some(What::Refused("a quote is never closed".to_owned())) };
    let (first, tags) = words.split_first()?;
    if let Some(query) = first.strip_prefix("query:") {
        return Some(What::Query(query.split(':').next().unwrap_or(query).to_owned()));
    }
    for (scheme, why) in [
        (
            "exec:",
            "exec: runs a program, which newsdesk does not do; let a timer write its output into a folder source",
        ),
        ("filter:", "filter: runs a program, which newsdesk does not do; rules can drop and change entries"),
        ("file:", "file: names a file on this machine; name its folder as a source"),
    ] {
        if first.starts_with(scheme) {
            return Some(What::Refused(why.to_owned()));
        }
    }
    let title = tags.iter().find_map(|tag| tag.strip_prefix('~')).map(str::trim).filter(|title| !title.is_empty());
    // `!` hides a feed from the list of feeds.
    let tags = tags.iter().filter(|tag| !tag.starts_with(['~', '!']) && !tag.trim().is_empty());
    Some(What::Feed { url: first.clone(), title: title.map(str::to_owned), tags: tags.cloned().collect() })
}

/// Words apart by white space; in double quotes white space counts and `\` takes the next character. `#` begins a
/// comment. `None`: a quote is never closed.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while let Some(&first) = rest.peek() {
        if first.is_whitespace() {
            rest.next();
            continue;
        }
        if first == '#' {
            break;
        }
        let mut word = String::new();
        if first == '"' {
            rest.next();
            loop {
                match rest.next()? {
                    '"' => break,
                    '\\' => match rest.next()? {
                        'n' | 'r' | 't' => word.push(' '),
                        other => word.push(other),
                    },
                    other => word.push(other),
                }
            }
        } else {
            while let Some(c) = rest.next_if(|c| !c.is_whitespace()) {
                word.push(c);
            }
        }
        words.push(word);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(url: &str, title: Option<&str>, tags: &[&str]) -> Option<What> {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Some(What::Feed { url: url.to_owned(), title: title.map(str::to_owned), tags })
    }

    #[test]
    fn lines_as_people_write_them() {
        let url = "https://example.org/feed";
        assert_eq!(what(url), feed(url, None, &[]));
        assert_eq!(
            what("  https://example.org/feed\tnews  \"world news\" !"),
            feed(url, None, &["news", "world news"])
        );
        assert_eq!(
            what("\"https://example.org/feed\" \"~The \\\"feed\\\"\" a"),
            feed(url, Some("The \"feed\""), &["a"])
        );
        assert_eq!(what("https://example.org/feed ~Title # a comment"), feed(url, Some("Title"), &[]));
        assert_eq!(what("https://example.org/feed#top"), feed("https://example.org/feed#top", None, &[]));
        assert_eq!((what(""), what("   "), what("# https://example.org/")), (None, None, None));
        assert_eq!(what("\"query:Unread:unread = \\\"yes\\\"\" tag"), Some(What::Query("Unread".to_owned())));
        for refused in [
            "\"exec:~/bin/feed --all\" tag",
            "\"filter:sed s/a/b/:https://example.org/\"",
            "file:///tmp/x",
            "\"https://a",
        ] {
            assert!(matches!(what(refused), Some(What::Refused(_))), "{refused}");
        }
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        let read = lines(b"# mine\r\n\r\nhttps://a.example/\r\nhttps://b.example/");
        assert_eq!(read.iter().map(|line| line.number).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(lines("x\n".repeat(MOST_LINES * 2).as_bytes()).len(), MOST_LINES);
    }
}
