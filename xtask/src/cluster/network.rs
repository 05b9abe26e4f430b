//! The network of one cluster: a /16 of its own, joined to the host by a pair of devices.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::sh;

/// 10.`prefix`.0.0/16: the link to the host at its start, pods from the middle, then services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    prefix: u8,
}

/// The prefixes in use, away from those of Docker, podman, k3s, kind and home networks.
const FIRST: u8 = 160;
const COUNT: u8 = 64;

impl Network {
    /// The network a cluster of this name gets where nothing else is in the way.
    pub fn preferred(name: &str) -> Self {
        let offset = match name {
            "slipway" => 0,
            "slipway-test" => 1,
            other => {
                let mut hasher = DefaultHasher::new();
                other.hash(&mut hasher);
                2 + (hasher.finish() % u64::from(COUNT - 2)) as u8
            }
        };
        Self { prefix: FIRST + offset }
    }

    /// The first network from the preferred one on that this machine does not use yet.
    pub fn choose(name: &str) -> Result<Self> {
        let routes = sh::output(&mut sh::cmd(ip()?, ["-4", "route", "show", "table", "all"]))?;
        let preferred = Self::preferred(name).prefix - FIRST;
        (0..COUNT)
            .map(|step| Self { prefix: FIRST + (preferred + step) % COUNT })
            .find(|network| !network.used_in(&routes))
            .context("no free network among 10.160.0.0/16 to 10.223.0.0/16")
    }

    fn used_in(self, routes: &str) -> bool {
        let start = format!("10.{}.", self.prefix);
        routes.lines().any(|route| {
            !route.contains(&self.host_device())
                && route.split_whitespace().take(2).any(|word| word.starts_with(&start))
        })
    }

    /// This machine, as the node and the pods see it.
    pub fn host_ip(self) -> String {
        format!("10.{}.0.1", self.prefix)
    }

    /// The node.
    pub fn node_ip(self) -> String {
        format!("10.{}.0.2", self.prefix)
    }

    /// The addresses of pods.
    pub fn pods(self) -> String {
        format!("10.{}.64.0/18", self.prefix)
    }

    /// The addresses of services.
    pub fn services(self) -> String {
        format!("10.{}.128.0/20", self.prefix)
    }

    /// The address of the service `kubernetes`.
    pub fn first_service(self) -> String {
        format!("10.{}.128.1", self.prefix)
    }

    /// The host's end of the link.
    pub fn host_device(self) -> String {
        format!("slipway{}", self.prefix)
    }

    /// Makes the network namespace, the link into it, and the host's routes through it.
    pub fn set_up(self, namespace: &str) -> Result<()> {
        let (host, device) = (self.host_ip(), self.host_device());
        let node = format!("{}/24", self.node_ip());
        let batch = format!(
            "netns add {namespace}\n\
             link add {device} type veth peer name eth0 netns {namespace}\n\
             address add {host}/24 dev {device}\n\
             link set {device} up\n"
        );
        let inside = format!("link set lo up\naddress add {node} dev eth0\nlink set eth0 up\n");
        let routes = [self.pods(), self.services()]
            .map(|range| format!("route add {range} via {} dev {device}\n", self.node_ip()))
            .concat();
        let batch_mode = ["-batch", "-"];
        sh::output_with_input(&mut sh::cmd(ip()?, batch_mode), &batch)?;
        sh::output_with_input(&mut sh::cmd(ip()?, ["-netns", namespace].iter().chain(&batch_mode)), &inside)?;
        sh::output_with_input(&mut sh::cmd(ip()?, batch_mode), &routes)?;
        let forward = format!("--net={}", path(namespace).display());
        sh::output(&mut sh::cmd("nsenter", [&forward, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))?;
        Ok(())
    }

    /// Removes all that [`Network::set_up`] makes, as far as it is there.
    pub fn tear_down(self, namespace: &str) -> Result<()> {
        let ip = ip()?;
        // The routes go with the device, and its other end with it.
        if sh::succeeds(&mut sh::cmd(&ip, ["link", "show", &self.host_device()])) {
            sh::output(&mut sh::cmd(&ip, ["link", "delete", &self.host_device()]))?;
        }
        if path(namespace).exists() {
            sh::output(&mut sh::cmd(&ip, ["netns", "delete", namespace]))?;
        }
        Ok(())
    }
}

/// Where a named network namespace is.
pub fn path(namespace: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(namespace)
}

fn ip() -> Result<PathBuf> {
    sh::find("ip").context("`ip` is not installed (package iproute2)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_of_the_project_do_not_meet() {
        let (demo, test) = (Network::preferred("slipway"), Network::preferred("slipway-test"));
        assert_ne!(demo, test);
        for other in ["a", "mine", "slipway-2"] {
            let other = Network::preferred(other);
            assert!(other != demo && other != test && (FIRST..FIRST + COUNT).contains(&other.prefix));
        }
    }

    #[test]
    fn a_network_in_use_is_seen_but_not_its_own_leftover() {
        let network = Network { prefix: 160 };
        assert!(network.used_in("default via 1.2.3.4 dev eth0\n10.160.0.0/24 dev tun0 proto kernel"));
        assert!(network.used_in("local 10.160.7.1 dev tun0 table local"));
        assert!(!network.used_in("10.160.0.0/24 dev slipway160 proto kernel"));
        assert!(!network.used_in("10.161.0.0/24 dev tun0"));
    }
}
