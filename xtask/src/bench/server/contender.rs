//! The servers that are compared, each with the same model.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::load::{Client, request};
use super::processes::Tree;
use crate::{images, sh, tools, workspace};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is asked whether it is ready.
const OFTEN: Duration = Duration::from_millis(2);
/// How far predictions may be from scikit-learn's, on average, as a share: ONNX Runtime has leaves of 32 bits, and of equally
/// good splits Slipway may take another one.
const TOLERANCE: f64 = 0.01;

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// Slipway, asked in its own words.
    Slipway,
    /// Slipway, asked by the Open Inference Protocol.
    SlipwayV2,
    /// MLServer with its scikit-learn runtime.
    MlServer,
    /// The KServe SDK around scikit-learn.
    KServe,
    /// FastAPI around scikit-learn.
    FastApi,
    /// FastAPI around ONNX Runtime.
    Onnx,
}

/// What is sent to every server, and scikit-learn's own predictions.
#[derive(Debug, Deserialize)]
pub struct Sent {
    /// Names of the features.
    pub features: Vec<String>,
    /// Name of the target.
    pub target: String,
    /// Rows of features.
    pub rows: Vec<Vec<f64>>,
    /// The predictions of each model for the rows.
    pub predictions: std::collections::BTreeMap<String, Vec<f64>>,
}

impl Contender {
    /// All, ours first.
    pub const ALL: [Contender; 6] = [
        Contender::Slipway,
        Contender::SlipwayV2,
        Contender::MlServer,
        Contender::KServe,
        Contender::FastApi,
        Contender::Onnx,
    ];

    /// How it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Contender::Slipway => "Slipway",
            Contender::SlipwayV2 => "Slipway, Open Inference Protocol",
            Contender::MlServer => "MLServer",
            Contender::KServe => "KServe SDK",
            Contender::FastApi => "FastAPI, scikit-learn",
            Contender::Onnx => "FastAPI, ONNX Runtime",
        }
    }

    /// The request for the first `count` rows.
    pub fn request(self, sent: &Sent, count: usize) -> Vec<u8> {
        let rows = &sent.rows[..count];
        match self {
            Contender::Slipway => {
                let row = |row: &Vec<f64>| -> Value {
                    sent.features.iter().cloned().zip(row.iter().map(|value| json!(value))).collect()
                };
                let body: Value = if count == 1 { row(&rows[0]) } else { rows.iter().map(row).collect() };
                request("/predict", &body.to_string())
            }
            Contender::FastApi | Contender::Onnx => request("/predict", &json!({"rows": rows}).to_string()),
            Contender::SlipwayV2 | Contender::MlServer | Contender::KServe => {
                let data: Vec<f64> = rows.iter().flatten().copied().collect();
                let input =
                    json!({"name": "rows", "shape": [count, sent.features.len()], "datatype": "FP64", "data": data});
                request("/v2/models/bench/infer", &json!({"inputs": [input]}).to_string())
            }
        }
    }

    /// The predictions in an answer.
    fn predictions(self, answer: &[u8], count: usize) -> Result<Vec<f64>> {
        let answer: Value = serde_json::from_slice(answer)?;
        let found = match self {
            Contender::Slipway if count == 1 => json!([answer["prediction"]]),
            Contender::Slipway => answer["predictions"]
                .as_array()
                .map(|rows| {
                    rows.iter().map(|row| if row.is_object() { row["prediction"].clone() } else { row.clone() })
                })
                .map_or(Value::Null, Iterator::collect),
            Contender::FastApi | Contender::Onnx => answer["predictions"].clone(),
            Contender::SlipwayV2 | Contender::MlServer | Contender::KServe => answer["outputs"][0]["data"].clone(),
        };
        serde_json::from_value(found).with_context(|| format!("{} answered {answer}", self.name()))
    }

    /// How to start it on a port with the model in a folder.
    fn command(self, model: &Path, port: u16) -> Result<Command> {
        Ok(match self {
            Contender::Slipway | Contender::SlipwayV2 => {
                let mut command = sh::cmd(workspace::target().join("release/slipway-model-server"), ["--listen"]);
                command.arg(format!("127.0.0.1:{port}")).args(["--admin-listen", "127.0.0.1:0", "--log", "error"]);
                command.arg("--model").arg(model.join("slipway"));
                // As its image has it.
                command.envs(images::environment("model-server")?);
                command
            }
            Contender::MlServer => {
                let folder = model.join("mlserver");
                fs::create_dir_all(&folder)?;
                let settings = json!({
                    "host": "127.0.0.1",
                    "http_port": port,
                    "grpc_port": free_port()?,
                    "metrics_port": free_port()?,
                    "debug": false,
                });
                fs::write(folder.join("settings.json"), settings.to_string())?;
                let about = json!({
                    "name": "bench",
                    "implementation": "mlserver_sklearn.SKLearnModel",
                    "parameters": {"uri": model.join("model.joblib")},
                });
                fs::write(folder.join("model-settings.json"), about.to_string())?;
                let python = tools::python(tools::Library::MlServer)?;
                sh::cmd(python.with_file_name("mlserver"), ["start".as_ref(), folder.as_os_str()])
            }
            Contender::KServe => {
                let script = include_str!("serve_kserve.py");
                python("serve_kserve.py", script, tools::Library::KServe, &model.join("model.joblib"), port)?
            }
            Contender::FastApi | Contender::Onnx => {
                let file = if self == Contender::Onnx { "model.onnx" } else { "model.joblib" };
                let script = include_str!("serve_fastapi.py");
                python("serve_fastapi.py", script, tools::Library::FastApi, &model.join(file), port)?
            }
        })
    }
}

/// A Python program of ours that serves a model on a port, written where it can be run.
fn python(name: &str, script: &str, library: tools::Library, model: &Path, port: u16) -> Result<Command> {
    let file = workspace::target().join("bench").join(name);
    fs::write(&file, script)?;
    let mut command = sh::cmd(tools::python(library)?, [file]);
    command.arg(model).arg(port.to_string());
    // Several threads for one small row only cost.
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(name, "1");
    }
    Ok(command)
}

/// A port that nobody listens on.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A server that has answered.
pub struct Running {
    /// Which.
    pub contender: Contender,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to its first right answer.
    pub ready_seconds: f64,
    child: Child,
}

impl Running {
    /// Starts a server, and waits until it predicts what scikit-learn does.
    pub fn start(contender: Contender, folder: &Path, name: &str, sent: &Sent) -> Result<Running> {
        let model = folder.join(name);
        let port = free_port()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let log = model.join(format!("{contender:?}.log"));
        let mut command = contender.command(&model, port)?;
        let output = File::create(&log)?;
        // Whatever a server leaves behind stays with its model.
        command.current_dir(&model).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {}", contender.name()))?;
        let mut running = Running { contender, address, ready_seconds: f64::NAN, child };
        let request = contender.request(sent, 1);
        while running.answers(&request).is_none() {
            let ended = running.child.try_wait()?;
            if ended.is_some() || started.elapsed() > PATIENCE {
                let said = fs::read_to_string(&log).unwrap_or_default();
                bail!("{} did not start:\n{}", contender.name(), sh::tail(&said, 20));
            }
            thread::sleep(OFTEN);
        }
        running.ready_seconds = started.elapsed().as_secs_f64();
        running.compare(sent, &sent.predictions[name])?;
        Ok(running)
    }

    fn answers(&self, request: &[u8]) -> Option<()> {
        let mut client = Client::connect(self.address).ok()?;
        let (status, _) = client.send(request).ok()?;
        (status == 200).then_some(())
    }

    /// Fails unless it predicts what scikit-learn does.
    fn compare(&self, sent: &Sent, expected: &[f64]) -> Result<()> {
        for count in [1, 100] {
            let mut client = Client::connect(self.address)?;
            let (status, answer) = client.send(&self.contender.request(sent, count))?;
            if status != 200 {
                bail!("{} answered {status}: {}", self.contender.name(), String::from_utf8_lossy(answer));
            }
            let found = self.contender.predictions(answer, count)?;
            let off = |(found, expected): (&f64, &f64)| (found - expected).abs() / expected.abs();
            let mean = found.iter().zip(expected).map(off).sum::<f64>() / count as f64;
            if found.len() != count || mean.is_nan() || mean > TOLERANCE {
                bail!("{} predicts something else than scikit-learn", self.contender.name());
            }
        }
        Ok(())
    }

    /// The server with its children.
    pub fn processes(&self) -> Tree {
        Tree::of(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ids: Vec<String> = self.processes().ids().iter().map(ToString::to_string).collect();
        sh::succeeds(sh::cmd("kill", ["-9"]).args(ids));
        let _ = self.child.wait();
    }
}
