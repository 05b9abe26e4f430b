//! `cargo xtask demo`: Slipway from nothing to a model that upgrades itself, as a story to watch.

mod caller;
mod laptop;
mod objects;
mod stage;
mod story;
mod timeline;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::cluster::Cluster;
use crate::images::{NAMES, Profile};
use crate::install::{self, Images};
use crate::{images, target, workspace};
use stage::{Stage, Storage};
use timeline::Timeline;

/// The cluster of the demo.
const CLUSTER: &str = "slipway";

/// The arguments of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: target::Args,
    /// With --context: the S3 server as pods and this machine reach it; the environment holds the
    /// usual AWS variables to log in with
    #[arg(long, value_name = "URL", requires = "context")]
    s3_endpoint: Option<String>,
    /// The bucket to use; with --context it must exist
    #[arg(long, default_value = "slipway")]
    bucket: String,
    /// Play the part that needs no Kubernetes
    #[arg(long, conflicts_with = "context")]
    laptop: bool,
}

/// Plays the story.
pub fn run(args: &Args) -> Result<()> {
    let mut timeline = Timeline::new(Instant::now());
    if args.laptop {
        return laptop::play(&mut timeline);
    }
    if !args.target.names_one()
        && let Some(reason) = Cluster::impossible()
    {
        println!("This machine cannot run a Kubernetes node: {reason}. Here is the same story without one.\n");
        return laptop::play(&mut timeline);
    }
    timeline.chapter("Setting up");
    let compiled = images::compile_ahead(&NAMES, Profile::Release)?;
    let target = args.target.target(CLUSTER)?;
    timeline.tell(&format!("a Kubernetes cluster is up: {}", target.name()));
    compiled();
    let images = Images::deliver(&target, &NAMES, Profile::Release)?;
    timeline.tell("the images of operator, trainer, store and model server are built and on the cluster");
    install::chart(&target, &images)?;
    timeline.tell("the operator runs, installed by the chart");
    let stage = Stage::set(target, images, storage(args)?, &args.bucket)?;
    story::play(&stage, &mut timeline)
}

/// The S3 server the story plays with.
fn storage(args: &Args) -> Result<Storage> {
    if let Some(endpoint) = &args.s3_endpoint {
        let variable =
            |name: &str| std::env::var(name).with_context(|| format!("{name} is not set; --s3-endpoint needs it"));
        let (access_key, secret_key) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
        return Ok(Storage { endpoint: endpoint.clone(), access_key, secret_key, disk: None });
    }
    let cluster = Cluster::find(CLUSTER)?.context("--context needs --s3-endpoint: where your data is")?;
    Ok(Storage {
        endpoint: cluster.s3.endpoint,
        access_key: cluster.s3.access_key,
        secret_key: cluster.s3.secret_key,
        disk: Some(cluster.s3.data_dir),
    })
}

/// A program of this workspace, as released.
fn program(name: &str) -> Result<PathBuf> {
    Ok(images::programs(Profile::Release)?.join(format!("slipway-{name}")))
}

/// Times to dispatch in a fixed order, with a column `set` that marks train and test rows.
fn time_to_dispatch() -> Result<String> {
    let read = |name: &str| {
        let path = workspace::root().join("data").join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let (data, split) = (read("time_to_dispatch.csv")?, read("split_time_to_dispatch.csv")?);
    let rows: Vec<_> = data.lines().collect();
    let mut csv = vec![format!("set,{}", rows[0])];
    for line in split.lines().skip(1) {
        let (set, row) = line.split_once(',').context("a line of the split")?;
        csv.push(format!("{set},{}", rows[row.parse::<usize>()? + 1]));
    }
    Ok(csv.join("\n") + "\n")
}
