//! `cargo xtask codegen`: files that are generated from the code, and committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::images::{self, Profile};
use crate::progress::step;
use crate::{sh, workspace};

/// Where the API definitions are: for `kubectl apply`, and for the chart.
const CRD_FOLDERS: [&str; 2] = ["crds/yaml", "charts/slipway/files/crds"];

/// The arguments of `cargo xtask codegen`.
#[derive(clap::Args)]
pub struct Args {
    /// Change nothing; fail where a committed file is not what the code generates
    #[arg(long)]
    pub check: bool,
}

/// Generates all files, or checks that they are what would be generated.
pub fn run(args: &Args) -> Result<()> {
    let generated = step("generating the API definitions", crds)?;
    let mut wrong = vec![];
    for folder in CRD_FOLDERS {
        let path = workspace::root().join(folder);
        if args.check {
            wrong.extend(differences(&generated, &read(&path)?).into_iter().map(|what| format!("{folder}/{what}")));
        } else {
            write(&path, &generated)?;
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("generated files are out of date; run `cargo xtask codegen` and commit:\n  {}", wrong.join("\n  "))
}

/// Texts by file name.
type Files = BTreeMap<String, String>;

fn crds() -> Result<Files> {
    let folder = workspace::target().join("codegen");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let program = images::compile(&["crds-codegen"], Profile::Ci)?.join("slipway-crds-codegen");
    sh::output(Command::new(program).arg(&folder))?;
    let files = read(&folder)?;
    if files.is_empty() {
        bail!("slipway-crds-codegen wrote no file");
    }
    Ok(files)
}

/// The YAML files directly in a folder; none where there is no folder.
fn read(folder: &Path) -> Result<Files> {
    if !folder.exists() {
        return Ok(Files::new());
    }
    let mut files = Files::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, fs::read_to_string(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(files)
}

/// Makes a folder hold exactly these YAML files.
fn write(folder: &Path, files: &Files) -> Result<()> {
    fs::create_dir_all(folder)?;
    for name in read(folder)?.keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(folder.join(name))?;
    }
    for (name, text) in files {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// What is wrong with the committed files, one line a file.
fn differences(generated: &Files, committed: &Files) -> Vec<String> {
    let missing_or_changed = generated.iter().filter_map(|(name, text)| match committed.get(name) {
        None => Some(format!("{name} is missing")),
        Some(old) if old != text => Some(format!("{name}, from line {}", first_difference(old, text))),
        Some(_) => None,
    });
    let left_over = committed.keys().filter(|name| !generated.contains_key(*name));
    missing_or_changed.chain(left_over.map(|name| format!("{name} is no longer generated"))).collect()
}

/// The first line, from 1, in which two texts differ.
fn first_difference(one: &str, other: &str) -> usize {
    one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> Files {
        all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn names_each_file_that_is_out_of_date() {
        let generated = files(&[("a.yaml", "1\n2\n"), ("b.yaml", "1\n"), ("c.yaml", "1\n")]);
        let committed = files(&[("a.yaml", "1\n3\n"), ("b.yaml", "1\n"), ("d.yaml", "1\n")]);
        assert_eq!(
            differences(&generated, &committed),
            ["a.yaml, from line 2", "c.yaml is missing", "d.yaml is no longer generated"]
        );
    }

    #[test]
    fn the_chart_has_the_same_api_definitions() {
        let [of_kubectl, of_chart] = CRD_FOLDERS.map(|folder| read(&workspace::root().join(folder)).unwrap());
        assert_eq!(differences(&of_kubectl, &of_chart), Vec::<String>::new(), "run `cargo xtask codegen`");
        assert!(!of_kubectl.is_empty());
    }

    #[test]
    fn a_folder_holds_exactly_what_was_generated() {
        let folder = workspace::target().join("codegen-test");
        write(&folder, &files(&[("old.yaml", "1\n"), ("kept.yaml", "1\n")])).unwrap();
        let now = files(&[("kept.yaml", "2\n"), ("new.yaml", "1\n")]);
        write(&folder, &now).unwrap();
        assert_eq!(read(&folder).unwrap(), now);
        fs::remove_dir_all(&folder).unwrap();
    }
}
