//! TLS: a certificate and its key from files, read again when they change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use slipway_model::Digest;
use slipway_spec::contract::Exit;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// What the server speaks, the best first (RFC 7301).
pub const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
/// HTTP/2, as clients ask for it.
pub const HTTP2: &[u8] = b"h2";
/// Largest file, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: expected {expected} in PEM: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// Why.
        source: pem::Error,
    },
    /// A file holds certificates that nobody can be believed by.
    #[error("{}: {source}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The two do not go together, or are of a kind that nobody uses.
    #[error("{} with {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// Its key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

impl TlsError {
    /// How a program ends on this error.
    pub fn exit(&self) -> Exit {
        match self {
            TlsError::File { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Data,
        }
    }
}

/// A certificate, its key, and where they came from.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    /// Of the bytes of both files.
    digests: [Digest; 2],
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads a certificate, those of its authorities behind it, and its key.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Tls, TlsError> {
        let files = [bytes(&certificate)?, bytes(&key)?];
        let current = RwLock::new(current(&certificate, &key, &files)?);
        Ok(Tls { certificate, key, current })
    }

    /// Reads the files again. Returns whether they have changed; where they are no good, all stays as it was.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let files = [bytes(&self.certificate)?, bytes(&self.key)?];
        if self.current().digests == digests(&files) {
            return Ok(false);
        }
        let read = current(&self.certificate, &self.key, &files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(true)
    }

    /// What greets the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.current().config.into()
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The certificates in a file; there is at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    parse(path, &bytes(path)?)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::Pem { path: path.to_owned(), expected: "certificates", source };
    let all = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    if all.is_empty() { Err(wrong(pem::Error::NoItemsFound)) } else { Ok(all) }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let wrong = |source| TlsError::File { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(wrong)?.len() > MAX_BYTES {
        return Err(wrong(io::Error::other("larger than 1 MiB")));
    }
    std::fs::read(path).map_err(wrong)
}

fn digests(files: &[Vec<u8>; 2]) -> [Digest; 2] {
    [Digest::of(&files[0]), Digest::of(&files[1])]
}

fn current(certificate: &Path, key: &Path, files: &[Vec<u8>; 2]) -> Result<Current, TlsError> {
    let chain = parse(certificate, &files[0])?;
    let no_key = |source| TlsError::Pem { path: key.to_owned(), expected: "a private key", source };
    let secret = PrivateKeyDer::from_pem_slice(&files[1]).map_err(no_key)?;
    let pair = |source| TlsError::Pair { certificate: certificate.to_owned(), key: key.to_owned(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(pair)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Current { digests: digests(files), config: Arc::new(config) })
}
