//! A client of the API server that knows JSON and nothing else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::kind::Kind;

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where the API server is, and whom it trusts.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Such as `https://127.0.0.1:34567`.
    pub url: String,
    /// What proves that it is the one.
    pub tls: Arc<ClientConfig>,
}

impl Endpoint {
    /// The server at `url`, whose certificate the authority in the file `ca` has signed.
    pub fn new(url: String, ca: &Path) -> Result<Endpoint> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca)? {
            roots.add(certificate?)?;
        }
        Endpoint::trusting(url, roots)
    }

    /// A server that speaks no TLS.
    pub fn plain(url: String) -> Result<Endpoint> {
        Endpoint::trusting(url, RootCertStore::empty())
    }

    fn trusting(url: String, roots: RootCertStore) -> Result<Endpoint> {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Endpoint { url, tls: Arc::new(tls) })
    }
}

/// A connection, in the name of somebody. It lives in the runtime that makes the first call.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    token: String,
}

/// An answer of the API server.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its code.
    pub status: StatusCode,
    /// Its body; `Null` where it is no JSON.
    pub body: Value,
}

impl Answer {
    /// The body of a good answer.
    pub fn ok(self) -> Result<Value> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        bail!("{}: {}", self.status, self.body["message"].as_str().unwrap_or_default())
    }
}

impl Api {
    /// A client that shows `token`.
    pub fn new(endpoint: &Endpoint, token: &str) -> Api {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(endpoint.tls.as_ref().clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Api { http, url: endpoint.url.clone(), token: format!("Bearer {token}") }
    }

    /// Sends a request whose target is relative to the server; the answer's head is awaited, its body is not.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        *request.uri_mut() = format!("{}{}", self.url, request.uri()).parse()?;
        request.headers_mut().insert(AUTHORIZATION, self.token.parse()?);
        Ok(tokio::time::timeout(DEADLINE, self.http.request(request)).await.context("no answer")??)
    }

    /// A request and its whole answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let content_type = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let what = format!("{method} {path}");
        let content = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request =
            Request::builder().method(method).uri(path).header(CONTENT_TYPE, content_type).body(Full::new(content))?;
        let answer = async {
            let response = self.send(request).await?;
            let status = response.status();
            let bytes = tokio::time::timeout(DEADLINE, response.into_body().collect()).await??.to_bytes();
            anyhow::Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
        };
        answer.await.context(what)
    }

    /// Reads whatever is at a path.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path, None).await
    }

    /// Makes an object.
    pub async fn create(&self, kind: &Kind, namespace: &str, object: &Value) -> Result<Value> {
        let path = kind.path(namespace, "");
        self.call(Method::POST, &path, Some(object)).await?.ok().with_context(|| path)
    }

    /// Changes what `change` names (JSON merge patch).
    pub async fn patch(&self, kind: &Kind, namespace: &str, name: &str, change: &Value) -> Result<Value> {
        let path = kind.path(namespace, name);
        self.call(Method::PATCH, &path, Some(change)).await?.ok().with_context(|| path)
    }

    /// Deletes an object and, in the background, what it owns.
    pub async fn delete(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Value> {
        let path = format!("{}?propagationPolicy=Background", kind.path(namespace, name));
        self.call(Method::DELETE, &path, None).await?.ok().with_context(|| path)
    }
}
