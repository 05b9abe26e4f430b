//! JSON schemas that derives cannot express, and the CEL rules that Kubernetes enforces at admission.
//!
//! A message says what to write instead.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::check::{Check, InvariantCheck, MonotonicCheck, RangeCheck, UnseenGroupsCheck};
use crate::estimator::Estimator;
use crate::evaluation::{Maximised, Threshold};
use crate::feature::{self, Bins, Fill};
use crate::metric::{Metric, PARAMETRIC};
use crate::parameters::{
    self, ClassWeight, EarlyStopping, Fraction, IntOrNone, MaxFeatures, NonNegativeNumber, PositiveInteger,
    PositiveNumber, Share, ShareOrCount,
};
use crate::run::{Builtin, Container, Task, Train};
use crate::split::{GroupSplit, RandomSplit, Split, TimeSplit};

/// One CEL rule; `message` says what to write instead.
pub fn rule(rule: impl Into<String>, message: impl Into<String>) -> Value {
    json!({"rule": rule.into(), "message": message.into()})
}

/// Name of a model.
pub fn model_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 52,
        "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$",
    })
}

pub(crate) fn s3_uri(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 1024,
        "x-kubernetes-validations": [rule(
            "self.matches('^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^?#]*$') && !self.contains('/../') && !self.endsWith('/..')",
            "write an object storage address: s3://BUCKET/PATH",
        )],
    })
}

pub(crate) fn digest(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 71,
        "x-kubernetes-validations": [rule(
            "self.matches('^sha256:[a-f0-9]{64}$')",
            "write the digest of manifest.json: sha256: and 64 hexadecimal digits in lower case",
        )],
    })
}

/// Name of a metric, Slipway's or a training image's own.
pub fn metric_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 64, "pattern": "^[a-zA-Z][a-zA-Z0-9_.@-]*$"})
}

/// Name of a metric that Slipway computes.
pub fn known_metric(_: &mut SchemaGenerator) -> Schema {
    let all = cel_list(Metric::ALL.iter().map(|metric| metric.name()));
    let names: Vec<_> = [Task::Regression, Task::Classification].map(Metric::names).into();
    json_schema!({
        "type": "string",
        "maxLength": 64,
        "x-kubernetes-validations": [rule(
            format!("self in {all} || self.matches('{PARAMETRIC}')"),
            format!("write one of {}", names.join(", ")),
        )],
    })
}

/// Rules of [`crate::Data`].
pub(crate) fn data_rules() -> Vec<Value> {
    vec![rule(
        "!has(self.select) || self.select != 'All' || self.uri.endsWith('/')",
        "select: All reads every file of a prefix; end the uri with /",
    )]
}

fn cel_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = names.map(|name| format!("'{name}'")).collect();
    format!("[{}]", quoted.join(", "))
}

/// Rules of a whole run: `self` holds the fields of [`crate::TrainingSpec`].
pub fn training_rules() -> Vec<Value> {
    let task_metrics = |task: Task| cel_list(Metric::ALL.iter().filter(|m| m.task() == task).map(|m| m.name()));
    let parametric = format!("g.metric.matches('{PARAMETRIC}')");
    let metrics_fit = |task: Task| {
        let or = if task == Task::Regression { format!(" || {parametric}") } else { String::new() };
        format!(
            "!has(self.task) || self.task != '{task}' || !has(self.gates) || !has(self.train.builtin) || \
             self.gates.all(g, g.metric in {}{or})",
            task_metrics(task)
        )
    };
    let all = cel_list(Metric::ALL.iter().map(|m| m.name()));
    vec![
        rule(
            format!(
                "!has(self.gates) || !has(self.train.builtin) || self.gates.all(g, g.metric in {all} || {parametric})"
            ),
            format!(
                "a gate names a metric that the builtin trainer does not compute; write one of {} (Regression) or {} (Classification)",
                Metric::names(Task::Regression),
                Metric::names(Task::Classification)
            ),
        ),
        rule(
            metrics_fit(Task::Regression),
            format!("a gate's metric is not for Regression; write one of {}", Metric::names(Task::Regression)),
        ),
        rule(
            metrics_fit(Task::Classification),
            format!("a gate's metric is not for Classification; write one of {}", Metric::names(Task::Classification)),
        ),
        estimators_fit(Task::Regression),
        estimators_fit(Task::Classification),
        rule(
            "!has(self.positiveClass) || !has(self.task) || self.task == 'Classification'",
            "positiveClass is for task Classification; leave it out",
        ),
        rule(
            "!has(self.train.builtin) || !has(self.train.builtin.threshold) || !has(self.task) || self.task == 'Classification'",
            "threshold is for task Classification; leave it out",
        ),
        rule(
            "!has(self.train.builtin) || !has(self.train.builtin.targetUnit) || !has(self.task) || self.task == 'Regression'",
            "targetUnit is for task Regression; leave it out",
        ),
        rule(
            "!has(self.gates) || has(self.evaluation) && has(self.evaluation.groupBy) || \
             self.gates.all(g, !has(g.of) || !(g.of in ['WorstGroup', 'GroupGap']))",
            "a gate of WorstGroup or GroupGap needs groups; write evaluation.groupBy",
        ),
        rule(
            "!has(self.gates) || !has(self.evaluation) || !has(self.evaluation.confidence) || \
             self.evaluation.confidence.resamples > 0 || self.gates.all(g, !has(g.of) || g.of != 'ConfidenceBound')",
            "a gate of ConfidenceBound needs resamples; write evaluation.confidence.resamples above 0",
        ),
        rule(
            "!has(self.train.builtin) || !has(self.train.builtin.features) || \
             self.train.builtin.features.all(f, f.name != self.target && (!has(f.from) || f.from != self.target))",
            "the target is no feature; take it out of features",
        ),
    ]
}

fn estimators_fit(task: Task) -> Value {
    let names = Estimator::ALL.iter().filter(|estimator| estimator.tasks().contains(&task)).map(|e| e.name());
    rule(
        format!(
            "!has(self.task) || self.task != '{task}' || !has(self.train.builtin) || self.train.builtin.estimator in {}",
            cel_list(names)
        ),
        format!("the estimator is not for {task}; write one of {}", Estimator::names(task)),
    )
}

/// Parameters whose value is a word or a number, or a word or a map: CEL cannot see those.
const UNTYPED: [&str; 3] = ["class_weight", "early_stopping", "max_features"];

pub(crate) fn builtin_rules() -> Value {
    let typed = || parameters::KNOWN.iter().filter(|(name, _)| !UNTYPED.contains(name));
    let distinct: Vec<_> =
        typed().map(|(name, _)| format!("!(has(self.parameters.{name}) && has(self.search.grid.{name}))")).collect();
    let once = rule(
        format!("!has(self.parameters) || !has(self.search) || !has(self.search.grid) || ({})", distinct.join(" && ")),
        "a name stands in parameters and in search.grid; write it in one of the two",
    );
    let drawn: Vec<_> = typed()
        .map(|(name, _)| {
            format!(
                "!(has(self.parameters.{name}) && \
                 (has(self.search.random.choices) && has(self.search.random.choices.{name}) || \
                 has(self.search.random.ranges) && '{name}' in self.search.random.ranges))"
            )
        })
        .collect();
    let drawn_once = rule(
        format!("!has(self.parameters) || !has(self.search) || !has(self.search.random) || ({})", drawn.join(" && ")),
        "a name stands in parameters and in search.random; write it in one of the two",
    );
    let of_some = typed().filter(|(_, estimators)| estimators.len() < Estimator::ALL.len());
    let owned = of_some.map(|(name, estimators)| {
        let names: Vec<_> = estimators.iter().map(|estimator| estimator.name()).collect();
        rule(
            format!(
                "self.estimator in {} || ((!has(self.parameters) || !has(self.parameters.{name})) && \
                 (!has(self.search) || (!has(self.search.grid) || !has(self.search.grid.{name})) && \
                 (!has(self.search.random) || !has(self.search.random.choices) || \
                 !has(self.search.random.choices.{name}))))",
                cel_list(names.iter().copied())
            ),
            format!("{name} is a parameter of {}; leave it out", names.join(", ")),
        )
    });
    [once, drawn_once].into_iter().chain(owned).chain(together()).collect()
}

/// What parameters mean for each other. A search may hold the other half of a combination: the trainer judges those.
fn together() -> impl Iterator<Item = Value> {
    parameters::together::RULES.iter().filter_map(|broken| {
        let condition = broken.cel?.replace("p.", "self.parameters.");
        let names = cel_list(broken.of.iter().map(|estimator| estimator.name()));
        let rest = format!("!has(self.parameters) || has(self.search) || !({condition})");
        Some(rule(format!("!(self.estimator in {names}) || {rest}"), broken.message))
    })
}

/// Rules of one feature; there may be many, so they are cheap.
pub(crate) fn feature_rules() -> Value {
    let only = |type_: &str, absent: &str| format!("!has(self.type) || self.type == '{type_}' || ({absent})");
    Value::from(vec![
        rule(
            "has(self.fill) == (has(self.missing) && self.missing == 'Constant')",
            "fill and missing: Constant belong together; write both, or neither",
        ),
        rule(
            only(
                "Category",
                "!has(self.unknown) && !has(self.minFrequency) && (!has(self.encoding) || has(self.bins))",
            ),
            "encoding, unknown and minFrequency are for categories; say type: Category, or leave them out",
        ),
        rule(only("Timestamp", "!has(self.parts)"), "parts are of times; say type: Timestamp, or leave parts out"),
        rule(
            only("Number", "!has(self.log) && !has(self.bins)"),
            "log and bins are for numbers; say type: Number, or leave them out",
        ),
        rule(only("Number", "!has(self.unit)"), "unit is for numbers; say type: Number, or leave it out"),
        rule(
            "!has(self.missing) || self.missing != 'Reject' || (!has(self.indicator) && (!has(self.unknown) || self.unknown != 'AsMissing'))",
            "under missing: Reject nothing is missing; leave indicator and unknown: AsMissing out, or write missing: MostFrequent",
        ),
    ])
}

pub(crate) fn derived_rules() -> Value {
    Value::from(vec![rule("has(self.ratio) != has(self.difference)", "write exactly one of ratio and difference")])
}

pub(crate) fn gate_rules() -> Value {
    let lower = cel_list(Metric::ALL.iter().filter(|m| !m.higher_is_better()).map(|m| m.name()));
    let higher = cel_list(Metric::ALL.iter().filter(|m| m.higher_is_better()).map(|m| m.name()));
    Value::from(vec![
        rule(
            "has(self.atLeast) || has(self.atMost) || has(self.warnBelow) || has(self.warnAbove) || has(self.champion) || \
             has(self.baseline)",
            "a gate needs a bound: write atLeast, atMost, champion or baseline",
        ),
        rule(
            "!has(self.warnBelow) || !has(self.atLeast) || self.warnBelow >= self.atLeast",
            "warnBelow is lower than atLeast and could never warn; write a value above atLeast",
        ),
        rule(
            "!has(self.warnAbove) || !has(self.atMost) || self.warnAbove <= self.atMost",
            "warnAbove is higher than atMost and could never warn; write a value below atMost",
        ),
        rule(
            "!has(self.atLeast) || !has(self.atMost) || self.atLeast <= self.atMost",
            "atLeast is above atMost, so no model can pass",
        ),
        rule(
            format!(
                "!(self.metric in {lower} || has(self.of) && self.of == 'GroupGap') || \
                 (!has(self.atLeast) && !has(self.warnBelow))"
            ),
            "lower is better for this metric or gap; write atMost and warnAbove",
        ),
        rule(
            format!(
                "!(self.metric in {higher}) || has(self.of) && self.of == 'GroupGap' || \
                 (!has(self.atMost) && !has(self.warnAbove))"
            ),
            "higher is better for this metric; write atLeast and warnBelow",
        ),
        rule(
            "!has(self.champion) || !has(self.of) || self.of != 'ConfidenceBound'",
            "the champion has no confidence bound to compare with; leave of or champion out",
        ),
        rule(
            "!has(self.baseline) || !has(self.of) || self.of != 'GroupGap'",
            "the baseline has no gap between groups; leave of or baseline out",
        ),
    ])
}

pub(crate) fn requirement_rules() -> Value {
    Value::from(vec![rule(
        "has(self.atLeast) || has(self.atMost)",
        "a requirement needs a bound: write atLeast or atMost",
    )])
}

pub(crate) fn range_rules() -> Value {
    Value::from(vec![
        rule(
            "has(self.min) || has(self.max) || has(self.maxTimesObserved)",
            "range needs a bound: write min, max or maxTimesObserved",
        ),
        rule("!has(self.min) || !has(self.max) || self.min <= self.max", "min is above max, so no prediction can pass"),
    ])
}

pub(crate) fn search_rules() -> Value {
    Value::from(vec![rule("has(self.grid) != has(self.random)", "write exactly one of grid, random")])
}

pub(crate) fn number_range_rules() -> Value {
    Value::from(vec![
        rule("self.min <= self.max", "min is above max, so nothing can be drawn"),
        rule("!has(self.log) || !self.log || self.min > 0.0", "log needs min above 0"),
    ])
}

pub(crate) fn halving_rules() -> Value {
    Value::from(vec![
        rule(
            "!has(self.resource) || self.resource != 'n_estimators' || has(self.maxResources)",
            "resource n_estimators needs maxResources: the most trees",
        ),
        rule(
            "!has(self.minResources) || !has(self.maxResources) || self.minResources <= self.maxResources",
            "minResources is above maxResources; write less",
        ),
    ])
}

pub(crate) fn folding_rules() -> Value {
    Value::from(vec![
        rule(
            "has(self.column) == (has(self.kind) && self.kind in ['GroupKFold', 'TimeSeriesSplit'])",
            "GroupKFold and TimeSeriesSplit need a column, and only they",
        ),
        rule(
            "!has(self.kind) || self.kind != 'TimeSeriesSplit' || !has(self.repeats) && (!has(self.shuffle) || !self.shuffle)",
            "TimeSeriesSplit keeps the order of time; leave shuffle and repeats out",
        ),
        rule(
            "!has(self.embargoDays) || has(self.kind) && self.kind == 'TimeSeriesSplit'",
            "embargoDays is for TimeSeriesSplit; leave it out",
        ),
    ])
}

/// An object with exactly one of `members`.
pub fn union(members: &[(&str, &str, Schema)]) -> Schema {
    let properties: serde_json::Map<_, _> = members
        .iter()
        .map(|(name, description, schema)| {
            let mut schema = schema.clone();
            schema.insert("description".to_owned(), Value::from(*description));
            ((*name).to_owned(), schema.to_value())
        })
        .collect();
    let names: Vec<_> = members.iter().map(|(name, ..)| *name).collect();
    let has: Vec<_> = names.iter().map(|name| format!("has(self.{name})")).collect();
    json_schema!({
        "type": "object",
        "properties": properties,
        "x-kubernetes-validations": [rule(
            format!("[{}].filter(x, x).size() == 1", has.join(", ")),
            format!("write exactly one of {}", names.join(", ")),
        )],
    })
}

macro_rules! schema {
    ($type:ty, $name:literal, $generator:ident => $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

schema!(Train, "Train", generator => union(&[
    ("builtin", "Slipway's own trainer.", Builtin::json_schema(generator)),
    (
        "container",
        "An image of yours. It reads /slipway/input and writes an artefact to /slipway/output; it needs no credentials.",
        Container::json_schema(generator),
    ),
]));

schema!(Split, "Split", generator => {
    let column = json_schema!({"type": "string", "minLength": 1, "maxLength": 256});
    let mut schema = union(&[
        ("random", "Test rows are drawn at random, with a seed.", RandomSplit::json_schema(generator)),
        ("group", "Groups of rows are drawn at random, with a seed.", GroupSplit::json_schema(generator)),
        ("column", "A column whose values are train and test. It is no feature, and rows keep their order.", column),
        ("time", "The latest rows are the test.", TimeSplit::json_schema(generator)),
    ]);
    schema.insert("description".to_owned(), "How test rows are set aside.".into());
    schema
});

schema!(Bins, "Bins", _generator => {
    let quantiles = json_schema!({"type": "integer", "minimum": 2, "maximum": feature::MAX_BINS});
    let edges = json_schema!({
        "type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": feature::MAX_BINS - 1,
    });
    union(&[
        ("quantiles", "So many bins, each with about as many training rows.", quantiles),
        ("edges", "Bins between these numbers, ascending: below the first, from each up to the next, from the last on.", edges),
    ])
});

schema!(Fill, "Fill", _generator => json_schema!({"x-kubernetes-int-or-string": true, "maxLength": 256}));

schema!(Check, "Check", generator => union(&[
    ("monotonic", "Predictions move one way with a feature.", MonotonicCheck::json_schema(generator)),
    ("range", "Predictions stay within bounds.", RangeCheck::json_schema(generator)),
    (
        "unseenGroups",
        "No prediction for a group the model has not seen in training.",
        UnseenGroupsCheck::json_schema(generator),
    ),
    ("invariant", "Predictions do not depend on a feature.", InvariantCheck::json_schema(generator)),
]));

schema!(Threshold, "Threshold", generator => {
    let share = || json_schema!({"type": "number", "minimum": 0, "maximum": 1});
    union(&[
        ("value", "This probability.", share()),
        ("maximise", "The one that makes a metric largest.", Maximised::json_schema(generator)),
        ("precisionAtLeast", "The one with the largest recall among those with at least this precision.", share()),
        ("recallAtLeast", "The one with the largest precision among those with at least this recall.", share()),
        ("flagShare", "The one from which on this share of the rows is predicted positive.", share()),
    ])
});

schema!(IntOrNone, "IntOrNone", _generator => json_schema!({
    "x-kubernetes-int-or-string": true,
    "maximum": u32::MAX,
    "maxLength": 10,
    "x-kubernetes-validations": [rule(
        "type(self) == int ? self >= 1 : self == 'None'",
        "write a whole number from 1 on, or None for no limit",
    )],
}));

schema!(PositiveNumber, "PositiveNumber", _generator => json_schema!({
    "type": "number",
    "x-kubernetes-validations": [rule("self > 0.0", "write a number above 0")],
}));

schema!(NonNegativeNumber, "NonNegativeNumber", _generator => json_schema!({"type": "number", "minimum": 0}));

schema!(Fraction, "Fraction", _generator => json_schema!({"type": "number", "minimum": 0, "maximum": 1}));

schema!(Share, "Share", _generator => json_schema!({
    "type": "number",
    "maximum": 1,
    "x-kubernetes-validations": [rule("self > 0.0", "write a share above 0 and at most 1")],
}));

// Without a type, bounds hold for numbers and patterns for text.
schema!(MaxFeatures, "MaxFeatures", _generator => json_schema!({
    "x-kubernetes-preserve-unknown-fields": true,
    "minimum": 0,
    "maximum": u32::MAX,
    "pattern": "^(sqrt|log2|None)$",
}));

schema!(EarlyStopping, "EarlyStopping", _generator => json_schema!({
    "x-kubernetes-preserve-unknown-fields": true,
    "enum": [true, false, "auto"],
}));

schema!(ClassWeight, "ClassWeight", _generator => json_schema!({
    "x-kubernetes-preserve-unknown-fields": true,
    "pattern": "^(balanced|balanced_subsample)$",
    "maxProperties": 1000,
}));

schema!(PositiveInteger, "PositiveInteger", _generator => json_schema!({
    "type": "integer", "minimum": 1, "maximum": 1_000_000_000,
}));

schema!(ShareOrCount, "ShareOrCount", _generator => json_schema!({
    "type": "number",
    "maximum": u32::MAX,
    "x-kubernetes-validations": [rule(
        "self > 0.0 && (self < 1.0 || self == double(int(self)))",
        "write a share of the rows above 0 and below 1, or a whole number from 1 on",
    )],
}));
