//! Connections over TLS. `tls/make.sh` has made the certificates.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use slipway_model_server::config::Limits;
use slipway_model_server::listen::Options;
use slipway_model_server::listen::tls::Tls;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::http::Connection;
use crate::process::Server as Process;
use crate::sockets::Server;
use crate::support::twice;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/tls").join(name)
}

/// A server with a copy of the first certificate.
fn served(limits: Limits) -> (Server, Arc<Tls>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let [certificate, key] = ["one.pem", "one.key"].map(|name| {
        std::fs::copy(file(name), dir.path().join(name)).unwrap();
        dir.path().join(name)
    });
    let tls = Arc::new(Tls::read(certificate, key).unwrap());
    let options = Options { tls: Some(tls.clone()), ..Options::new(&limits) };
    (Server::with(twice().app_within(limits), options), tls, dir)
}

/// Connects to who shows the certificate of `name`, offering `protocols`.
async fn connect(server: &Server, name: &str, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(name)).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(server.address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// Predicts over HTTP/1 or, where the server has agreed to it, HTTP/2.
async fn predict(stream: TlsStream<TcpStream>) -> Value {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let request = Request::post("https://localhost/predict").header("host", "localhost");
    let request = request.header("content-type", "application/json").body(r#"{"x": 21}"#.to_owned()).unwrap();
    let reply = if is_http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    serde_json::from_slice(&reply.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let (server, _, _dir) = served(Limits::default());
    for (protocols, agreed) in [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)] {
        let stream = connect(&server, "one.pem", protocols).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed.map(str::as_bytes));
        assert_eq!(predict(stream).await["prediction"], 42.0, "{protocols:?}");
    }
    assert!(connect(&server, "two.pem", &[]).await.is_err(), "an impostor is found out");
}

#[tokio::test]
async fn a_new_certificate_is_shown_once_it_and_its_key_are_there() {
    let (server, tls, dir) = served(Limits::default());
    let old = connect(&server, "one.pem", &[]).await.unwrap();
    assert!(!tls.reload().unwrap());
    std::fs::copy(file("two.pem"), dir.path().join("one.pem")).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("one.pem with") && error.contains("one.key"), "{error}");
    assert!(connect(&server, "one.pem", &[]).await.is_ok(), "half of the change changes nothing");
    std::fs::copy(file("two.key"), dir.path().join("one.key")).unwrap();
    assert!(tls.reload().unwrap());
    assert_eq!(predict(connect(&server, "two.pem", &["h2"]).await.unwrap()).await["prediction"], 42.0);
    assert_eq!(predict(old).await["prediction"], 42.0, "open connections go on");
}

#[test]
fn who_does_not_speak_tls_gets_no_answer_and_no_time() {
    let (server, _, _dir) = served(Limits { header_timeout: 1, max_connections: 2, ..Limits::default() });
    let mut plain = Connection::open(server.address).unwrap();
    assert!(plain.get("/v2").is_err());
    server.await_connections(0);
    let held = [(); 2].map(|()| Connection::open(server.address).unwrap());
    server.await_connections(2);
    assert!(Connection::open(server.address).unwrap().is_closed(), "more than allowed");
    server.await_connections(0);
    drop(held);
}

#[test]
fn the_probe_believes_the_certificate_that_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let [certificate, key] = ["one.pem", "one.key"].map(|name| file(name).display().to_string());
    let tls = ["--tls-cert", &certificate, "--tls-key", &key];
    let server = Process::start(dir.path(), &[&tls[..], &["--listen", "0.0.0.0:0", "--drain-seconds", "0"]].concat());
    let port = server.address.port();
    let probe = |url: &str, arguments: &[&str], variables: &[(&str, &str)]| {
        let mut probe = Command::new(env!("CARGO_BIN_EXE_slipway-model-server"));
        probe.env_clear().args(["probe", "--predict", "--timeout-seconds", "1", "--url", url]).args(arguments);
        let output = probe.envs(variables.iter().copied()).output().unwrap();
        let told = [output.stdout, output.stderr].map(|told| String::from_utf8(told).unwrap());
        (output.status.code().unwrap(), told.concat())
    };
    let url = format!("https://localhost:{port}/");
    let (code, told) = probe(&url, &["--tls-cert", &certificate], &[]);
    assert!(code == 0 && told.contains("\"prediction\""), "{told}");
    // As in the server's own pod: by a name that the certificate does not have, with the variable that the server has.
    let (code, told) = probe(&format!("https://127.0.0.2:{port}"), &[], &[("SLIPWAY_TLS_CERT", &certificate)]);
    assert!(code == 0 && told.contains("\"prediction\""), "{told}");
    let other = file("two.pem").display().to_string();
    for (arguments, expected, reason) in [
        (&["--tls-cert", &other][..], 69, "invalid peer certificate"),
        (&[], 64, "write the server's certificate with --tls-cert"),
        (&["--tls-cert", "nothing.pem"], 66, "nothing.pem: No such file"),
        (&["--tls-cert", &key], 65, "expected certificates in PEM"),
    ] {
        let (code, told) = probe(&url, arguments, &[]);
        assert!(code == expected && told.contains(reason), "{arguments:?}: {code} {told}");
    }
    server.signal("-TERM");
    assert_eq!(server.end(), 0);
}

#[test]
fn files_that_are_no_certificate_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    for (certificate, key, error) in [
        (empty.clone(), file("one.key"), "empty: expected certificates in PEM"),
        (file("one.pem"), empty.clone(), "empty: expected a private key in PEM"),
        (file("one.pem"), file("two.key"), "one.pem with "),
        (dir.path().join("nothing"), file("one.key"), "nothing: No such file"),
    ] {
        let message = Tls::read(certificate, key).unwrap_err().to_string();
        assert!(message.contains(error), "{message}");
    }
}
