//! No prediction for a group that was not seen in training.

use slipway_spec::FeatureType;

use super::{Evidence, find, has_rows};
use crate::distribution::{Distribution, MAX_COUNTED};

/// Whether every test row's category is one of the training rows.
pub(super) fn unseen_groups(name: &str, evidence: Evidence<'_>) -> Result<String, String> {
    let place = find(evidence.model, name, FeatureType::Category, "a category")?;
    has_rows(evidence)?;
    let Some(Distribution::Categorical { counts: seen, .. }) = evidence.distributions.features.get(name) else {
        return Err(format!("the manifest holds no distribution of {name} in training"));
    };
    let categories = &evidence.model.fields()[place].categories;
    let mut rows_of = vec![0_usize; categories.len()];
    let mut unknown = 0;
    for row in evidence.rows {
        match rows_of.get_mut(row[place] as usize).filter(|_| !row[place].is_nan()) {
            Some(rows) => *rows += 1,
            None => unknown += 1,
        }
    }
    if unknown > 0 {
        return Err(format!("{unknown} test rows have no {name} that the model knows"));
    }
    let unseen: Vec<_> =
        categories.iter().zip(rows_of).filter(|(name, rows)| *rows > 0 && !seen.contains_key(*name)).collect();
    let Some((first, rows)) = unseen.first() else {
        return Ok(format!("every test row's {name} was seen in training"));
    };
    if seen.contains_key("") {
        return Err(format!("{name} has more than {MAX_COUNTED} values in training, of which only those are known"));
    }
    let more = if unseen.len() > 1 { format!(", and {} more values", unseen.len() - 1) } else { String::new() };
    Err(format!("{first:?} ({rows} test rows) was not seen in training{more}"))
}
