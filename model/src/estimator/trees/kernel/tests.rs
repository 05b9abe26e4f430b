use proptest::prelude::*;

use super::super::{Combine, TreeNode, TreesBuilder};
use super::*;
use crate::estimator::Link;

const COLUMNS: u32 = 4;

/// A tree that grows as the numbers say, and stops where they end or at `depth`.
fn grow(
    choices: &mut impl Iterator<Item = u32>,
    depth: usize,
    leaves: &mut u32,
    nodes: &mut Vec<TreeNode>,
    place: usize,
) {
    let choice = choices.next().unwrap_or(0);
    if depth == 0 || choice.is_multiple_of(4) {
        nodes[place] = TreeNode::Leaf { value: *leaves, weight: 1.0 };
        *leaves += 1;
        return;
    }
    let left = nodes.len();
    let (column, missing_left) = (choice / 8 % COLUMNS, (choice / 64).is_multiple_of(2));
    nodes[place] = if (choice / 128).is_multiple_of(3) {
        let first = choice / 512 % 70;
        let categories =
            if (choice / 65_536).is_multiple_of(5) { vec![] } else { vec![first, first + 1, choice / 1024 % 40] };
        TreeNode::Categories { column, categories, missing_left, left: left as u32 }
    } else {
        TreeNode::Split { column, threshold: f64::from(choice / 512 % 9) - 4.0, missing_left, left: left as u32 }
    };
    nodes.extend([TreeNode::Leaf { value: 0, weight: 1.0 }, TreeNode::Leaf { value: 0, weight: 1.0 }]);
    grow(choices, depth - 1, leaves, nodes, left);
    grow(choices, depth - 1, leaves, nodes, left + 1);
}

fn trees(choices: &[Vec<u32>], depth: usize, width: usize, combine: Combine) -> Trees {
    let mut builder = TreesBuilder::new(width);
    for (tree, choices) in choices.iter().enumerate() {
        let (mut nodes, mut leaves) = (vec![TreeNode::Leaf { value: 0, weight: 1.0 }], 0);
        grow(&mut choices.iter().copied(), depth, &mut leaves, &mut nodes, 0);
        let values: Vec<f64> = (0..leaves as usize * width).map(|leaf| (leaf + 7 * tree) as f64 * 0.1 - 3.0).collect();
        builder.push(&nodes, &values);
    }
    builder.finish(combine)
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-5_i32..5).prop_map(f64::from),
        (0_u32..90).prop_map(f64::from),
        Just(f64::NAN),
        Just(1e300),
        Just(-0.0),
        Just(f64::NEG_INFINITY),
        -5.0..5.0
    ]
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

proptest! {
    #[test]
    fn all_kernels_agree_to_the_last_bit(
        choices in prop::collection::vec(prop::collection::vec(1_u32..1_000_000, 0..60), 1..40),
        depth in 0_usize..12,
        rows in prop::collection::vec(prop::array::uniform4(value()), 1..40),
        form in 0_usize..5,
    ) {
        let sum = |base: &[f64], link| Combine::Sum { base: base.to_vec(), link };
        let (width, combine) = match form {
            0 => (1, Combine::Mean),
            1 => (2, Combine::Mean),
            2 => (1, sum(&[0.25], Link::Identity)),
            3 => (1, sum(&[0.25], Link::Logistic)),
            _ => (1, sum(&[0.25, -1.0, 3.0], Link::Softmax)),
        };
        let trees = trees(&choices, depth, width, combine);
        let outputs = trees.outputs();
        prop_assert!(trees.check(COLUMNS as usize, outputs).is_ok());
        let columns = rows.concat();
        let mut expected = vec![0.0; rows.len() * outputs];
        for (row, output) in rows.iter().zip(expected.chunks_mut(outputs)) {
            trees.predict(row, output);
        }
        let same = trees.clone();
        let packed = Trees::from_bytes(&trees.to_bytes()).unwrap();
        prop_assert!(packed.check(COLUMNS as usize, outputs).is_ok());
        for (mut trees, form) in [(trees, "loose"), (packed, "packed")] {
            for wanted in Kernel::ALL.map(Some).into_iter().chain([None]) {
                trees.tune(wanted);
                let mut one_by_one = vec![0.0; rows.len() * outputs];
                for (row, output) in rows.iter().zip(one_by_one.chunks_mut(outputs)) {
                    trees.predict(row, output);
                }
                prop_assert_eq!(bits(&one_by_one), bits(&expected), "{:?} {}", wanted, form);
                let mut together = vec![0.0; rows.len() * outputs];
                trees.predict_rows(&columns, &mut together);
                prop_assert_eq!(bits(&together), bits(&expected), "{:?} {}", wanted, form);
            }
            prop_assert_eq!(&trees, &same);
        }
    }
}

#[test]
fn a_tree_with_many_thresholds_and_leaves_is_packed_too() {
    // Codes take so many bits that most of the way to a right child does not fit beside them.
    const LEAVES: u32 = 1 << 17;
    let mut nodes: Vec<TreeNode> = Vec::new();
    for place in 1..LEAVES {
        // In order of their thresholds from left to right, as in a search tree.
        let level = place.ilog2();
        let threshold = f64::from(((place << 1 | 1) << (16 - level)) & (LEAVES - 1));
        nodes.push(TreeNode::Split { column: 0, threshold, missing_left: true, left: 2 * place - 1 });
    }
    nodes.extend((0..LEAVES).map(|value| TreeNode::Leaf { value, weight: 1.0 }));
    let values: Vec<f64> = (0..LEAVES).map(f64::from).collect();
    let mut builder = TreesBuilder::new(1);
    builder.push(&nodes, &values);
    let loose = builder.finish(Combine::Mean);
    let packed = Trees::from_bytes(&loose.to_bytes()).unwrap();
    assert_eq!(packed, loose);
    let rows: Vec<f64> = (0..5_000).map(|row| f64::from(row) * 26.3 - 100.0).chain([f64::NAN]).collect();
    let (mut expected, mut actual) = (vec![0.0; rows.len()], vec![0.0; rows.len()]);
    loose.predict_rows(&rows, &mut expected);
    packed.predict_rows(&rows, &mut actual);
    assert_eq!(actual, expected);
    assert_eq!(expected[1_000], (26.3_f64 * 1_000.0 - 100.0).ceil() - 1.0);
    assert_eq!(expected[5_000], 0.0);
}

#[test]
fn a_kernel_is_used_where_it_suits() {
    let full: Vec<u32> = vec![1 + 8; 63];
    let mut shallow = trees(&[full.clone(), full], 6, 1, Combine::Mean);
    for kernel in Kernel::ALL {
        assert_eq!(shallow.tune(Some(kernel)), Kernels { row: kernel, rows: kernel });
    }
    // Ever to the left: a chain.
    let mut chain = trees(&[vec![1 + 8; 20]], 20, 1, Combine::Mean);
    assert_eq!(chain.tune(Some(Kernel::Complete)).row, Kernel::Plain);
    assert_eq!(chain.tune(Some(Kernel::Arena)).row, Kernel::Arena);
    assert_eq!(chain.tune(Some(Kernel::Bits)).row, Kernel::Bits);
    let mut bushy = trees(&[vec![1 + 8; 127]], 7, 1, Combine::Mean);
    assert_eq!(bushy.tune(Some(Kernel::Bits)).row, Kernel::Plain, "128 leaves have more bits than there are");
}

#[test]
fn kernels_have_names() {
    for kernel in Kernel::ALL {
        assert_eq!(kernel.name().parse(), Ok(kernel));
    }
    assert!("quick".parse::<Kernel>().is_err());
}
