//! A real S3 server: versitygw on a folder.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use slipway_store::Variables;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub const BUCKET: &str = "slipway";
const KEY_ID: &str = "tester";
const SECRET: &str = "tester-secret";

pub struct Gateway {
    program: PathBuf,
    folder: TempDir,
    pub port: u16,
    child: Child,
    runtime: Runtime,
    client: Client,
}

impl Gateway {
    /// A server with one empty bucket. `None`, said on stderr, where the program is not installed; `SLIPWAY_VERSITYGW` makes
    /// sure that nothing is left out.
    pub fn start() -> Option<Gateway> {
        let program = match std::env::var_os("SLIPWAY_VERSITYGW") {
            Some(program) => PathBuf::from(program),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/versitygw"),
        };
        if !program.is_file() {
            assert!(std::env::var_os("SLIPWAY_VERSITYGW").is_none(), "{} is missing", program.display());
            eprintln!("left out: there is no versitygw, the S3 server; name one in SLIPWAY_VERSITYGW");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["data", "versions"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = spawn(&program, folder.path(), port);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(KEY_ID, SECRET, None, None, "test"))
            .endpoint_url(format!("http://127.0.0.1:{port}"))
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let client = Client::from_conf(config);
        runtime.block_on(client.create_bucket().bucket(BUCKET).send()).unwrap();
        Some(Gateway { program, folder, port, child, runtime, client })
    }

    /// The settings that reach this server through `port`.
    pub fn variables_by(port: u16) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
            ("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    pub fn variables(&self) -> Vec<(String, String)> {
        Self::variables_by(self.port)
    }

    pub fn store_variables(port: u16) -> Variables {
        Self::variables_by(port).into_iter().collect()
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        let put = self.client.put_object().bucket(BUCKET).key(key).body(bytes.to_vec().into());
        self.runtime.block_on(put.send()).unwrap();
    }

    pub fn get(&self, key: &str) -> Vec<u8> {
        let get = async {
            let got = self.client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
            got.body.collect().await.unwrap().to_vec()
        };
        self.runtime.block_on(get)
    }

    pub fn content_type(&self, key: &str) -> String {
        let head = self.client.head_object().bucket(BUCKET).key(key).send();
        self.runtime.block_on(head).unwrap().content_type.unwrap_or_default()
    }

    pub fn delete(&self, key: &str) {
        self.runtime.block_on(self.client.delete_object().bucket(BUCKET).key(key).send()).unwrap();
    }

    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let list = self.client.list_objects_v2().bucket(BUCKET).prefix(prefix).send();
        let page = self.runtime.block_on(list).unwrap();
        page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect()
    }

    pub fn keep_versions(&self) {
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let put = self.client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(on);
        self.runtime.block_on(put.send()).unwrap();
    }

    /// Ends the server at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, with its data and its port.
    pub fn restart(&mut self) {
        self.child = spawn(&self.program, self.folder.path(), self.port);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, folder: &Path, port: u16) -> Child {
    let child = Command::new(program)
        .env("ROOT_ACCESS_KEY", KEY_ID)
        .env("ROOT_SECRET_KEY", SECRET)
        .args(["--quiet", "--port", &format!("127.0.0.1:{port}"), "posix", "--versioning-dir"])
        .args([folder.join("versions"), folder.join("data")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "the S3 server does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}
