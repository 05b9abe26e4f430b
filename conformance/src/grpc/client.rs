//! Calls as they are, and what comes back.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{BufMut, Bytes};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::SendRequest;
use hyper::header::{CONTENT_TYPE, HeaderMap, TE};
use hyper::http::uri::Authority;
use hyper::{Request, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Longest answer to wait for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer to read, bytes.
const MAX_ANSWER: usize = 64 << 20;
const SERVICE: &str = "inference.GRPCInferenceService";

/// How a call that failed ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The number of gRPC's status.
    pub code: u16,
    /// The reason, its letters escaped as they came.
    pub message: String,
}

impl Status {
    /// The caller's mistake.
    pub const INVALID_ARGUMENT: u16 = 3;
    /// Not in time.
    pub const DEADLINE_EXCEEDED: u16 = 4;
    /// There is no such model.
    pub const NOT_FOUND: u16 = 5;
    /// Too much at a time.
    pub const RESOURCE_EXHAUSTED: u16 = 8;
    /// There is no such method.
    pub const UNIMPLEMENTED: u16 = 12;
    /// Not now.
    pub const UNAVAILABLE: u16 = 14;
    /// No key.
    pub const UNAUTHENTICATED: u16 = 16;

    /// Whether the server says that the fault is its own.
    pub fn is_servers_fault(&self) -> bool {
        // UNKNOWN, INTERNAL and DATA_LOSS.
        [2, 13, 15].contains(&self.code)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}: {}", self.code, self.message)
    }
}

/// A connection to a server.
pub struct Caller {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    authority: Authority,
    /// Metadata of every call.
    pub metadata: HeaderMap,
}

impl Caller {
    /// Connects to the server at a URL, which is known to speak HTTP/2.
    pub fn connect(url: &str) -> Result<Caller> {
        let uri: Uri = url.parse().with_context(|| url.to_owned())?;
        ensure!(uri.scheme_str() == Some("http"), "the URL must begin with http://, as http://localhost:8080 does");
        let authority = uri.into_parts().authority.context("the URL names no host")?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let sender = runtime.block_on(open(&authority)).with_context(|| format!("{url}: no answer"))?;
        Ok(Caller { runtime, sender, authority, metadata: HeaderMap::new() })
    }

    /// Calls a method. The outer error is that there was no answer to a call, the inner one the status of it.
    pub fn call<Answer: Message + Default>(
        &mut self,
        method: &str,
        request: &impl Message,
    ) -> Result<Result<Answer, Status>> {
        self.send(method, framed(&request.encode_to_vec()))
    }

    /// Sends what should be a framed message.
    pub fn send<Answer: Message + Default>(&mut self, method: &str, body: Bytes) -> Result<Result<Answer, Status>> {
        let uri = format!("http://{}/{SERVICE}/{method}", self.authority);
        let mut request = Request::post(uri).version(Version::HTTP_2).body(Full::new(body))?;
        *request.headers_mut() = self.metadata.clone();
        request.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse()?);
        request.headers_mut().insert(TE, "trailers".parse()?);
        if self.sender.is_closed() {
            self.sender =
                self.runtime.block_on(open(&self.authority)).with_context(|| format!("{method}: no answer"))?;
        }
        let sender = &mut self.sender;
        let answer = self.runtime.block_on(async {
            let answer = async {
                sender.ready().await?;
                let (head, body) = sender.send_request(request).await?.into_parts();
                let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| anyhow::anyhow!(error))?;
                anyhow::Ok((head, body))
            };
            timeout(PATIENCE, answer).await?
        });
        let (head, body) = answer.with_context(|| format!("{method}: no answer"))?;
        ensure!(head.status == 200, "{method}: the HTTP status is {}, which is always 200 in gRPC", head.status);
        let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        ensure!(media_type.starts_with("application/grpc"), "{method}: the content-type is {media_type:?}");
        let trailers = body.trailers().unwrap_or(&head.headers);
        let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
        let code = text("grpc-status")
            .and_then(|code| code.parse().ok())
            .with_context(|| format!("{method}: no grpc-status"))?;
        if code != 0 {
            return Ok(Err(Status { code, message: text("grpc-message").unwrap_or_default().to_owned() }));
        }
        let bytes = body.to_bytes();
        match bytes.split_first_chunk::<5>() {
            Some(([0, length @ ..], message)) if message.len() == u32::from_be_bytes(*length) as usize => {
                Ok(Ok(Answer::decode(message).with_context(|| format!("{method}: the answer is malformed"))?))
            }
            _ => bail!("{method}: the answer is not one whole message"),
        }
    }
}

/// Connects to a server that is known to speak HTTP/2.
async fn open(authority: &Authority) -> Result<SendRequest<Full<Bytes>>> {
    let address = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
    let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let connecting = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = timeout(PATIENCE, connecting).await??;
    // How it ends is told to the sender.
    tokio::spawn(connection);
    Ok(sender)
}

/// A message with its prefix.
pub fn framed(message: &[u8]) -> Bytes {
    let mut framed = Vec::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.extend_from_slice(message);
    framed.into()
}
