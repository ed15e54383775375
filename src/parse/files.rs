//! Files that go with an article: which local images, recordings and documents its text refers to.

use percent::decoded;

use super::ParsedEntry;

mod percent {
    /// `%20` and the like undone; `None` if what is left is no UTF-8.
    pub fn decoded(text: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            // A sign would be read as part of the number.
            let hex = after.get(..2).filter(|hex| byte == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
            match hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(value) => {
                    bytes.push(value);
                    rest = after.get(2..).unwrap_or_default();
                }
                None => {
                    bytes.push(byte);
                    rest = after;
                }
            }
        }
        String::from_utf8(bytes).ok()
    }
}

/// The local files that entries refer to, relative to the folder that the article at `path` is in; sorted, each once.
pub(super) fn referred(entries: &[ParsedEntry], path: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in entries {
        let mut add = |href: &str| files.extend(local(href, path));
        entry.image.iter().for_each(|image| add(image));
        entry.enclosures.iter().for_each(|enclosure| add(&enclosure.url));
        for text in [&entry.content, &entry.summary].into_iter().flatten() {
            if text.kind == super::feed::TextKind::Html && text.base.is_none() {
                super::html::tags::references(&text.value, &mut add);
            }
        }
    }
    files.sort();
    files.dedup();
    files
}

/// Does the name end like that of an image, a recording, a film or a PDF?
pub(super) fn is_media(name: &str) -> bool {
    const ENDINGS: [&str; 25] = [
        "jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "bmp", "tif", "tiff", "ico", "mp3", "m4a", "aac", "ogg",
        "oga", "opus", "wav", "flac", "mp4", "m4v", "webm", "ogv", "mov", "pdf",
    ];
    let ending =
        name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Where a reference in the article at `path` leads inside the folder; `None` if it leads anywhere else.
fn local(href: &str, path: &str) -> Option<String> {
    let href = href.split(['?', '#']).next()?.trim();
    let scheme = href.split('/').next().is_some_and(|first| first.contains(':'));
    if href.is_empty() || scheme || href.starts_with('/') || href.contains('\\') {
        return None;
    }
    let href = decoded(href)?;
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in href.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part if part.starts_with('.') || part.contains(['\\', '\0']) => return None,
            part => parts.push(part),
        }
    }
    let file = parts.join("/");
    is_media(&file).then_some(file)
}
