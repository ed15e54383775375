//! Embed: which page shows what a well-known player plays. A frame is never published; a link to the page is.

use url::Url;

/// The page behind a player's address, and words for it; `None`: no player that we know.
pub fn page(address: &str) -> Option<(String, &'static str)> {
    let url = Url::parse(address).ok()?;
    let host = url.host_str()?.trim_start_matches("www.");
    let segments: Vec<&str> = url.path_segments()?.collect();
    let id = |after: &str| {
        let at = segments.iter().position(|segment| *segment == after)?;
        segments.get(at + 1).copied().filter(|id| is_id(id))
    };
    let query = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    Some(match host {
        "youtube.com" | "youtube-nocookie.com" | "m.youtube.com" => {
            match (id("embed").or_else(|| id("v")), query("list")) {
                (None | Some("videoseries"), Some(list)) if is_id(&list) => {
                    (format!("https://www.youtube.com/playlist?list={list}"), "Video (YouTube)")
                }
                (Some(id), _) => (format!("https://www.youtube.com/watch?v={id}"), "Video (YouTube)"),
                (None, _) => return None,
            }
        }
        "youtu.be" => (format!("https://www.youtube.com/watch?v={}", id_at(&segments, 0)?), "Video (YouTube)"),
        "player.vimeo.com" => (format!("https://vimeo.com/{}", id("video")?), "Video (Vimeo)"),
        "dailymotion.com" | "geo.dailymotion.com" => {
            let id = id("video").map(str::to_owned).or_else(|| query("video").filter(|id| is_id(id)))?;
            (format!("https://www.dailymotion.com/video/{id}"), "Video (Dailymotion)")
        }
        "w.soundcloud.com" => (query("url").filter(|url| url.starts_with("https://"))?, "Audio (SoundCloud)"),
        "open.spotify.com" | "embed.spotify.com" | "bandcamp.com" | "player.twitch.tv" | "embed.podcasts.apple.com" => {
            let page = address.replacen("/embed/", "/", 1).replacen("//embed.podcasts", "//podcasts", 1);
            (page, "Audio or video")
        }
        "archive.org" => (format!("https://archive.org/details/{}", id("embed")?), "Internet Archive"),
        "ted.com" | "embed.ted.com" => (format!("https://www.ted.com/talks/{}", id("talks")?), "Video (TED)"),
        // PeerTube, on any host.
        _ if segments.starts_with(&["videos", "embed"]) => {
            (format!("https://{}/w/{}", url.host_str()?, id("embed")?), "Video (PeerTube)")
        }
        _ => return None,
    })
}

fn id_at<'a>(segments: &[&'a str], at: usize) -> Option<&'a str> {
    segments.get(at).copied().filter(|id| is_id(id))
}

fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 100
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    fn check(address: &str, expected: Option<&str>) {
        assert_eq!(super::page(address).map(|(page, _)| page).as_deref(), expected, "{address}");
    }

    #[test]
    fn players_have_pages() {
        check(
            "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?rel=0",
            Some("https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
        );
        check("https://player.vimeo.com/video/1084537?h=1", Some("https://vimeo.com/1084537"));
        check(
            "https://w.soundcloud.com/player/?url=https%3A//api.soundcloud.com/tracks/1",
            Some("https://api.soundcloud.com/tracks/1"),
        );
        check("https://peertube.example/videos/embed/abc-1", Some("https://peertube.example/w/abc-1"));
        check("https://evil.example/embed/dQw4w9WgXcQ", None);
        check("https://www.youtube.com/embed/\"><script>", None);
    }
}
