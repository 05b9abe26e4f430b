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
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        let inner = BufReader::with_capacity(PEEK_BYTES, inner);
        Source { inner, head: Vec::new(), served: 0, since_record: 0, digester: Digester::default(), size: 0 }
    }

    /// The beginning of the file; reading starts with it all the same.
    pub(super) fn peek(&mut self) -> io::Result<&[u8]> {
        if self.head.is_empty() {
            self.inner.by_ref().take(PEEK_BYTES as u64).read_to_end(&mut self.head)?;
            self.digester.update(&self.head);
            self.size = self.head.len() as u64;
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

    /// Digest and number of all bytes read.
    pub(super) fn finish(self) -> (Digest, u64) {
        (self.digester.finish(), self.size)
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
            self.digester.update(&buffer[..read]);
            self.size += read as u64;
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
