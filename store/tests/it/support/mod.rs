//! What the tests of this crate stand on: a place for objects, be it a folder or a real S3 server, and models to put there.

pub mod gateway;
pub mod models;
pub mod proxy;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gateway::Gateway;
use slipway_spec::Summary;
use tempfile::TempDir;

/// A bucket, or a folder that stands for one.
pub enum Place {
    /// `file://`.
    Files(TempDir),
    /// `s3://bucket/`.
    S3(Gateway),
}

impl Place {
    /// Runs `test` on a folder, and on a real S3 server where there is one.
    pub fn each(test: impl Fn(&Place)) {
        test(&Place::Files(tempfile::tempdir().unwrap()));
        if let Some(gateway) = Gateway::start() {
            test(&Place::S3(gateway));
        }
    }

    pub fn uri(&self, key: &str) -> String {
        match self {
            Place::Files(dir) => format!("file://{}/{key}", dir.path().display()),
            Place::S3(_) => format!("s3://{}/{key}", gateway::BUCKET),
        }
    }

    pub fn is_s3(&self) -> bool {
        matches!(self, Place::S3(_))
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        match self {
            Place::Files(dir) => {
                let path = dir.path().join(key);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            Place::S3(gateway) => gateway.put(key, bytes),
        }
    }

    pub fn get(&self, key: &str) -> Vec<u8> {
        match self {
            Place::Files(dir) => fs::read(dir.path().join(key)).unwrap(),
            Place::S3(gateway) => gateway.get(key),
        }
    }

    pub fn delete(&self, key: &str) {
        match self {
            Place::Files(dir) => fs::remove_file(dir.path().join(key)).unwrap(),
            Place::S3(gateway) => gateway.delete(key),
        }
    }

    /// Keys below a folder, sorted.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        match self {
            Place::Files(dir) => {
                let mut names: Vec<_> = fs::read_dir(dir.path().join(prefix))
                    .unwrap()
                    .map(|entry| format!("{prefix}{}", entry.unwrap().file_name().into_string().unwrap()))
                    .collect();
                names.sort();
                names
            }
            Place::S3(gateway) => gateway.keys(prefix),
        }
    }

    /// `slipway-store` with the place's settings and little patience.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = slipway_store(args);
        if let Place::S3(gateway) = self {
            command.envs(gateway.variables());
        }
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }
}

/// `slipway-store` without any setting, and with little patience.
pub fn slipway_store(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway-store"));
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").args(["--give-up-after", "3"]).args(args);
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The line that says why.
    pub fn last_line(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }

    #[track_caller]
    pub fn expect(self, code: i32, last_line: &str) -> Ended {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.last_line().contains(last_line), "expected {last_line:?}: {self:?}");
        self
    }
}

/// One attempt of a run: a pod with its working volume.
pub struct Attempt<'a> {
    pub place: &'a Place,
    pub volume: TempDir,
    pub run: String,
}

impl<'a> Attempt<'a> {
    pub fn new(place: &'a Place, run: &serde_json::Value) -> Attempt<'a> {
        Attempt { place, volume: tempfile::tempdir().unwrap(), run: run.to_string() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.volume.path().join(name)
    }

    pub fn command(&self, step: &str) -> Command {
        let mut command = self.place.command(&[step, "--root", self.volume.path().to_str().unwrap()]);
        command.env("SLIPWAY_RUN", &self.run);
        if step != "fetch" {
            command.arg("--termination-log").arg(self.log());
        }
        command
    }

    pub fn step(&self, step: &str) -> Ended {
        Ended::of(self.command(step).output().unwrap())
    }

    fn log(&self) -> PathBuf {
        self.path("termination-log")
    }

    /// What the kubelet would pass on.
    pub fn summary(&self) -> Summary {
        let text = fs::read(self.log()).unwrap();
        assert!(text.len() <= 1200, "{}", text.len());
        serde_json::from_slice(&text).unwrap()
    }

    pub fn input(&self) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.path("input")).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
    }

    pub fn committed(&self) -> bool {
        let run: serde_json::Value = serde_json::from_slice(&fs::read(self.path("run.json")).unwrap()).unwrap();
        run["committed"] == true
    }
}

/// A run of `place`; `extra` goes into its spec.
pub fn run(place: &Place, uid: &str, extra: &serde_json::Value) -> serde_json::Value {
    let mut spec = serde_json::json!({
        "modelName": "line",
        "data": {"uri": place.uri("data/")},
        "target": "y",
        "train": {"builtin": {"estimator": "LinearRegression"}},
        "output": {"uri": place.uri("models/")},
    });
    spec.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
    serde_json::json!({"name": "line-1", "namespace": "ml", "uid": uid, "spec": spec})
}

pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
