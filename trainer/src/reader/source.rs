//! The bytes of a file on their way to a parser: digested, looked at before they are read, and bounded.

use std::io::{self, Read};

use slipway_model::Digest;
use slipway_model::digest::Digester;

/// Bytes at the beginning of a file that are looked at before it is parsed.
const PEEK_BYTES: usize = 256 * 1024;

/// What is stored, with its digest; `told` is told how many bytes were read.
pub(super) struct Stored<R, F> {
    inner: R,
    digester: Digester,
    size: u64,
    told: F,
}

impl<R: Read, F: Fn(u64)> Stored<R, F> {
    pub(super) fn new(inner: R, told: F) -> Self {
        Stored { inner, digester: Digester::default(), size: 0, told }
    }

    /// Digest and size of all bytes, those that nobody read included.
    pub(super) fn finish(mut self) -> io::Result<(Digest, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((self.digester.finish(), self.size))
    }
}

impl<R: Read, F: Fn(u64)> Read for Stored<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.digester.update(&buffer[..read]);
        self.size += read as u64;
        (self.told)(self.size);
        Ok(read)
    }
}

/// A source whose beginning can be looked at.
pub(super) struct Peeked<R> {
    inner: R,
    head: Vec<u8>,
    served: usize,
}

impl<R: Read> Peeked<R> {
    pub(super) fn new(mut inner: R) -> io::Result<Self> {
        let mut head = Vec::new();
        inner.by_ref().take(PEEK_BYTES as u64).read_to_end(&mut head)?;
        Ok(Peeked { inner, head, served: 0 })
    }

    /// The beginning; reading starts with it all the same.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether the head is all there is.
    pub(super) fn is_whole(&self) -> bool {
        self.head.len() < PEEK_BYTES
    }

    /// Lets reading start behind a byte order mark.
    pub(super) fn skip_byte_order_mark(&mut self) {
        if self.head.starts_with(b"\xef\xbb\xbf") {
            self.served = 3;
        }
    }

    pub(super) fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut head = &self.head[self.served..];
        if head.is_empty() {
            return self.inner.read(buffer);
        }
        let read = head.read(buffer)?;
        self.served += read;
        Ok(read)
    }
}

/// A source of at most `limit` bytes; `problem` is the error where there are more.
pub(super) struct Bounded<R> {
    pub(super) inner: R,
    pub(super) left: u64,
    pub(super) problem: String,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(self.problem.clone())),
        }
        Ok(read)
    }
}
