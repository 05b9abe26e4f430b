//! `slipway-model-server probe`: asks a server one question, as `helm test` does, and prints the answer.

mod trust;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use slipway_spec::contract::Exit;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::config::Stop;
use crate::listen::Stream;
use crate::listen::tls::TlsError;

/// Largest answer that is read, bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Pause before a server that is not there yet is asked again.
const PAUSE: Duration = Duration::from_millis(250);
/// Where an API description has the example of a prediction.
const EXAMPLE: &str = "/paths/~1predict/post/requestBody/content/application~1json/example";

/// Asks a server one question and prints the answer.
#[derive(Clone, Debug, Parser)]
#[command(name = "slipway-model-server probe", bin_name = "slipway-model-server probe")]
struct Arguments {
    /// Address to read; with --predict, the address of a model server, such as <http://time-to-dispatch.default>
    #[arg(long, value_parser = any_address)]
    url: Uri,

    /// For an address that begins with https://: file of the server's certificate, or of its authorities, in PEM
    #[arg(long, env = "SLIPWAY_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// Predict: the example of the model's own API description, or --body
    #[arg(long)]
    predict: bool,

    /// JSON to predict, such as `{"orders_placed": 10}`
    #[arg(long, value_name = "JSON", requires = "predict")]
    body: Option<String>,

    /// Seconds in which the answer must come; a server that is not there yet is asked again
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout_seconds: u64,
}

/// An address that can be asked without TLS.
pub(crate) fn address(text: &str) -> Result<Uri, String> {
    any_address(text)
        .ok()
        .filter(|uri| !is_encrypted(uri))
        .ok_or_else(|| "write an address that begins with http://".to_owned())
}

/// An address that can be asked.
fn any_address(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => Ok(uri),
        _ => Err("write an address that begins with http:// or https://".to_owned()),
    }
}

fn is_encrypted(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

#[derive(Debug, Error)]
enum ProbeError {
    #[error("{url}: no answer: {why}")]
    NoAnswer { url: Uri, why: String },
    #[error("{url} answered {status}: {answer}")]
    Refused { url: Uri, status: StatusCode, answer: String },
    #[error(transparent)]
    Certificate(#[from] TlsError),
    #[error("{url}: write the server's certificate with --tls-cert")]
    NoCertificate { url: Uri },
    #[error("{url} describes no example of a prediction: write one with --body")]
    NoExample { url: Uri },
}

impl ProbeError {
    /// Whether the server may only be starting.
    fn may_pass(&self) -> bool {
        match self {
            ProbeError::NoAnswer { .. } => true,
            ProbeError::Refused { status, .. } => *status == StatusCode::SERVICE_UNAVAILABLE,
            ProbeError::Certificate(_) | ProbeError::NoCertificate { .. } | ProbeError::NoExample { .. } => false,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            ProbeError::NoCertificate { .. } => Exit::Usage,
            ProbeError::Certificate(error) => error.exit(),
            _ if self.may_pass() => Exit::Unavailable,
            _ => Exit::Data,
        }
    }
}

/// Runs the probe; `arguments` are those after the word `probe`.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let name = OsString::from("probe");
    let arguments = match Arguments::try_parse_from([name].into_iter().chain(arguments)) {
        Ok(arguments) => arguments,
        Err(stop) => return Stop(stop).report(),
    };
    let answer = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ProbeError::NoAnswer { url: arguments.url.clone(), why: error.to_string() })
        .and_then(|runtime| runtime.block_on(ask_until(&arguments)));
    match answer {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("slipway-model-server probe: {error}");
            error.exit().code().into()
        }
    }
}

/// Asks until there is an answer, an error that will not pass, or no time left.
async fn ask_until(arguments: &Arguments) -> Result<String, ProbeError> {
    let deadline = Instant::now() + Duration::from_secs(arguments.timeout_seconds);
    let tls = match &arguments.tls_cert {
        _ if !is_encrypted(&arguments.url) => None,
        Some(file) => Some(trust::connector(file)?),
        None => return Err(ProbeError::NoCertificate { url: arguments.url.clone() }),
    };
    let mut last = ProbeError::NoAnswer { url: arguments.url.clone(), why: "not in time".to_owned() };
    loop {
        match timeout_at(deadline, ask(arguments, tls.as_ref())).await {
            Ok(Err(error)) if error.may_pass() => last = error,
            Ok(settled) => return settled,
            Err(_) => return Err(last),
        }
        if timeout_at(deadline, sleep(PAUSE)).await.is_err() {
            return Err(last);
        }
    }
}

async fn ask(arguments: &Arguments, tls: Option<&TlsConnector>) -> Result<String, ProbeError> {
    if !arguments.predict {
        return send(&arguments.url, None, tls).await;
    }
    let body = match &arguments.body {
        Some(body) => body.clone(),
        None => example(&at(&arguments.url, "openapi.json")?, tls).await?,
    };
    send(&at(&arguments.url, "predict")?, Some(body), tls).await
}

/// The example of a prediction in the API description at `url`.
async fn example(url: &Uri, tls: Option<&TlsConnector>) -> Result<String, ProbeError> {
    let description: Value =
        serde_json::from_str(&send(url, None, tls).await?).map_err(|_| ProbeError::NoExample { url: url.clone() })?;
    match description.pointer(EXAMPLE) {
        Some(example) => Ok(example.to_string()),
        None => Err(ProbeError::NoExample { url: url.clone() }),
    }
}

/// The address of `path` below `base`.
fn at(base: &Uri, path: &str) -> Result<Uri, ProbeError> {
    let url = format!("{}/{path}", base.to_string().trim_end_matches('/'));
    url.parse().map_err(|error| ProbeError::NoAnswer { url: base.clone(), why: format!("{error}") })
}

/// Sends one request, a POST where there is a body, and reads the answer.
async fn send(url: &Uri, body: Option<String>, tls: Option<&TlsConnector>) -> Result<String, ProbeError> {
    let (status, answer) = exchange(url, body, tls)
        .await
        .map_err(|why| ProbeError::NoAnswer { url: url.clone(), why: why.to_string() })?;
    let answer = String::from_utf8_lossy(&answer).trim().to_owned();
    if status.is_success() { Ok(answer) } else { Err(ProbeError::Refused { url: url.clone(), status, answer }) }
}

/// Sends one request, a POST of JSON where there is a body, and reads the answer; over TLS, if that is given.
pub(crate) async fn exchange(
    url: &Uri,
    body: Option<String>,
    tls: Option<&TlsConnector>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_u16().unwrap_or(if is_encrypted(url) { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    let stream = match tls {
        None => Stream::Plain(stream),
        Some(tls) => Stream::Tls(Box::new(tls.connect(ServerName::try_from(host)?, stream).await?.into())),
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // How it ends is told to the sender.
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(if body.is_some() { Method::POST } else { Method::GET })
        .uri(url.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, url.authority().map_or("", |authority| authority.as_str()))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.unwrap_or_default())))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let answer = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { format!("longer than {MAX_ANSWER_BYTES} bytes").into() } else { error }
    })?;
    connection.abort();
    Ok((status, answer.to_bytes()))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::{get, post};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    fn arguments(words: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["probe"], words].concat())
    }

    /// A server of these routes; its address.
    async fn served(router: Router) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        format!("http://{address}")
    }

    async fn probe(words: &[&str]) -> Result<String, ProbeError> {
        ask_until(&arguments(words).unwrap()).await
    }

    #[tokio::test]
    async fn predicts_the_example_of_the_api_description() {
        let operation = json!({"requestBody": {"content": {"application/json": {"example": {"x": 1}}}}});
        let description = json!({"paths": {"/predict": {"post": operation}}}).to_string();
        let router = Router::new()
            .route("/openapi.json", get(move || async move { description }))
            .route("/predict", post(|body: String| async move { format!("predicted {body}\n") }));
        let url = served(router).await;
        assert_eq!(probe(&["--predict", "--url", &url]).await.unwrap(), r#"predicted {"x":1}"#);
        let own = probe(&["--predict", "--url", &format!("{url}/"), "--body", "{}"]).await.unwrap();
        assert_eq!(own, "predicted {}");
    }

    #[tokio::test]
    async fn an_answer_that_is_no_success_is_told() {
        let url = served(Router::new().route("/readyz", get(|| async { "ok" }))).await;
        assert_eq!(probe(&["--url", &format!("{url}/readyz")]).await.unwrap(), "ok");
        let error = probe(&["--url", &format!("{url}/nothing")]).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{url}/nothing answered 404 Not Found: "));
        assert_eq!(error.exit(), Exit::Data);
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = probe(&["--timeout-seconds", "1", "--url", &format!("http://{unused}")]).await.unwrap_err();
        assert!(error.to_string().contains("no answer"), "{error}");
        assert_eq!(error.exit(), Exit::Unavailable);
    }

    #[test]
    fn only_http_addresses_are_taken() {
        for url in ["time-to-dispatch", "ftp://example.com", "/predict"] {
            assert!(arguments(&["--url", url]).is_err(), "{url}");
        }
        assert!(address("https://example.com").is_err() && address("http://example.com").is_ok());
    }
}
