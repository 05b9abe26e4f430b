//! What is to be predicted.

use std::sync::Arc;

use slipway_model::Output;
use slipway_model::value::parse_number;
use slipway_spec::{FeatureType, Task, Train, TrainingSpec, similar};

use super::infer::{self, Inferred, Typed};
use crate::error::DataError;
use crate::reader::Table;

/// Most classes of a target.
const MAX_CLASSES: usize = 1_000;

/// The target of every row of the table.
#[derive(Clone, Debug)]
pub(crate) struct TargetColumn {
    /// One a row: the number, or the class as its place in `classes`; NaN where it is missing.
    pub(crate) values: Vec<f64>,
    pub(crate) task: Task,
    /// The classes, sorted; numeric ones by value. Empty for a regression.
    pub(crate) classes: Vec<String>,
    /// Of two classes, the one that precision, recall and the threshold speak of.
    pub(crate) positive: Option<usize>,
    /// What a regression's is measured in, where the spec says so.
    pub(crate) unit: Option<String>,
}

impl TargetColumn {
    /// What the model gives; `rows` are those it is trained on.
    pub(crate) fn output(&self, name: &str, rows: &[u32]) -> Output {
        match self.task {
            Task::Regression => {
                let range = super::dataset::range(rows.iter().map(|&row| self.values[row as usize]));
                Output::Regression { name: name.to_owned(), range, unit: self.unit.clone() }
            }
            Task::Classification => Output::Classification {
                name: name.to_owned(),
                classes: self.classes.clone(),
                positive_class: self.positive,
                threshold: None,
            },
        }
    }

    /// A target as `test.csv` and reports write it.
    pub(crate) fn text(&self, row: u32) -> String {
        let value = self.values[row as usize];
        if self.classes.is_empty() { value.to_string() } else { self.classes[value as usize].clone() }
    }
}

/// Reads the target and finds the task.
pub(crate) fn read(table: &Table, spec: &TrainingSpec) -> Result<TargetColumn, DataError> {
    let Some((_, column)) = table.column(&spec.target) else {
        return Err(no_such_column(table, &spec.target, "target"));
    };
    let at_column = |problem: String| table.error(problem).in_column(&column.name);
    let declared = super::dataset::declared(spec, &column.name).and_then(|feature| feature.type_);
    let typed = match (declared, spec.task) {
        (Some(type_), _) => infer::read_as(table, column, type_)?,
        (None, Some(Task::Regression)) => infer::read_as(table, column, FeatureType::Number)?,
        (None, _) => match infer::infer(table, column)? {
            Inferred::Typed(typed) => typed,
            Inferred::Empty => return Err(at_column("the target has no value in any row".to_owned())),
            Inferred::Distinct(count) => {
                return Err(at_column(format!(
                    "the target is text with {count} different values; name a column of numbers or of classes"
                )));
            }
        },
    };
    if typed.values.iter().all(|value| value.is_nan()) {
        return Err(at_column("the target has no value in any row".to_owned()));
    }
    super::feature::refuse_enormous(table, &column.name, &typed)?;
    match spec.task.unwrap_or_else(|| task_of(&typed)) {
        Task::Regression if typed.type_ == FeatureType::Number => {
            let unit = match &spec.train {
                Train::Builtin(builtin) => builtin.target_unit.clone(),
                Train::Container(_) => None,
            };
            let (values, classes) = (own(typed.values), Vec::new());
            Ok(TargetColumn { values, task: Task::Regression, classes, positive: None, unit })
        }
        Task::Regression => {
            Err(at_column("Regression needs a target of numbers; say `task: Classification`".to_owned()))
        }
        Task::Classification => classes(table, spec, typed),
    }
}

/// Text, booleans or exactly two values mean Classification, other numbers Regression.
fn task_of(typed: &Typed) -> Task {
    match typed.type_ {
        FeatureType::Number if distinct_numbers(&typed.values).len() != 2 => Task::Regression,
        _ => Task::Classification,
    }
}

fn distinct_numbers(values: &[f64]) -> Vec<f64> {
    let mut distinct: Vec<f64> = Vec::new();
    for value in values.iter().filter(|value| !value.is_nan()) {
        // Makes -0 a 0.
        let value = value + 0.0;
        if let Err(place) = distinct.binary_search_by(|other| other.total_cmp(&value)) {
            distinct.insert(place, value);
            if distinct.len() > MAX_CLASSES {
                break;
            }
        }
    }
    distinct
}

fn classes(table: &Table, spec: &TrainingSpec, typed: Typed) -> Result<TargetColumn, DataError> {
    let error = |problem: String| Err(table.error(problem).in_column(&spec.target));
    let (labels, values) = match typed.type_ {
        FeatureType::Timestamp => return error("a time can be no class; name another target".to_owned()),
        FeatureType::Boolean => (vec!["false".to_owned(), "true".to_owned()], own(typed.values)),
        FeatureType::Category => by_value(typed),
        FeatureType::Number => {
            let distinct = distinct_numbers(&typed.values);
            let place = |value: &f64| distinct.partition_point(|other| other < value) as f64;
            let values =
                typed.values.iter().map(|value| if value.is_nan() { f64::NAN } else { place(value) }).collect();
            (distinct.iter().map(ToString::to_string).collect(), values)
        }
    };
    let present = |class: usize| values.contains(&(class as f64));
    if labels.len() < 2 || labels.len() == 2 && !(present(0) && present(1)) {
        return error("the target has only one class; there is nothing to tell apart".to_owned());
    }
    if labels.len() > MAX_CLASSES {
        return error(format!(
            "the target has more than {MAX_CLASSES} classes; say `task: Regression` if it is a number"
        ));
    }
    let positive = match &spec.positive_class {
        None => (labels.len() == 2).then_some(1),
        Some(_) if labels.len() > 2 => {
            return error(format!(
                "positiveClass is for two classes, and the target has {}; leave it out",
                labels.len()
            ));
        }
        Some(wanted) => {
            let Some(place) = labels.iter().position(|label| label == wanted) else {
                let known = format!("{:?} and {:?}", labels[0], labels[1]);
                return error(format!("positiveClass {wanted:?} is none of its classes; write one of {known}"));
            };
            Some(place)
        }
    };
    Ok(TargetColumn { values, task: Task::Classification, classes: labels, positive, unit: None })
}

fn own(values: Arc<Vec<f64>>) -> Vec<f64> {
    Arc::unwrap_or_clone(values)
}

/// Labels that are all numbers are sorted by value, others as text.
fn by_value(typed: Typed) -> (Vec<String>, Vec<f64>) {
    let Some(numbers) = typed.labels.iter().map(|label| parse_number(label)).collect::<Option<Vec<f64>>>() else {
        return (typed.labels, own(typed.values));
    };
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut places = vec![0.0; order.len()];
    for (place, &label) in order.iter().enumerate() {
        places[label] = place as f64;
    }
    let values =
        typed.values.iter().map(|value| if value.is_nan() { f64::NAN } else { places[*value as usize] }).collect();
    (order.iter().map(|&label| typed.labels[label].clone()).collect(), values)
}

/// A column the spec names is not there: say which are, the most similar first.
pub(crate) fn no_such_column(table: &Table, name: &str, field: &str) -> DataError {
    const LISTED: usize = 10;
    let mut names = table.names();
    names.sort_by_cached_key(|other| similar::distance(name, other));
    let nearest = similar::nearest(name, names.iter().copied());
    let hint = nearest.map_or(String::new(), |nearest| format!("did you mean {nearest}? "));
    let more = names.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    names.truncate(LISTED);
    table.error(format!("{field} names the column {name}, which is not there; {hint}it has {}{more}", names.join(", ")))
}
