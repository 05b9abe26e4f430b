//! The story without Kubernetes: train, gate, refuse, serve, predict.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::caller;
use super::objects::{KNOWN_PREDICTION, ROW, Run};
use super::stage::row;
use super::timeline::{Timeline, note};
use crate::images::{self, Profile};
use crate::{sh, workspace};

/// How a program ends when a gate refuses the model.
const REFUSED: i32 = 67;

/// Plays the story.
pub fn play(timeline: &mut Timeline) -> Result<()> {
    timeline.chapter("Setting up");
    images::compile(&["trainer", "model-server"], Profile::Release)?;
    timeline.tell("trainer and model server are built");
    let folder = workspace::target().join("demo/laptop");
    std::fs::create_dir_all(&folder)?;
    let data = folder.join("time_to_dispatch.csv");
    std::fs::write(&data, super::time_to_dispatch()?)?;

    timeline.chapter("A gate refuses a bad model");
    let shallow = train(&folder, "shallow", 1, &data)?;
    ensure!(shallow.1 == Some(REFUSED), "a tree of depth 1 ended with {:?}", shallow.1);
    timeline.tell("a tree of depth 1 is refused, with exit code 67");

    timeline.chapter("A good one passes");
    let (model, code) = train(&folder, "deep", 8, &data)?;
    ensure!(code == Some(0), "the trainer ended with {code:?}");
    timeline.tell(&format!("the artefact is in {}", model.display()));

    timeline.chapter("It is served");
    let server = Server::start(&model)?;
    let answer = caller::predict(&format!("{}/predict", server.url), &row()?)?;
    let prediction = answer["prediction"].as_f64().context("no prediction")?;
    timeline.tell(&format!("{ROW} -> {prediction}"));
    ensure!((prediction - KNOWN_PREDICTION).abs() < 1e-12, "expected {KNOWN_PREDICTION}");
    note("scikit-learn gives 0.6527543057985115");
    println!("\nTry it yourself:\n\n  {} --model {}", super::program("model-server")?.display(), model.display());
    Ok(())
}

/// Trains in the foreground; returns the folder of the artefact and how the trainer ended.
fn train(folder: &Path, name: &str, depth: u32, data: &Path) -> Result<(PathBuf, Option<i32>)> {
    let run = folder.join(format!("{name}.yaml"));
    let output = folder.join(name);
    std::fs::write(&run, Run { name, data: "unused.csv", depth, r2_at_least: 0.9 }.yaml("unused"))?;
    let status = sh::cmd(super::program("trainer")?, ["--run"])
        .arg(&run)
        .arg("--data")
        .arg(data)
        .arg("--output")
        .arg(&output)
        .status()?;
    Ok((output, status.code()))
}

/// A model server that ends with the story.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(model: &Path) -> Result<Server> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let url = format!("http://127.0.0.1:{port}");
        let mut process = Command::new(super::program("model-server")?)
            .arg("--model")
            .arg(model)
            .args(["--listen", &format!("127.0.0.1:{port}"), "--admin-listen", "127.0.0.1:0", "--drain-seconds", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if process.try_wait()?.is_some() || Instant::now() > deadline {
                let said = process
                    .stderr
                    .take()
                    .and_then(|stderr| BufReader::new(stderr).lines().map_while(Result::ok).last());
                bail!("the model server does not answer: {}", said.unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Server { process, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
