//! A client of an S3 server, and S3 servers of a test's own, to stop and start.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_smithy_http_client::tls;

use crate::environment::{Environment, S3Access};

/// A client of an S3 server.
pub fn client(access: &S3Access) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(&access.access_key, &access.secret_key, None, None, "test"))
        .endpoint_url(&access.endpoint)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

/// An S3 server of a test's own, reachable from pods.
pub struct Server {
    access: S3Access,
    program: PathBuf,
    folder: tempfile::TempDir,
    address: SocketAddr,
    process: Option<Child>,
}

impl Server {
    /// Starts a server on a free port.
    pub fn start(environment: &Environment) -> Result<Server> {
        let ip: IpAddr = environment.host_ip.parse()?;
        let address = TcpListener::bind((ip, 0))?.local_addr()?;
        let access = S3Access {
            endpoint: format!("http://{address}"),
            access_key: "testaccess".to_owned(),
            secret_key: "testsecret".to_owned(),
        };
        let program = environment.tools.versitygw.clone();
        let mut server = Server { access, program, folder: tempfile::tempdir()?, address, process: None };
        server.resume()?;
        Ok(server)
    }

    /// How to reach it.
    pub fn access(&self) -> &S3Access {
        &self.access
    }

    /// Kills the server; its data stays.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts the server again, on the same address.
    pub fn resume(&mut self) -> Result<()> {
        let (data, versions) = (self.folder.path().join("data"), self.folder.path().join("versions"));
        std::fs::create_dir_all(&data)?;
        std::fs::create_dir_all(&versions)?;
        let process = Command::new(&self.program)
            .env("ROOT_ACCESS_KEY", &self.access.access_key)
            .env("ROOT_SECRET_KEY", &self.access.secret_key)
            .args(["--port", &self.address.to_string(), "posix", "--versioning-dir"])
            .arg(&versions)
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| self.program.display().to_string())?;
        self.process = Some(process);
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.address).is_err() {
            if Instant::now() > deadline {
                bail!("the S3 server does not answer on {}", self.address);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
