//! S3 and what speaks like it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Config, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedCredentialsProvider,
    SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls;
use bytes::Bytes;
use slipway_spec::contract;
use tokio::time::timeout;

use crate::error::StoreError;
use crate::location::Location;
use crate::policy::Policy;
use crate::store::{self, Content, MAX_LISTED, Object, Put, Reading};

const DEFAULT_REGION: &str = "us-east-1";
/// Slowest upload that is waited for, bytes a second.
const SLOWEST_UPLOAD: u64 = 128 << 10;
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const KEYS: &str = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
const SESSION: &str = "AWS_SESSION_TOKEN, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
const REGION: &str = "AWS_REGION and AWS_ENDPOINT_URL";

/// A client for one endpoint.
#[derive(Debug)]
pub(crate) struct S3 {
    client: Client,
    policy: Policy,
    /// For messages.
    endpoint: String,
}

#[derive(Debug)]
pub(crate) struct Body {
    location: Location,
    stream: ByteStream,
    stall: Duration,
    endpoint: String,
}

impl Body {
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let broke_off = |reason: String| StoreError::Unreachable {
            location: self.location.clone(),
            reason: format!("{}: {reason}", self.endpoint),
        };
        match timeout(self.stall, self.stream.try_next()).await {
            Ok(piece) => piece.map_err(|error| broke_off(innermost(&error))),
            Err(_) => Err(broke_off(format!("no byte came for {} s", self.stall.as_secs_f32()))),
        }
    }
}

/// The `AWS_…` variables that say where storage is and who asks.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Those of this process.
    pub fn of_process() -> Variables {
        contract::env::STORAGE.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect()
    }

    /// A variable that is set to something.
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Variables {
        Variables(variables.into_iter().collect())
    }
}

impl fmt::Debug for Variables {
    /// Names only: values are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl S3 {
    /// A client by `variables`; `location` is for messages.
    pub async fn connect(policy: Policy, variables: &Variables, location: &Location) -> Result<S3, StoreError> {
        let variable = |name| variables.get(name);
        let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
        let region =
            variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or(DEFAULT_REGION.to_owned());
        let http_client = http_client(endpoint.as_deref());
        let timeouts = TimeoutConfig::builder().connect_timeout(policy.connect).read_timeout(policy.answer).build();
        let credentials = credentials(policy, variables, &region, http_client.clone(), location).await?;
        let stalls = StalledStreamProtectionConfig::enabled()
            .download_enabled(false)
            .upload_enabled(true)
            .grace_period(policy.stall)
            .build();
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.clone()))
            .credentials_provider(credentials)
            .http_client(http_client)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(stalls)
            // Not every server knows the newer checksums; ours are sent and verified where they are needed.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &endpoint {
            config = config.endpoint_url(endpoint).force_path_style(true);
        }
        let endpoint = endpoint.unwrap_or_else(|| format!("S3 in {region}"));
        Ok(S3 { client: Client::from_conf(config.build()), policy, endpoint })
    }

    pub async fn head(&self, location: &Location, bucket: &str, key: &str) -> Result<Object, StoreError> {
        let head = match self.client.head_object().bucket(bucket).key(key).send().await {
            Ok(head) => head,
            Err(error) => return Err(self.which_is_missing(self.classify(location, &error), bucket).await),
        };
        Ok(Object {
            location: location.clone(),
            size: head.content_length.and_then(|size| size.try_into().ok()).unwrap_or_default(),
            etag: head.e_tag,
            // "null" is what a bucket that once kept versions calls its only one.
            version_id: head.version_id.filter(|id| id != "null"),
        })
    }

    /// An answer without a body cannot say whether it is the object or the bucket that is missing.
    async fn which_is_missing(&self, error: StoreError, bucket: &str) -> StoreError {
        let StoreError::NotFound(location) = error else { return error };
        let answer = self.client.head_bucket().bucket(bucket).send().await;
        let status = answer.err().and_then(|error| error.raw_response().map(|raw| raw.status().as_u16()));
        if status == Some(404) { StoreError::NoBucket(location) } else { StoreError::NotFound(location) }
    }

    pub async fn read(&self, object: &Object, bucket: &str, key: &str, offset: u64) -> Result<Reading, StoreError> {
        let location = &object.location;
        let request = self
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .set_range((offset > 0).then(|| format!("bytes={offset}-")))
            .set_version_id(object.version_id.clone())
            .set_if_match(object.etag.clone());
        let got = request.send().await.map_err(|error| self.classify(location, &error))?;
        let rest = got.content_length.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
        if offset > 0 && !got.content_range.as_ref().is_some_and(|r| r.starts_with(&format!("bytes {offset}-"))) {
            let reason = "another part of the object than was asked for".to_owned();
            return Err(StoreError::Rejected { location: location.clone(), reason });
        }
        let (stall, endpoint) = (self.policy.stall, self.endpoint.clone());
        let body = Body { location: location.clone(), stream: got.body, stall, endpoint };
        Ok(Reading { size: offset + rest, etag: got.e_tag, body: store::Body::S3(Box::new(body)) })
    }

    pub async fn put(
        &self,
        location: &Location,
        bucket: &str,
        key: &str,
        content: Content<'_>,
    ) -> Result<Put, StoreError> {
        let body = match content {
            Content::Bytes(bytes) => ByteStream::from(bytes.to_vec()),
            Content::File { path, .. } => ByteStream::from_path(path)
                .await
                .map_err(|error| StoreError::Io { path: path.to_owned(), source: std::io::Error::other(error) })?,
        };
        let time = self.policy.answer + Duration::from_secs(content.size() / SLOWEST_UPLOAD);
        let timeouts = TimeoutConfig::builder().connect_timeout(self.policy.connect).read_timeout(time).build();
        let put = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .if_none_match("*")
            .checksum_sha256(base64(content.digest()))
            .set_content_type(content_type(key).map(str::to_owned))
            .body(body)
            .customize()
            .config_override(Config::builder().timeout_config(timeouts))
            .send()
            .await;
        match put {
            Ok(_) => Ok(Put::Created),
            Err(error) if error.raw_response().is_some_and(|raw| raw.status().as_u16() == 412) => Ok(Put::Exists),
            Err(error) => Err(self.classify(location, &error)),
        }
    }

    pub async fn list(&self, folder: &Location, bucket: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        let mut token = None;
        loop {
            let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/");
            let page = request.set_continuation_token(token).send().await;
            let page = page.map_err(|error| self.classify(folder, &error))?;
            let keys = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
            names.extend(keys.filter_map(|key| Some(key.strip_prefix(prefix)?.to_owned())).filter(|n| !n.is_empty()));
            if names.len() > MAX_LISTED {
                return Err(store::too_many(folder));
            }
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(names);
            }
        }
    }

    fn classify<E>(&self, location: &Location, error: &SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let location = location.clone();
        let Some(raw) = error.raw_response() else {
            let reason = format!("{}: {}", self.endpoint, innermost(error));
            return StoreError::Unreachable { location, reason };
        };
        let status = raw.status().as_u16();
        let code = error.code().unwrap_or_default();
        let said = [&status.to_string(), code, error.message().unwrap_or_default()];
        let reason = said.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        match (status, code) {
            (404, "NoSuchBucket") => StoreError::NoBucket(location),
            (404, "NoSuchVersion") => {
                StoreError::Changed { location, reason: "the version that was read first is gone".to_owned() }
            }
            // An answer to HEAD has no code.
            (404, "NoSuchKey" | "NotFound" | "") => StoreError::NotFound(location),
            (412 | 416, _) => StoreError::Changed { location, reason: "it was changed".to_owned() },
            (400 | 403, "ExpiredToken" | "InvalidToken") => StoreError::Denied { location, reason, keys: SESSION },
            (301 | 307, _) | (400, "AuthorizationHeaderMalformed") => {
                StoreError::Denied { location, reason, keys: REGION }
            }
            // versitygw does not know the user.
            (401 | 403, _) | (404, "XAdminUserNotFound") => StoreError::Denied { location, reason, keys: KEYS },
            (409 | 429 | 500 | 502.., _) | (400, "RequestTimeout") => {
                StoreError::Unreachable { location, reason: format!("{}: {reason}", self.endpoint) }
            }
            _ => StoreError::Rejected { location, reason },
        }
    }
}

/// TLS by rustls with the system's certificates, which a plain endpoint does without.
fn http_client(endpoint: Option<&str>) -> SharedHttpClient {
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    if plain {
        return aws_smithy_http_client::Builder::new().build_http();
    }
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    aws_smithy_http_client::Builder::new().tls_provider(provider).build_https()
}

/// Keys from the environment, otherwise the pod's own identity.
async fn credentials(
    policy: Policy,
    variables: &Variables,
    region: &str,
    http_client: SharedHttpClient,
    location: &Location,
) -> Result<SharedCredentialsProvider, StoreError> {
    let missing = |reason: String| StoreError::NoCredentials { location: location.clone(), reason };
    match (variables.get(ACCESS_KEY_ID), variables.get(SECRET_ACCESS_KEY)) {
        (Some(id), Some(secret)) => {
            let keys = Credentials::new(id, secret, variables.get("AWS_SESSION_TOKEN"), None, "environment");
            return Ok(SharedCredentialsProvider::new(keys));
        }
        (Some(_), None) => return Err(missing(format!("{SECRET_ACCESS_KEY} is missing"))),
        (None, Some(_)) => return Err(missing(format!("{ACCESS_KEY_ID} is missing"))),
        (None, None) => {}
    }
    let chain = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .http_client(http_client)
        .load();
    let chain = timeout(policy.answer, chain).await.map_err(|_| missing("the identity took too long".to_owned()))?;
    let provider = chain.credentials_provider().ok_or_else(|| missing("no identity was found".to_owned()))?;
    match timeout(policy.answer, provider.provide_credentials()).await {
        Ok(Ok(_)) => Ok(provider),
        Ok(Err(error)) => Err(missing(innermost(&error))),
        Err(_) => Err(missing("the identity took too long".to_owned())),
    }
}

/// What a browser is told that an object is; of others the store says that they are bytes.
fn content_type(key: &str) -> Option<&'static str> {
    match key.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "json" => Some("application/json"),
        _ => None,
    }
}

fn base64(digest: slipway_model::Digest) -> String {
    aws_smithy_types::base64::encode(digest.bytes())
}

/// The cause behind an error, which is what helps a person.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
