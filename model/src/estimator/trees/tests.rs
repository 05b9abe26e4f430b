use super::*;

fn split(column: u32, threshold: f64, left: u32) -> TreeNode {
    TreeNode::Split { column, threshold, missing_left: false, left }
}

fn leaf(value: u32) -> TreeNode {
    TreeNode::Leaf { value, weight: f64::from(1 + value % 300) }
}

fn stump(threshold: f64, missing_left: bool) -> Trees {
    let mut trees = TreesBuilder::new(1);
    trees.push(&[TreeNode::Split { column: 1, threshold, missing_left, left: 1 }, leaf(0), leaf(1)], &[10.0, 20.0]);
    trees.finish(Combine::Mean)
}

fn predict(trees: &Trees, columns: &[f64]) -> f64 {
    let mut output = [0.0];
    trees.predict(columns, &mut output);
    output[0]
}

/// Trees of many shapes: as many splits as `rows` says, on three columns.
fn forest(sizes: &[usize], width: usize, combine: Combine) -> Trees {
    let mut trees = TreesBuilder::new(width);
    for (tree, &splits) in sizes.iter().enumerate() {
        // Splits first, in breadth: any order is taken.
        let mut nodes: Vec<TreeNode> = (0..splits)
            .map(|place| {
                let (column, missing_left, left) = ((place % 3) as u32, place % 2 == 0, 2 * place as u32 + 1);
                if place % 5 == 4 {
                    let categories = vec![place as u32, 70];
                    return TreeNode::Categories { column, categories, missing_left, left };
                }
                let threshold = (place * 7 % 31) as f64 * 0.3 - tree as f64;
                TreeNode::Split { column, threshold, missing_left, left }
            })
            .collect();
        nodes.extend((0..=splits as u32).map(leaf));
        let values: Vec<f64> = (0..(splits + 1) * width).map(|value| value as f64 / 8.0 - 3.0).collect();
        trees.push(&nodes, &values);
    }
    trees.finish(combine)
}

#[test]
fn rows_go_left_up_to_the_threshold_compared_as_32_bit_floats() {
    assert_eq!(predict(&stump(0.5, false), &[9.0, 0.5]), 10.0);
    assert_eq!(predict(&stump(0.5, false), &[9.0, 0.500_001]), 20.0);
    // As a 64-bit float 0.1 is below this threshold, as a 32-bit float it is above.
    assert_eq!(predict(&stump(0.100_000_000_5, false), &[9.0, 0.1]), 20.0);
    // The nearest 32-bit float of this threshold is above it, and a row with just that value goes right.
    let threshold = 1.0 - 1e-9;
    assert_eq!(predict(&stump(threshold, false), &[9.0, 1.0]), 20.0);
}

#[test]
fn a_missing_value_goes_where_the_node_says() {
    assert_eq!(predict(&stump(0.5, true), &[9.0, f64::NAN]), 10.0);
    assert_eq!(predict(&stump(0.5, false), &[9.0, f64::NAN]), 20.0);
}

#[test]
fn categories_of_the_set_go_to_one_side_and_all_else_to_the_other() {
    for missing_left in [false, true] {
        let mut trees = TreesBuilder::new(1);
        let split = TreeNode::Categories { column: 0, categories: vec![1, 40], missing_left, left: 1 };
        trees.push(&[split, leaf(0), leaf(1)], &[10.0, 20.0]);
        let trees = trees.finish(Combine::Mean);
        let read = Trees::from_bytes(&trees.to_bytes()).unwrap();
        assert_eq!(read, trees);
        assert!(read.check(1, 1).is_ok());
        let (set, others) = if missing_left { (20.0, 10.0) } else { (10.0, 20.0) };
        for (category, expected) in [
            (1.0, set),
            (40.0, set),
            (0.0, others),
            (8.0, others),
            (41.0, others),
            (9999.0, others),
            (-1.0, others),
            (f64::NAN, others),
        ] {
            assert_eq!(predict(&read, &[category]), expected, "{category}");
        }
    }
}

#[test]
fn leaves_are_averaged_or_added_up() {
    let one = |value: f64| {
        let mut trees = TreesBuilder::new(1);
        (0..20).for_each(|tree| trees.push(&[leaf(0)], &[value + f64::from(tree)]));
        trees
    };
    assert_eq!(predict(&one(0.5).finish(Combine::Mean), &[]), 10.0);
    let sum = |base: Vec<f64>, link| one(0.0).finish(Combine::Sum { base, link });
    assert_eq!(predict(&sum(vec![1.0], Link::Identity), &[]), 191.0);
    let mut output = [0.0; 2];
    sum(vec![-190.0], Link::Logistic).predict(&[], &mut output);
    assert_eq!(output, [0.5, 0.5]);
    // Trees 0, 2, 4, … add to the first sum, the others to the second.
    sum(vec![10.0, 0.0], Link::Softmax).predict(&[], &mut output);
    assert_eq!(output, [0.5, 0.5]);
}

#[test]
fn trees_read_back_as_written() {
    for (sizes, width, combine) in [
        (&[0][..], 1, Combine::Mean),
        (&[0, 5, 1, 300], 3, Combine::Mean),
        (&[70, 0, 9], 1, Combine::Sum { base: vec![0.1, -2.0, 3.0], link: Link::Softmax }),
        (&[4], 1, Combine::Sum { base: vec![1.5], link: Link::Logistic }),
    ] {
        let trees = forest(sizes, width, combine);
        let bytes = trees.to_bytes();
        let read = Trees::from_bytes(&bytes).unwrap();
        assert_eq!(read, trees);
        assert_eq!(read.to_bytes(), bytes);
        assert_eq!(read.leaves(), sizes.iter().map(|splits| splits + 1).sum::<usize>());
    }
}

#[test]
fn every_cut_and_every_changed_byte_is_refused_or_still_sound() {
    let trees = forest(&[12, 0, 40], 2, Combine::Mean);
    let bytes = trees.to_bytes();
    for end in 0..bytes.len() {
        assert!(Trees::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(Trees::from_bytes(&[&bytes[..], &[0]].concat()).is_err(), "a byte more");
    for place in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[place] ^= change;
            let Ok(read) = Trees::from_bytes(&damaged) else { continue };
            if read.check(3, 2).is_ok() {
                let mut output = [0.0; 2];
                read.predict(&[0.3, f64::NAN, 1e300], &mut output);
            }
        }
    }
}

#[test]
fn trees_that_do_not_fit_are_refused() {
    assert!(stump(0.5, false).check(2, 1).is_ok());
    assert!(stump(0.5, false).check(1, 1).is_err(), "column out of range");
    assert!(stump(f64::NAN, false).check(2, 1).is_err(), "threshold");
    assert!(stump(0.5, false).check(2, 2).is_err(), "width");
    let build = |nodes: &[TreeNode], values: &[f64]| {
        let mut trees = TreesBuilder::new(1);
        trees.push(nodes, values);
        trees.finish(Combine::Mean)
    };
    assert!(build(&[split(0, 0.0, 0), leaf(0)], &[1.0]).check(1, 1).is_err(), "cycle");
    assert!(build(&[split(0, 0.0, 1), leaf(0)], &[1.0]).check(1, 1).is_err(), "right child beyond the end");
    assert!(build(&[leaf(1)], &[1.0]).check(1, 1).is_err(), "no values");
    assert!(build(&[leaf(0)], &[f64::INFINITY]).check(1, 1).is_err(), "an infinite leaf");
    assert!(TreesBuilder::new(1).finish(Combine::Mean).check(1, 1).is_err(), "no trees");
    let sum = |base: Vec<f64>| {
        let mut trees = TreesBuilder::new(1);
        trees.push(&[leaf(0)], &[1.0]);
        trees.finish(Combine::Sum { base, link: Link::Softmax })
    };
    assert!(sum(vec![0.0; 3]).check(1, 3).is_ok());
    assert!(sum(vec![0.0; 2]).check(1, 3).is_err(), "a class without a sum");
    assert!(sum(vec![f64::NAN; 3]).check(1, 3).is_err(), "base");
}

#[test]
fn trees_of_the_first_format_predict_still_and_have_no_weights() {
    let mut trees = forest(&[12, 0, 40], 1, Combine::Mean);
    let bytes = trees.to_bytes();
    trees.weights = None;
    let mut first = trees.to_bytes();
    first.truncate(first.len() - 4);
    first[8] = 1;
    assert!(first.len() < bytes.len());
    assert_eq!(Trees::from_bytes(&first).unwrap(), trees);
    first[8] = 3;
    assert!(Trees::from_bytes(&first).unwrap_err().to_string().contains("reads 1 to 2"));
}
