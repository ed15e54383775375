//! Real web servers before newsdesk and over its mirror, configured by the very texts of docs/web-server.md and
//! docs/deployment.md: the bytes, media types, codings and validators that readers need. Where nginx or Caddy is not on the
//! machine the test says so and leaves it out.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Daemon, Desk, ask, free_port, until};

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            // SAFETY: kill(2) touches no memory of ours; the child is not reaped yet.
            unsafe { libc::kill(id, libc::SIGTERM) };
        }
        let _ = self.child.wait();
    }
}

/// The first block of this language in a page of the documents, for this desk.
fn block(desk: &Desk, page: &str, language: &str) -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page)).unwrap();
    let start = page.split(&format!("```{language}\n")).nth(1).unwrap();
    let text = start.split("```").next().unwrap();
    let text = text.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", desk.port));
    text.replace("/srv/newsdesk/public", &desk.path("public").display().to_string())
}

/// A web server with the words of this page.
fn start(desk: &Desk, page: &str, program: &str) -> Option<Server> {
    if Command::new(program).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("left out: there is no {program}");
        return None;
    }
    let port = free_port();
    let server = block(desk, page, program);
    let mut command = Command::new(program);
    let log = std::fs::File::create(desk.path("web-log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).env("HOME", desk.path("")).current_dir(desk.path(""));
    for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(name, desk.path("web"));
    }
    if program == "nginx" {
        nginx(desk, &mut command, &server.replace("listen 80;", &format!("listen 127.0.0.1:{port};")));
    } else {
        // A name would be a certificate to ask for.
        let server = server.replace("news.example {", &format!("http://127.0.0.1:{port} {{\n\tbind 127.0.0.1"));
        let file = desk.write("Caddyfile", format!("{{\n\tadmin off\n\tauto_https off\n}}\n{server}"));
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    }
    let mut server = Server { child: command.spawn().unwrap(), port };
    until("the web server answers", || {
        let log = || std::fs::read_to_string(desk.path("web-log")).unwrap();
        assert!(server.child.try_wait().unwrap().is_none(), "{program}: {}", log());
        ask(port, "GET", "/", &[]).ok()
    });
    Some(server)
}

fn nginx(desk: &Desk, command: &mut Command, server: &str) {
    assert!(server.contains("listen 127.0.0.1"), "{server}");
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
    command.arg("-e").arg(desk.path("nginx/errors")).arg("-p").arg(desk.path("nginx")).arg("-c").arg(file);
}

/// A desk with seven articles and an entry of a feed, whose id is an address, an archive and a mirror.
fn desk() -> (Desk, Daemon) {
    let desk = Desk::new();
    let text = "A paragraph that is long enough to be one, about what was said and done in the city. ".repeat(20);
    for day in 2..=8 {
        desk.write(&format!("articles/n{day}.md"), format!("---\ntitle: N{day}\ndate: 2026-03-0{day}\n---\n{text}\n"));
    }
    let item = "<item><guid>https://wire.example/2026?n=1</guid><title>Wire</title><link>https://wire.example/1</link>\
        <pubDate>Sun, 01 Mar 2026 08:00:00 GMT</pubDate></item>";
    desk.write("articles/wire.xml", format!("<rss version=\"2.0\"><channel><title>W</title>{item}</channel></rss>"));
    desk.configure(
        "[[section]]\nname = \"news\"\nlimit = 4\n[[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n",
    );
    let config = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", config.replace("[publish]\n", "[publish]\nfolder = \"public\"\n"));
    let daemon = desk.serve();
    desk.until_titles("news", &["N8", "N7", "N6", "N5"]);
    until("the archive is mirrored", || desk.path("public/news/archive/2/feed.json.br").exists().then_some(()));
    until("the entries are mirrored", || {
        desk.path("public/entries").read_dir().is_ok_and(|found| found.count() > 0).then_some(())
    });
    (desk, daemon)
}

/// What the web server answers is what newsdesk does.
fn serves_the_same(desk: &Desk, program: &str, port: u16) {
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
        "/icon.png",
        "/articles/n3",
        "/entries/https~3A~2F~2Fwire.example~2F2026~3Fn~3D1",
    ] {
        let shown = format!("{program}: {path}");
        let ours = desk.get(path);
        let theirs = ask(port, "GET", path, &[]).unwrap();
        assert_eq!((theirs.status, &theirs.body), (200, &ours.body), "{shown}");
        assert_eq!(theirs.field("content-type"), ours.field("content-type"), "{shown}");
        if ours.field("access-control-allow-origin") == "*" {
            assert_eq!(theirs.field("access-control-allow-origin"), "*", "{shown}");
        }
        let again = [("If-None-Match", theirs.field("etag"))];
        assert_eq!(ask(port, "GET", path, &again).unwrap().status, 304, "{shown}");
        if ours.body.len() > 2000 && !path.ends_with(".png") {
            let packed = ask(port, "GET", path, &[("Accept-Encoding", "gzip")]).unwrap();
            assert_eq!(packed.field("content-encoding"), "gzip", "{shown}");
            assert_eq!(packed.field("vary").to_ascii_lowercase(), "accept-encoding", "{shown}");
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, ours.body, "{shown}");
        }
    }
    assert_eq!(ask(port, "GET", "/news/archive/9/atom.xml", &[]).unwrap().status, 404, "{program}");
}

#[test]
fn web_servers_serve_the_mirror_as_it_is() {
    let (desk, _daemon) = desk();
    for program in ["nginx", "caddy"] {
        let Some(server) = start(&desk, "web-server.md", program) else { continue };
        serves_the_same(&desk, program, server.port);
    }
}

#[test]
fn web_servers_stand_in_front() {
    let (desk, daemon) = desk();
    for program in ["nginx", "caddy"] {
        let Some(server) = start(&desk, "deployment.md", program) else { continue };
        serves_the_same(&desk, program, server.port);
        // The hub is reached through them, and says no in its own words.
        let ours = desk.ask("POST", "/hub", &[("Content-Length", "0")]);
        let theirs = ask(server.port, "POST", "/hub", &[("Content-Length", "0")]).unwrap();
        assert_eq!((theirs.status, theirs.body), (ours.status, ours.body), "{program}");
        assert_eq!(ask(server.port, "GET", "/status", &[]).unwrap().status, 200, "{program}");
    }
    assert_eq!(daemon.stop().code(), Some(0));
}
