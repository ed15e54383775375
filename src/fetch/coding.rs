//! Content codings (RFC 9110 §8.4.1), decoded while they stream: what comes out is counted, nothing is allocated from a
//! promised length, and a body that ends early is an error.
//!
//! All four decoders are driven in the same way: a piece of input, a buffer for output, and how far each of them got.

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation};

/// Asked for with every request. `deflate` is understood, but not asked for: half the servers mean something else by it.
pub const ACCEPTED: &str = "gzip, br, zstd";

/// Members of one gzip body, frames of one zstd body. Those put together from parts have some, bombs have millions.
const MEMBERS: u32 = 1024;
/// zstd windows are at most 8 MiB (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;
/// Name, comment and extra field of a gzip member together.
const GZIP_HEADER: usize = 64 * 1024;
const STEP: usize = 16 * 1024;
/// Decoded bytes after which a decoder pauses, so that a bomb takes neither the thread nor the memory in one go.
const PAUSE: usize = 1024 * 1024;

/// Why a body cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    #[error("its content coding {0:?} is none of gzip, br, zstd, deflate")]
    Unknown(String),
    #[error("it is encoded more than once ({0:?}); only one coding is taken")]
    Several(String),
    #[error("its {0} coding is damaged: {1}")]
    Damaged(&'static str, String),
    #[error("its {0} coding stops before its end")]
    CutShort(&'static str),
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
}

/// A body being decoded. Feed it every piece in order, then [`Body::finish`].
pub struct Body {
    decoder: Option<(&'static str, Decoder)>,
    /// Encoded bytes so far: a stream that decodes to nothing must end, too.
    taken: u64,
    decoded: Vec<u8>,
    limit: u64,
}

impl Body {
    /// `fields`: the Content-Encoding field lines; `identity` does not count. `limit`: bytes, encoded and decoded.
    pub fn new<'a>(fields: impl IntoIterator<Item = &'a str>, limit: u64) -> Result<Body, CodingError> {
        let fields = fields.into_iter().collect::<Vec<_>>().join(",");
        let names = fields.split(',').map(|name| name.trim().to_ascii_lowercase());
        let names: Vec<String> = names.filter(|name| !name.is_empty() && name != "identity").collect();
        let decoder = match names.as_slice() {
            [] => None,
            [name] => Some(Decoder::named(name)?),
            _ => return Err(CodingError::Several(names.join(", ").chars().take(80).collect())),
        };
        Ok(Body { decoder, taken: 0, decoded: Vec::new(), limit })
    }

    /// Decoded so far.
    pub fn len(&self) -> usize {
        self.decoded.len()
    }

    pub fn is_empty(&self) -> bool {
        self.decoded.is_empty()
    }

    /// Takes the next piece in. `Some`: it paused; call [`Body::go_on`] with what is returned (it may be empty).
    pub fn push<'a>(&mut self, piece: &'a [u8]) -> Result<Option<&'a [u8]>, CodingError> {
        self.taken = self.taken.saturating_add(piece.len() as u64);
        if self.taken > self.limit {
            return Err(CodingError::TooLarge(self.limit));
        }
        self.go_on(piece)
    }

    pub fn go_on<'a>(&mut self, mut input: &'a [u8]) -> Result<Option<&'a [u8]>, CodingError> {
        let Some((name, decoder)) = &mut self.decoder else {
            self.decoded.extend_from_slice(input);
            return Ok(None);
        };
        let mut output = [0; STEP];
        let before = self.decoded.len();
        while self.decoded.len() - before < PAUSE {
            let step = decoder.step(input, &mut output).map_err(|cause| CodingError::Damaged(name, cause))?;
            let made = output.get(..step.made).unwrap_or_default();
            if (self.decoded.len() as u64).saturating_add(made.len() as u64) > self.limit {
                return Err(CodingError::TooLarge(self.limit));
            }
            self.decoded.extend_from_slice(made);
            input = input.get(step.taken..).unwrap_or_default();
            // Output left inside shows itself by a full buffer; no progress at all means that more input is needed.
            if input.is_empty() && step.made < STEP || step.taken == 0 && step.made == 0 {
                return Ok(None);
            }
        }
        Ok(Some(input))
    }

    /// The whole body, if its coding agrees that it is.
    pub fn finish(self) -> Result<Vec<u8>, CodingError> {
        match self.decoder {
            // Some servers label an empty body with a coding.
            Some((name, decoder)) if self.taken > 0 && !decoder.ended() => Err(CodingError::CutShort(name)),
            _ => Ok(self.decoded),
        }
    }
}

/// How far one step of a decoder got.
struct Step {
    taken: usize,
    made: usize,
}

enum Decoder {
    Gzip(Gzip),
    Deflate(Deflate),
    Brotli(Box<Brotli>),
    Zstd(Zstd),
}

impl Decoder {
    fn named(name: &str) -> Result<(&'static str, Decoder), CodingError> {
        match name {
            "gzip" | "x-gzip" => Ok(("gzip", Decoder::Gzip(Gzip::new()))),
            "deflate" => Ok(("deflate", Decoder::Deflate(Deflate { inflate: None, ended: false }))),
            "br" => Ok(("br", Decoder::Brotli(Box::new(Brotli::new())))),
            "zstd" => Ok(("zstd", Decoder::Zstd(Zstd::new().map_err(|cause| CodingError::Damaged("zstd", cause))?))),
            _ => Err(CodingError::Unknown(name.chars().take(40).collect())),
        }
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, String> {
        match self {
            Decoder::Gzip(gzip) => gzip.step(input, output),
            Decoder::Deflate(deflate) => deflate.step(input, output),
            Decoder::Brotli(brotli) => brotli.step(input, output),
            Decoder::Zstd(zstd) => zstd.step(input, output),
        }
    }

    fn ended(&self) -> bool {
        match self {
            Decoder::Gzip(gzip) => matches!(gzip.part, GzipPart::Between | GzipPart::Junk),
            Decoder::Deflate(deflate) => deflate.ended,
            Decoder::Brotli(brotli) => brotli.ended,
            Decoder::Zstd(zstd) => zstd.between_frames,
        }
    }
}

/// gzip (RFC 1952): members, each a header, a deflate stream and a trailer with checksum and length.
struct Gzip {
    part: GzipPart,
    members: u32,
    /// Bytes of a header or trailer that is not complete yet.
    pending: Vec<u8>,
    inflate: Decompress,
    crc: Crc,
}

enum GzipPart {
    Header,
    Deflate,
    Trailer,
    /// A member is complete; another may follow.
    Between,
    /// What follows the last member is no other one: zeros, mostly. Nobody minds.
    Junk,
}

impl Gzip {
    fn new() -> Gzip {
        let (pending, inflate, crc) = (Vec::new(), Decompress::new(false), Crc::new());
        Gzip { part: GzipPart::Header, members: 0, pending, inflate, crc }
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, String> {
        match self.part {
            GzipPart::Header => self.header(input),
            GzipPart::Deflate => {
                let step = inflate(&mut self.inflate, input, output)?;
                self.crc.update(output.get(..step.0.made).unwrap_or_default());
                if step.1 {
                    self.part = GzipPart::Trailer;
                }
                Ok(step.0)
            }
            GzipPart::Trailer => self.trailer(input),
            GzipPart::Between => match input {
                [] => Ok(Step { taken: 0, made: 0 }),
                // 0x1f, the first byte of the magic number.
                [0x1f, ..] => {
                    self.part = GzipPart::Header;
                    self.header(input)
                }
                _ => {
                    self.part = GzipPart::Junk;
                    Ok(Step { taken: input.len(), made: 0 })
                }
            },
            GzipPart::Junk => Ok(Step { taken: input.len(), made: 0 }),
        }
    }

    fn header(&mut self, input: &[u8]) -> Result<Step, String> {
        let before = self.pending.len();
        self.pending.extend(input.iter().take(GZIP_HEADER - before));
        match gzip_header(&self.pending)? {
            Some(length) => {
                self.members += 1;
                if self.members > MEMBERS {
                    return Err(format!("it has more than {MEMBERS} members"));
                }
                self.pending.clear();
                self.inflate.reset(false);
                self.crc.reset();
                self.part = GzipPart::Deflate;
                Ok(Step { taken: length.saturating_sub(before), made: 0 })
            }
            None if self.pending.len() >= GZIP_HEADER => Err("its header has no end".to_owned()),
            None => Ok(Step { taken: input.len(), made: 0 }),
        }
    }

    fn trailer(&mut self, input: &[u8]) -> Result<Step, String> {
        let taken = input.len().min(8 - self.pending.len().min(8));
        self.pending.extend(input.iter().take(taken));
        if let [a, b, c, d, e, f, g, h] = *self.pending.as_slice() {
            let stated = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
            if stated != (self.crc.sum(), self.crc.amount()) {
                return Err("its checksum is wrong".to_owned());
            }
            self.pending.clear();
            self.part = GzipPart::Between;
        }
        Ok(Step { taken, made: 0 })
    }
}

/// The length of a member's header. `None`: it goes on after these bytes.
fn gzip_header(bytes: &[u8]) -> Result<Option<usize>, String> {
    let magic = [0x1f, 0x8b, 8];
    if bytes.iter().zip(magic).any(|(byte, wanted)| *byte != wanted) {
        return Err("it does not begin as gzip does".to_owned());
    }
    let Some(flags) = bytes.get(3) else { return Ok(None) };
    let mut at = 10;
    if flags & 4 != 0 {
        let (Some(low), Some(high)) = (bytes.get(at), bytes.get(at + 1)) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    // Name and comment end with a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let Some(rest) = bytes.get(at..) else { return Ok(None) };
            let Some(end) = memchr::memchr(0, rest) else { return Ok(None) };
            at += end + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Ok((bytes.len() >= at).then_some(at))
}

/// deflate: zlib (RFC 1950) by the standard, the bare stream (RFC 1951) by half the servers.
struct Deflate {
    inflate: Option<Decompress>,
    ended: bool,
}

impl Deflate {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, String> {
        if self.ended {
            return Ok(Step { taken: input.len(), made: 0 });
        }
        let inflater = match (&mut self.inflate, input.first()) {
            // Without input, too: it may hold what it had no room for.
            (Some(inflater), _) => inflater,
            (None, None) => return Ok(Step { taken: 0, made: 0 }),
            (begun @ None, Some(first)) => {
                // zlib begins with method 8 and a window of at most 32 KiB. A bare stream begins with such a byte only if
                // its first block is a stored one with something in its unused bits, which nobody writes.
                begun.insert(Decompress::new(first & 0x0f == 8 && first >> 4 <= 7))
            }
        };
        let (step, ended) = inflate(inflater, input, output)?;
        self.ended = ended;
        Ok(step)
    }
}

fn inflate(inflater: &mut Decompress, input: &[u8], output: &mut [u8]) -> Result<(Step, bool), String> {
    let (taken, made) = (inflater.total_in(), inflater.total_out());
    let status = inflater.decompress(input, output, FlushDecompress::None).map_err(|cause| cause.to_string())?;
    let step = Step { taken: (inflater.total_in() - taken) as usize, made: (inflater.total_out() - made) as usize };
    Ok((step, status == Status::StreamEnd))
}

/// br (RFC 7932).
struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    ended: bool,
}

impl Brotli {
    fn new() -> Brotli {
        let alloc = StandardAlloc::default;
        Brotli { state: BrotliState::new(alloc(), alloc(), alloc()), ended: false }
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, String> {
        if self.ended {
            return Ok(Step { taken: input.len(), made: 0 });
        }
        let (mut left, mut taken, mut room, mut made, mut total) = (input.len(), 0, output.len(), 0, 0);
        let state = &mut self.state;
        match BrotliDecompressStream(&mut left, &mut taken, input, &mut room, &mut made, output, &mut total, state) {
            BrotliResult::ResultFailure => return Err("it is not brotli".to_owned()),
            BrotliResult::ResultSuccess => self.ended = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(Step { taken, made })
    }
}

/// zstd (RFC 8878): frames.
struct Zstd {
    decoder: ZstdDecoder<'static>,
    between_frames: bool,
    frames: u32,
}

impl Zstd {
    fn new() -> Result<Zstd, String> {
        let mut decoder = ZstdDecoder::new().map_err(|cause| cause.to_string())?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(|cause| cause.to_string())?;
        Ok(Zstd { decoder, between_frames: true, frames: 0 })
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, String> {
        if self.between_frames && input.is_empty() {
            return Ok(Step { taken: 0, made: 0 });
        }
        let status = self.decoder.run_on_buffers(input, output).map_err(|cause| cause.to_string())?;
        self.between_frames = status.remaining == 0;
        self.frames += u32::from(self.between_frames);
        if self.frames > MEMBERS {
            return Err(format!("it has more than {MEMBERS} frames"));
        }
        Ok(Step { taken: status.bytes_read, made: status.bytes_written })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LIMIT: u64 = 64 * 1024;

    fn decoded(name: &str, pieces: &[&[u8]]) -> Result<Vec<u8>, CodingError> {
        let mut body = Body::new([name], LIMIT)?;
        for piece in pieces {
            let mut paused = body.push(piece)?;
            while let Some(rest) = paused {
                paused = body.go_on(rest)?;
            }
        }
        body.finish()
    }

    /// The same text in every coding.
    fn encoded(plain: &[u8]) -> [(&'static str, Vec<u8>); 5] {
        let mut gzip = flate2::GzBuilder::new().filename("a name").comment("a comment").extra(vec![1, 2, 3]);
        gzip = gzip.mtime(7);
        let mut gzip = gzip.write(Vec::new(), flate2::Compression::default());
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(plain).and_then(|()| zlib.write_all(plain)).and_then(|()| bare.write_all(plain)).unwrap();
        let mut br = Vec::new();
        let params = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
        brotli::BrotliCompress(&mut &*plain, &mut br, &params).unwrap();
        let (gzip, zlib, bare) = (gzip.finish().unwrap(), zlib.finish().unwrap(), bare.finish().unwrap());
        [
            ("gzip", gzip),
            ("deflate", zlib),
            ("deflate", bare),
            ("br", br),
            ("zstd", zstd::encode_all(plain, 3).unwrap()),
        ]
    }

    fn plain() -> Vec<u8> {
        (0..2000).flat_map(|at: u32| format!("{} ", at.wrapping_mul(2_654_435_761) >> 20).into_bytes()).collect()
    }

    #[test]
    fn pieces_of_every_size_give_the_same() {
        let plain = plain();
        for (name, whole) in encoded(&plain) {
            for size in [1, 2, 3, 7, 100, 4096] {
                let pieces: Vec<&[u8]> = whole.chunks(size).collect();
                assert_eq!(decoded(name, &pieces).as_deref(), Ok(&plain[..]), "{name} in pieces of {size}");
            }
        }
    }

    /// An inflater may take all of the input before there was room for all that it says.
    #[test]
    fn what_a_decoder_holds_back_is_not_lost() {
        for length in [16_384, 16_385, 24_000, 32_768, 57_000] {
            let plain: Vec<u8> = plain().into_iter().cycle().take(length).collect();
            for (name, whole) in encoded(&plain) {
                assert_eq!(decoded(name, &[&whole]).as_deref(), Ok(&plain[..]), "{name}, {length} bytes");
            }
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        for (name, whole) in encoded(&plain()) {
            for cut in (1..whole.len()).step_by(13) {
                assert!(decoded(name, &[&whole[..cut]]).is_err(), "{name} cut at {cut}");
            }
        }
    }

    /// No flipped bit makes a decoder panic, hang, or exceed the limit.
    #[test]
    fn damage_is_survived() {
        for (name, whole) in encoded(&plain()) {
            for at in (0..whole.len()).filter(|at| *at < 64 || at % 17 == 0) {
                for bit in 0..8 {
                    let mut damaged = whole.clone();
                    damaged[at] ^= 1 << bit;
                    if let Ok(found) = decoded(name, &[&damaged]) {
                        assert!(found.len() as u64 <= LIMIT);
                    }
                }
            }
        }
    }
}
