//! Predicted classes against true ones.

use slipway_spec::pictures::{CalibrationBin, ClassCurves, ClassificationPictures};

use super::histogram;
use crate::metrics::ranking::{average_precision, descending, roc_auc, steps};
use crate::schema::Output;

/// Most classes of a confusion matrix, the one for all others included.
const MAX_CLASSES: usize = 12;
/// Most classes with curves of their own.
const MAX_CURVES: usize = 6;
/// Points of a curve are at least this far apart, along both axes together, so that there are a few hundred at most.
const POINT_DISTANCE: f64 = 0.01;
const SCORE_BINS: usize = 20;
const CALIBRATION_BINS: usize = 10;
const THRESHOLDS: usize = 50;

pub(super) struct Rows<'a> {
    pub(super) truth: &'a [usize],
    pub(super) predicted: &'a [usize],
    pub(super) probabilities: Option<&'a [f64]>,
}

impl Rows<'_> {
    pub(super) fn pictures(&self, output: &Output) -> ClassificationPictures {
        let names = output.classes();
        let frequent = self.frequent(names.len());
        let mut pictures = ClassificationPictures { rows: self.truth.len(), ..ClassificationPictures::default() };
        self.confuse(names, &frequent, &mut pictures);
        let positive = match output {
            Output::Classification { positive_class, classes, .. } if classes.len() == 2 => {
                Some(positive_class.unwrap_or(1))
            }
            _ => None,
        };
        let (Some(probabilities), width) = (self.probabilities, names.len()) else { return pictures };
        let mut classes = positive.map_or(frequent, |positive| vec![positive]);
        classes.truncate(MAX_CURVES);
        classes.sort_unstable();
        let curves = classes.into_iter().filter_map(|class| {
            let scores = probabilities.iter().skip(class).step_by(width);
            let scored = scores.zip(self.truth).map(|(score, truth)| (*score, *truth == class)).collect();
            let mut curves = curves(scored)?;
            curves.class.clone_from(&names[class]);
            curves.at_threshold = positive.map(|positive| self.at_threshold(positive));
            if positive.is_none() {
                curves.thresholds.clear();
            }
            Some(curves)
        });
        pictures.curves = curves.collect();
        pictures
    }

    /// The classes of the truth, the most frequent first.
    fn frequent(&self, count: usize) -> Vec<usize> {
        let mut counts = vec![0_usize; count];
        for &class in self.truth {
            counts[class] += 1;
        }
        let mut classes: Vec<usize> = (0..count).collect();
        classes.sort_by_key(|&class| std::cmp::Reverse(counts[class]));
        classes
    }

    fn confuse(&self, names: &[String], frequent: &[usize], pictures: &mut ClassificationPictures) {
        pictures.others = names.len() > MAX_CLASSES;
        let kept = if pictures.others { MAX_CLASSES - 1 } else { names.len() };
        let mut shown: Vec<usize> = frequent[..kept].to_vec();
        shown.sort_unstable();
        let mut place = vec![kept; names.len()];
        for (at, &class) in shown.iter().enumerate() {
            place[class] = at;
        }
        pictures.classes = shown.iter().map(|&class| names[class].clone()).collect();
        if pictures.others {
            pictures.classes.push(format!("{} others", names.len() - kept));
        }
        pictures.confusion = vec![vec![0; pictures.classes.len()]; pictures.classes.len()];
        for (&truth, &predicted) in self.truth.iter().zip(self.predicted) {
            pictures.confusion[place[truth]][place[predicted]] += 1;
        }
    }

    /// False positive rate, recall and precision of the predictions.
    fn at_threshold(&self, positive: usize) -> [f64; 3] {
        let count = |truth: bool, predicted: bool| {
            let rows = self.truth.iter().zip(self.predicted);
            rows.filter(|(t, p)| (**t == positive) == truth && (**p == positive) == predicted).count() as f64
        };
        let ratio = |part: f64, rest: f64| if part + rest > 0.0 { part / (part + rest) } else { 0.0 };
        let (hit, false_alarm) = (count(true, true), count(false, true));
        [ratio(false_alarm, count(false, false)), ratio(hit, count(true, false)), ratio(hit, false_alarm)]
    }
}

/// The curves of one class; `None` where the rows are all of one kind.
fn curves(mut scored: Vec<(f64, bool)>) -> Option<ClassCurves> {
    let of_class = scored.iter().filter(|(_, is_class)| *is_class).count();
    let others = scored.len() - of_class;
    if of_class == 0 || others == 0 {
        return None;
    }
    let (roc_auc, average_precision) = (roc_auc(&mut scored), average_precision(&mut scored));
    descending(&mut scored);
    let (mut roc, mut precision_recall) = (vec![[0.0, 0.0]], Vec::new());
    let (mut hits, mut seen) = (0_usize, 0_usize);
    for step in steps(&scored) {
        hits += step.iter().filter(|(_, is_class)| *is_class).count();
        seen += step.len();
        let recall = hits as f64 / of_class as f64;
        roc.push([(seen - hits) as f64 / others as f64, recall]);
        precision_recall.push([recall, hits as f64 / seen as f64]);
    }
    // The curve starts where the first rows are.
    precision_recall.insert(0, [0.0, precision_recall[0][1]]);
    let scores = |wanted: bool| {
        let scores = scored.iter().filter(|(_, is_class)| *is_class == wanted).map(|(score, _)| *score);
        histogram::between(scores, 0.0, 1.0, SCORE_BINS)
    };
    Some(ClassCurves {
        rows: of_class,
        roc_auc,
        average_precision,
        roc: thin(&roc),
        precision_recall: thin(&precision_recall),
        calibration: calibration(&scored),
        thresholds: thresholds(&scored, of_class),
        scores: scores(true),
        other_scores: scores(false),
        ..ClassCurves::default()
    })
}

/// `scored` falls.
fn thresholds(scored: &[(f64, bool)], of_class: usize) -> Vec<[f64; 4]> {
    let (mut flagged, mut hits) = (0_usize, 0_usize);
    let mut points: Vec<[f64; 4]> = (0..=THRESHOLDS)
        .rev()
        .map(|step| {
            let threshold = step as f64 / THRESHOLDS as f64;
            while let Some((_, is_class)) = scored.get(flagged).filter(|(score, _)| *score >= threshold) {
                hits += usize::from(*is_class);
                flagged += 1;
            }
            let precision = hits as f64 / flagged.max(1) as f64;
            [threshold, precision, hits as f64 / of_class as f64, flagged as f64 / scored.len() as f64]
        })
        .collect();
    points.reverse();
    points
}

/// The first, the last, and those in between that lie apart.
fn thin(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut kept: Vec<[f64; 2]> = Vec::new();
    for (place, &[x, y]) in points.iter().enumerate() {
        let apart = |[x0, y0]: &[f64; 2]| (x - x0).abs() + (y - y0).abs() >= POINT_DISTANCE;
        if place + 1 == points.len() || kept.last().is_none_or(apart) {
            kept.push([x, y]);
        }
    }
    kept
}

/// Ranges of equal width, as in scikit-learn's `calibration_curve`.
fn calibration(scored: &[(f64, bool)]) -> Vec<CalibrationBin> {
    let mut sums = vec![(0.0, 0_usize, 0_usize); CALIBRATION_BINS];
    for (score, is_class) in scored {
        let bin = ((score * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        let (sum, of_class, rows) = &mut sums[bin];
        *sum += score;
        *of_class += usize::from(*is_class);
        *rows += 1;
    }
    let filled = sums.into_iter().filter(|(_, _, rows)| *rows > 0);
    filled
        .map(|(sum, of_class, rows)| {
            let share = |part: f64| part / rows as f64;
            CalibrationBin { predicted: share(sum), observed: share(of_class as f64), rows }
        })
        .collect()
}
