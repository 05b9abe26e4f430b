//! Successive halving, with rounds as scikit-learn's `HalvingGridSearchCV` makes them.

use slipway_spec::{Parameters, Resource, search::parameter};

use crate::folds::Fold;
use crate::learner::Target;
use crate::rng::Rng;

/// The resources of each round, the last at most `most`. Without `least`, the first round gets as many as let the last one use
/// all, but at least `smallest`. `None` where not even one round is possible.
pub(super) fn plan(
    points: usize,
    factor: usize,
    least: Option<usize>,
    smallest: usize,
    most: usize,
) -> Option<Vec<usize>> {
    let rounds_until = |whole: usize| {
        let (mut rounds, mut reached) = (1, factor);
        while reached <= whole {
            (rounds, reached) = (rounds + 1, reached.saturating_mul(factor));
        }
        rounds
    };
    let needed: u32 = rounds_until(points);
    let first = least.unwrap_or_else(|| smallest.max(most / factor.saturating_pow(needed - 1)));
    if first > most || first == 0 {
        return None;
    }
    let rounds = needed.min(rounds_until(most / first));
    Some((0..rounds).map(|round| first.saturating_mul(factor.saturating_pow(round)).min(most)).collect())
}

/// The folds with only a share of their rows, drawn at random; of each class the same share, but at least one row.
pub(super) fn subsample(target: &Target, folds: &[Fold], share: f64, seed: i64) -> Vec<Fold> {
    if share >= 1.0 {
        return folds.to_vec();
    }
    let mut rng = Rng::new(seed);
    let mut draw = |rows: &[u32]| {
        let mut shuffled = rows.to_vec();
        rng.shuffle(&mut shuffled);
        let mut strata: Vec<Vec<u32>> = vec![Vec::new(); target.width()];
        for row in shuffled {
            let stratum = match target {
                Target::Numbers(_) => 0,
                Target::Classes { codes, .. } => codes[row as usize] as usize,
            };
            strata[stratum].push(row);
        }
        for stratum in &mut strata {
            let kept = ((share * stratum.len() as f64) as usize).max(1);
            stratum.truncate(kept);
        }
        let mut drawn = strata.concat();
        drawn.sort_unstable();
        drawn
    };
    folds.iter().map(|fold| Fold { train: draw(&fold.train), validation: draw(&fold.validation) }).collect()
}

/// The points with that many trees.
pub(super) fn with_estimators(points: &[Parameters], count: usize) -> Vec<Parameters> {
    let estimators = parameter(Resource::N_ESTIMATORS, count as f64).unwrap_or_default();
    points.iter().map(|point| point.with(&estimators)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_those_of_scikit_learn() {
        let fixtures: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/search.json")).unwrap();
        for case in fixtures["halving"].as_array().unwrap() {
            let count = |name: &str| case[name].as_u64().map(|count| count as usize);
            let (points, factor) = (count("candidates").unwrap(), count("factor").unwrap());
            let most = count("max").or(count("rows")).unwrap();
            let found = plan(points, factor, count("min"), 10, most).unwrap();
            assert_eq!(serde_json::json!(found), case["resources"], "{case}");
            let mut left = points;
            for round in case["points"].as_array().unwrap() {
                assert_eq!(round.as_u64().unwrap() as usize, left);
                left = left.div_ceil(factor);
            }
        }
        assert_eq!(plan(10, 3, None, 20, 12), None, "not enough for a single round");
    }

    #[test]
    fn a_subsample_keeps_every_class_and_repeats_by_its_seed() {
        let codes: Vec<u32> = (0..100).map(|row| u32::from(row % 25 == 0)).collect();
        let target = Target::Classes { codes: codes.clone(), count: 2 };
        let folds = vec![Fold { train: (0..75).collect(), validation: (75..100).collect() }];
        let found = subsample(&target, &folds, 0.2, 3);
        assert_eq!((found[0].train.len(), found[0].validation.len()), (15, 5));
        assert!(found[0].train.is_sorted() && found[0].train.iter().any(|&row| codes[row as usize] == 1));
        assert_eq!(found, subsample(&target, &folds, 0.2, 3));
        assert_ne!(found, subsample(&target, &folds, 0.2, 4));
        assert_eq!(subsample(&target, &folds, 1.0, 3), folds);
    }
}
