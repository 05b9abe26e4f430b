//! The rig: proves the operator by what is done to it. A control plane of its own, a proxy that notes each write and kills
//! the operator at it, a kubelet that plays pods, and oracles that judge what became of all.
//!
//! No Kubernetes client is linked: everything here sees what the API server sees, requests and JSON.

pub mod api;
pub mod call;
pub mod control_plane;
pub mod fault;
pub mod history;
pub mod journal;
pub mod kind;
pub mod kubelet;
mod leash;
pub mod normal;
pub mod operator;
pub mod oracle;
pub mod play;
pub mod process;
pub mod proxy;
pub mod recorder;
pub mod run;
pub mod scenario;
pub mod stage;
pub mod sweep;
