//! The cgroup under which the kubelet puts all pods of one cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const MOUNT: &str = "/sys/fs/cgroup";

/// The controllers that the kubelet asks for where cgroups are one hierarchy.
const CONTROLLERS: &str = "+cpu +cpuset +memory +pids";

/// The cgroup of a cluster, as the kubelet's `cgroupRoot`.
pub fn root_of(cluster: &str) -> String {
    format!("/cluster-{cluster}")
}

/// Whether cgroups can be made here.
pub fn writable() -> bool {
    let probe = format!("cluster-probe-{}", std::process::id());
    hierarchies().is_ok_and(|hierarchies| {
        !hierarchies.is_empty()
            && hierarchies.iter().all(|hierarchy| {
                let probe = hierarchy.join(&probe);
                fs::create_dir(&probe).is_ok() && fs::remove_dir(&probe).is_ok()
            })
    })
}

/// Makes the cgroup in every hierarchy.
pub fn set_up(cluster: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let group = hierarchy.join(root_of(cluster).trim_start_matches('/'));
        fs::create_dir_all(&group).with_context(|| format!("cannot make the cgroup {}", group.display()))?;
        if hierarchy == Path::new(MOUNT) {
            for parent in [&hierarchy, &group] {
                let file = parent.join("cgroup.subtree_control");
                fs::write(&file, CONTROLLERS).with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
    }
    Ok(())
}

/// Removes the cgroup, and those of the pods in it, once their processes have gone.
pub fn tear_down(cluster: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    for hierarchy in hierarchies()? {
        let group = hierarchy.join(root_of(cluster).trim_start_matches('/'));
        while let Err(error) = remove(&group) {
            if Instant::now() > deadline {
                return Err(error).with_context(|| format!("cannot remove the cgroup {}", group.display()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// Every mounted hierarchy: the one, or one a controller.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mount = Path::new(MOUNT);
    if mount.join("cgroup.controllers").exists() {
        return Ok(vec![mount.to_path_buf()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(mount).context("cgroups are not mounted at /sys/fs/cgroup")? {
        let entry = entry?;
        // A link is a second name of a hierarchy that also has its own.
        if entry.file_type()?.is_dir() && entry.path().join("cgroup.procs").exists() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes a cgroup from the leaves up; its files are the kernel's.
fn remove(group: &Path) -> std::io::Result<()> {
    if !group.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
