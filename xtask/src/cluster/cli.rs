//! `cargo xtask cluster …`

use std::fmt::Write;
use std::fs;

use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};

use super::{Cluster, folder, status};
use crate::progress::print;
use crate::sh;

/// The arguments of `cargo xtask cluster`.
#[derive(clap::Args)]
pub struct Args {
    /// The cluster; several of different names can run side by side
    #[arg(long, global = true, default_value = "slipway")]
    name: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start the cluster, or see that it runs
    Up,
    /// End the cluster and remove everything of it
    Down,
    /// Show what runs
    Status {
        /// For people, or for programs
        #[arg(long, short, value_enum, default_value_t = Format::Text)]
        output: Format,
    },
    /// Show what a component wrote to its log; the supervisor's own without a name
    Logs {
        /// One of those that `status` names
        component: Option<String>,
        /// Go on showing what is written
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let name = &args.name;
    let said = match &args.action {
        Action::Up => after_up(&Cluster::up(name)?)?,
        Action::Down => {
            Cluster::down(name)?;
            format!("The cluster {name} is gone.\n")
        }
        Action::Status { output } => match (output, Cluster::find(name)?) {
            (Format::Text, Some(cluster)) => describe(&cluster)?,
            (Format::Text, None) => {
                format!("There is no cluster {name}. `cargo xtask cluster up --name {name}` starts one.\n")
            }
            (Format::Json, Some(cluster)) => serde_json::to_string_pretty(&cluster)? + "\n",
            (Format::Json, None) => format!("{}\n", serde_json::json!({"name": name, "running": false})),
        },
        Action::Logs { component, follow } => return logs(name, component.as_deref(), *follow),
    };
    Ok(print(&said)?)
}

fn after_up(cluster: &Cluster) -> Result<String> {
    let mut text = describe(cluster)?;
    writeln!(text, "\nTry:\n  export KUBECONFIG={}\n  kubectl get nodes", cluster.kubeconfig.display())?;
    if sh::find("kubectl").is_none() {
        writeln!(text, "kubectl is at {}", cluster.tools.kubectl.display())?;
    }
    Ok(text)
}

fn describe(cluster: &Cluster) -> Result<String> {
    let mut text = String::new();
    let state = if cluster.running { "runs" } else { "does not run: `cargo xtask cluster up` starts it" };
    writeln!(text, "The cluster {} {state}.\n", cluster.name)?;
    for (what, value) in [
        ("kubeconfig", cluster.kubeconfig.display().to_string()),
        ("node", cluster.node_ip.clone()),
        ("this machine", format!("{} (for pods)", cluster.host_ip)),
        ("S3", cluster.s3.endpoint.clone()),
        ("  access key", cluster.s3.access_key.clone()),
        ("  secret key", "in `cargo xtask cluster status --output json`".to_owned()),
        ("  files", cluster.s3.data_dir.display().to_string()),
    ] {
        writeln!(text, "  {what:<14} {value}")?;
    }
    let Some(status) = status(&cluster.name) else { return Ok(text) };
    writeln!(text, "\n  {:<24} {:<9} {:>8}  SINCE (UTC)", "COMPONENT", "STATE", "RESTARTS")?;
    for service in status.services {
        let state = match (service.running, service.ready) {
            (true, true) => "ready",
            (true, false) => "starting",
            (false, _) => "waiting",
        };
        // The fraction of a second is nobody's business.
        let since = service.since.split('.').next().unwrap_or_default().replace('T', " ");
        let last =
            if service.last_exit.is_empty() { String::new() } else { format!("  (before: {})", service.last_exit) };
        writeln!(text, "  {:<24} {state:<9} {:>8}  {since}{last}", service.name, service.restarts)?;
    }
    Ok(text)
}

fn logs(name: &str, component: Option<&str>, follow: bool) -> Result<()> {
    let logs = folder(name).join("logs");
    let component = component.unwrap_or("supervisor");
    let file = logs.join(format!("{component}.log"));
    if !file.exists() {
        let Ok(entries) = fs::read_dir(&logs) else { bail!("there is no cluster {name}") };
        let mut known: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".log").map(ToOwned::to_owned))
            .collect();
        known.sort();
        bail!("the cluster {name} has no component {component}; it has {}", known.join(", "));
    }
    if follow {
        return sh::in_front(sh::cmd("tail", ["--lines=100", "--follow=name"]).arg(file));
    }
    Ok(print(&String::from_utf8_lossy(&fs::read(file)?))?)
}
