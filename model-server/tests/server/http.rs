//! A client that can misbehave.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection to a server.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Reads one reply; none where the server has closed.
    pub fn read(&mut self) -> io::Result<Option<Reply>> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(bad)?;
        let mut headers = String::new();
        while self.stream.read_line(&mut headers)? > 2 {}
        let headers = headers.to_ascii_lowercase();
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body)?;
        Ok(Some(Reply { status, headers, body: String::from_utf8(body).map_err(|_| bad())? }))
    }

    /// Reads a line of whatever comes.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    /// Whether the server has closed the connection, with nothing more to say.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.read(), Ok(None))
    }

    /// Posts JSON and reads the reply.
    pub fn post(&mut self, path: &str, body: &str) -> io::Result<Reply> {
        self.write(post(path, body))?;
        self.read()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads an address.
    pub fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.write(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))?;
        self.read()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// A request with a JSON body.
pub fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
