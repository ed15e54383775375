//! How fast feeds are parsed: MB per CPU second of one thread, against feed-rs 3 and a bare quick-xml event loop.
//!
//! `cargo bench --bench parse` takes feeds made on the spot, in the proportions of real ones;
//! `cargo bench --bench parse -- FOLDER` takes the files of a folder. The contenders alternate in one run, and the best
//! round of each counts. What feed-rs refuses counts for it all the same. Cleaning is measured against ammonia.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use newsdesk::normalize::clean;
use newsdesk::parse::{self, Input, Limits};

const ROUNDS: usize = 7;

/// Its name, and what finds the entries of a document.
type Contender = (&'static str, fn(&[u8]) -> usize);

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let feeds = match &folder {
        Some(folder) => read_folder(Path::new(folder)),
        None => made_up(),
    };
    std::panic::set_hook(Box::new(|_| {}));
    let bytes: usize = feeds.iter().map(Vec::len).sum();
    println!("{} documents, {:.1} MB", feeds.len(), bytes as f64 / 1e6);
    let contenders: [Contender; 5] = [
        ("newsdesk", newsdesk),
        ("feed-rs 3", feed_rs),
        ("quick-xml, bare", quick_xml),
        ("newsdesk, and cleaned", cleaned),
        ("newsdesk, and ammonia", cleaned_by_ammonia),
    ];
    let mut best = [f64::INFINITY; 5];
    let mut found = [(0, 0); 5];
    for _ in 0..ROUNDS {
        for (at, (_, read)) in contenders.iter().enumerate() {
            let start = cpu_seconds();
            found[at] =
                feeds.iter().map(|feed| read(feed)).fold((0, 0), |(read, all), n| (read + usize::from(n > 0), all + n));
            best[at] = best[at].min(cpu_seconds() - start);
        }
    }
    for (at, (name, _)) in contenders.iter().enumerate() {
        let (read, entries) = found[at];
        println!("{name:<22} {:>7.0} MB/s   {read} documents with {entries} entries", bytes as f64 / 1e6 / best[at]);
    }
    println!("newsdesk : feed-rs 3        {:.2}", best[1] / best[0]);
    println!("newsdesk : quick-xml, bare  {:.2}", best[2] / best[0]);
    println!(
        "CPU of cleaning, to that of ammonia with a built Builder  {:.2}",
        (best[3] - best[0]) / (best[4] - best[0])
    );
}

fn newsdesk(bytes: &[u8]) -> usize {
    let input = Input { bytes, content_type: None, base: None };
    parse::document(&input, &Limits::default()).map_or(0, |feed| feed.entries.len())
}

fn cleaned(bytes: &[u8]) -> usize {
    let input = Input { bytes, content_type: None, base: None };
    let Ok(feed) = parse::document(&input, &Limits::default()) else { return 0 };
    let texts = feed.entries.iter().flat_map(|entry| [&entry.summary, &entry.content]);
    let visible = texts.flatten().filter_map(clean::text).count();
    std::hint::black_box(visible);
    feed.entries.len()
}

fn cleaned_by_ammonia(bytes: &[u8]) -> usize {
    static BUILDER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(ammonia::Builder::default);
    let input = Input { bytes, content_type: None, base: None };
    let Ok(feed) = parse::document(&input, &Limits::default()) else { return 0 };
    let texts = feed.entries.iter().flat_map(|entry| [&entry.summary, &entry.content]);
    let length: usize = texts.flatten().map(|text| BUILDER.clean(&text.value).to_string().len()).sum();
    std::hint::black_box(length);
    feed.entries.len()
}

fn feed_rs(bytes: &[u8]) -> usize {
    // It panics at some encodings.
    let read = || feed_rs::parser::parse(bytes).map_or(0, |feed| feed.entries.len());
    std::panic::catch_unwind(read).unwrap_or(0)
}

fn quick_xml(bytes: &[u8]) -> usize {
    let mut reader = quick_xml::Reader::from_reader(bytes);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut entries = 0;
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Start(tag)) => {
                entries += usize::from(matches!(tag.local_name().as_ref(), b"item" | b"entry"));
            }
            Ok(quick_xml::events::Event::Eof) | Err(_) => return entries,
            Ok(_) => {}
        }
    }
}

/// CPU time of this thread.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "clock_gettime");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn read_folder(folder: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
}

/// Feeds in the proportions of real ones: blogs with whole texts, newspapers with teasers, Atom with escaped HTML,
/// podcasts.
fn made_up() -> Vec<Vec<u8>> {
    let mut words = Words(1);
    let mut feeds = Vec::new();
    for n in 0..200 {
        let feed = match n % 10 {
            0..4 => blog(&mut words),
            4..7 => newspaper(&mut words),
            7 | 8 => atom(&mut words),
            _ => podcast(&mut words),
        };
        feeds.push(feed.into_bytes());
    }
    feeds
}

/// Words by a small generator, the same in every run.
struct Words(u64);

impl Words {
    fn number(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn text(&mut self, count: u64) -> String {
        const WORDS: [&str; 32] = [
            "the", "of", "and", "in", "to", "a", "election", "minister", "report", "said", "on", "results", "café",
            "system", "for", "with", "market", "climate", "that", "was", "by", "research", "new", "after", "garden",
            "über", "city", "would", "data", "people", "week", "as",
        ];
        (0..count).map(|_| WORDS[self.number(32) as usize]).collect::<Vec<_>>().join(" ")
    }

    fn html(&mut self, paragraphs: u64) -> String {
        let mut out = String::new();
        for n in 0..paragraphs {
            let (first, second) = (25 + self.number(40), 10 + self.number(30));
            let _ = writeln!(
                out,
                "<p>{} <a href=\"https://www.example.org/{}/{}\">{}</a>, {}.</p>",
                self.text(first),
                self.number(3000),
                self.number(99_999),
                self.text(3),
                self.text(second)
            );
            if n % 4 == 1 {
                let id = self.number(9999);
                let _ = writeln!(
                    out,
                    "<figure class=\"wp-block-image size-large\"><img decoding=\"async\" width=\"1024\" height=\"683\" \
                     src=\"https://cdn.example.org/wp-content/uploads/{id}-1024x683.jpg\" alt=\"\" class=\"wp-image-{id}\" \
                     srcset=\"https://cdn.example.org/{id}-1024.jpg 1024w, https://cdn.example.org/{id}-300.jpg 300w\" \
                     sizes=\"(max-width: 1024px) 100vw, 1024px\" /><figcaption>{}</figcaption></figure>",
                    self.text(8)
                );
            }
        }
        out
    }

    fn date(&mut self) -> String {
        format!("Tue, {:02} Mar 2026 {:02}:{:02}:00 +0000", 1 + self.number(28), self.number(24), self.number(60))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn blog(words: &mut Words) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\"\n\txmlns:content=\"http://purl.org/rss/1.0/modules/content/\"\n\t\
         xmlns:wfw=\"http://wellformedweb.org/CommentAPI/\"\n\txmlns:dc=\"http://purl.org/dc/elements/1.1/\"\n\t\
         xmlns:atom=\"http://www.w3.org/2005/Atom\"\n\txmlns:sy=\"http://purl.org/rss/1.0/modules/syndication/\"\n\t\
         xmlns:slash=\"http://purl.org/rss/1.0/modules/slash/\"\n\t>\n\n<channel>\n\t<title>A blog &#8211; of words</title>\n\t\
         <atom:link href=\"https://blog.example.org/feed/\" rel=\"self\" type=\"application/rss+xml\" />\n\t\
         <link>https://blog.example.org</link>\n\t<description>Words</description>\n\t<lastBuildDate>Tue, 03 Mar 2026 10:00:00 +0000</lastBuildDate>\n\t\
         <language>en-US</language>\n\t<sy:updatePeriod>\n\thourly\t</sy:updatePeriod>\n\t<sy:updateFrequency>\n\t1\t</sy:updateFrequency>\n\t\
         <generator>https://wordpress.org/?v=6.7</generator>\n",
    );
    for n in 0..10 + words.number(15) {
        let (title, date, teaser) = (words.text(8), words.date(), words.text(50));
        let paragraphs = 4 + words.number(16);
        let _ = write!(
            out,
            "\t<item>\n\t\t<title>{title} &#8220;{n}&#8221;</title>\n\t\t<link>https://blog.example.org/2026/03/{n}/a-post/</link>\n\t\t\
             <comments>https://blog.example.org/2026/03/{n}/a-post/#comments</comments>\n\t\t<dc:creator><![CDATA[Jane Doe]]></dc:creator>\n\t\t\
             <pubDate>{date}</pubDate>\n\t\t<category><![CDATA[News]]></category>\n\t\t<category><![CDATA[Politics]]></category>\n\t\t\
             <guid isPermaLink=\"false\">https://blog.example.org/?p={n}</guid>\n\n\t\t<description><![CDATA[<p>{teaser} [&#8230;]</p>\n]]></description>\n\t\t\
             <content:encoded><![CDATA[{}]]></content:encoded>\n\t\t\
             <wfw:commentRss>https://blog.example.org/2026/03/{n}/a-post/feed/</wfw:commentRss>\n\t\t<slash:comments>3</slash:comments>\n\t</item>\n",
            words.html(paragraphs)
        );
    }
    out + "</channel>\n</rss>\n"
}

fn newspaper(words: &mut Words) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss xmlns:media=\"http://search.yahoo.com/mrss/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         version=\"2.0\">\n<channel>\n<title>World news</title>\n<link>https://news.example.org/world</link>\n<description>Latest</description>\n\
         <language>en-gb</language>\n<ttl>15</ttl>\n<image><title>News</title><url>https://news.example.org/logo.png</url>\
         <link>https://news.example.org</link></image>\n",
    );
    for n in 0..40 + words.number(60) {
        let (title, teaser, date) = (words.text(10), words.text(35), words.date());
        let _ = write!(
            out,
            "<item>\n<title>{title}</title>\n<link>https://news.example.org/world/2026/{n}?ref=rss</link>\n<description>&lt;p&gt;{teaser}&lt;/p&gt; \
             &lt;a href=\"https://news.example.org/world/2026/{n}\"&gt;Continue reading...&lt;/a&gt;</description>\n\
             <category domain=\"https://news.example.org/world\">World news</category>\n<category domain=\"https://news.example.org/uk\">UK</category>\n\
             <pubDate>{date}</pubDate>\n<guid>https://news.example.org/world/2026/{n}</guid>\n\
             <media:content width=\"140\" url=\"https://i.example.org/img/{n}/140.jpg\"><media:credit scheme=\"urn:ebu\">Photograph: J. Doe</media:credit>\
             </media:content>\n<media:content width=\"460\" url=\"https://i.example.org/img/{n}/460.jpg\"/>\n<dc:creator>Jane Doe</dc:creator>\n\
             <dc:date>2026-03-03T10:00:00Z</dc:date>\n</item>\n"
        );
    }
    out + "</channel></rss>\n"
}

fn atom(words: &mut Words) -> String {
    let mut out = String::from(
        "<?xml version='1.0' encoding='UTF-8'?>\n<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='en'>\n<id>tag:atom.example.org,2026:feed</id>\n\
         <updated>2026-03-03T10:00:00Z</updated>\n<title type='text'>An Atom feed</title>\n\
         <link rel='self' href='https://atom.example.org/feed.atom'/>\n<link rel='alternate' type='text/html' href='https://atom.example.org/'/>\n\
         <author><name>Jane Doe</name><uri>https://atom.example.org/jane</uri></author>\n",
    );
    for n in 0..20 + words.number(10) {
        let title = words.text(7);
        let paragraphs = 3 + words.number(9);
        let _ = write!(
            out,
            "<entry>\n<id>tag:atom.example.org,2026:{n}</id>\n<published>2026-03-02T10:00:00.001-07:00</published>\n\
             <updated>2026-03-03T10:00:{n:02}Z</updated>\n<title type='text'>{title}</title>\n\
             <category scheme='https://atom.example.org/ns#' term='words'/>\n<content type='html'>{}</content>\n\
             <link rel='alternate' type='text/html' href='https://atom.example.org/2026/{n}.html' title='{title}'/>\n\
             <link rel='replies' type='application/atom+xml' href='https://atom.example.org/2026/{n}/comments'/>\n</entry>\n",
            escaped(&words.html(paragraphs))
        );
    }
    out + "</feed>\n"
}

fn podcast(words: &mut Words) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" xmlns:itunes=\"http://www.itunes.com/dtds/podcast-1.0.dtd\" \
         xmlns:content=\"http://purl.org/rss/1.0/modules/content/\" xmlns:podcast=\"https://podcastindex.org/namespace/1.0\">\n<channel>\n\
         <title>A podcast</title>\n<link>https://cast.example.org</link>\n<itunes:author>Jane Doe</itunes:author>\n<itunes:image \
         href=\"https://cast.example.org/cover.jpg\"/>\n<itunes:category text=\"News\"><itunes:category text=\"Daily News\"/></itunes:category>\n\
         <description>Talk</description>\n",
    );
    for n in 0..100 + words.number(100) {
        let (title, teaser, date) = (words.text(9), words.text(60), words.date());
        let _ = write!(
            out,
            "<item>\n<title>{title}</title>\n<itunes:episode>{n}</itunes:episode>\n<itunes:duration>00:{:02}:11</itunes:duration>\n\
             <guid isPermaLink=\"false\">cast-{n}</guid>\n<pubDate>{date}</pubDate>\n<description><![CDATA[<p>{teaser}</p>]]></description>\n\
             <itunes:summary>{teaser}</itunes:summary>\n<content:encoded><![CDATA[{}]]></content:encoded>\n\
             <enclosure url=\"https://cast.example.org/{n}.mp3\" length=\"34216300\" type=\"audio/mpeg\"/>\n\
             <podcast:transcript url=\"https://cast.example.org/{n}.vtt\" type=\"text/vtt\"/>\n<itunes:explicit>false</itunes:explicit>\n</item>\n",
            n % 60,
            words.html(2)
        );
    }
    out + "</channel></rss>\n"
}
