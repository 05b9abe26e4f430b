//! Writes the API definitions as YAML, one file for each kind: `slipway-crds-codegen DIR`.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: slipway-crds-codegen DIR");
        return ExitCode::from(64);
    };
    match generate(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("slipway-crds-codegen: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn generate(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(folder)?;
    for (file, yaml) in slipway_crds::definitions()? {
        std::fs::write(folder.join(file), yaml)?;
    }
    Ok(())
}
