//! What the tests share: data sets with the split of their reference, and runs on them.

#![allow(dead_code, reason = "each test uses its share")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use slipway_trainer::{Error, Trained, spec_file, train};

/// A file of the project's data sets.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name)
}

/// Writes a data set into `dir` in the order of its split, with the column `set` that tells train from test.
pub fn marked(dir: &Path, name: &str) -> PathBuf {
    let read = |file: String| {
        let mut reader = csv::Reader::from_path(data(&file)).unwrap();
        let header = reader.headers().unwrap().clone();
        (header, reader.records().map(Result::unwrap).collect::<Vec<_>>())
    };
    let (mut header, rows) = read(format!("{name}.csv"));
    let (_, split) = read(format!("split_{name}.csv"));
    let path = dir.join(format!("{name}.csv"));
    let mut writer = csv::Writer::from_path(&path).unwrap();
    header.push_field("set");
    writer.write_record(&header).unwrap();
    for entry in split {
        let mut row = rows[entry[1].parse::<usize>().unwrap()].clone();
        row.push_field(&entry[0]);
        writer.write_record(&row).unwrap();
    }
    writer.flush().unwrap();
    path
}

/// The target of a data set.
pub fn target(name: &str) -> &'static str {
    match name {
        "time_to_dispatch" => "hours_to_dispatch",
        "california_housing" => "median_house_value",
        "titanic" => "Survived",
        "penguins" | "iris" => "species",
        other => panic!("no such data set: {other}"),
    }
}

/// A spec on a marked data set.
pub fn spec(name: &str, mut builtin: Value) -> Value {
    builtin["split"] = json!({"column": "set"});
    if name == "titanic" {
        let unused = ["PassengerId", "Name", "Ticket", "Cabin"].map(|name| json!({"name": name, "use": false}));
        builtin["features"] = json!(unused);
    }
    json!({"modelName": name.replace('_', "-"), "target": target(name), "train": {"builtin": builtin}})
}

/// Trains what `spec` says on `data`, into `dir/output`.
pub fn train_on(dir: &Path, spec: &Value, data: &Path) -> Result<Trained, Error> {
    let run = dir.join("run.yaml");
    // JSON is YAML.
    fs::write(&run, spec.to_string()).unwrap();
    let output = dir.join("output");
    let run = spec_file::read(&run, data, &output)?;
    train(&run, data, &output, &slipway_trainer::progress::Silent)
}

/// The cells of a row by the names of their columns.
pub type Row = Map<String, Value>;

/// Writes those columns of `table` into `dir/data.csv`.
pub fn csv_of(dir: &Path, table: &[Row], columns: &[&str]) -> PathBuf {
    let mut text = columns.join(",") + "\n";
    for row in table {
        let cell = |name: &&str| match &row[*name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        writeln!(text, "{}", columns.iter().map(cell).collect::<Vec<_>>().join(",")).unwrap();
    }
    let path = dir.join("data.csv");
    fs::write(&path, text).unwrap();
    path
}

/// A column of `test.csv`.
pub fn test_column(dir: &Path, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_path(dir.join("output/test.csv")).unwrap();
    let place = reader.headers().unwrap().iter().position(|header| header == name);
    let place = place.unwrap_or_else(|| panic!("test.csv has no column {name}"));
    reader.records().map(|row| row.unwrap()[place].to_owned()).collect()
}

/// A JSON file of the output.
pub fn json_file(dir: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(dir.join("output").join(name)).unwrap()).unwrap()
}

/// CSV of two numbers and a text that depends on them, `rows` rows.
pub fn small_csv(rows: usize) -> String {
    let mut text = "x,colour,y\n".to_owned();
    for row in 0..rows {
        let colour = ["red", "green", "blue"][row % 3];
        writeln!(text, "{},{colour},{}", row % 17, row % 17 * 3 + row % 3).unwrap();
    }
    text
}
