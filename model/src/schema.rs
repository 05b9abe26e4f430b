//! What a model takes and gives.

use serde::{Deserialize, Serialize};
use slipway_spec::{FeatureType, Task};

pub use slipway_spec::Unknown;

/// Most categories a field may have.
pub const MAX_CATEGORIES: usize = 10_000;
/// Most fields a row may have.
pub const MAX_FIELDS: usize = 10_000;

/// One field of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// What callers name it.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_: FeatureType,
    /// The categories, sorted by code point; empty for other types.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Smallest and largest number or time of the training rows; times are seconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Whether a row in which it is missing is refused.
    #[serde(default = "yes")]
    pub required: bool,
    /// What becomes of a category that is not in `categories`.
    #[serde(default)]
    pub unknown: Unknown,
    /// Smallest number the field takes; below it a row is refused. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// What the column means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What the numbers are measured in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// A typical value.
    #[serde(default)]
    pub example: serde_json::Value,
}

impl Default for Field {
    /// A required number without a name.
    fn default() -> Self {
        Field {
            name: String::new(),
            type_: FeatureType::Number,
            categories: Vec::new(),
            range: None,
            required: true,
            unknown: Unknown::Reject,
            minimum: None,
            description: None,
            unit: None,
            example: serde_json::Value::Null,
        }
    }
}

impl Field {
    /// Whether a row without this field is refused.
    pub fn required(&self) -> bool {
        self.required
    }

    /// How many different categories [`Field::decode`] gives: one more than there are names where others are taken.
    pub fn codes(&self) -> usize {
        self.categories.len() + usize::from(self.unknown == Unknown::Other)
    }
}

fn yes() -> bool {
    true
}

/// Smallest and largest value seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

/// What a prediction is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all_fields = "camelCase")]
pub enum Output {
    /// A number.
    Regression {
        /// The target's name.
        name: String,
        /// Smallest and largest target of the training rows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        range: Option<Range>,
        /// What it is measured in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
    },
    /// A class.
    Classification {
        /// The target's name.
        name: String,
        /// The classes, sorted; the order of probabilities. Numeric classes are sorted by value.
        classes: Vec<String>,
        /// Place in `classes` of the class that precision, recall and the threshold speak of; for two classes only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        positive_class: Option<usize>,
        /// Probability from which the positive class is predicted. Absent: the most probable class, of equals the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        threshold: Option<f64>,
    },
}

impl Output {
    /// The target's name.
    pub fn name(&self) -> &str {
        match self {
            Output::Regression { name, .. } | Output::Classification { name, .. } => name,
        }
    }

    /// The task.
    pub fn task(&self) -> Task {
        match self {
            Output::Regression { .. } => Task::Regression,
            Output::Classification { .. } => Task::Classification,
        }
    }

    /// What a predicted number is measured in, where that is known.
    pub fn unit(&self) -> Option<&str> {
        match self {
            Output::Regression { unit, .. } => unit.as_deref(),
            Output::Classification { .. } => None,
        }
    }

    /// The classes; empty for a regression.
    pub fn classes(&self) -> &[String] {
        match self {
            Output::Regression { .. } => &[],
            Output::Classification { classes, .. } => classes,
        }
    }

    /// The class that one row's probabilities mean: by the threshold where there is one, otherwise the most probable, of
    /// equals the first.
    pub fn class(&self, probabilities: &[f64]) -> usize {
        match *self {
            Output::Classification { positive_class: Some(positive), threshold: Some(threshold), .. } => {
                if probabilities[positive] >= threshold {
                    positive
                } else {
                    1 - positive
                }
            }
            _ => crate::predictor::most_probable(probabilities),
        }
    }

    /// Numbers in one raw prediction: 1, or one probability a class.
    pub fn width(&self) -> usize {
        self.classes().len().max(1)
    }
}

/// What would break callers of a model with fields `old` and output `old_output` if one with `new` and `new_output` took its
/// place: a new required field, a changed type or unit, a lost category, a field that became required, other classes, another
/// task.
pub fn breaking_changes(old: &[Field], old_output: &Output, new: &[Field], new_output: &Output) -> Vec<String> {
    let mut changes = Vec::new();
    for field in new {
        match old.iter().find(|candidate| candidate.name == field.name) {
            None if field.required() => changes.push(format!("{} is a new required field", field.name)),
            None => {}
            Some(before) => changes.extend(field_changes(before, field)),
        }
    }
    if old_output.task() != new_output.task() {
        changes.push(format!("the task changed from {} to {}", old_output.task(), new_output.task()));
    } else if old_output.classes() != new_output.classes() {
        changes.push(format!("the classes changed from {:?} to {:?}", old_output.classes(), new_output.classes()));
    }
    changes.extend(unit_change("the prediction", old_output.unit(), new_output.unit()));
    changes
}

/// A unit that is told for the first time, or no longer, breaks nobody.
fn unit_change(of: &str, before: Option<&str>, after: Option<&str>) -> Option<String> {
    let (before, after) = before.zip(after).filter(|(before, after)| before != after)?;
    Some(format!("{of} changed its unit from {before} to {after}"))
}

fn field_changes(before: &Field, after: &Field) -> Vec<String> {
    let name = &after.name;
    if before.type_ != after.type_ {
        return vec![format!("{name} changed from {:?} to {:?}", before.type_, after.type_)];
    }
    let mut changes: Vec<_> = unit_change(name, before.unit.as_deref(), after.unit.as_deref()).into_iter().collect();
    if after.required() && !before.required() {
        changes.push(format!("{name} became required"));
    }
    if let Some(minimum) = after.minimum
        && before.minimum.is_none_or(|before| before < minimum)
    {
        changes.push(format!("{name} no longer takes numbers below {minimum}"));
    }
    if after.unknown != Unknown::Reject {
        return changes;
    }
    if before.unknown != Unknown::Reject {
        changes.push(format!("{name} no longer takes unknown categories"));
    }
    let lost: Vec<_> =
        before.categories.iter().filter(|category| after.categories.binary_search(category).is_err()).collect();
    if let Some(first) = lost.first() {
        let more = if lost.len() > 1 { format!(" and {} more", lost.len() - 1) } else { String::new() };
        changes.push(format!("{name} lost the category {first:?}{more}"));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str) -> Field {
        Field { name: name.to_owned(), ..Field::default() }
    }

    fn colours(categories: &[&str]) -> Field {
        let categories = categories.iter().map(|&c| c.to_owned()).collect();
        Field { name: "colour".to_owned(), type_: FeatureType::Category, categories, ..Field::default() }
    }

    fn classes(classes: &[&str]) -> Output {
        let classes = classes.iter().map(|&c| c.to_owned()).collect();
        Output::Classification { name: "y".to_owned(), classes, positive_class: None, threshold: None }
    }

    #[test]
    fn what_breaks_callers_is_found_and_what_does_not_is_let_through() {
        let optional = |field: Field| Field { required: false, ..field };
        let open = |field: Field| Field { unknown: Unknown::Other, ..field };
        let from_zero = |field: Field| Field { minimum: Some(0.0), ..field };
        let measured = |unit: &str| Field { unit: Some(unit.to_owned()), ..number("a") };
        let text = |name: &str| Field { type_: FeatureType::Boolean, ..number(name) };
        for (old, new, expected) in [
            (vec![number("a")], vec![number("a")], vec![]),
            (vec![number("a"), number("b")], vec![number("a")], vec![]),
            (vec![number("a")], vec![number("a"), optional(number("b"))], vec![]),
            (vec![number("a")], vec![optional(number("a"))], vec![]),
            (vec![number("a")], vec![number("a"), number("b")], vec!["b is a new required field"]),
            (vec![optional(number("a"))], vec![number("a")], vec!["a became required"]),
            (vec![number("a")], vec![text("a")], vec!["a changed from Number to Boolean"]),
            (vec![colours(&["blue", "red"])], vec![colours(&["blue", "green", "red"])], vec![]),
            (
                vec![colours(&["blue", "green", "red"])],
                vec![colours(&["red"])],
                vec!["colour lost the category \"blue\" and 1 more"],
            ),
            (vec![colours(&["blue", "red"])], vec![open(colours(&["red"]))], vec![]),
            (vec![open(colours(&["red"]))], vec![colours(&["red"])], vec!["colour no longer takes unknown categories"]),
            (vec![measured("kg")], vec![measured("g")], vec!["a changed its unit from kg to g"]),
            (vec![number("a")], vec![measured("g")], vec![]),
            (vec![measured("g")], vec![number("a")], vec![]),
            (vec![from_zero(number("a"))], vec![number("a")], vec![]),
            (vec![number("a")], vec![from_zero(number("a"))], vec!["a no longer takes numbers below 0"]),
        ] {
            let output = classes(&["n", "y"]);
            assert_eq!(breaking_changes(&old, &output, &new, &output), expected);
        }
        assert_eq!(breaking_changes(&[], &classes(&["n", "y"]), &[], &classes(&["n", "x"])).len(), 1);
    }
}
