use proptest::prelude::*;

use super::*;

fn policy() -> Policy<'static> {
    Policy { base: None }
}

/// Both readings of it are one, where it is regular. Is it?
fn agrees(markup: &str) -> bool {
    let safe = regular::sanitize(markup, &policy());
    if let Some(safe) = &safe {
        assert_eq!(Some(safe), by_tree(markup, &policy()).as_ref(), "{markup:?}");
    }
    safe.is_some()
}

#[test]
fn what_machines_write_is_regular() {
    for markup in [
        "",
        "plain words",
        "<p>One <em>two</em> <a href=\"https://example.org/?a=1&amp;b=2\" title='x > y'>three</a>.</p>\n<p>Four</p>",
        "<div><h2 class=\"x\">Head</h2><ul>\n<li>one</li><li>two<ol><li>three</li></ol></li></ul></div>",
        "<img src=\"/a.jpg\" alt=\"a &quot;b&quot;\" width=\"10\" /><br/><hr><br />",
        "a<!-- more -->b &nbsp;&#8217;&#x2019;&hellip; AT & T & <b><b><b><b><b>deep</b></b></b></b></b> end",
        "<blockquote><p>Quoted</p><pre><code>a &lt; b</code></pre></blockquote>",
        "<b><p>a block in a phrase</p></b><a href=\"x\"><div>and in a link</div></a>",
        "<p>not closed <em>at all",
        "<figure><img src=\"https://example.org/p.gif\" width=\"1\" height=\"1\"><figcaption>x</figcaption></figure>",
        "<span>nothing</span><span lang=\"fr\">tout</span><a>no link</a><a href=\"javascript:x\">bad</a>",
    ] {
        assert!(agrees(markup), "{markup:?}");
    }
}

#[test]
fn what_needs_repair_is_left_to_the_parser() {
    for markup in [
        "<p>one<p>two",
        "<p>a<div>b</div></p>",
        "<b>a<i>b</b>c</i>",
        "<li>alone</li>",
        "<ul><li>a<li>b</ul>",
        "<ul><div><li>a</li></div></ul>",
        "<h1>a<h2>b</h2></h1>",
        "<a href=\"x\">a<a href=\"y\">b</a></a>",
        "<table><tr><td>a</td></tr></table>",
        "<P>loud</P>",
        "<img src=x>",
        "<img src=\"x\"alt=\"y\">",
        "<img src=\"x\" src=\"y\">",
        "<p/>a",
        "</p>a",
        "<br></br>",
        "a < b",
        "&copy 2026",
        "&unknown; &#0; &#128; &#xD800; &#xFFFE;",
        "a\r\nb",
        "a\0b",
        "<!-->a-->",
        "<!--a--!>b-->",
        "<!doctype html>a",
        "<pre>\na</pre>",
        "<pre>&NewLine;a</pre>",
        "<p",
        "<p class=\"",
        "<script>alert(1)</script>",
        "<iframe src=\"https://www.youtube.com/embed/x\"></iframe>",
        "<svg><p>x</p></svg>",
        "<math><mi>x</mi></math>",
    ] {
        assert!(!agrees(markup), "{markup:?}");
    }
}

/// Pieces that make regular markup and its neighbours.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "<p>",
        "</p>",
        "<div>",
        "</div>",
        "<ul>",
        "</ul>",
        "<ol>",
        "<li>",
        "</li>",
        "</ol>",
        "<a href=\"/x\">",
        "</a>",
        "<b>",
        "</b>",
        "<i>",
        "</i>",
        "<em>",
        "</em>",
        "<span lang=\"en\">",
        "</span>",
        "<h1>",
        "</h1>",
        "<h2>",
        "</h2>",
        "<blockquote>",
        "</blockquote>",
        "<pre>",
        "</pre>",
        "<code>",
        "</code>",
        "<br>",
        "<br/>",
        "<hr>",
        "<img src=\"a.png\">",
        "<img alt='&amp;' src='b'/>",
        "words ",
        " ",
        "\n",
        "&amp;",
        "&nbsp;",
        "&lt;b&gt;",
        "&#233;",
        "&NewLine;",
        "& ",
        "&",
        "é",
        "<!-- c -->",
        "<!---->",
        "<del>",
        "</del>",
        "<figure>",
        "</figure>",
        "<center>",
        "</center>",
        "<table>",
        "<td>",
        "</table>",
        "<",
        ">",
        "\"",
        "=",
        "-->",
        "<address>",
        "</address>",
        "<u>",
        "</u>",
        "<s>",
        "</s>",
        "<small>",
        "</small>",
        "<q cite=\"http://e.example/\">",
        "</q>",
        "<nav>",
        "</nav>",
        "<time>",
    ])
}

/// Elements properly inside each other, whatever their names.
fn nested() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "p",
        "div",
        "ul",
        "ol",
        "li",
        "a",
        "b",
        "i",
        "em",
        "span",
        "h1",
        "h3",
        "blockquote",
        "pre",
        "code",
        "figure",
        "del",
        "center",
        "strong",
        "u",
        "small",
        "q",
        "section",
        "address",
    ]);
    let leaf =
        prop::sample::select(vec!["", "words", "<br>", "<hr>", "<img src=\"x\">", "&amp;", "\n", " a ", "<!-- x -->"]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(6, 48, 5, move |inner| {
        (names.clone(), prop::collection::vec(inner, 0..5))
            .prop_map(|(name, inside)| format!("<{name} title=\"t\">{}</{name}>", inside.concat()))
    })
}

proptest! {
    // `PROPTEST_CASES` asks for more.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2000)))]

    #[test]
    fn both_readings_of_anything_are_one(pieces in prop::collection::vec(piece(), 0..24)) {
        agrees(&pieces.concat());
    }

    #[test]
    fn both_readings_of_proper_elements_are_one(parts in prop::collection::vec(nested(), 0..4)) {
        agrees(&parts.concat());
    }
}
