//! The content model of HTML, as far as a text in a page needs it: which element of today stands for one of any day, and
//! what may stand in what (HTML, section 3.2.5 and the "content model" of each element).

/// A row of a table, in a group of its own.
pub(super) const ROW: &str = "tbody><tr";

/// Headings below the page's own.
pub(super) const RANKS: [&str; 5] = ["h2", "h3", "h4", "h5", "h6"];

/// What must stand between a list and what is no item of it.
pub(super) fn wrapper(parent: &str, name: &str) -> Option<&'static str> {
    match parent {
        "ul" | "ol" if name != "li" => Some("li"),
        "dl" if !matches!(name, "dt" | "dd") => Some("dd"),
        "table" if name == "td" => Some(ROW),
        _ => None,
    }
}

pub(super) fn caption_of(name: &str) -> &'static str {
    match name {
        "figure" => "figcaption",
        "table" => "caption",
        "details" => "summary",
        _ => "nothing",
    }
}

/// The element of today for one of any day. The page has its headline and its landmarks already.
pub(super) fn modern(name: &str) -> &'static str {
    const KEPT: [&str; 59] = [
        "a",
        "abbr",
        "audio",
        "b",
        "bdi",
        "bdo",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "data",
        "dd",
        "del",
        "details",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "u",
        "ul",
    ];
    match name {
        "h1" => "h2",
        "acronym" => "abbr",
        "strike" => "s",
        "tt" => "code",
        "var" => "var",
        "video" => "video",
        "wbr" => "wbr",
        "dir" | "menu" => "ul",
        "big" => "span",
        "center" | "article" | "aside" | "section" | "nav" | "main" | "header" | "footer" | "hgroup" | "address" => {
            "div"
        }
        // Without its sources a picture is its image; without its columns a table is itself.
        "picture" | "source" | "track" | "col" | "colgroup" => "",
        _ => KEPT.into_iter().find(|kept| *kept == name).unwrap_or(""),
    }
}

pub(super) fn is_void(name: &str) -> bool {
    matches!(name, "br" | "col" | "hr" | "img" | "source" | "track" | "wbr")
}

pub(super) fn is_phrasing(name: &str) -> bool {
    is_transparent(name)
        || matches!(
            name,
            "abbr"
                | "b"
                | "bdi"
                | "bdo"
                | "br"
                | "cite"
                | "code"
                | "data"
                | "dfn"
                | "em"
                | "i"
                | "img"
                | "kbd"
                | "mark"
                | "q"
                | "rp"
                | "rt"
                | "ruby"
                | "s"
                | "samp"
                | "small"
                | "span"
                | "strong"
                | "sub"
                | "sup"
                | "time"
                | "u"
                | "var"
                | "wbr"
        )
}

/// What may be in it is what may be where it stands.
pub(super) fn is_transparent(name: &str) -> bool {
    matches!(name, "a" | "ins" | "del" | "audio" | "video")
}

/// Only phrasing may be in it; `dt`, `th` and `caption` would take some blocks, but not all.
pub(super) fn is_closed_to_blocks(name: &str) -> bool {
    let named = matches!(name, "p" | "pre" | "h2" | "h3" | "h4" | "h5" | "h6" | "dt" | "th" | "caption" | "summary");
    named || is_phrasing(name) && !is_transparent(name)
}
