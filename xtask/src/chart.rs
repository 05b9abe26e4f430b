//! `cargo xtask chart`: what can be known about the chart without a cluster.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{sh, tools, workspace};

/// Golden renderings in [`GOLDEN`], and the values they are made with. The API definitions are left out of them: they are
/// generated.
const RENDERINGS: [(&str, &[&str]); 3] = [
    ("default.yaml", &[]),
    ("everything.yaml", &["--values", "tests/golden/chart/everything.values.yaml"]),
    ("namespaced.yaml", &["--set", "watchNamespaces={team-a}"]),
];
const GOLDEN: &str = "tests/golden/chart";

/// Mistakes in values that the schema must refuse, and what the refusal must name.
const REFUSED: [(&str, &str); 8] = [
    ("oprator.log.level=debug", "oprator"),
    ("operator.image.tga=1.0", "tga"),
    ("operator.replicas=0", "replicas"),
    ("image.pullPolicy=Sometimes", "pullPolicy"),
    ("store.image.digest=sha256:123", "digest"),
    ("watchNamespaces={a,b}", "watchNamespaces"),
    ("operator.resources.limits.memory=lots", "memory"),
    ("test.url=time-to-dispatch", "url"),
];

/// The arguments of `cargo xtask chart`.
#[derive(clap::Args)]
pub struct Args {
    /// Write the golden renderings anew, to be looked at and committed
    #[arg(long)]
    pub update: bool,
}

/// Lints the chart, tries its schema, and compares what it renders with the golden files.
pub fn run(args: &Args) -> Result<()> {
    let chart = Chart { helm: tools::chart_installer()? };
    chart.lint()?;
    chart.refuses_mistakes()?;
    chart.has_api_definitions()?;
    for (name, values) in RENDERINGS {
        let rendered = chart.render(&[&["--set", "crds.enabled=false"], values].concat())?;
        let golden = workspace::root().join(GOLDEN).join(name);
        if args.update {
            fs::write(&golden, rendered)?;
        } else {
            same(&golden, &rendered)?;
        }
    }
    Ok(())
}

struct Chart {
    helm: PathBuf,
}

impl Chart {
    fn helm(&self, args: &[&str]) -> Result<String> {
        sh::output(sh::cmd(&self.helm, args).current_dir(workspace::root()))
    }

    fn lint(&self) -> Result<()> {
        self.helm(&["lint", "--strict", "--quiet", "charts/slipway"]).map(drop)
    }

    fn render(&self, args: &[&str]) -> Result<String> {
        let release = ["template", "slipway", "charts/slipway", "--namespace", "slipway-system"];
        self.helm(&[&release, args].concat()).map(|rendered| rendered + "\n")
    }

    fn refuses_mistakes(&self) -> Result<()> {
        for (mistake, named) in REFUSED {
            match self.render(&["--set", mistake]) {
                Err(refusal) if refusal.to_string().contains(named) => {}
                Err(refusal) => bail!("--set {mistake} is refused without naming {named}: {refusal}"),
                Ok(_) => bail!("values.schema.json lets --set {mistake} pass"),
            }
        }
        Ok(())
    }

    fn has_api_definitions(&self) -> Result<()> {
        let definitions = fs::read_dir(workspace::root().join("charts/slipway/files/crds"))?.count();
        for (args, expected) in [(&[][..], definitions), (&["--set", "crds.keep=false"][..], 0)] {
            let rendered = self.render(args)?;
            let made = rendered.matches("\nkind: CustomResourceDefinition\n").count();
            let kept = rendered.matches("\n    helm.sh/resource-policy: keep\n").count();
            if (made, kept) != (definitions, expected) {
                bail!(
                    "the chart renders {made} of {definitions} API definitions, keeping {kept} instead of {expected}"
                );
            }
        }
        Ok(())
    }
}

fn same(golden: &Path, rendered: &str) -> Result<()> {
    let committed = fs::read_to_string(golden).with_context(|| golden.display().to_string())?;
    let (mut old, mut new) = (committed.lines(), rendered.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (old.next(), new.next()) {
            (None, None) => return Ok(()),
            (old, new) if old == new => {}
            (old, new) => bail!(
                "the chart no longer renders {}, line {number}:\n  - {}\n  + {}\nif that is meant, run `cargo xtask chart --update` and commit",
                golden.display(),
                old.unwrap_or("(end)"),
                new.unwrap_or("(end)")
            ),
        }
    }
}
