//! Whether this machine can run a node.

use std::fs;
use std::path::Path;

use super::cgroups;
use crate::sh;

/// What stands in the way, if anything does.
pub fn obstacle() -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        return Some("a node runs on Linux only");
    }
    if sh::output(&mut sh::cmd("id", ["-u"])).is_ok_and(|user| user != "0") {
        return Some("a node needs root, for namespaces, mounts and cgroups");
    }
    let namespaces = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "true"];
    if sh::find("unshare").is_some() && !sh::succeeds(&mut sh::cmd("unshare", namespaces)) {
        return Some("this machine forbids namespaces and mounts, as a container without --privileged does");
    }
    if !cgroups::writable() {
        return Some("this machine forbids making cgroups, as a container without --privileged does");
    }
    if fs::File::open("/dev/kmsg").is_err() {
        return Some("the kubelet needs /dev/kmsg, and this machine does not let it be read");
    }
    if !Path::new("/proc/sys/net/ipv4/ip_forward").exists() {
        return Some("the kernel of this machine has no IPv4 networking");
    }
    None
}
