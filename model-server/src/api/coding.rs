//! Compressed bodies: what callers may send, unpacked piece by piece, and what they say they would take.

use std::io::Write;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::{Buf, Bytes};
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zstd::stream::raw::{Decoder, Operation};

use super::error::ApiError;
use crate::state::PENDING_BLOCK;

/// The codings that a body may have, for the header of a refusal.
pub const TAKEN: HeaderValue = HeaderValue::from_static("gzip, deflate, zstd");
/// About how much is unpacked at a time, bytes.
const PIECE: usize = 32 << 10;
/// Memory of a decoder of gzip, bytes.
const INFLATE_MEMORY: u64 = 64 << 10;
/// Largest window of zstd, bytes: RFC 9659 allows no larger one in a body.
const MAX_WINDOW: u64 = 8 << 20;
/// Longest header of a frame of zstd, bytes.
const MAX_FRAME_HEADER: usize = 18;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which HTTP calls deflate.
    Zlib,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// The coding of a body, as `header` says it.
    pub fn of(headers: &HeaderMap, header: &HeaderName) -> Result<Option<Coding>, ApiError> {
        let mut codings = headers.get_all(header).iter();
        let Some(coding) = codings.next() else { return Ok(None) };
        let text = coding.to_str().unwrap_or("?").trim();
        if codings.next().is_some() {
            return Err(ApiError::unsupported_media_type(format!("{header}: expected one coding")));
        }
        if text.eq_ignore_ascii_case("identity") {
            return Ok(None);
        }
        Coding::named(text).map(Some).ok_or_else(|| {
            ApiError::unsupported_media_type(format!("{header}: expected gzip, deflate or zstd, got {text:?}"))
        })
    }

    fn named(text: &str) -> Option<Coding> {
        let names =
            [("gzip", Coding::Gzip), ("x-gzip", Coding::Gzip), ("deflate", Coding::Zlib), ("zstd", Coding::Zstd)];
        names.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, coding)| coding)
    }

    /// The coding of a reply that a caller prefers; zstd where it takes all.
    pub fn wanted(headers: &HeaderMap) -> Option<Coding> {
        let mut best: Option<(f32, Coding)> = None;
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            for choice in value.to_str().unwrap_or_default().split(',') {
                let (name, weight) = choice.split_once(';').unwrap_or((choice, ""));
                let weight = weight.trim().strip_prefix("q=").map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
                let coding = match Coding::named(name.trim()) {
                    Some(coding @ (Coding::Gzip | Coding::Zstd)) if weight > 0.0 => coding,
                    _ => continue,
                };
                let better = |(than, other): (f32, Coding)| weight > than || weight == than && other == Coding::Gzip;
                if best.is_none_or(better) {
                    best = Some((weight, coding));
                }
            }
        }
        best.map(|(_, coding)| coding)
    }
}

/// Unpacks a body.
pub struct Unpacker {
    coding: Coding,
    state: State,
    /// What came and was not read.
    input: Bytes,
    /// Where room is taken for what unpacking needs to remember.
    pending: Arc<Semaphore>,
    room: Option<OwnedSemaphorePermit>,
}

enum State {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    /// The header of the first frame has not come.
    ZstdHeader(Vec<u8>),
    Zstd {
        decoder: Decoder<'static>,
        /// Whether a frame has ended.
        whole: bool,
        /// Whether there is output that has not been asked for.
        more: bool,
    },
}

impl Unpacker {
    /// Unpacks a body of a coding, in memory that is counted as `pending`.
    pub fn new(coding: Coding, pending: &Arc<Semaphore>) -> Unpacker {
        let state = match coding {
            Coding::Gzip => State::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Coding::Zlib => State::Zlib(Box::new(ZlibDecoder::new(Vec::new()))),
            Coding::Zstd => State::ZstdHeader(Vec::new()),
        };
        Unpacker { coding, state, input: Bytes::new(), pending: pending.clone(), room: None }
    }

    /// More of the body, once [`Self::step`] has given nothing.
    pub fn push(&mut self, input: Bytes) {
        self.input = input;
    }

    /// The next piece of what is unpacked; nothing where more of the body is needed.
    pub fn step(&mut self) -> Result<Bytes, ApiError> {
        if self.input.is_empty() && !matches!(self.state, State::Zstd { more: true, .. }) {
            return Ok(Bytes::new());
        }
        let damaged = damaged(self.coding);
        match &mut self.state {
            State::Gzip(decoder) => {
                take_room(&mut self.room, &self.pending, INFLATE_MEMORY)?;
                inflate(&mut **decoder, MultiGzDecoder::get_mut, &mut self.input).ok_or(damaged)
            }
            State::Zlib(decoder) => {
                take_room(&mut self.room, &self.pending, INFLATE_MEMORY)?;
                inflate(&mut **decoder, ZlibDecoder::get_mut, &mut self.input).ok_or(damaged)
            }
            State::ZstdHeader(header) => {
                let wanted = self.input.len().min(MAX_FRAME_HEADER - header.len());
                header.extend_from_slice(&self.input.split_to(wanted));
                if header.len() < MAX_FRAME_HEADER {
                    return Ok(Bytes::new());
                }
                self.begin_zstd()?;
                self.step()
            }
            State::Zstd { decoder, whole, more } => {
                let mut output = vec![0; PIECE];
                let status = decoder.run_on_buffers(&self.input, &mut output).map_err(|_| damaged.clone())?;
                if status.bytes_read == 0 && status.bytes_written == 0 && !self.input.is_empty() {
                    return Err(damaged);
                }
                self.input.advance(status.bytes_read);
                *whole = status.remaining == 0;
                *more = status.bytes_written == PIECE && !*whole;
                output.truncate(status.bytes_written);
                if output.is_empty() && !self.input.is_empty() { self.step() } else { Ok(output.into()) }
            }
        }
    }

    /// The body has ended, and [`Self::step`] has given nothing: what is left.
    pub fn finish(&mut self) -> Result<Bytes, ApiError> {
        let damaged = damaged(self.coding);
        match &mut self.state {
            State::Gzip(decoder) => {
                decoder.try_finish().map_err(|_| damaged)?;
                Ok(std::mem::take(decoder.get_mut()).into())
            }
            State::Zlib(decoder) => {
                decoder.try_finish().map_err(|_| damaged)?;
                Ok(std::mem::take(decoder.get_mut()).into())
            }
            State::ZstdHeader(_) => {
                // A body shorter than the longest header of a frame.
                self.begin_zstd()?;
                let unpacked = self.step()?;
                if matches!(self.state, State::Zstd { whole: true, .. }) { Ok(unpacked) } else { Err(damaged) }
            }
            State::Zstd { whole, .. } => {
                if *whole {
                    Ok(Bytes::new())
                } else {
                    Err(damaged)
                }
            }
        }
    }

    /// Looks at the header of the first frame and makes room for its window; later frames have none larger.
    fn begin_zstd(&mut self) -> Result<(), ApiError> {
        let State::ZstdHeader(header) = &mut self.state else { return Ok(()) };
        let window = window(header).ok_or_else(|| damaged(Coding::Zstd))?;
        if window > MAX_WINDOW {
            return Err(ApiError::bad_request(format!("zstd: expected a window of at most {MAX_WINDOW} bytes")));
        }
        take_room(&mut self.room, &self.pending, window + PIECE as u64)?;
        let log = window.next_power_of_two().ilog2().max(10);
        let limited = Decoder::new().and_then(|mut decoder| {
            decoder.set_parameter(zstd::zstd_safe::DParameter::WindowLogMax(log))?;
            Ok(decoder)
        });
        let decoder = limited.map_err(|error| {
            tracing::error!(%error, "cannot unpack zstd");
            ApiError::internal()
        })?;
        // The header and what follows it, in one piece again.
        let mut input = std::mem::take(header);
        input.extend_from_slice(&self.input);
        self.input = input.into();
        self.state = State::Zstd { decoder, whole: false, more: false };
        Ok(())
    }
}

fn damaged(coding: Coding) -> ApiError {
    let name = match coding {
        Coding::Gzip => "gzip",
        Coding::Zlib => "deflate (in the format of zlib)",
        Coding::Zstd => "zstd",
    };
    ApiError::bad_request(format!("the body is not valid {name}, or not whole"))
}

fn take_room(room: &mut Option<OwnedSemaphorePermit>, pending: &Arc<Semaphore>, bytes: u64) -> Result<(), ApiError> {
    if room.is_none() {
        let blocks = bytes.div_ceil(PENDING_BLOCK as u64) as u32;
        let permit = pending.clone().try_acquire_many_owned(blocks).map_err(|_| ApiError::too_many_bytes())?;
        *room = Some(permit);
    }
    Ok(())
}

/// Writes of `input` what gives about a piece of output. A decoder takes little at a time where that gives much.
fn inflate<D: Write>(decoder: &mut D, output: fn(&mut D) -> &mut Vec<u8>, input: &mut Bytes) -> Option<Bytes> {
    while !input.is_empty() && output(decoder).len() < PIECE {
        let before = output(decoder).len();
        let read = decoder.write(input).ok()?;
        if read == 0 && output(decoder).len() == before {
            // The stream has ended, its input has not.
            return None;
        }
        input.advance(read);
    }
    if input.is_empty() {
        // What is known of the rest must not wait for more of the body.
        decoder.flush().ok()?;
    }
    Some(std::mem::take(output(decoder)).into())
}

/// The window of the frame that begins so, bytes (RFC 8878, section 3.1.1.1).
fn window(header: &[u8]) -> Option<u64> {
    let header = header.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (&descriptor, rest) = header.split_first()?;
    let is_single_segment = descriptor >> 5 & 1 == 1;
    if !is_single_segment {
        let (exponent, mantissa) = (rest.first()? >> 3, u64::from(rest.first()? & 7));
        let base = 1_u64 << (10 + exponent);
        return Some(base + base / 8 * mantissa);
    }
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = 1_usize << (descriptor >> 6);
    let mut bytes = [0; 8];
    bytes[..size].copy_from_slice(rest.get(dictionary..dictionary + size)?);
    Some(u64::from_le_bytes(bytes) + if size == 2 { 256 } else { 0 })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn packed(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::fast();
        let mut packed = Vec::new();
        match coding {
            Coding::Gzip => drop(flate2::read::GzEncoder::new(bytes, level).read_to_end(&mut packed).unwrap()),
            Coding::Zlib => drop(flate2::read::ZlibEncoder::new(bytes, level).read_to_end(&mut packed).unwrap()),
            Coding::Zstd => packed = zstd::encode_all(bytes, 3).unwrap(),
        }
        packed
    }

    /// Unpacks `pieces`; the largest piece that came out, too.
    fn unpack<'p>(coding: Coding, pieces: impl Iterator<Item = &'p [u8]>) -> Result<(Vec<u8>, usize), String> {
        let mut unpacker = Unpacker::new(coding, &Arc::new(Semaphore::new(1 << 20)));
        let (mut unpacked, mut largest) = (Vec::new(), 0);
        for piece in pieces {
            unpacker.push(Bytes::copy_from_slice(piece));
            loop {
                let bytes = unpacker.step().map_err(|error| error.message().to_owned())?;
                if bytes.is_empty() {
                    break;
                }
                largest = largest.max(bytes.len());
                unpacked.extend(bytes);
            }
        }
        unpacked.extend(unpacker.finish().map_err(|error| error.message().to_owned())?);
        Ok((unpacked, largest))
    }

    const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Zlib, Coding::Zstd];

    #[test]
    fn however_a_body_is_cut_it_is_unpacked_in_small_pieces() {
        let zeros = vec![0; 3_000_000];
        let rows: String = (0..5_000).map(|row| row.to_string() + ",SKU001\n").collect();
        for coding in CODINGS {
            for (plain, sizes) in
                [(rows.as_bytes(), &[1, 17, 100_000][..]), (&zeros[..], &[50, 100_000]), (b"", &[1, 9])]
            {
                let packed = packed(coding, plain);
                for &size in sizes {
                    let (unpacked, largest) = unpack(coding, packed.chunks(size)).unwrap();
                    assert!(unpacked == plain, "{coding:?} {size} {}", unpacked.len());
                    assert!(largest <= 3 * PIECE, "{coding:?} {size} {largest}");
                }
            }
        }
        for coding in [Coding::Gzip, Coding::Zstd] {
            let twice = packed(coding, b"one, ").into_iter().chain(packed(coding, b"two")).collect::<Vec<_>>();
            assert_eq!(unpack(coding, twice.chunks(7)).unwrap().0, b"one, two", "{coding:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_refused() {
        for coding in CODINGS {
            let whole = packed(coding, "a row, ".repeat(1000).as_bytes());
            for bad in [&whole[..whole.len() - 1], &whole[..3], b"{\"x\": 1}", b"", &[&whole[..], b"more"].concat()] {
                let error = unpack(coding, [bad].into_iter()).unwrap_err();
                assert!(error.contains("is not valid"), "{coding:?}: {error}");
            }
        }
        // A window of 16 MiB.
        let error = unpack(Coding::Zstd, [&[0x28, 0xb5, 0x2f, 0xfd, 0, 14 << 3, 1, 0, 0][..]].into_iter()).unwrap_err();
        assert!(error.contains("a window of at most 8388608 bytes"), "{error}");
    }

    #[test]
    fn windows_are_counted_as_memory() {
        let mut unpacker = Unpacker::new(Coding::Zstd, &Arc::new(Semaphore::new(8)));
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.write_all(&[0; 100]).unwrap();
        unpacker.push(encoder.finish().unwrap().into());
        let _ = unpacker.step();
        let refused = unpacker.finish().unwrap_err();
        assert!(refused.message().contains("too many large requests"), "{}", refused.message());
    }

    #[test]
    fn callers_choose_the_coding_of_replies() {
        for (accepted, coding) in [
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate, br", Some(Coding::Gzip)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("zstd;q=0.5, GZIP;q=0.8", Some(Coding::Gzip)),
            ("gzip;q=0, identity", None),
            ("*", None),
            ("", None),
        ] {
            let headers = [(header::ACCEPT_ENCODING, accepted.parse().unwrap())].into_iter().collect();
            assert_eq!(Coding::wanted(&headers), coding, "{accepted}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..60) {
            for coding in CODINGS {
                let _ = unpack(coding, bytes.chunks(7));
                let mut changed = packed(coding, b"a row of some length, as there are many");
                let place = at % changed.len();
                changed[place] ^= bytes.first().copied().unwrap_or(1);
                let _ = unpack(coding, changed.chunks(9));
            }
        }
    }
}
