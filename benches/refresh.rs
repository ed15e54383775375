//! What a refresh costs: the real `newsdesk update` against the smallest loop that could be written, on the same feeds.
//!
//! ```sh
//! cargo bench --bench refresh              # 1,000 feeds of 30 entries, three rounds
//! cargo bench --bench refresh -- 200 1     # fewer feeds, one round
//! ```
//!
//! An origin of our own serves every feed on a loopback address of its own. Each round refreshes all feeds cold into an
//! empty store and then again, when every answer is a 304. The loop is reqwest, feed-rs and rusqlite (WAL, one
//! transaction a feed); it cleans nothing, publishes nothing and keeps no schedule. Counted are CPU seconds (user and
//! system) of whole processes and their peak memory; quote the ratios.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("--origin") => runtime()?.block_on(origin(arguments[1].parse()?)),
        Some("--loop") => {
            runtime()?.block_on(smallest_loop(&arguments[1], arguments[2].parse()?, Path::new(&arguments[3])))
        }
        first => {
            let feeds = first.and_then(|first| first.parse().ok()).unwrap_or(1000);
            let rounds = arguments.get(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
            compare(feeds, rounds)
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Run both in turn and print medians of the ratios.
fn compare(feeds: usize, rounds: usize) -> Result<(), Failure> {
    let this = std::env::current_exe()?;
    let mut origin = Command::new(&this).args(["--origin", &feeds.to_string()]).stdout(Stdio::piped()).spawn()?;
    let mut port = String::new();
    BufReader::new(origin.stdout.take().ok_or("no output")?).read_line(&mut port)?;
    let port = port.trim().to_owned();
    println!(
        "{feeds} feeds of 30 entries, {} KB each; CPU seconds (user + system), peak MiB",
        document(0).len() / 1024
    );
    let (mut cold, mut unchanged) = (Vec::new(), Vec::new());
    let result = (0..rounds).try_for_each(|round| {
        let scratch = std::env::temp_dir().join(format!("newsdesk-bench-{}-{round}", std::process::id()));
        std::fs::create_dir_all(&scratch)?;
        let config = scratch.join("newsdesk.toml");
        std::fs::write(&config, configuration(feeds, &port))?;
        let ours = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_newsdesk"));
            measure(command.arg("--config").arg(&config).arg("--state").arg(&scratch).args(["update", "--json"]))
        };
        let (ours_cold, ours_again) = (ours()?, ours()?);
        let database = scratch.join("loop.db");
        let theirs = || measure(Command::new(&this).args(["--loop", &port, &feeds.to_string()]).arg(&database));
        let (theirs_cold, theirs_again) = (theirs()?, theirs()?);
        for (what, ours, theirs, ratios) in
            [("cold", ours_cold, theirs_cold, &mut cold), ("304 ", ours_again, theirs_again, &mut unchanged)]
        {
            println!(
                "{what}  newsdesk {:.2} s, {:.0} MiB   loop {:.2} s, {:.0} MiB   ratio {:.2}",
                ours.cpu,
                ours.peak,
                theirs.cpu,
                theirs.peak,
                ours.cpu / theirs.cpu
            );
            ratios.push(ours.cpu / theirs.cpu);
        }
        std::fs::remove_dir_all(&scratch)?;
        Ok::<(), Failure>(())
    });
    origin.kill()?;
    origin.wait()?;
    result?;
    println!("median ratio: cold {:.2}, all 304 {:.2}", median(cold), median(unchanged));
    Ok(())
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

struct Cost {
    cpu: f64,
    peak: f64,
}

/// Run to its end; what the system counted for it.
fn measure(command: &mut Command) -> Result<Cost, Failure> {
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let pid = i32::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: `usage` is plain numbers for which zero is valid, and both pointers live through the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        if libc::wait4(pid, &raw mut status, 0, &raw mut usage) != pid {
            return Err(std::io::Error::last_os_error().into());
        }
        usage
    };
    if status != 0 {
        let mut words = String::new();
        if let Some(stderr) = child.stderr {
            stderr.take(4096).read_to_string(&mut words)?;
        }
        return Err(format!("a run failed ({status}): {words}").into());
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok(Cost { cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime), peak: usage.ru_maxrss as f64 / 1024.0 })
}

fn configuration(feeds: usize, port: &str) -> String {
    let mut text = String::from(
        "[fetch]\nallow-networks = [\"127.0.0.0/8\"]\n\n[server]\nlisten = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:2\"\n\n",
    );
    for section in ["a", "b", "c", "d"] {
        text.push_str(&format!("[[section]]\nname = \"{section}\"\ntitle = \"{section}\"\n\n"));
    }
    for feed in 0..feeds {
        let section = ["a", "b", "c", "d"][feed % 4];
        text.push_str(&format!(
            "[[source]]\nname = \"feed-{feed}\"\nurl = \"{}\"\nsections = [\"{section}\"]\n\n",
            url(feed, port)
        ));
    }
    text
}

fn address(feed: usize) -> Ipv4Addr {
    let [_, _, high, low] = u32::try_from(feed + 1).unwrap_or(1).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

fn url(feed: usize, port: &str) -> String {
    format!("http://{}:{port}/feed/{feed}.xml", address(feed))
}

/// Words that nobody else writes in this order: each entry has a text of its own.
fn words(seed: u64, count: usize) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "den", "fo", "gri", "ha", "kel", "lo", "min", "na", "pol", "re", "sun", "ta", "vor", "wi", "zen"];
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        // Xorshift: the same words in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        SYLLABLES[(state >> 33) as usize % SYLLABLES.len()]
    };
    (0..count).map(|at| format!("{}{}{}", if at == 0 { "" } else { " " }, next(), next())).collect()
}

/// A feed as a busy blog has it: titles, teasers, whole texts with links, lists and pictures.
fn document(feed: usize) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><channel><title>Feed {feed}</title><link>https://feed-{feed}.example/</link><description>Notes on everything</description><language>en</language>\n"
    );
    for item in 0..30 {
        let paragraph = |n: u64| {
            format!(
                "&lt;p&gt;Paragraph of entry {item} in feed {feed}, with a &lt;a href=\"https://feed-{feed}.example/link/{item}?utm_source=rss\"&gt;link&lt;/a&gt;, &lt;em&gt;emphasis&lt;/em&gt; and {}.&lt;/p&gt;\n",
                words((feed as u64 * 30 + item as u64) * 5 + n, 26)
            )
        };
        let body: String = (0..5).map(paragraph).collect();
        text.push_str(&format!(
            "<item><title>Entry {item} of feed {feed} &amp;amp; more</title><link>https://feed-{feed}.example/{item}</link><guid isPermaLink=\"false\">feed-{feed}-entry-{item}</guid><pubDate>{}</pubDate><dc:creator>Jane Doe</dc:creator><category>notes</category><description>Teaser of entry {item}.</description><content:encoded>{body}&lt;ul&gt;&lt;li&gt;one&lt;/li&gt;&lt;li&gt;two&lt;/li&gt;&lt;/ul&gt;&lt;img src=\"/pictures/{item}.jpg\" alt=\"a picture\"&gt;</content:encoded></item>\n",
            chrono::DateTime::from_timestamp(1_700_000_000 + (feed as i64) * 61 + i64::from(item) * 86_400, 0).unwrap_or_default().to_rfc2822()
        ));
    }
    text.push_str("</channel></rss>\n");
    text
}

/// Every feed on its own loopback address and one port; conditional, keeps no state.
async fn origin(feeds: usize) -> Result<(), Failure> {
    let first = tokio::net::TcpListener::bind((address(0), 0)).await?;
    let port = first.local_addr()?.port();
    let mut listeners = vec![first];
    for feed in 1..feeds {
        listeners.push(tokio::net::TcpListener::bind((address(feed), port)).await?);
    }
    for (feed, listener) in listeners.into_iter().enumerate() {
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, feed));
            }
        });
    }
    println!("{port}");
    std::io::stdout().flush()?;
    std::future::pending().await
}

async fn answer(mut stream: tokio::net::TcpStream, feed: usize) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let mut piece = [0; 2048];
    loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        asked.extend_from_slice(&piece[..read]);
        if !asked.ends_with(b"\r\n\r\n") {
            continue;
        }
        let head = String::from_utf8_lossy(&asked).to_ascii_lowercase();
        let tag = format!("\"tag-{feed}\"");
        let answer = if head.contains(&format!("if-none-match: {tag}")) {
            format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n")
        } else {
            let body = document(feed);
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nETag: {tag}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        stream.write_all(answer.as_bytes()).await?;
        asked.clear();
    }
}

/// The smallest thing that polls: fetch, parse, insert.
async fn smallest_loop(port: &str, feeds: usize, database: &Path) -> Result<(), Failure> {
    // The provider may stand already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
    let connection = rusqlite::Connection::open(database)?;
    connection.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = full;
        CREATE TABLE IF NOT EXISTS feed (url TEXT PRIMARY KEY, etag TEXT);
        CREATE TABLE IF NOT EXISTS entry (feed TEXT, id TEXT, title TEXT, link TEXT, content TEXT, published INTEGER, PRIMARY KEY (feed, id));",
    )?;
    let connection = std::sync::Arc::new(std::sync::Mutex::new(connection));
    let mut tasks = tokio::task::JoinSet::new();
    for feed in 0..feeds {
        if tasks.len() >= 64 {
            tasks.join_next().await.ok_or("no task")???;
        }
        tasks.spawn(poll(client.clone(), url(feed, port), connection.clone()));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn poll(
    client: reqwest::Client,
    url: String,
    database: std::sync::Arc<std::sync::Mutex<rusqlite::Connection>>,
) -> Result<(), Failure> {
    let known: Option<String> = {
        let database = database.lock().map_err(|_| "poisoned")?;
        let mut statement = database.prepare_cached("SELECT etag FROM feed WHERE url = ?1")?;
        statement.query_row([&url], |row| row.get(0)).ok()
    };
    let mut request = client.get(&url);
    if let Some(tag) = known {
        request = request.header("if-none-match", tag);
    }
    let response = request.send().await?;
    if response.status().as_u16() == 304 {
        return Ok(());
    }
    let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned();
    let body = response.bytes().await?;
    let feed = feed_rs::parser::parse(&body[..])?;
    let mut database = database.lock().map_err(|_| "poisoned")?;
    let transaction = database.transaction()?;
    for entry in feed.entries {
        let content = entry.content.and_then(|content| content.body).or(entry.summary.map(|summary| summary.content));
        let link = entry.links.first().map(|link| link.href.clone());
        let published = entry.published.map(|published| published.timestamp());
        let mut statement =
            transaction.prepare_cached("INSERT OR REPLACE INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        statement.execute(rusqlite::params![
            url,
            entry.id,
            entry.title.map(|title| title.content),
            link,
            content,
            published
        ])?;
    }
    transaction.execute("INSERT OR REPLACE INTO feed VALUES (?1, ?2)", [&url, &tag])?;
    transaction.commit()?;
    Ok(())
}
