//! `cargo xtask cluster …`

use std::fs;

use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};

use super::{Cluster, folder, status};
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
    match &args.action {
        Action::Up => {
            let cluster = Cluster::up(name)?;
            print(&cluster);
            println!("\nTry:\n  export KUBECONFIG={}\n  kubectl get nodes", cluster.kubeconfig.display());
            if sh::find("kubectl").is_none() {
                println!("kubectl is at {}", cluster.tools.kubectl.display());
            }
            Ok(())
        }
        Action::Down => {
            Cluster::down(name)?;
            println!("The cluster {name} is gone.");
            Ok(())
        }
        Action::Status { output: Format::Json } => {
            let cluster = Cluster::find(name)?;
            match cluster {
                Some(cluster) => println!("{}", serde_json::to_string_pretty(&cluster)?),
                None => println!("{}", serde_json::json!({"name": name, "running": false})),
            }
            Ok(())
        }
        Action::Status { output: Format::Text } => {
            match Cluster::find(name)? {
                Some(cluster) => print(&cluster),
                None => println!("There is no cluster {name}. `cargo xtask cluster up --name {name}` starts one."),
            }
            Ok(())
        }
        Action::Logs { component, follow } => logs(name, component.as_deref(), *follow),
    }
}

fn print(cluster: &Cluster) {
    let state = if cluster.running { "runs" } else { "does not run: `cargo xtask cluster up` starts it" };
    println!("The cluster {} {state}.\n", cluster.name);
    for (what, value) in [
        ("kubeconfig", cluster.kubeconfig.display().to_string()),
        ("node", cluster.node_ip.clone()),
        ("this machine", format!("{} (for pods)", cluster.host_ip)),
        ("S3", cluster.s3.endpoint.clone()),
        ("  access key", cluster.s3.access_key.clone()),
        ("  secret key", "in `cargo xtask cluster status --output json`".to_owned()),
        ("  files", cluster.s3.data_dir.display().to_string()),
    ] {
        println!("  {what:<14} {value}");
    }
    let Some(status) = status(&cluster.name) else { return };
    println!("\n  {:<24} {:<9} {:>8}  SINCE", "COMPONENT", "STATE", "RESTARTS");
    for service in status.services {
        let state = match (service.running, service.ready) {
            (true, true) => "ready",
            (true, false) => "starting",
            (false, _) => "ended",
        };
        // The fraction of a second is nobody's business.
        let since = service.since.split('.').next().unwrap_or_default().replace('T', " ");
        let last =
            if service.last_exit.is_empty() { String::new() } else { format!("  (before: {})", service.last_exit) };
        println!("  {:<24} {state:<9} {:>8}  {since} UTC{last}", service.name, service.restarts);
    }
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
    print!("{}", String::from_utf8_lossy(&fs::read(file)?));
    Ok(())
}
