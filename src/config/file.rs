//! The file itself: read within bounds, decoded, parsed to a tree in which every key and value knows its place.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::complaint::{Complaint, Complaints, Quoted};

/// A configuration is written by hand.
const MAX_BYTES: u64 = 4 << 20;

/// A configuration file as read.
#[derive(Debug)]
pub(super) struct File {
    pub quoted: Quoted,
    /// `false`: the built-in defaults, which stand in no file.
    pub on_disk: bool,
}

pub(super) fn read(path: &Path) -> Result<File, Complaints> {
    let bytes = bounded(path, MAX_BYTES).map_err(|reason| {
        Complaints(vec![
            Complaint::error(Some(path), format!("cannot be read: {}", said(&reason)))
                .next("name another file with --config, or start from config/newsdesk.toml of the distribution"),
        ])
    })?;
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            // A byte order mark would stand before the first column.
            if text.starts_with('\u{feff}') {
                text.drain(..'\u{feff}'.len_utf8());
            }
            Ok(File { quoted: Quoted::new(path.to_path_buf(), text), on_disk: true })
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let quoted = Quoted::new(path.to_path_buf(), String::from_utf8_lossy(error.as_bytes()).into_owned());
            Err(Complaints(vec![
                Complaint::error(Some(path), "is not UTF-8 text")
                    .at(quoted.place(&(at..at + 1)))
                    .next("save the file in UTF-8"),
            ]))
        }
    }
}

pub(super) fn empty() -> File {
    File { quoted: Quoted::new(PathBuf::new(), String::new()), on_disk: false }
}

/// The bytes of a file that must not be larger than `limit`.
pub(super) fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>, std::io::Error> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let reason = format!("it is larger than {} KiB", limit >> 10);
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes)
}

/// Without the number that only the system understands.
pub(super) fn said(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
