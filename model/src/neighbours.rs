//! What came of rows with nearly the same prediction.

use serde::{Deserialize, Serialize};

use crate::test_rows::Answers;

/// Most test rows that a model keeps.
pub const MAX_KEPT: usize = 500;
/// Fewer of them say nothing.
const FEWEST: usize = 20;
/// Most neighbours of a prediction.
const NEAREST: usize = 50;
/// A prediction's neighbours are at most this share of all.
const SHARE: usize = 4;
/// The share of the neighbours below the range, and above it.
const OUTSIDE: f64 = 0.1;

/// Test rows by what was predicted for them: how far the truth may lie from a prediction is learnt from those next to it.
///
/// No assumption is made about how errors are spread, nor that they are the same everywhere. It is a description of what
/// happened to 8 of 10 such rows, and no promise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Neighbours(Vec<[f64; 2]>);

/// Where the truth lay for the neighbours of a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TruthRange {
    /// Below it for one of ten.
    pub low: f64,
    /// Above it for one of ten.
    pub high: f64,
    /// How many neighbours there are.
    pub rows: usize,
}

impl Neighbours {
    /// Of the test rows of a regression; of many, some that are spread evenly over all predictions.
    pub fn of(answers: &Answers) -> Neighbours {
        let Answers::Numbers { truth, predicted } = answers else { return Neighbours::default() };
        let mut pairs: Vec<[f64; 2]> =
            predicted.iter().zip(truth).map(|(&predicted, &truth)| [predicted, truth]).collect();
        pairs.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
        if pairs.len() < FEWEST {
            return Neighbours::default();
        }
        let kept = pairs.len().min(MAX_KEPT);
        Neighbours((0..kept).map(|place| pairs[place * pairs.len() / kept]).collect())
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they are what [`Neighbours::of`] makes; otherwise what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let sound = self.0.len() <= MAX_KEPT
            && (self.0.is_empty() || self.0.len() >= FEWEST)
            && self.0.iter().flatten().all(|number| number.is_finite())
            && self.0.is_sorted_by(|a, b| a[0] <= b[0]);
        if sound {
            Ok(())
        } else {
            Err(format!("neighbours are {FEWEST} to {MAX_KEPT} pairs of finite numbers, sorted by the first"))
        }
    }

    /// Where the truth lay for the rows whose predictions are nearest to this one.
    pub fn range(&self, prediction: f64) -> Option<TruthRange> {
        let pairs = &self.0;
        if pairs.is_empty() {
            return None;
        }
        let count = NEAREST.min(pairs.len() / SHARE).max(1);
        // The nearest are a stretch of them, that begins no later than where the prediction would stand.
        let mut first = pairs.partition_point(|pair| pair[0] < prediction).saturating_sub(count);
        let distance = |place: usize| (pairs[place][0] - prediction).abs();
        while first + count < pairs.len() && distance(first + count) < distance(first) {
            first += 1;
        }
        let mut truths: Vec<f64> = pairs[first..first + count].iter().map(|pair| pair[1]).collect();
        truths.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let place = share * (count - 1) as f64;
            let (below, part) = (place.floor() as usize, place.fract());
            let above = truths[(below + 1).min(count - 1)];
            truths[below] + part * (above - truths[below])
        };
        Some(TruthRange { low: quantile(OUTSIDE), high: quantile(1.0 - OUTSIDE), rows: count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The truth is the prediction, give or take a tenth of it.
    fn neighbours(rows: usize) -> Neighbours {
        let predicted: Vec<f64> = (0..rows).map(|row| 1000.0 * row as f64 / rows as f64).rev().collect();
        let truth =
            predicted.iter().enumerate().map(|(row, p)| p * (0.9 + 0.2 * (row * 7 % 10) as f64 / 9.0)).collect();
        Neighbours::of(&Answers::Numbers { truth, predicted })
    }

    #[test]
    fn the_range_is_that_of_rows_with_nearly_the_same_prediction() {
        for rows in [400, 5_000] {
            let neighbours = neighbours(rows);
            assert!(neighbours.check().is_ok());
            for prediction in [100.0, 500.0, 900.0] {
                let TruthRange { low, high, rows } = neighbours.range(prediction).unwrap();
                assert_eq!(rows, 50);
                // The nearest 50 of 400 or 500 reach 63 to either side, and the truth a tenth further.
                assert!(0.9 * (prediction - 63.0) < low && low < prediction, "{low}");
                assert!(prediction < high && high < 1.1 * (prediction + 63.0), "{high}");
            }
            let beyond = [-1e9, 1e9].map(|prediction| neighbours.range(prediction).unwrap());
            assert!(beyond[0].high < 150.0 && beyond[1].low > 750.0, "{beyond:?}");
        }
    }

    #[test]
    fn the_nearest_are_found_wherever_they_are() {
        let predicted: Vec<f64> = (0..40).map(|row| f64::from(row * row)).collect();
        let neighbours = Neighbours::of(&Answers::Numbers { truth: predicted.clone(), predicted: predicted.clone() });
        for prediction in (-10..1600).step_by(7).map(f64::from) {
            let mut nearest = predicted.clone();
            nearest.sort_by(|a, b| (a - prediction).abs().total_cmp(&(b - prediction).abs()));
            nearest.truncate(10);
            nearest.sort_by(f64::total_cmp);
            let range = neighbours.range(prediction).unwrap();
            let expected = [nearest[0] + 0.9 * (nearest[1] - nearest[0]), nearest[8] + 0.1 * (nearest[9] - nearest[8])];
            assert!((range.low - expected[0]).abs() < 1e-9 && (range.high - expected[1]).abs() < 1e-9, "{prediction}");
        }
    }

    #[test]
    fn few_rows_and_classes_say_nothing() {
        assert!(neighbours(19).is_empty());
        assert_eq!(neighbours(19).range(1.0), None);
        let classes = Answers::Classes { truth: vec![0; 50], predicted: vec![0; 50], probabilities: None };
        assert!(Neighbours::of(&classes).is_empty());
    }

    #[test]
    fn what_is_none_is_refused() {
        assert!(Neighbours(vec![[1.0, 2.0]; FEWEST]).check().is_ok());
        assert!(Neighbours(vec![[1.0, 2.0]; FEWEST - 1]).check().is_err());
        assert!(Neighbours(vec![[1.0, 2.0]; MAX_KEPT + 1]).check().is_err());
        assert!(Neighbours(vec![[f64::NAN, 2.0]; FEWEST]).check().is_err());
        assert!(Neighbours([vec![[2.0, 2.0]; FEWEST], vec![[1.0, 2.0]]].concat()).check().is_err());
    }
}
