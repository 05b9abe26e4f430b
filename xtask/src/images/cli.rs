//! `cargo xtask images`

use anyhow::Result;
use clap::builder::PossibleValuesParser;

use super::{Builder, NAMES, Profile, build};
use crate::progress::print;
use crate::{target, tools};

/// The arguments of `cargo xtask images`.
#[derive(clap::Args)]
pub struct Args {
    /// Which images; all without a name
    #[arg(value_parser = PossibleValuesParser::new(NAMES))]
    names: Vec<String>,
    /// How the programs are compiled
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
    /// Bring the images to the local cluster of this name
    #[arg(long, value_name = "CLUSTER")]
    load: Option<String>,
    #[command(flatten)]
    target: target::Args,
}

/// Builds images; brings them to a cluster where one is named. Prints their names.
pub fn run(args: &Args) -> Result<()> {
    let names: Vec<&str> =
        if args.names.is_empty() { NAMES.to_vec() } else { args.names.iter().map(String::as_str).collect() };
    let builder = Builder::new(tools::buildah()?);
    let mut images = build(&builder, &names, args.profile)?;
    if args.load.is_some() || args.target.names_one() {
        images = args.target.target(args.load.as_deref().unwrap_or("slipway"))?.deliver(&builder, &images)?;
    }
    let names: String = images.iter().map(|image| image.reference() + "\n").collect();
    Ok(print(&names)?)
}
