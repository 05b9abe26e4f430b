//! The bytes of a file on their way to the CSV parser: digested, and bounded for each record.

use std::io::{self, BufReader, Read};

use slipway_model::Digest;
use slipway_model::digest::Digester;

/// Bytes at the beginning of a file that are looked at before it is parsed.
const PEEK_BYTES: usize = 256 * 1024;
/// Longest record, bytes: a quote that is never closed must not fill the memory.
const MAX_RECORD_BYTES: usize = 256 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A source of bytes.
pub(super) struct Source<R> {
    inner: BufReader<R>,
    head: Vec<u8>,
    served: usize,
    since_record: usize,
    digester: Digester,
    size: u64,
    last: u8,
}

/// What is known of all bytes at the end.
pub(super) struct End {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The last byte that is no blank.
    pub(super) last: u8,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        let inner = BufReader::with_capacity(PEEK_BYTES, inner);
        Source { inner, head: Vec::new(), served: 0, since_record: 0, digester: Digester::default(), size: 0, last: 0 }
    }

    /// The beginning of the file; reading starts with it all the same.
    pub(super) fn peek(&mut self) -> io::Result<&[u8]> {
        if self.head.is_empty() {
            self.inner.by_ref().take(PEEK_BYTES as u64).read_to_end(&mut self.head)?;
            let head = std::mem::take(&mut self.head);
            self.note(&head);
            self.head = head;
        }
        Ok(&self.head)
    }

    /// Lets reading start behind a byte order mark.
    pub(super) fn skip_byte_order_mark(&mut self) {
        if self.head.starts_with(BYTE_ORDER_MARK) {
            self.served = BYTE_ORDER_MARK.len();
        }
    }

    /// A record starts here: the bound on its length counts from now.
    pub(super) fn start_record(&mut self) {
        self.since_record = 0;
    }

    fn note(&mut self, bytes: &[u8]) {
        self.digester.update(bytes);
        self.size += bytes.len() as u64;
        self.last = bytes.trim_ascii_end().last().copied().unwrap_or(self.last);
    }

    /// To be asked when all is read.
    pub(super) fn finish(self) -> End {
        End { digest: self.digester.finish(), size: self.size, last: self.last }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_record > MAX_RECORD_BYTES {
            return Err(io::Error::other("a row longer than 256 MiB; is a quote never closed?"));
        }
        let mut head = &self.head[self.served..];
        let read = if head.is_empty() {
            let read = self.inner.read(buffer)?;
            self.note(&buffer[..read]);
            read
        } else {
            let read = head.read(buffer)?;
            self.served += read;
            read
        };
        self.since_record += read;
        Ok(read)
    }
}
