//! The text of an entry's page: taken where it says more than the feed does, and put in the place of the feed's own.

use crate::model::{Html, Stated};
use crate::normalize::clean;
use crate::parse::feed::Text;

/// Sanitized; `None`: the page says less than the feed (a paywall, a teaser, a question about cookies).
pub fn better(page: &Text, stated: &Stated) -> Option<Html> {
    let text = clean::text(page)?;
    let of = |html: Option<&Html>| html.map_or(0, |html| clean::visible(html).chars().count());
    let known = of(stated.content.as_ref()).max(of(stated.summary.as_ref()));
    (of(Some(&text)) > known).then_some(text)
}

/// The entry with the text of its page; what the feed gave as its text is the teaser, if it has no other.
pub fn put(stated: &mut Stated, text: Html) {
    let before = stated.content.replace(text);
    stated.summary = stated.summary.take().or(before);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::feed::TextKind;

    fn html(text: &str) -> Option<Html> {
        Some(Html(text.to_owned()))
    }

    #[test]
    fn the_longer_text_is_taken() {
        let page = |value: &str| Text { kind: TextKind::Html, value: value.to_owned(), base: None, language: None };
        let check = |text: &str, stated: Stated, taken: bool| {
            assert_eq!(better(&page(text), &stated).is_some(), taken, "{text}")
        };
        let teaser = Stated { summary: html("A teaser"), ..Stated::default() };
        check("<p>A teaser and all the rest</p>", teaser.clone(), true);
        check("<p>Log in</p>", teaser.clone(), false);
        check("<script>alert(1)</script>", teaser, false);
        check("<p><b>12345</b></p>", Stated { content: html("12345"), ..Stated::default() }, false);
        check("<p>x</p>", Stated::default(), true);
        let hostile = better(&page("<p onclick=x>text<script>x</script></p>"), &Stated::default()).unwrap();
        assert_eq!(hostile.0, "<p>text</p>");
    }

    #[test]
    fn a_feeds_own_text_becomes_the_teaser() {
        let mut stated = Stated { content: html("short"), ..Stated::default() };
        put(&mut stated, Html("long".to_owned()));
        assert_eq!((stated.content, stated.summary), (html("long"), html("short")));
        let mut stated = Stated { content: html("short"), summary: html("teaser"), ..Stated::default() };
        put(&mut stated, Html("long".to_owned()));
        assert_eq!((stated.content, stated.summary), (html("long"), html("teaser")));
    }
}
