//! A model ready to predict.

use slipway_spec::FeatureType;

use crate::encoder::Encoder;
use crate::estimator::{Estimator, Kernel, Kernels};
use crate::schema::{Field, MAX_CATEGORIES, MAX_FIELDS, Output, Unknown};
use crate::value::{FieldError, Value};

/// Rows that are encoded and predicted together.
const TOGETHER: usize = 64;

/// A model: from the values of a row to a prediction. Whatever was checked on the way in holds: predicting never fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    fields: Vec<Field>,
    output: Output,
    learned: Learned,
}

/// What was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// From a row to columns.
    pub encoder: Encoder,
    /// From columns to predictions.
    pub estimator: Estimator,
}

/// Why the parts of a model do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ModelError(String);

/// One prediction.
#[derive(Clone, Debug, PartialEq)]
pub enum Prediction {
    /// A number.
    Number(f64),
    /// A class.
    Class {
        /// Its place in the output's classes.
        class: usize,
        /// One probability a class.
        probabilities: Vec<f64>,
    },
}

impl Model {
    /// Puts a model together, if its parts fit.
    pub fn new(
        fields: Vec<Field>,
        output: Output,
        encoder: Encoder,
        estimator: Estimator,
    ) -> Result<Model, ModelError> {
        check_fields(&fields).and_then(|()| check_output(&output)).map_err(ModelError)?;
        encoder.check(&fields).map_err(ModelError)?;
        estimator.check(encoder.width(), output.width()).map_err(ModelError)?;
        if encoder.leaves_missing(&fields) && !estimator.takes_missing() {
            return Err(ModelError("values may be missing, and the estimator needs every one".to_owned()));
        }
        Ok(Model { fields, output, learned: Learned { encoder, estimator } })
    }

    /// The fields of a row.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// What a prediction is.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// What was learned.
    pub fn learned(&self) -> &Learned {
        &self.learned
    }

    /// Reads one row; `value` gives the value of the field at a place. Every mistake is reported.
    pub fn decode<'a>(&self, mut value: impl FnMut(usize, &Field) -> Value<'a>) -> Result<Vec<f64>, Vec<FieldError>> {
        let mut row = Vec::with_capacity(self.fields.len());
        let mut errors = Vec::new();
        for (place, field) in self.fields.iter().enumerate() {
            match field.decode(value(place, field)) {
                Ok(decoded) => row.push(decoded),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(row) } else { Err(errors) }
    }

    /// Reads one row given as JSON; fields the model does not know are ignored.
    pub fn decode_json(&self, row: &serde_json::Map<String, serde_json::Value>) -> Result<Vec<f64>, Vec<FieldError>> {
        self.decode(|_, field| row.get(&field.name).map_or(Value::Missing, Value::from))
    }

    /// Predicts a decoded row: one number for a regression, one probability a class otherwise.
    pub fn predict_raw(&self, row: &[f64]) -> Vec<f64> {
        let mut columns = Vec::with_capacity(self.learned.encoder.width());
        self.learned.encoder.encode(row, &mut columns);
        let mut output = vec![0.0; self.output.width()];
        self.learned.estimator.predict(&columns, &mut output);
        output
    }

    /// Predicts decoded rows, one after the other, as [`Model::predict_raw`] does one.
    pub fn predict_rows<'r>(&self, rows: impl IntoIterator<Item = &'r [f64]>) -> Vec<f64> {
        let (width, outputs) = (self.learned.encoder.width(), self.output.width());
        let mut rows = rows.into_iter();
        let (mut columns, mut output) = (Vec::with_capacity(width), Vec::with_capacity(outputs));
        loop {
            columns.clear();
            let mut count = 0;
            for row in rows.by_ref().take(TOGETHER) {
                if count == 1 {
                    columns.reserve_exact((TOGETHER - 1) * width);
                }
                self.learned.encoder.encode(row, &mut columns);
                count += 1;
            }
            let before = output.len();
            output.resize(before + count * outputs, 0.0);
            match count {
                0 => return output,
                1 => self.learned.estimator.predict(&columns, &mut output[before..]),
                _ => self.learned.estimator.predict_rows(&columns, &mut output[before..], outputs),
            }
            if count < TOGETHER {
                return output;
            }
        }
    }

    /// Makes predicting as quick as it gets: trees are laid out for the kernel that is the quickest on this machine, found by
    /// timing, or for `wanted` where they suit it. Takes a few milliseconds and changes no bit of any prediction.
    pub fn tune(&mut self, wanted: Option<Kernel>) -> Option<Kernels> {
        self.learned.estimator.tune(wanted)
    }

    /// Predicts a decoded row.
    pub fn predict(&self, row: &[f64]) -> Prediction {
        self.prediction(self.predict_raw(row))
    }

    /// What the numbers of one row, as [`Model::predict_raw`] gives them, mean.
    pub fn prediction(&self, raw: Vec<f64>) -> Prediction {
        match &self.output {
            Output::Regression { .. } => Prediction::Number(raw[0]),
            Output::Classification { .. } => Prediction::Class { class: self.output.class(&raw), probabilities: raw },
        }
    }
}

/// Place of the largest probability, the first of equals.
pub fn most_probable(probabilities: &[f64]) -> usize {
    let mut best = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = class;
        }
    }
    best
}

fn check_fields(fields: &[Field]) -> Result<(), String> {
    if fields.is_empty() || fields.len() > MAX_FIELDS {
        return Err(format!("a row has {} fields; 1 to {MAX_FIELDS} are allowed", fields.len()));
    }
    let mut names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
    names.sort_unstable();
    if let Some([name, ..]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("two fields have the name {name:?}"));
    }
    for field in fields {
        let categories = &field.categories;
        let is_category = field.type_ == FeatureType::Category;
        if is_category == categories.is_empty() || categories.len() > MAX_CATEGORIES {
            return Err(format!("{} has {} categories", field.name, categories.len()));
        }
        if !categories.is_sorted_by(|a, b| a < b) {
            return Err(format!("the categories of {} are not sorted", field.name));
        }
        let category_only = !is_category && field.unknown != Unknown::Reject;
        let number_only = field.type_ != FeatureType::Number && field.minimum.is_some();
        if category_only || number_only || field.minimum.is_some_and(|minimum| !minimum.is_finite()) {
            return Err(format!("{} is a {:?} with words of another type", field.name, field.type_));
        }
    }
    Ok(())
}

fn check_output(output: &Output) -> Result<(), String> {
    let Output::Classification { classes, positive_class, threshold, .. } = output else { return Ok(()) };
    if !(2..=MAX_CATEGORIES).contains(&classes.len()) {
        return Err(format!("{} classes; 2 to {MAX_CATEGORIES} are allowed", classes.len()));
    }
    if positive_class.is_some_and(|class| class > 1 || classes.len() != 2)
        || threshold.is_some() && positive_class.is_none()
    {
        return Err("a positive class and a threshold are for two classes".to_owned());
    }
    if threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
        return Err("the threshold is no probability".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::{Linear, Link};

    fn model(threshold: Option<f64>) -> Model {
        let fields = vec![Field { name: "x".to_owned(), ..Field::default() }];
        let output = Output::Classification {
            name: "y".to_owned(),
            classes: vec!["no".to_owned(), "yes".to_owned()],
            positive_class: Some(1),
            threshold,
        };
        let estimator = Estimator::Linear(Linear {
            link: Link::Logistic,
            coefficients: vec![vec![1.0]],
            intercepts: vec![0.0],
            means: Vec::new(),
        });
        Model::new(fields, output, Encoder::identity(1), estimator).unwrap()
    }

    fn class(model: &Model, x: f64) -> usize {
        match model.predict(&[x]) {
            Prediction::Class { class, .. } => class,
            Prediction::Number(_) => unreachable!(),
        }
    }

    #[test]
    fn the_threshold_decides_where_there_is_one() {
        assert_eq!(class(&model(None), 0.0), 0, "equal probabilities: the first class");
        assert_eq!(class(&model(None), 0.1), 1);
        assert_eq!(class(&model(Some(0.2)), -1.0), 1);
        assert_eq!(class(&model(Some(0.9)), 1.0), 0);
    }

    #[test]
    fn every_mistake_of_a_row_is_reported() {
        let fields = ["a", "b", "c"].map(|name| Field { name: name.to_owned(), ..Field::default() }).to_vec();
        let estimator = Estimator::Linear(Linear {
            link: Link::Identity,
            coefficients: vec![vec![1.0; 3]],
            intercepts: vec![0.0],
            means: Vec::new(),
        });
        let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
        let model = Model::new(fields, output, Encoder::identity(3), estimator).unwrap();
        let row = serde_json::json!({"a": "ten", "c": [1], "d": 4});
        let errors = model.decode_json(row.as_object().unwrap()).unwrap_err();
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "a: expected a number, got \"ten\"",
                "b: expected a number, got nothing",
                "c: expected a number, got a list",
            ]
        );
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let good = model(None);
        let field = |name: &str| Field { name: name.to_owned(), ..Field::default() };
        let Learned { encoder, estimator } = good.learned().clone();
        let build = |fields| Model::new(fields, good.output().clone(), encoder.clone(), estimator.clone());
        assert!(build(vec![field("x")]).is_ok());
        assert!(build(vec![field("x"), field("x")]).is_err());
        assert!(build(vec![]).is_err());
        assert!(build(vec![Field { minimum: Some(f64::NAN), ..field("x") }]).is_err());
        assert!(
            build(vec![Field { categories: vec!["b".into(), "a".into()], type_: FeatureType::Category, ..field("x") }])
                .is_err()
        );
    }
}
