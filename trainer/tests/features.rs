//! Feature steps: what is refused, what callers see, and what is left out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use std::fs;

use serde_json::{Map, Value, json};
use slipway_model::Artefact;

use common::Row;

const ROWS: usize = 90;

/// Columns of every type, with gaps, and a target.
fn table() -> Vec<Row> {
    let row = |row: usize| {
        let draw = |of: usize, salt: usize| (row * 7919 + salt * 104_729 + row * row * 31) % of;
        let colour = ["red", "green", "blue", "grey", "pink"][draw(5, 1)];
        let size = draw(40, 2) as f64 + 0.5;
        let (wide, when) =
            (draw(17, 3), format!("2024-{:02}-{:02}T{:02}:30:00Z", 1 + draw(12, 4), 1 + draw(28, 5), draw(24, 6)));
        let number = size * 1.5 + draw(5, 1) as f64 * 3.0 - wide as f64 * 0.25;
        let mut values = Map::new();
        let mut set = |name: &str, value: Value| {
            values.insert(name.to_owned(), value);
        };
        set("size", if row % 11 == 3 { Value::Null } else { size.into() });
        set("wide", wide.into());
        set("colour", if row % 13 == 5 { Value::Null } else { colour.into() });
        set("fresh", (draw(2, 7) == 1).into());
        set("made", when.into());
        set("number", number.into());
        set("set", (if row.is_multiple_of(5) { "test" } else { "train" }).into());
        values
    };
    (0..ROWS).map(row).collect()
}

fn train(words: Value, table: &[Row]) -> (tempfile::TempDir, Result<slipway_trainer::Trained, String>) {
    let dir = tempfile::tempdir().unwrap();
    let data = common::csv_of(dir.path(), table, &["size", "wide", "colour", "fresh", "made", "set", "number"]);
    let mut builtin = words;
    if builtin["estimator"].is_null() {
        builtin["estimator"] = "DecisionTree".into();
    }
    builtin["split"] = json!({"column": "set"});
    let spec = json!({"modelName": "m", "target": "number", "train": {"builtin": builtin}});
    let trained = common::train_on(dir.path(), &spec, &data).map_err(|error| error.to_string());
    (dir, trained)
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_write_instead() {
    let feature = |feature: Value| json!({"features": [feature]});
    for (words, expected) in [
        (feature(json!({"name": "size", "fill": 3})), "features: size: fill and missing: Constant belong together"),
        (
            feature(json!({"name": "size", "encoding": "Count"})),
            "column size: this is a Number; encoding, unknown and minFrequency are for categories",
        ),
        (feature(json!({"name": "colour", "parts": ["Year"]})), "parts are of times"),
        (feature(json!({"name": "colour", "log": true})), "log and bins are for numbers"),
        (
            feature(json!({"name": "colour", "unit": "m2"})),
            "column colour: this is a Category; unit is for numbers; say type: Number, or leave it out",
        ),
        (feature(json!({"name": "colour", "missing": "Mean"})), "write MostFrequent, Constant or Reject"),
        (
            feature(json!({"name": "size", "missing": "Constant", "fill": "none"})),
            "fill is \"none\", and this is a Number; write a number such as 0",
        ),
        (
            feature(json!({"name": "size", "missing": "Constant", "fill": 1e300})),
            "and this is a Number; write a number such as 0",
        ),
        (feature(json!({"name": "size", "bins": {"edges": [3, 1]}})), "bins.edges must be different numbers"),
        (feature(json!({"name": "size", "bins": {"quantiles": 1}})), "bins.quantiles is 1; write 2 to 256"),
        (
            feature(json!({"name": "colour", "unknown": "AsMissing", "missing": "Reject"})),
            "under missing: Reject nothing is missing",
        ),
        (feature(json!({"name": "length"})), "length"),
        (feature(json!({"name": "size", "from": "number"})), "column number: the target is no feature"),
        (
            json!({"features": [{"name": "a", "from": "size"}, {"name": "b", "from": "size"}]}),
            "features names it twice",
        ),
        (feature(json!({"name": "wide", "from": "size"})), "column wide: two features have this name"),
        (
            json!({
                "derive": [{"name": "d", "ratio": {"of": "size", "to": "wide"}}],
                "features": [{"name": "d", "use": false}]
            }),
            "column d: derive: features says `use: false` of it",
        ),
        (json!({"derive": [{"name": "d"}]}), "derive: d: write exactly one of ratio and difference"),
        (json!({"derive": [{"name": "d", "ratio": {"of": "size", "to": "colour"}}]}), "colour a Category"),
        (json!({"derive": [{"name": "d", "ratio": {"of": "size", "to": "length"}}]}), "there is no feature \"length\""),
        (json!({"derive": [{"name": "wide", "ratio": {"of": "size", "to": "wide"}}]}), "give it another name"),
        (
            json!({"estimator": "LinearRegression", "features": [{"name": "size", "missing": "Native"}]}),
            "LinearRegression needs every value; write Median",
        ),
    ] {
        let error = train(words.clone(), &table()).1.expect_err(&words.to_string());
        assert!(error.contains(expected), "{words}: expected {expected}, got {error}");
    }
    let mut negative = table();
    negative[7]["size"] = json!(-2);
    let error = train(feature(json!({"name": "size", "log": true})), &negative).1.unwrap_err();
    assert!(error.contains("row 8, column size: the number is below 0"), "{error}");
}

#[test]
fn callers_see_the_names_and_rules_of_the_spec() {
    let words = json!({"features": [
        {"name": "weight_kg", "from": "size", "log": true, "description": "As weighed.", "unit": "kg"},
        {"name": "colour", "unknown": "AsMissing"},
    ], "targetUnit": "h"});
    let (dir, trained) = train(words, &table());
    trained.unwrap();
    let model = Artefact::load(&dir.path().join("output"), None).unwrap().model;
    let names: Vec<&str> = model.fields().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["weight_kg", "wide", "colour", "fresh", "made"]);
    let units: Vec<Option<&str>> = model.fields().iter().map(|field| field.unit.as_deref()).collect();
    assert_eq!(units, [Some("kg"), None, None, None, None]);
    assert_eq!(model.output().unit(), Some("h"));
    // Where nothing is said of units, an artefact is what it was before there were any.
    let manifest = fs::read_to_string(dir.path().join("output/manifest.json")).unwrap();
    assert_eq!(manifest.matches("\"unit\"").count(), 2, "{manifest}");
    let columns = common::json_file(dir.path(), "training.json")["dataReport"]["described"].clone();
    let told: Vec<Value> = columns.as_array().unwrap().iter().map(|column| column["unit"].clone()).collect();
    assert_eq!(told.iter().filter(|unit| !unit.is_null()).collect::<Vec<_>>(), ["kg", "h"]);
    let mut row = json!({"weight_kg": 3, "wide": 1, "colour": "violet", "fresh": true, "made": "2024-01-01"});
    assert!(model.decode_json(row.as_object().unwrap()).unwrap()[2].is_nan(), "an unknown category counts as missing");
    row["weight_kg"] = json!(-1);
    let errors = model.decode_json(row.as_object().unwrap()).unwrap_err();
    assert_eq!(errors[0].to_string(), "weight_kg: expected a number from 0 on, got -1");
    let header = fs::read_to_string(dir.path().join("output/test.csv")).unwrap();
    assert!(header.lines().next().unwrap().contains("input:weight_kg"), "{header}");
}

#[test]
fn identifiers_and_free_text_are_left_out_unless_asked_for() {
    let columns = ["order_id", "note", "size", "y"];
    let row = |row: usize| {
        let note = format!("customer number {} rang about the parcel that came late and was wet", row % 40);
        let values = [json!(1000 + row * 3), json!(note), json!(row % 9), json!(row % 9 * 2)];
        columns.iter().map(|name| (*name).to_owned()).zip(values).collect::<Map<_, _>>()
    };
    let table: Vec<_> = (0..100).map(row).collect();
    let fields = |features: Value| {
        let dir = tempfile::tempdir().unwrap();
        let data = common::csv_of(dir.path(), &table, &columns);
        let builtin = json!({"estimator": "DecisionTree", "features": features});
        let spec = json!({"modelName": "m", "target": "y", "task": "Regression", "train": {"builtin": builtin}});
        let trained = common::train_on(dir.path(), &spec, &data).unwrap();
        let model = Artefact::load(&dir.path().join("output"), None).unwrap().model;
        let names: Vec<String> = model.fields().iter().map(|field| field.name.clone()).collect();
        (names, trained.notes.warnings)
    };
    let (names, warnings) = fields(json!([]));
    assert_eq!(names, ["size"]);
    assert!(
        warnings.iter().any(|w| w.starts_with("order_id is left out: it is different in every row")),
        "{warnings:?}"
    );
    assert!(warnings.iter().any(|w| w.starts_with("note is left out: 40 different texts")), "{warnings:?}");
    let (names, _) = fields(json!([{"name": "order_id", "use": true}, {"name": "note", "use": true}]));
    assert_eq!(names, ["order_id", "note", "size"]);
    let (names, _) =
        fields(json!([{"name": "order_id", "description": "A number."}, {"name": "note", "encoding": "Count"}]));
    assert_eq!(names, ["note", "size"]);
}

#[test]
fn a_category_of_noise_teaches_nothing_through_its_target() {
    // Every category has two rows and says nothing of the target; fitted on its own rows it would say nearly all.
    let columns = ["noise", "y"];
    let row = |row: usize| {
        let y = (row * 7919 + row * row * 104_729) % 1009;
        columns.iter().map(|name| (*name).to_owned()).zip([json!(format!("c{}", row % 200)), json!(y)]).collect()
    };
    let table: Vec<Row> = (0..400).map(row).collect();
    let best = |encoding: &str| {
        let dir = tempfile::tempdir().unwrap();
        let data = common::csv_of(dir.path(), &table, &columns);
        let builtin = json!({
            "estimator": "DecisionTree", "features": [{"name": "noise", "type": "Category", "encoding": encoding}],
            "search": {"grid": {"max_depth": [1, 2]}}
        });
        let spec = json!({"modelName": "m", "target": "y", "train": {"builtin": builtin}});
        common::train_on(dir.path(), &spec, &data).unwrap();
        common::json_file(dir.path(), "metrics.json")["r2"].as_f64().unwrap()
    };
    assert!(best("Target") < 0.05, "{}", best("Target"));
}
