//! The mirror under a real web server, configured by the very text of docs/web-server.md: the bytes, media types, codings
//! and validators that readers need. Without nginx on the machine the test says so and is skipped.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Desk, ask, free_port, until};

struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.0.id()) {
            // SAFETY: kill(2) touches no memory of ours; the child is not reaped yet.
            unsafe { libc::kill(id, libc::SIGTERM) };
        }
        let _ = self.0.wait();
    }
}

/// The first block of this language in the page.
fn block(page: &str, language: &str) -> String {
    let start = page.split(&format!("```{language}\n")).nth(1).unwrap();
    start.split("```").next().unwrap().to_owned()
}

fn start(desk: &Desk, port: u16) -> Option<Nginx> {
    Command::new("nginx").arg("-v").stderr(Stdio::null()).status().ok()?;
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/web-server.md")).unwrap();
    let root = desk.path("public").display().to_string();
    let server = block(&page, "nginx")
        .replace("listen 80;", &format!("listen 127.0.0.1:{port};"))
        .replace("/srv/newsdesk/public", &root);
    assert!(server.contains(&root) && server.contains("127.0.0.1"), "{server}");
    let types = Path::new("/etc/nginx/mime.types");
    let types =
        if types.exists() { "include /etc/nginx/mime.types;" } else { "types { text/html html; text/css css; }" };
    let here = desk.path("nginx").display().to_string();
    let config = format!(
        "daemon off; worker_processes 1; pid {here}/pid; error_log {here}/errors; events {{ }}\nhttp {{ {types} access_log off;
        client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
        uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;\n{server} }}"
    );
    let file = desk.write("nginx/nginx.conf", config);
    let log = std::fs::File::create(desk.path("nginx/log")).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-e").arg(desk.path("nginx/errors")).arg("-p").arg(desk.path("nginx")).arg("-c").arg(file);
    Some(Nginx(command.stdout(Stdio::null()).stderr(log).spawn().unwrap()))
}

#[test]
fn nginx_serves_the_mirror_as_it_is() {
    let desk = Desk::new();
    let text = "A paragraph that is long enough to be one, about what was said and done in the city. ".repeat(20);
    for day in 1..=8 {
        desk.write(&format!("articles/n{day}.md"), format!("---\ntitle: N{day}\ndate: 2026-03-0{day}\n---\n{text}\n"));
    }
    desk.configure(
        "[[section]]\nname = \"news\"\nlimit = 4\n[[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n",
    );
    let config = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", config.replace("[publish]\n", "[publish]\nfolder = \"public\"\n"));
    let _daemon = desk.serve();
    desk.until_titles("news", &["N8", "N7", "N6", "N5"]);
    until("the archive is mirrored", || desk.path("public/news/archive/2/feed.json.br").exists().then_some(()));
    let port = free_port();
    let Some(mut nginx) = start(&desk, port) else {
        return println!("skipped: there is no nginx");
    };
    until("nginx answers", || {
        assert!(nginx.0.try_wait().unwrap().is_none(), "{}", std::fs::read_to_string(desk.path("nginx/log")).unwrap());
        ask(port, "GET", "/", &[]).ok()
    });
    for path in [
        "/",
        "/news/",
        "/atom.xml",
        "/news/atom.xml",
        "/news/rss.xml",
        "/news/feed.json",
        "/news/archive/1/atom.xml",
        "/news/archive/2/rss.xml",
        "/news/archive/2/feed.json",
        "/sections.opml",
        "/style.css",
        "/articles/n3",
    ] {
        let ours = desk.get(path);
        let theirs = ask(port, "GET", path, &[]).unwrap();
        assert_eq!((theirs.status, &theirs.body), (200, &ours.body), "{path}");
        assert_eq!(theirs.field("content-type"), ours.field("content-type"), "{path}");
        if ours.field("access-control-allow-origin") == "*" {
            assert_eq!(theirs.field("access-control-allow-origin"), "*", "{path}");
        }
        let again = [("If-None-Match", theirs.field("etag"))];
        assert_eq!(ask(port, "GET", path, &again).unwrap().status, 304, "{path}");
        if ours.body.len() > 2000 {
            let packed = ask(port, "GET", path, &[("Accept-Encoding", "gzip")]).unwrap();
            assert_eq!((packed.field("content-encoding"), packed.field("vary")), ("gzip", "Accept-Encoding"), "{path}");
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, ours.body, "{path}");
        }
    }
    assert_eq!(ask(port, "GET", "/news/archive/9/atom.xml", &[]).unwrap().status, 404);
}
