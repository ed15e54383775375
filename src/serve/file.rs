//! Files that an article shows, sent in pieces as the client takes them: whole, or one range of them (RFC 9110 §14), so
//! that players can wind in a recording and a broken download goes on. Whatever its size, a file takes one piece of memory.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::header::{self, HeaderMap};

use crate::model::Time;
use crate::publish::etag;

/// What is read at once.
const PIECE: u64 = 256 << 10;

pub type Pieces = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

/// A file as it stood when it was opened.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    pub length: u64,
    pub modified: Time,
    /// Strong validator: another one as soon as anything was written to the file. Without quotes.
    pub tag: String,
}

impl OpenFile {
    pub fn new(file: File, held: &Metadata) -> OpenFile {
        use std::os::unix::fs::MetadataExt as _;
        let print = format!("{} {} {} {}", held.ino(), held.len(), held.mtime(), held.mtime_nsec());
        let modified = Time::from_timestamp(held.mtime(), 0).unwrap_or_default();
        OpenFile { file, length: held.len(), modified, tag: etag(print.as_bytes()) }
    }

    /// The bytes of a part. What is cut off meanwhile ends the connection, so that nobody takes it for the whole.
    pub fn pieces(self, part: Part) -> Pieces {
        let (start, left) = (part.first, part.length());
        let first = Some((self.file, Some(start), left));
        let read = |state: Option<(File, Option<u64>, u64)>| async move {
            let (mut file, seek, left) = state.filter(|(_, _, left)| *left > 0)?;
            let size = left.min(PIECE);
            let read = tokio::task::spawn_blocking(move || {
                if let Some(start) = seek {
                    file.seek(SeekFrom::Start(start))?;
                }
                let mut piece = vec![0; usize::try_from(size).unwrap_or_default()];
                file.read_exact(&mut piece)?;
                Ok((file, piece))
            });
            match read.await {
                Ok(Ok((file, piece))) => Some((Ok(Frame::data(piece.into())), Some((file, None, left - size)))),
                Ok(Err(cause)) => Some((Err(cause), None)),
                Err(cause) => Some((Err(io::Error::other(cause)), None)),
            }
        };
        StreamBody::new(stream::unfold(first, read).boxed())
    }
}

/// Bytes of a file, from `first` up to and without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub first: u64,
    pub end: u64,
}

impl Part {
    pub fn whole(length: u64) -> Part {
        Part { first: 0, end: length }
    }

    pub fn length(&self) -> u64 {
        self.end - self.first
    }
}

/// What a request asks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Whole,
    /// 206
    Part(Part),
    /// 416
    Nothing,
}

/// One range is served; several at once are the whole, which is every server's right (§14.2). With If-Range only of the
/// file that the client has already (§13.1.5).
pub fn asked(headers: &HeaderMap, length: u64, tag: &str, modified: &str) -> Asked {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let Some(range) = text(header::RANGE) else { return Asked::Whole };
    let had = text(header::IF_RANGE);
    if had
        .is_some_and(|had| had.strip_prefix('"').and_then(|had| had.strip_suffix('"')) != Some(tag) && had != modified)
    {
        return Asked::Whole;
    }
    let Some((unit, range)) = range.split_once('=') else { return Asked::Whole };
    let Some((first, last)) = range.split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes")) else {
        return Asked::Whole;
    };
    let number = |text: &str| -> Option<Option<u64>> {
        match text.trim() {
            "" => Some(None),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Some(digits.parse().unwrap_or(u64::MAX)))
            }
            _ => None,
        }
    };
    let part = match (number(first), number(last)) {
        (Some(Some(first)), Some(None)) => Part { first, end: length },
        (Some(Some(first)), Some(Some(last))) if first <= last => {
            Part { first, end: last.saturating_add(1).min(length) }
        }
        (Some(None), Some(Some(last))) => Part { first: length - last.min(length), end: length },
        _ => return Asked::Whole,
    };
    if part.first < part.end { Asked::Part(part) } else { Asked::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_they_are_asked_for() {
        let check = |range: &str, want: Asked| {
            let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
            assert_eq!(asked(&headers, 100, "tag", "date"), want, "{range}");
        };
        let part = |first, end| Asked::Part(Part { first, end });
        check("bytes=0-", part(0, 100));
        check("bytes=0-0", part(0, 1));
        check("Bytes = 10 - 19", part(10, 20));
        check("bytes=90-1000", part(90, 100));
        check("bytes=-5", part(95, 100));
        check("bytes=-500", part(0, 100));
        check("bytes=5-99999999999999999999999", part(5, 100));
        check("bytes=100-", Asked::Nothing);
        check("bytes=-0", Asked::Nothing);
        for whole in ["bytes=9-5", "bytes=0-1,5-6", "bytes=-", "bytes=a-b", "bytes=+1-2", "lines=1-2", "bytes", "5-6"] {
            check(whole, Asked::Whole);
        }
        assert_eq!(asked(&HeaderMap::new(), 100, "tag", "date"), Asked::Whole);
    }

    #[test]
    fn a_range_of_another_file_is_the_whole() {
        let check = |had: &str, want: Asked| {
            let range = (header::RANGE, "bytes=1-2".parse().unwrap());
            let headers = HeaderMap::from_iter([range, (header::IF_RANGE, had.parse().unwrap())]);
            assert_eq!(asked(&headers, 100, "tag", "Fri, 27 Mar 2026 10:00:00 GMT"), want, "{had}");
        };
        check("\"tag\"", Asked::Part(Part { first: 1, end: 3 }));
        check("Fri, 27 Mar 2026 10:00:00 GMT", Asked::Part(Part { first: 1, end: 3 }));
        for other in ["\"other\"", "W/\"tag\"", "tag", "Fri, 27 Mar 2026 10:00:01 GMT"] {
            check(other, Asked::Whole);
        }
    }
}
