//! Folds for cross-validation, by scikit-learn's names and, where nothing is shuffled, as it makes them.

use slipway_spec::{FoldKind, Folding};

use crate::learner::Target;
use crate::rng::Rng;

const SECONDS_A_DAY: f64 = 86_400.0;

/// Rows fitted on and rows validated on, both ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    pub(crate) train: Vec<u32>,
    pub(crate) validation: Vec<u32>,
}

/// What is known of the rows beside the target, one entry a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Keys {
    None,
    /// Rows of one group have one number; groups count from 0 in sorted order.
    Groups(Vec<u32>),
    /// Seconds, or any number that grows with time.
    Times(Vec<f64>),
}

/// How folds are to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) count: usize,
    pub(crate) by: &'a Folding,
    pub(crate) keys: &'a Keys,
    /// Names of the classes, for messages.
    pub(crate) classes: &'a [String],
}

/// The folds of `plan`, those of the first repeat first. Every training part holds every class.
pub(crate) fn folds(target: &Target, plan: Plan<'_>) -> Result<Vec<Fold>, String> {
    let mut rng = Rng::new(plan.by.seed);
    // More than one time is only worth something shuffled.
    let repeats = plan.by.repeats.map_or(1, |repeats| repeats.unsigned_abs() as usize);
    let shuffle = plan.by.shuffle || plan.by.repeats.is_some();
    let mut folds = Vec::with_capacity(repeats * plan.count);
    for _ in 0..repeats {
        folds.extend(divide(target, plan, shuffle.then_some(&mut rng))?);
    }
    check_classes(target, &folds, plan)?;
    Ok(folds)
}

fn divide(target: &Target, plan: Plan<'_>, shuffle: Option<&mut Rng>) -> Result<Vec<Fold>, String> {
    let rows = target.rows();
    if rows < plan.count {
        return Err(format!("{rows} training rows cannot be divided into {} folds; lower search.folds", plan.count));
    }
    let fold_of = match (plan.keys, target) {
        (Keys::Times(times), _) => return over_time(times, plan),
        (Keys::Groups(groups), _) => by_group(groups, plan.count, shuffle)?,
        (Keys::None, Target::Classes { codes, count }) if plan.by.kind != Some(FoldKind::KFold) => {
            check_strata(codes, *count, plan.count)?;
            shuffled(rows, shuffle, |order| {
                let codes: Vec<u32> = order.iter().map(|&row| codes[row as usize]).collect();
                stratified(&codes, *count, plan.count)
            })
        }
        (Keys::None, _) => shuffled(rows, shuffle, |order| consecutive(order.len(), plan.count)),
    };
    let fold = |fold| {
        let (validation, train) = (0..rows as u32).partition(|&row| fold_of[row as usize] == fold);
        Fold { train, validation }
    };
    Ok((0..plan.count as u32).map(fold).collect())
}

/// The fold of each row where `divide` tells that of each place in an order of the rows: their own, or a shuffled one.
fn shuffled(rows: usize, shuffle: Option<&mut Rng>, divide: impl Fn(&[u32]) -> Vec<u32>) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    if let Some(rng) = shuffle {
        rng.shuffle(&mut order);
    }
    let mut fold_of = vec![0; rows];
    for (&row, fold) in order.iter().zip(divide(&order)) {
        fold_of[row as usize] = fold;
    }
    fold_of
}

/// The fold of each row; the first folds get one row more where the rows do not divide evenly.
fn consecutive(rows: usize, folds: usize) -> Vec<u32> {
    let (size, longer) = (rows / folds, rows % folds);
    (0..folds).flat_map(|fold| std::iter::repeat_n(fold as u32, size + usize::from(fold < longer))).collect()
}

/// The fold of each row: the rows sorted by class are dealt out in turn, which says how many of each class a fold gets; it
/// gets them in the order of the rows. Classes count in the order in which they appear.
fn stratified(codes: &[u32], classes: usize, folds: usize) -> Vec<u32> {
    let mut appeared: Vec<u32> = Vec::new();
    let mut counts = vec![0_usize; classes];
    for &class in codes {
        if counts[class as usize] == 0 {
            appeared.push(class);
        }
        counts[class as usize] += 1;
    }
    // For each class, the folds of its rows from the last to the first.
    let mut dealt: Vec<Vec<u32>> = vec![Vec::new(); classes];
    let mut position = 0;
    for &class in &appeared {
        let mut allotted = vec![0_usize; folds];
        for _ in 0..counts[class as usize] {
            allotted[position % folds] += 1;
            position += 1;
        }
        let in_order = allotted.iter().enumerate().flat_map(|(fold, &n)| std::iter::repeat_n(fold as u32, n));
        dealt[class as usize] = in_order.rev().collect();
    }
    codes.iter().map(|&class| dealt[class as usize].pop().unwrap_or_default()).collect()
}

fn check_strata(codes: &[u32], classes: usize, folds: usize) -> Result<(), String> {
    let mut counts = vec![0_usize; classes];
    for &code in codes {
        counts[code as usize] += 1;
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    if most < folds {
        return Err(format!("no class has {folds} training rows, one for each fold; lower search.folds"));
    }
    Ok(())
}

/// The fold of each row: the largest group that is left goes to the fold with the fewest rows. Shuffled, the same number of
/// groups goes to each fold.
fn by_group(groups: &[u32], folds: usize, shuffle: Option<&mut Rng>) -> Result<Vec<u32>, String> {
    let count = groups.iter().max().map_or(0, |last| *last as usize + 1);
    if count < folds {
        return Err(format!(
            "the training rows have {count} groups, which cannot be divided into {folds} folds; lower search.folds"
        ));
    }
    let mut fold_of_group = vec![0_u32; count];
    if let Some(rng) = shuffle {
        let mut order: Vec<usize> = (0..count).collect();
        rng.shuffle(&mut order);
        for (group, fold) in order.into_iter().zip(consecutive(count, folds)) {
            fold_of_group[group] = fold;
        }
    } else {
        let mut sizes = vec![0_usize; count];
        for &group in groups {
            sizes[group as usize] += 1;
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|&group| std::cmp::Reverse((sizes[group], group)));
        let mut rows = vec![0_usize; folds];
        for group in order {
            let lightest = (0..folds).min_by_key(|&fold| rows[fold]).unwrap_or(0);
            fold_of_group[group] = lightest as u32;
            rows[lightest] += sizes[group];
        }
    }
    Ok(groups.iter().map(|&group| fold_of_group[group as usize]).collect())
}

/// Folds whose training rows are all earlier than those validated on, as `TimeSeriesSplit`. Rows of one moment stay together,
/// and the last days before the validation are left out where there is an embargo.
fn over_time(times: &[f64], plan: Plan<'_>) -> Result<Vec<Fold>, String> {
    let rows = times.len();
    let size = rows / (plan.count + 1);
    let too_few = || {
        let moments = format!("{rows} training rows are too few, or of too few moments, for {} folds", plan.count);
        format!("{moments} that follow each other in time; lower search.folds")
    };
    if size == 0 {
        return Err(too_few());
    }
    let mut order: Vec<u32> = (0..rows as u32).collect();
    order.sort_by(|&a, &b| times[a as usize].total_cmp(&times[b as usize]));
    let when = |place: usize| times[order[place] as usize];
    let starts = (0..plan.count).map(|fold| {
        let start = rows - (plan.count - fold) * size;
        // The first row of that moment.
        order.partition_point(|&row| times[row as usize] < when(start))
    });
    let bounds: Vec<usize> = starts.chain([rows]).collect();
    let embargo = f64::from(plan.by.embargo_days.unwrap_or(0)) * SECONDS_A_DAY;
    let ascending = |rows: &[u32]| {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows
    };
    let fold = |bound: &[usize]| {
        let (start, end) = (bound[0], bound[1]);
        let known = order.partition_point(|&row| times[row as usize] < when(start) - embargo).min(start);
        if start == end || known == 0 {
            return Err(too_few());
        }
        Ok(Fold { train: ascending(&order[..known]), validation: ascending(&order[start..end]) })
    };
    bounds.windows(2).map(fold).collect()
}

/// A model that has never seen a class cannot be told apart from one that is bad at it.
fn check_classes(target: &Target, folds: &[Fold], plan: Plan<'_>) -> Result<(), String> {
    let Target::Classes { codes, count } = target else { return Ok(()) };
    let seen = |rows: &mut dyn Iterator<Item = u32>| {
        let mut seen = vec![false; *count];
        rows.for_each(|row| seen[codes[row as usize] as usize] = true);
        seen
    };
    let all = seen(&mut (0..codes.len() as u32));
    for (place, fold) in folds.iter().enumerate() {
        let here = seen(&mut fold.train.iter().copied());
        if let Some(class) = (0..*count).find(|&class| all[class] && !here[class]) {
            let name = plan.classes.get(class).map_or("", String::as_str);
            return Err(format!(
                "without fold {} the training rows hold no row of class {name:?}; lower search.folds, write foldsBy: \
                 {{shuffle: true}}, or leave that class out",
                place % plan.count + 1
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
