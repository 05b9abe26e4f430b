//! What a server and all its children use.

use std::collections::BTreeMap;
use std::fs;

/// Ticks of a second in `/proc/PID/stat`, which Linux has the same everywhere.
const TICKS: f64 = 100.0;

/// A process and its children.
#[derive(Clone, Debug)]
pub struct Tree(Vec<u32>);

impl Tree {
    /// All that live now.
    pub fn of(root: u32) -> Tree {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(parent) = fields(process).and_then(|fields| fields.get(1)?.parse().ok()) {
                children.entry(parent).or_default().push(process);
            }
        }
        let mut all = vec![root];
        let mut next = 0;
        while let Some(process) = all.get(next).copied() {
            all.extend(children.get(&process).into_iter().flatten());
            next += 1;
        }
        Tree(all)
    }

    /// The processes' numbers.
    pub fn ids(&self) -> &[u32] {
        &self.0
    }

    /// CPU seconds so far.
    pub fn cpu_seconds(&self) -> f64 {
        let ticks = |process: &u32| -> Option<f64> {
            let fields = fields(*process)?;
            Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
        };
        self.0.iter().filter_map(ticks).sum::<f64>() / TICKS
    }

    /// Memory in bytes; what processes share counts once.
    pub fn memory(&self) -> u64 {
        let kilobytes = |process: &u32| -> Option<u64> {
            let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().split(' ').next()?.parse().ok()
        };
        self.0.iter().filter_map(kilobytes).sum::<u64>() * 1024
    }
}

/// The fields of `/proc/PID/stat` after the name, which may hold blanks: state, parent, …
fn fields(process: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_with_its_use() {
        let own = Tree::of(std::process::id());
        assert_eq!(own.ids()[0], std::process::id());
        assert!(own.memory() > 100_000, "{}", own.memory());
        assert!(own.cpu_seconds() >= 0.0);
    }
}
