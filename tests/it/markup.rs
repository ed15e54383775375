//! Pages as a validator reads them: what can be checked without one, over pages with the worst that may stand on them.
//! Where `$NEWSDESK_VNU` names the jar of the Nu HTML checker, it has the last word.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use dom_query::Document;
use newsdesk::model::Html;
use newsdesk::normalize::clean;
use newsdesk::render::page::{STYLE, favicon};
use proptest::prelude::*;

use crate::render_pages::{article_with, pages};

/// Everything that is wrong with a page.
fn faults(page: &str) -> Vec<String> {
    let document = Document::from(page);
    let mut faults: Vec<String> = document.errors.borrow().iter().map(|error| error.to_string()).collect();
    let mut ids = BTreeSet::new();
    for element in document.select("[id]").iter() {
        let id = element.attr("id").unwrap_or_default().to_string();
        if id.is_empty() || id.contains(char::is_whitespace) || !ids.insert(id.clone()) {
            faults.push(format!("id {id:?} is empty or stands twice"));
        }
    }
    for element in document.select("[aria-labelledby]").iter() {
        let label = element.attr("aria-labelledby").unwrap_or_default().to_string();
        if !ids.contains(&label) {
            faults.push(format!("aria-labelledby names {label:?}, which is nowhere"));
        }
    }
    for (selector, why) in [
        ("img:not([alt])", "an image without words for it"),
        ("svg:not([role=img])", "a drawing without a role"),
        ("a:not([href])", "an anchor that leads nowhere"),
        ("time:not([datetime])", "a time that machines cannot read"),
        ("[style], style, script", "what the policy forbids"),
        ("[onclick], [onload], [onerror]", "a handler"),
        ("section:not([aria-labelledby]):not([aria-label])", "a region without a name"),
        ("nav:not([aria-label])", "a navigation without a name"),
        ("a a, a button, p p, p div, p ul", "nesting that the content model forbids"),
        ("ul > :not(li), ol > :not(li)", "a list with what is no item"),
        ("center, font, big, tt, strike, acronym, marquee, [align], [bgcolor]", "what is obsolete"),
    ] {
        let count = document.select(selector).length();
        if count > 0 {
            faults.push(format!("{why}: {count} of {selector}"));
        }
    }
    for (selector, wanted) in
        [("main", 1), ("h1", 1), ("head > title", 1), ("html[lang]", 1), ("header.masthead", 1), ("a.skip", 1)]
    {
        let count = document.select(selector).length();
        if count != wanted {
            faults.push(format!("{count} of {selector}, not {wanted}"));
        }
    }
    let mut level = 0;
    for heading in document.select("h1, h2, h3, h4, h5, h6").iter() {
        let own = heading.nodes().first().and_then(|node| node.node_name());
        let own = own.and_then(|name| name.chars().nth(1)?.to_digit(10)).unwrap_or_default();
        if own > level + 1 {
            faults.push(format!("a heading of rank {own} under one of rank {level}"));
        }
        level = own;
    }
    faults
}

#[test]
fn pages_are_what_a_validator_wants() {
    for (name, page) in pages() {
        assert_eq!(faults(&page), Vec::<String>::new(), "{name}");
    }
}

/// What people, programs and enemies have written into feeds.
const HOSTILE: [&str; 20] = [
    "<h1>One</h1><h4>Four</h4><main>m</main><article><header>h</header></article><footer>f</footer><nav>n</nav>",
    "<center><font color=red>a</font></center><big>b</big><tt>c</tt><strike>d</strike><acronym title=e>f</acronym>",
    "<p>a<p>b<div>c<ul>d<p>e<li>f<li>g<ol>h</ol></ul><dl>i<dt>j</dl><dd>k",
    "<b>a<p>b<i>c</b>d</i><a href=https://a.example/>e<a href=https://b.example/>f<table><a href=https://c.example/>g</table>",
    "<span lang=x dir=up><div><h2>a</h2><table><tr><td colspan=9>b<td rowspan=0>c<tr><th scope=x headers=y>d</table></div></span>",
    "<table><caption>a<tr><td rowspan=3>b<td colspan=2>c<tbody><tr><td>d</table><table><col span=99><colgroup><tr><td colspan=2>e</table>",
    "<table width=100% align=center><tr><td align=center height=50%><table><tr><td><p>a<table></table></table></table>",
    "<img src='https://a.example/a b|c.png' width=90% height=-1 sizes=x srcset='https://a.example/b.png 1x, https://a.example/c.png 400w'>",
    "<picture><source srcset='https://a.example/a.webp' media='(' type=x><img src=https://a.example/a.png></picture><img srcset='https://a.example/x.png 2x'>",
    "<video src=https://a.example/v.mp4 poster='https://a.example/p q.png' autoplay width=1e9><source src=https://a.example/w.webm><track src=https://a.example/t.vtt kind=x>no video <p>here</p><audio src=https://a.example/a.mp3></audio></video>",
    "<a href=https://a.example/><video src=https://a.example/v.mp4></video><details><summary>a</summary>b</details><audio></audio></a>",
    "<details><p>a</details><details><summary>b</summary><summary>c</summary></details><summary>d</summary>",
    "<figure><p>a<figcaption>b</figcaption><p>c</figure><figcaption>d</figcaption><figure><figcaption>e</figcaption><figcaption>f</figcaption></figure>",
    "<time datetime=soon>a</time><time>b</time><time datetime=2026-03-28T09:45:00Z>c</time><data>d</data><data value=''>e</data><bdo>f</bdo><dfn>g<dfn>h</dfn></dfn>",
    "<ol type=disc start=x reversed><li value=y>a<li value=2>b</ol><menu><li>c</menu><dir>d</dir><ul><ul><li>e</ul></ul>",
    "<ruby>a<rt>b</ruby><ruby>c</ruby><rt>d</rt><rp>e</rp><del><p>f</p></del><ins datetime=x cite='::'><div>g</div></ins><q cite=:>h</q>",
    "<pre><p>a</p><h2>b</h2></pre><h2><h3>c</h3><p>d</p></h2><address><address>e</address><h2>f</h2></address><hr><em><hr><blockquote>g</blockquote></em>",
    "<svg><title>a</title></svg><math><mi>b</mi></math><form><input><button>c<p>d</button><select><option>e</select><label>f</label></form><iframe src=https://a.example/></iframe>",
    "\u{fdd0}\u{ffff}\u{1f}\u{80}&#0;&#x80;&#xfdd0;&nosuch;&copy &lt;p&gt; <p title='\u{1}\">x'>a</p><!-- b --!> c <![CDATA[d]]><?e?>",
    "<p><button><p>a<object><a href=https://a.example/>b<object><a href=https://b.example/>c<p>d</object></object><tr><td>e<li>f<body class=x><html><head><title>g",
];

fn hostile() -> Vec<(String, String)> {
    let shown = |markup: &str| article_with(clean::html(markup, None));
    let mut pages: Vec<(String, String)> =
        HOSTILE.iter().enumerate().map(|(n, markup)| (format!("hostile-{n}"), shown(markup))).collect();
    pages.push(("hostile-all".to_owned(), shown(&HOSTILE.concat())));
    pages
}

#[test]
fn whatever_stands_in_an_article_its_page_is_valid() {
    for (name, page) in hostile() {
        assert_eq!(faults(&page), Vec::<String>::new(), "{name}: {page}");
    }
}

/// Pieces of markup in any order.
fn markup() -> impl Strategy<Value = String> {
    const TAGS: [&str; 58] = [
        "a",
        "abbr",
        "article",
        "aside",
        "audio",
        "b",
        "bdo",
        "big",
        "blockquote",
        "button",
        "caption",
        "center",
        "code",
        "col",
        "dd",
        "del",
        "details",
        "dfn",
        "dir",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h3",
        "header",
        "hr",
        "img",
        "ins",
        "li",
        "main",
        "nav",
        "object",
        "ol",
        "p",
        "picture",
        "pre",
        "q",
        "rt",
        "ruby",
        "section",
        "select",
        "span",
        "strike",
        "summary",
        "table",
        "tbody",
        "td",
        "th",
        "time",
        "tr",
        "ul",
        "video",
        "wbr",
    ];
    const ATTRIBUTES: [&str; 8] = [
        "",
        " href=https://e.example/",
        " src=https://e.example/x",
        " colspan=3",
        " rowspan=2",
        " lang=de",
        " datetime=2026-03-28",
        " title='a&lt;b'",
    ];
    let tag = (prop::sample::select(TAGS.to_vec()), prop::sample::select(ATTRIBUTES.to_vec()), 0..5);
    let piece = tag.prop_map(|(tag, attribute, kind)| match kind {
        0 => format!("</{tag}>"),
        1 => " x ".to_owned(),
        _ => format!("<{tag}{attribute}>"),
    });
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_markup_is_fitted(markup in markup()) {
        let cleaned = clean::html(&markup, None);
        let page = article_with(cleaned.clone());
        prop_assert_eq!(faults(&page), Vec::<String>::new(), "{}", cleaned.0);
        // Nothing that is read is lost.
        let text = |html: &str| Document::from(html).select("body").text().split_whitespace().collect::<String>();
        let shown = Document::from(&*page).select(".text").text().split_whitespace().collect::<String>();
        prop_assert_eq!(shown, text(&format!("<!DOCTYPE html><body>{}", cleaned.0)));
    }
}

#[test]
fn the_nu_checker_finds_nothing() {
    let Some(jar) = std::env::var_os("NEWSDESK_VNU") else {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "left out: the Nu HTML checker; NEWSDESK_VNU names no vnu.jar");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let named = pages().into_iter().map(|(name, page)| (name.to_owned(), page));
    for (name, page) in named.chain(hostile()) {
        fs::write(folder.path().join(name).with_extension("html"), page).unwrap();
    }
    fs::write(folder.path().join("style.css"), STYLE).unwrap();
    fs::write(folder.path().join("favicon.svg"), favicon()).unwrap();
    let mut command = Command::new("java");
    command.arg("-jar").arg(jar).args(["--errors-only", "--also-check-css", "--also-check-svg"]).arg(folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// WCAG 2.2, 1.4.3: text against what it stands on, in both schemes.
#[test]
fn every_colour_can_be_read() {
    let schemes = STYLE.split("prefers-color-scheme: dark").map(|part| part.split("--serif").next().unwrap());
    for (scheme, colours) in ["light", "dark"].iter().zip(schemes) {
        let colour = |name: &str| {
            let value =
                colours.split(&format!("--{name}: #")).nth(1).unwrap_or_else(|| panic!("{scheme} has no {name}"));
            luminance(&value[..6])
        };
        for ink in ["ink", "soft", "accent", "good", "bad", "mild"] {
            for paper in ["paper", "raised", "accent-soft"] {
                let (a, b) = (colour(ink), colour(paper));
                let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(ratio >= 4.5, "{scheme}: {ink} on {paper} is {ratio:.2} to 1");
            }
        }
    }
}

fn luminance(hex: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

#[test]
fn plain_text_needs_no_fitting() {
    assert!(article_with(Html("Plain words".into())).contains("\nPlain words\n"));
}
