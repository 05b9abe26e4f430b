//! How much each sample counts: its own weight times that of its class.

use slipway_spec::ClassWeight;

use crate::learner::{FitError, Samples, Target};

/// The weight of each sample in a fit on `rows`; `None` where all count alike. As in scikit-learn, `balanced` goes by the
/// number of rows of each class, whatever their weights.
pub(super) fn weights(
    samples: &Samples,
    rows: &[u32],
    class_weight: Option<&ClassWeight>,
) -> Result<Option<Vec<f64>>, FitError> {
    let (Target::Classes { codes, count }, Some(class_weight)) = (&samples.target, class_weight) else {
        return some_weight(samples, rows, samples.weights.clone());
    };
    let by_class = match class_weight {
        ClassWeight::Balanced | ClassWeight::BalancedSubsample => {
            let mut counts = vec![0.0; *count];
            for &row in rows {
                counts[codes[row as usize] as usize] += 1.0;
            }
            balanced(&counts)
        }
        ClassWeight::Map(weights) => {
            let mut by_class = vec![1.0; *count];
            for (name, weight) in weights {
                let place = samples.classes.iter().position(|class| class == name).ok_or_else(|| {
                    let known = samples.classes.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
                    FitError(format!(
                        "class_weight names the class {name}, which the target does not have; it has {known}"
                    ))
                })?;
                by_class[place] = weight.get();
            }
            by_class
        }
    };
    let own = |row: usize| samples.weights.as_ref().map_or(1.0, |weights| weights[row]);
    let weights = codes.iter().enumerate().map(|(row, &code)| own(row) * by_class[code as usize]).collect();
    some_weight(samples, rows, Some(weights))
}

fn some_weight(samples: &Samples, rows: &[u32], weights: Option<Vec<f64>>) -> Result<Option<Vec<f64>>, FitError> {
    let none = |weights: &Vec<f64>| rows.iter().all(|&row| weights[row as usize] == 0.0);
    if weights.as_ref().is_some_and(none) {
        let (part, all) = (rows.len(), samples.rows());
        return Err(FitError(format!(
            "all weights are 0 in a part of {part} of the {all} training rows; weigh some rows"
        )));
    }
    Ok(weights)
}

/// Weights that give classes with these counts of rows the same share: 0 for a class without rows.
pub(super) fn balanced(counts: &[f64]) -> Vec<f64> {
    let rows: f64 = counts.iter().sum();
    let classes = counts.iter().filter(|&&count| count > 0.0).count() as f64;
    counts.iter().map(|&count| if count > 0.0 { rows / (classes * count) } else { 0.0 }).collect()
}
