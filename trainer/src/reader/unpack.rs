//! Compressed files, unpacked as they are read.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use super::format::Packing;
use super::source::Bounded;

/// Largest memory that unpacking takes, as a power of two: what `zstd` itself allows without `--long`.
const WINDOW_LOG: u32 = 27;
/// So much is unpacked however small the file is.
const ALWAYS_UNPACKED: u64 = 256 << 20;
/// Beyond that, so many times its size: tables of text are packed to a tenth, and hardly ever to a fiftieth.
const MOST_TIMES: u64 = 200;

/// The bytes that `stored`, a file of `size` bytes, holds: at most `limit`, where one is given.
pub(super) fn unpack<'a>(
    stored: impl Read + 'a,
    packing: Packing,
    size: u64,
    limit: Option<u64>,
) -> io::Result<Box<dyn Read + 'a>> {
    let most = most(size, limit);
    let problem = too_much(most, size);
    Ok(match packing {
        Packing::Gzip => {
            let inner = Named { inner: MultiGzDecoder::new(stored), name: "gzip" };
            Box::new(Bounded { inner, left: most, problem })
        }
        Packing::Zstandard => {
            let mut inner = zstd::stream::read::Decoder::new(stored)?;
            inner.window_log_max(WINDOW_LOG)?;
            Box::new(Bounded { inner: Named { inner, name: "Zstandard" }, left: most, problem })
        }
    })
}

/// Most bytes that a file of `size` bytes may unpack to, where no `limit` is given.
pub(super) fn most(size: u64, limit: Option<u64>) -> u64 {
    limit.unwrap_or_else(|| ALWAYS_UNPACKED.max(size.saturating_mul(MOST_TIMES)).min(super::MAX_FILE_BYTES))
}

/// What to say of a file that holds more.
pub(super) fn too_much(most: u64, size: u64) -> String {
    format!("it unpacks to more than {most} bytes from {size}; if that is right, allow more by --max-unpacked-bytes")
}

/// Tells of damage by the name of the format.
struct Named<R> {
    inner: R,
    name: &'static str,
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let name = self.name;
        self.inner.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::other(format!("the {name} file is cut off; copy it again, whole"))
            }
            _ => io::Error::other(format!("the {name} file is damaged: {error}")),
        })
    }
}
