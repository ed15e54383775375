//! robots.txt (RFC 9309): which pages a site asks us not to fetch. Only pages that no reader has asked for by name are
//! looked up here: the full texts behind entries.

/// Bytes that are read (§2.5 wants 500 KiB at least), and bytes of rules that are kept.
const READ: usize = 512 * 1024;
const KEPT: usize = 64 * 1024;

/// What a site asks of us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Robots {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    allow: bool,
    /// With its escapes brought to one form; `*` is anything, `$` at the end the end.
    pattern: String,
}

impl Robots {
    /// Nothing is asked.
    pub fn open() -> Robots {
        Robots::default()
    }

    /// All is asked to be left alone (§2.3.1.4: the file cannot be reached).
    pub fn closed() -> Robots {
        Robots { rules: vec![Rule { allow: false, pattern: "/".to_owned() }] }
    }

    /// The groups for `agent`, else those for everyone (§2.2.1). Unknown lines are passed over.
    pub fn read(bytes: &[u8], agent: &str) -> Robots {
        let text = String::from_utf8_lossy(bytes.get(..READ).unwrap_or(bytes));
        let (mut ours, mut everyones) = (Vec::new(), Vec::new());
        let (mut is_ours, mut is_everyones, mut named_us) = (false, false, false);
        let mut naming = false;
        let mut kept = 0;
        for line in text.trim_start_matches('\u{feff}').split(['\n', '\r']) {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            let allow = match key.as_str() {
                "user-agent" => {
                    if !naming {
                        (is_ours, is_everyones) = (false, false);
                    }
                    naming = true;
                    let product = value.split(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '-' | '_'))).next();
                    is_everyones |= value == "*";
                    is_ours |= product.is_some_and(|product| product.eq_ignore_ascii_case(agent));
                    named_us |= is_ours;
                    continue;
                }
                "allow" => true,
                "disallow" => false,
                _ => continue,
            };
            naming = false;
            // An empty rule says nothing.
            if value.is_empty() || kept > KEPT {
                continue;
            }
            let rule = Rule { allow, pattern: normal(value) };
            if is_ours || is_everyones {
                kept += rule.pattern.len() + size_of::<Rule>();
            }
            if is_ours {
                ours.push(rule.clone());
            }
            if is_everyones {
                everyones.push(rule);
            }
        }
        Robots { rules: if named_us { ours } else { everyones } }
    }

    /// May the page be fetched? `path` with its query. The longest rule that fits decides, of two as long the kinder.
    pub fn allows(&self, path: &str) -> bool {
        let path = normal(path);
        if path == "/robots.txt" {
            return true;
        }
        let fitting = self.rules.iter().filter(|rule| fits(&rule.pattern, &path));
        fitting.max_by_key(|rule| (rule.pattern.len(), rule.allow)).is_none_or(|rule| rule.allow)
    }
}

/// Escapes in capitals, those of unreserved characters resolved, others than ASCII escaped (§2.2.2).
fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                let byte = u8::try_from(high * 16 + low).unwrap_or_default();
                push(&mut out, byte, byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                push(&mut out, first, first.is_ascii_graphic());
                rest = after;
            }
        }
    }
    out
}

fn push(out: &mut String, byte: u8, plain: bool) {
    if plain {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("%{byte:02X}"));
    }
}

/// Does the pattern fit the beginning of the path? Each piece between `*` is looked for once, from the left: linear.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, to_the_end) = pattern.strip_suffix('$').map_or((pattern, false), |pattern| (pattern, true));
    let mut pieces = pattern.split('*').peekable();
    let Some(mut rest) = path.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    if pieces.peek().is_none() {
        return !to_the_end || rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if to_the_end && pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = memchr::memmem::find(rest.as_bytes(), piece.as_bytes()) else { return false };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(robots: &str, cases: &[(&str, bool)]) {
        let robots = Robots::read(robots.as_bytes(), "newsdesk");
        for (path, allowed) in cases {
            assert_eq!(robots.allows(path), *allowed, "{path} by {robots:?}");
        }
    }

    #[test]
    fn the_longest_rule_decides() {
        let robots = "User-agent: *\nDisallow: /private\nAllow: /private/press\nDisallow: /a\nAllow: /a\nDisallow:\n";
        check(robots, &[("/", true), ("/private", false), ("/private/x", false), ("/privateer", false)]);
        check(robots, &[("/private/press/1", true), ("/a/b", true), ("/robots.txt", true)]);
        check("User-agent: *\nDisallow: /", &[("/", false), ("/x?y", false), ("/robots.txt", true)]);
        check("", &[("/", true)]);
    }

    #[test]
    fn wildcards_and_ends() {
        let robots = "user-agent:*\ndisallow: /*.php$\ndisallow: /*?print=\ndisallow: /x*y*z\n";
        check(robots, &[("/a.php", false), ("/a.php?b", true), ("/a.php.php", false), ("/a.html", true)]);
        check(robots, &[("/a?print=1", false), ("/a?b", true), ("/x1y2z3", false), ("/xzy", true)]);
        check("User-agent: *\nDisallow: /*aa$\nDisallow: /b*$", &[("/aaa", false), ("/aab", true), ("/bc", false)]);
        check("User-agent: *\nDisallow: /fish$", &[("/fish", false), ("/fishes", true)]);
    }

    #[test]
    fn our_own_group_goes_before_everyones() {
        let robots = "User-agent: *\nDisallow: /\n\nUser-agent: other\nUser-agent: NewsDesk/1.0\nDisallow: /x # why\n";
        check(robots, &[("/", true), ("/x", false)]);
        check("User-agent: newsdesk\nAllow: /\nUser-agent: *\nDisallow: /", &[("/a", true)]);
        check("User-agent: newsdesks\nDisallow: /", &[("/a", true)]);
        // Several groups of one agent are one (§2.2.1); lines before any group belong to nobody.
        check(
            "Disallow: /\nUser-agent: *\nDisallow: /a\nSitemap: /s\nUser-agent: *\nDisallow: /b",
            &[("/a", false), ("/b", false), ("/c", true)],
        );
        check("User-agent: newsdesk\n\nUser-agent: *\nDisallow: /a", &[("/a", false)]);
    }

    #[test]
    fn escapes_are_one_form() {
        let robots = "User-agent: *\r\nDisallow: /a%3cd\r\nDisallow: /%7Ejoe\r\nDisallow: /ü\r\n";
        check(robots, &[("/a%3Cd", false), ("/~joe", false), ("/%7ejoe", false), ("/%C3%BC", false), ("/a%3Ed", true)]);
    }

    #[test]
    fn a_hostile_file_costs_little() {
        let many = format!("User-agent: *\n{}", "Disallow: /*a*a*a*a*a*a*b\n".repeat(100_000));
        let robots = Robots::read(many.as_bytes(), "newsdesk");
        assert!(robots.rules.len() < 2000);
        assert!(robots.allows(&format!("/{}", "a".repeat(4000))));
        for bytes in [&b"\xFF\xFE\x00:"[..], b":", b"\n\n:\n", b"User-agent", b"User-agent:*\nDisallow:%"] {
            Robots::read(bytes, "newsdesk").allows("/%");
        }
        assert!(!Robots::closed().allows("/") && Robots::open().allows("/"));
    }
}
