use proptest::prelude::*;

use super::super::{Loose, Nodes, TreeNode, TreesBuilder};
use super::*;
use crate::estimator::Link;

const COLUMNS: usize = 5;

/// A tree in preorder, made of arbitrary choices.
fn grow(choices: &mut impl Iterator<Item = u32>, depth: usize, leaves: &mut u32, nodes: &mut Vec<TreeNode>, at: usize) {
    let choice = choices.next().unwrap_or(0);
    if depth == 0 || choice.is_multiple_of(4) {
        nodes[at] = TreeNode::Leaf { value: *leaves, weight: f64::from(1 + choice / 4 % 1000) };
        *leaves += 1;
        return;
    }
    let left = nodes.len();
    let (column, missing_left) = (choice / 4 % COLUMNS as u32, (choice / 64).is_multiple_of(2));
    nodes[at] = if (choice / 128).is_multiple_of(4) {
        TreeNode::Categories { column, categories: vec![0, 2], missing_left, left: left as u32 }
    } else {
        TreeNode::Split { column, threshold: f64::from(choice / 512 % 5) - 1.5, missing_left, left: left as u32 }
    };
    nodes.extend([TreeNode::Leaf { value: 0, weight: 1.0 }, TreeNode::Leaf { value: 0, weight: 1.0 }]);
    grow(choices, depth - 1, leaves, nodes, left);
    grow(choices, depth - 1, leaves, nodes, left + 1);
}

fn forest(choices: &[Vec<u32>], depth: usize, width: usize, combine: Combine) -> Trees {
    let mut builder = TreesBuilder::new(width);
    for (tree, choices) in choices.iter().enumerate() {
        let (mut nodes, mut leaves) = (vec![TreeNode::Leaf { value: 0, weight: 1.0 }], 0);
        grow(&mut choices.iter().copied(), depth, &mut leaves, &mut nodes, 0);
        let values: Vec<f64> =
            (0..leaves as usize * width).map(|leaf| ((leaf * 37 + 11 * tree) % 101) as f64 * 0.1 - 3.0).collect();
        builder.push(&nodes, &values);
    }
    builder.finish(combine)
}

/// What a tree says where only the columns of `known` (bits) are known, by the definition.
struct Game<'a> {
    trees: &'a Trees,
    nodes: &'a [Node],
    weights: &'a [f64],
    columns: &'a [f64],
    value: usize,
}

impl Game<'_> {
    fn weigh(&self, place: u32) -> f64 {
        let node = self.nodes[place as usize];
        if node.is_leaf() { self.weights[place as usize] } else { self.weigh(node.left) + self.weigh(node.left + 1) }
    }

    fn of(&self, place: u32, known: u32) -> f64 {
        let node = self.nodes[place as usize];
        if node.is_leaf() {
            return self.trees.values[node.payload as usize * self.trees.width + self.value];
        }
        if known >> node.column() & 1 == 1 {
            return self.of(node.next(self.columns[node.column()] as f32, &self.trees.sets), known);
        }
        let sides = [node.left, node.left + 1].map(|side| (self.weigh(side), self.of(side, known)));
        (sides[0].0 * sides[0].1 + sides[1].0 * sides[1].1) / (sides[0].0 + sides[1].0)
    }
}

/// Base and Shapley values by their definition: over all coalitions of columns.
fn by_definition(trees: &Trees, columns: &[f64], class: usize) -> (f64, Vec<f64>) {
    let Nodes::Loose(Loose { roots, nodes }) = &trees.nodes else { panic!("they were read from a file") };
    let mut weights = vec![0.0; nodes.len()];
    let mut leaves = trees.weights.as_ref().unwrap().iter();
    let mut open: Vec<u32> = roots.iter().rev().copied().collect();
    while let Some(place) = open.pop() {
        let node = nodes[place as usize];
        if node.is_leaf() {
            weights[place as usize] = leaves.next().unwrap();
        } else {
            open.extend([node.left + 1, node.left]);
        }
    }
    assert!(leaves.next().is_none());
    let (sums, factor) = match &trees.combine {
        Combine::Mean => (0, 1.0 / roots.len() as f64),
        Combine::Sum { base, .. } => (base.len(), 1.0),
    };
    let game = Game { trees, nodes, weights: &weights, columns, value: if sums == 0 { class } else { 0 } };
    let start = if let Combine::Sum { base, .. } = &trees.combine { base[class % sums] } else { 0.0 };
    let counted = |tree: usize| sums == 0 || tree % sums == class % sums;
    let worth = |known: u32| {
        let trees = roots.iter().enumerate().filter(|(tree, _)| counted(*tree));
        start + factor * trees.map(|(_, &root)| game.of(root, known)).sum::<f64>()
    };
    let worths: Vec<f64> = (0..1 << COLUMNS).map(worth).collect();
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let values = (0..COLUMNS as u32).map(|column| {
        let without = (0..1_u32 << COLUMNS).filter(|known| known >> column & 1 == 0);
        let gains = without.map(|known| {
            let others = known.count_ones();
            let weight = factorial(others) * factorial(COLUMNS as u32 - 1 - others) / factorial(COLUMNS as u32);
            weight * (worths[(known | 1 << column) as usize] - worths[known as usize])
        });
        gains.sum()
    });
    (worths[0], values.collect())
}

fn explained(trees: &Trees, columns: &[f64], class: usize) -> (f64, Vec<f64>) {
    let mut contributions = vec![0.0; columns.len()];
    let mut rows = [Asked { columns, class, contributions: &mut contributions, base: 0.0 }];
    trees.explain(&Plan::new(trees).unwrap(), &mut rows);
    let base = rows[0].base;
    (base, contributions)
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![(-3_i32..4).prop_map(f64::from), Just(f64::NAN), -3.0..3.0]
}

proptest! {
    #[test]
    fn contributions_are_shapley_values(
        choices in prop::collection::vec(prop::collection::vec(1_u32..1_000_000, 0..60), 1..6),
        depth in 0_usize..9,
        row in prop::array::uniform5(value()),
        form in 0_usize..4,
    ) {
        let sum = |base: &[f64], link| Combine::Sum { base: base.to_vec(), link };
        let (width, combine, classes) = match form {
            0 => (1, Combine::Mean, 1),
            1 => (3, Combine::Mean, 3),
            2 => (1, sum(&[0.25], Link::Identity), 1),
            _ => (1, sum(&[0.25, -1.0, 3.0], Link::Softmax), 3),
        };
        let trees = forest(&choices, depth, width, combine);
        for class in 0..classes {
            let (base, contributions) = explained(&trees, &row, class);
            let (expected_base, expected) = by_definition(&trees, &row, class);
            prop_assert!((base - expected_base).abs() < 1e-11, "{base} {expected_base}");
            for (contribution, expected) in contributions.iter().zip(&expected) {
                prop_assert!((contribution - expected).abs() < 1e-11, "{contributions:?} {expected:?}");
            }
        }
    }
}

/// A chain: each split is on a column of its own and sends one row of the rest to a leaf.
fn chain(length: u32) -> Trees {
    let mut builder = TreesBuilder::new(1);
    let mut nodes = Vec::new();
    for column in 0..length {
        nodes.push(TreeNode::Split { column, threshold: 0.5, missing_left: false, left: 2 * column + 1 });
        nodes.push(TreeNode::Leaf { value: column, weight: 1.0 });
    }
    nodes.push(TreeNode::Leaf { value: length, weight: 1.0 });
    // The children of a split follow each other: the right one is the next split.
    let values: Vec<f64> = (0..=length).map(|value| f64::from(value * 7 % 13)).collect();
    builder.push(&nodes, &values);
    builder.finish(Combine::Mean)
}

#[test]
fn contributions_of_deep_trees_sum_up_to_the_prediction() {
    for length in [1, 2, 7, 8, 9, 33, 100, 700] {
        let trees = chain(length);
        assert!(trees.check(length as usize, 1).is_ok());
        for row in
            [vec![0.0; length as usize], vec![1.0; length as usize], (0..length).map(|c| f64::from(c % 2)).collect()]
        {
            let (base, contributions) = explained(&trees, &row, 0);
            let mut prediction = [0.0];
            trees.predict(&row, &mut prediction);
            let total = base + contributions.iter().sum::<f64>();
            assert!((total - prediction[0]).abs() < 1e-9, "{length}: {total} {prediction:?}");
        }
    }
}

#[test]
fn trees_too_deep_or_without_weights_are_not_explained() {
    assert!(Plan::new(&chain(2_000)).unwrap_err().contains("deep"));
    let mut trees = chain(3);
    trees.weights = None;
    assert!(Plan::new(&trees).unwrap_err().contains("train it again"));
}

#[test]
fn quadrature_is_exact_for_polynomials() {
    for count in [1, 2, 3, 4, 5, 16, 40] {
        let (points, weights) = quadrature(count as usize);
        for degree in [0, 1, count, 2 * count - 1] {
            let terms = points.iter().flatten().zip(weights.iter().flatten());
            let integral: f64 = terms.map(|(point, weight)| weight * point.powi(degree)).sum();
            let expected = 1.0 / f64::from(degree + 1);
            assert!((integral - expected).abs() < 1e-14, "{count} {degree}: {integral}");
        }
    }
}

#[test]
fn columns_that_do_the_same_get_the_same() {
    // Both must be above 0.5.
    let mut builder = TreesBuilder::new(1);
    let split = |column, left| TreeNode::Split { column, threshold: 0.5, missing_left: false, left };
    let leaf = |value, weight| TreeNode::Leaf { value, weight };
    builder.push(&[split(0, 1), leaf(0, 2.0), split(1, 3), leaf(0, 1.0), leaf(1, 1.0)], &[0.0, 8.0]);
    let trees = builder.finish(Combine::Mean);
    let (base, contributions) = explained(&trees, &[1.0, 1.0, 5.0], 0);
    assert_eq!(base, 2.0);
    assert!((contributions[0] - 3.0).abs() < 1e-14 && (contributions[1] - 3.0).abs() < 1e-14, "{contributions:?}");
    assert_eq!(contributions[2], 0.0, "a column without a split");
}
