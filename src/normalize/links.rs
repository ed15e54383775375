//! Links: absolute, of the web, without what only follows people around; and the slugs of our own pages.

use url::Url;

/// Parameters that name a campaign or a click, never a document.
const TRACKING: [&str; 26] = [
    "fbclid",
    "gclid",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "msclkid",
    "yclid",
    "twclid",
    "ttclid",
    "igshid",
    "igsh",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "_hsenc",
    "_hsmi",
    "hsctatracking",
    "oly_anon_id",
    "oly_enc_id",
    "vero_id",
    "vero_conv",
    "wickedid",
    "rb_clickid",
    "s_cid",
    "ml_subscriber_hash",
];
const TRACKING_PREFIXES: [&str; 4] = ["utm_", "pk_", "mtm_", "piwik_"];

/// An absolute http or https link without tracking parameters; `None` for anything else.
pub fn web(href: &str, also_tracking: &[String]) -> Option<String> {
    let mut url = Url::parse(href.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return None;
    }
    strip_tracking(&mut url, also_tracking);
    Some(url.into())
}

/// An absolute http or https address, resolved against `base` where it is relative.
pub fn absolute(href: &str, base: Option<&Url>) -> Option<String> {
    let url = Url::options().base_url(base).parse(href.trim()).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}

pub fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

fn strip_tracking(url: &mut Url, also: &[String]) {
    let Some(query) = url.query() else { return };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_tracking(pair, also)).collect();
    // Parameters that stay keep their bytes: `url` would write some of them in another way.
    if kept.len() < query.split('&').count() {
        let query = kept.join("&");
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    }
}

fn is_tracking(pair: &str, also: &[String]) -> bool {
    let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    TRACKING.contains(&name.as_str())
        || TRACKING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || also.iter().any(|known| match known.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == *known,
        })
}

/// Percent-encode one path segment.
pub fn encode_segment(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Letters and digits of any script in lower case, everything else a single dash; at most 80 characters.
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    let (mut length, mut dash) = (0, false);
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() || is_mark(c) {
            let with_dash = dash && length > 0;
            length += 1 + usize::from(with_dash);
            if length > 80 {
                break;
            }
            if with_dash {
                out.push('-');
            }
            dash = false;
            out.push(c);
        } else if !matches!(c, '\'' | '’') {
            dash = true;
        }
    }
    out
}

/// Combining marks belong to the letter before them (Devanagari vowel signs, decomposed accents).
fn is_mark(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36F | 0x900..=0x903 | 0x93A..=0x94F | 0x981..=0x983 | 0x9BC..=0x9CD | 0xA01..=0xA4D | 0xE31..=0xE4E)
}

/// `2026-03-27-title` -> `title`; a name that is only a date stays.
pub fn without_date(stem: &str) -> &str {
    let bytes = stem.as_bytes();
    let shape = b"dddd-dd-dd";
    let dated = bytes.len() > shape.len()
        && shape.iter().zip(bytes).all(|(want, is)| if *want == b'd' { is.is_ascii_digit() } else { is == want });
    match dated.then(|| stem.get(shape.len()..)).flatten() {
        Some(rest) if rest.starts_with(['-', '_', ' ']) && rest.len() > 1 => &rest[1..],
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracking_leaves_and_the_rest_keeps_its_bytes() {
        let check = |href: &str, want: Option<&str>| {
            assert_eq!(web(href, &["ref".into(), "x_*".into()]).as_deref(), want, "{href}")
        };
        check("https://example.org/a?utm_source=rss&id=%7E1&fbclid=x", Some("https://example.org/a?id=%7E1"));
        check("https://example.org/a?UTM_medium=rss", Some("https://example.org/a"));
        check("https://example.org/a?ref=feed&x_y=1&b", Some("https://example.org/a?b"));
        check("https://example.org/a?q=a+b&c", Some("https://example.org/a?q=a+b&c"));
        check("javascript:alert(1)", None);
        check("/relative", None);
        check("mailto:a@example.org", None);
    }

    #[test]
    fn slugs_keep_the_letters_of_any_script() {
        let check = |text: &str, want: &str| assert_eq!(slug(text), want);
        check("Russia seeks deeper ties", "russia-seeks-deeper-ties");
        check("  What's new?! ", "whats-new");
        check("Ärger in Łódź", "ärger-in-łódź");
        check("Россия и мир", "россия-и-мир");
        check("東京 2026", "東京-2026");
        check("../../etc/passwd", "etc-passwd");
        check("!!!", "");
        assert!(slug(&"long ".repeat(100)).chars().count() <= 80);
    }

    #[test]
    fn dates_leave_names() {
        assert_eq!(without_date("2026-03-27-title"), "title");
        assert_eq!(without_date("2026-03-27"), "2026-03-27");
        assert_eq!(without_date("title"), "title");
    }
}
