//! The operator on a control plane of its own. Run by `cargo xtask test`, which says where the programs are.

mod idle;
mod place;
mod sweep;
