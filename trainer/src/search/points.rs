//! The points a search tries.

use slipway_spec::{NumberRange, Parameters, RandomSearch, Search, search::parameter};

use crate::rng::Rng;

/// Draws a point without repeating an earlier one, as often as that.
const MAX_DRAWS_A_POINT: usize = 100;

/// Every point, on top of `base`. The search was found sound.
pub(super) fn points(search: &Search, base: &Parameters) -> Vec<Parameters> {
    match (&search.grid, &search.random) {
        (Some(grid), _) => grid.points(base),
        (None, Some(random)) => draw(random, base),
        (None, None) => Vec::new(),
    }
}

/// Points at random, no two equal; fewer than asked for where there are not as many.
fn draw(random: &RandomSearch, base: &Parameters) -> Vec<Parameters> {
    let mut rng = Rng::new(random.seed);
    let wanted = random.points.unsigned_abs() as usize;
    let mut points: Vec<Parameters> = Vec::with_capacity(wanted);
    for _ in 0..wanted.saturating_mul(MAX_DRAWS_A_POINT) {
        if points.len() == wanted {
            break;
        }
        let point = random.ranges.iter().fold(
            random.choices.draw(base, &mut |count| rng.below(count as u64) as usize),
            |point, (name, range)| {
                parameter(name, number(*range, name, &mut rng)).map_or(point.clone(), |drawn| point.with(&drawn))
            },
        );
        if !points.contains(&point) {
            points.push(point);
        }
    }
    points
}

/// A number of the range.
fn number(range: NumberRange, name: &str, rng: &mut Rng) -> f64 {
    let NumberRange { min, max, log } = range;
    let whole = range.whole(name);
    // Each whole number has as much room as the others.
    let (low, high) = if whole { (min.round(), max.round() + 1.0) } else { (min, max) };
    let share = rng.unit();
    let drawn = if log { (low.ln() + share * (high.ln() - low.ln())).exp() } else { low + share * (high - low) };
    if whole { drawn.floor().clamp(min.round(), max.round()) } else { drawn.clamp(min, max) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(yaml: &str) -> Vec<Parameters> {
        points(&serde_saphyr::from_str(yaml).unwrap(), &Parameters::default())
    }

    #[test]
    fn choices_are_drawn_once_each_and_all_where_there_are_no_more() {
        let found = drawn("{random: {points: 100, choices: {max_depth: [1, 2, 3, None], min_samples_leaf: [1, 5]}}}");
        assert_eq!(found.len(), 8);
        let few = drawn("{random: {points: 3, choices: {max_depth: [1, 2, 3, None], min_samples_leaf: [1, 5]}}}");
        assert_eq!(few.len(), 3);
        assert_eq!(few[..], found[..3], "one seed, one order");
        let other =
            drawn("{random: {points: 3, seed: 9, choices: {max_depth: [1, 2, 3, None], min_samples_leaf: [1, 5]}}}");
        assert_ne!(few, other);
    }

    #[test]
    fn ranges_give_what_the_parameter_takes() {
        let found = drawn(
            "{random: {points: 300, ranges: {max_depth: {min: 2, max: 9}, min_samples_leaf: {min: 0.001, max: 0.5, log: true}}}}",
        );
        let depths: Vec<u32> = found
            .iter()
            .map(|point| match point.max_depth {
                Some(slipway_spec::IntOrNone::Int(depth)) => depth,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!((2..=9).all(|depth| depths.contains(&depth)) && depths.iter().all(|depth| (2..=9).contains(depth)));
        let shares = found.iter().map(|point| point.min_samples_leaf.unwrap().of(1_000_000) as f64 / 1e6);
        let below = shares.filter(|share| *share < 0.02236).count();
        assert!((120..180).contains(&below), "half of the draws lie below the geometric mean: {below}");
    }

    #[test]
    fn the_middle_of_a_real_range_may_be_a_whole_number() {
        for point in drawn("{random: {points: 50, ranges: {C: {min: 1, max: 3}}}}") {
            let c = serde_json::to_value(&point).unwrap()["C"].as_f64().unwrap();
            assert!((1.0..=3.0).contains(&c));
        }
        let distinct = drawn("{random: {points: 50, ranges: {C: {min: 1, max: 3}}}}");
        assert_eq!(distinct.len(), 50, "C takes fractions");
    }
}
