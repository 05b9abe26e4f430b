//! Minimal cost-complexity pruning (Breiman, Friedman, Olshen and Stone 1984).

use super::grow::{ExactNode, ExactTree, Split};

/// What a node keeps below it.
#[derive(Clone, Copy, Default)]
struct Below {
    spread: f64,
    leaves: usize,
}

/// The tree without the branches whose leaves lessen `spread` by `alpha` each or less.
pub(super) fn prune(tree: &ExactTree, alpha: f64) -> ExactTree {
    let mut splits: Vec<Option<Split>> = tree.nodes.iter().map(|node| node.split).collect();
    loop {
        let below = below(tree, &splits);
        let worth = |(place, split): (usize, &Option<Split>)| {
            let Below { spread, leaves } = below[place];
            split.is_some().then(|| ((tree.nodes[place].spread - spread) / (leaves - 1) as f64, place))
        };
        let reachable = reachable(&splits);
        let weakest = splits.iter().enumerate().filter(|(place, _)| reachable[*place]).filter_map(worth);
        match weakest.min_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((worth, place)) if worth <= alpha => splits[place] = None,
            _ => break,
        }
    }
    copy(tree, &splits)
}

fn below(tree: &ExactTree, splits: &[Option<Split>]) -> Vec<Below> {
    let mut below = vec![Below::default(); splits.len()];
    for place in (0..splits.len()).rev() {
        below[place] = match splits[place] {
            None => Below { spread: tree.nodes[place].spread, leaves: 1 },
            Some(Split { left, .. }) => {
                let [a, b] = [below[left], below[left + 1]];
                Below { spread: a.spread + b.spread, leaves: a.leaves + b.leaves }
            }
        };
    }
    below
}

fn reachable(splits: &[Option<Split>]) -> Vec<bool> {
    let mut reachable = vec![false; splits.len()];
    reachable[0] = true;
    for place in 0..splits.len() {
        if let (true, Some(Split { left, .. })) = (reachable[place], splits[place]) {
            reachable[left] = true;
            reachable[left + 1] = true;
        }
    }
    reachable
}

/// The nodes that can still be reached.
fn copy(tree: &ExactTree, splits: &[Option<Split>]) -> ExactTree {
    let mut sources = vec![0];
    let mut nodes: Vec<ExactNode> = Vec::new();
    while let Some(&source) = sources.get(nodes.len()) {
        let ExactNode { rows, sums, spread, .. } = &tree.nodes[source];
        let split = splits[source].map(|split| {
            let left = sources.len();
            sources.extend([split.left, split.left + 1]);
            Split { left, ..split }
        });
        nodes.push(ExactNode { rows: rows.clone(), sums: *sums, spread: *spread, split });
    }
    ExactTree { nodes }
}
