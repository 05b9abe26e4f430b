use serde_json::json;
use slipway_spec::Report;

use super::page;

/// Text that would break out of any place, and characters that no page may hold.
const HOSTILE: &str = "</td></svg><script>alert('x')</script>\" onload=\"x\u{202e}\0&";

/// Whether every element is closed by its own name, and nothing is left over.
fn well_formed(page: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let page = page.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    for piece in page.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').ok_or_else(|| format!("an open tag: {piece}"))?;
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if text.contains('>') && name != "style" {
            return Err(format!("a stray bracket after {tag}"));
        }
        if tag.starts_with('/') {
            let last = open.pop();
            if last != Some(name) {
                return Err(format!("{name} closes {last:?}"));
            }
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("still open: {open:?}")) }
}

fn report(value: serde_json::Value) -> Report {
    serde_json::from_value(value).unwrap()
}

fn empty() -> serde_json::Value {
    json!({
        "modelName": "m", "version": "v", "task": "Regression", "verdict": "Passed", "metrics": {}, "gates": [], "checks": [],
        "data": {"uri": "", "digest": "", "sizeBytes": 0},
    })
}

fn histogram(counts: &[u64]) -> serde_json::Value {
    json!({"start": 0.0, "end": 1.0, "counts": counts, "beyond": [1, 2]})
}

/// A report with everything in it; `name` stands for every name, `number` for every number.
fn full(name: &str, number: f64, answers: &serde_json::Value) -> Report {
    let point = json!({"parameters": {"max_depth": 3}, "score": number, "foldScores": [number, number]});
    let other = json!({"parameters": {"max_depth": 5}, "score": 0.5, "foldScores": [0.4, 0.6]});
    let importance = json!({"feature": name, "importance": number, "deviation": 0.1});
    let mut value = json!({
        "modelName": name, "version": name, "task": "Classification", "verdict": "Refused",
        "about": {
            "estimator": name, "target": name, "classes": [name, "b"], "positiveClass": name, "threshold": 0.5, "features": 3,
            "parameters": {"max_depth": 3}, "digest": name, "sizeBytes": 123, "rows": 10, "columns": 4, "seed": 42,
            "trainer": name, "image": name, "codeRevision": name,
        },
        "metrics": {"accuracy": number, "skill": number}, "undefined": {"roc_auc": name}, "selfReported": ["skill"],
        "championMetrics": {"accuracy": 0.5},
        "gates": [
            {"metric": "accuracy", "outcome": "Failed", "observed": number, "bound": 0.9, "champion": 0.5, "message": name},
            {"metric": name, "outcome": "Warned", "observed": number, "bound": -2.0, "message": name},
            {"metric": name, "outcome": "Passed", "message": name},
        ],
        "checks": [{"check": name, "outcome": "Passed", "message": name}],
        "search": {
            "metric": "accuracy", "folds": 2, "points": 2, "bestScore": number, "bestParameters": {"max_depth": 3},
            "results": [point, other],
        },
        "rows": {"train": 8, "test": 2, "leftOut": 1}, "importances": {"kind": "Impurity", "values": [importance]},
        "warnings": [name], "timings": {name: number},
        "data": {"uri": name, "digest": name, "sizeBytes": 1, "etag": name, "versionId": name, "time": name},
        "pictures": {
            "answers": answers, "notes": [name],
            "permutation": {"metric": name, "value": number, "rows": 2, "repeats": 5, "features": [importance], "more": 1},
            "partialDependence": [
                {
                    "feature": name, "type": "Number", "rows": 2, "at": [0.0, number], "spread": histogram(&[1, 2]),
                    "lines": [{"class": name, "mean": [0.1, number], "low": [0.0, 0.0], "high": [1.0, 1.0]}],
                },
                {
                    "feature": name, "type": "Category", "rows": 2, "at": [0.0, 1.0], "labels": [name, "b"],
                    "spread": histogram(&[1, 2]), "lines": [{"class": name, "mean": [0.1, number]}, {"class": "b", "mean": [0.9, 0.5]}],
                },
            ],
        },
    });
    let group = json!({"group": name, "rows": 5, "metrics": {"accuracy": number}});
    value["groups"] = json!({
        "column": name, "total": 2, "tooSmall": 1, "worst": {"accuracy": {"group": name, "value": number}},
        "gap": {"accuracy": number}, "groups": [group],
    });
    value["intervals"] = json!({"accuracy": {"low": 0.1, "high": number}});
    value["baseline"] = json!({"estimator": "Dummy", "strategy": "prior", "metrics": {"accuracy": number}});
    value["dataReport"] = json!({
        "rows": 10, "columns": 4, "duplicateRows": 1, "classes": [{"value": name, "count": 7}],
        "described": [
            {"name": name, "role": "Feature", "type": "Number", "unit": name, "missing": 1, "distinct": 3, "drift": 0.3, "alone": 0.99,
             "numbers": {"min": 0.0, "mean": number, "median": 1.0, "max": 2.0, "standardDeviation": 1.0, "histogram": [1, 2]}},
            {"name": "b", "role": "Target", "missing": 0, "distinct": 2, "top": [{"value": name, "count": 7}]},
        ],
        "findings": [{"kind": "Leakage", "column": name, "message": name}],
    });
    report(value)
}

fn regression(number: f64) -> serde_json::Value {
    json!({
        "kind": "Regression", "rows": 2, "points": [[1.0, number], [2.0, 2.5]], "residuals": histogram(&[1, 1]),
        "bands": [{"predicted": number, "residuals": [-1.0, 0.0, 1.0], "rows": 2}],
    })
}

fn classification(name: &str, number: f64) -> serde_json::Value {
    let curves = json!({
        "class": name, "rows": 1, "rocAuc": number, "averagePrecision": number, "roc": [[0.0, 0.0], [number, 0.5], [1.0, 1.0]],
        "precisionRecall": [[0.0, 1.0], [1.0, number]], "calibration": [{"predicted": number, "observed": 0.5, "rows": 2}],
        "scores": histogram(&[0, 1]), "otherScores": histogram(&[1, 0]), "atThreshold": [0.1, 0.9, number],
        "thresholds": [[0.0, 0.5, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]],
    });
    json!({"kind": "Classification", "rows": 2, "confusion": [[1, 0], [0, 1]], "classes": [name, "b"], "curves": [curves]})
}

#[test]
fn an_empty_report_is_a_page() {
    let page = page(&report(empty()));
    well_formed(&page).unwrap();
    assert!(page.contains("Nothing was asked of it"));
}

#[test]
fn whatever_stands_in_a_report_the_page_is_well_formed_and_runs_nothing() {
    for number in [0.87, 0.0, -1e300, 1e300, 5e-324] {
        for name in ["a", "", HOSTILE, &"long ".repeat(10_000)] {
            for answers in [regression(number), classification(name, number)] {
                let page = page(&full(name, number, &answers));
                well_formed(&page).unwrap_or_else(|why| panic!("{number} {name:.20}: {why}"));
                for forbidden in ["<script", "onload=\"", "javascript:", "NaN", "inf\"", "src=", "\u{202e}", "\0"] {
                    assert!(!page.contains(forbidden), "{number} {name:.20}: {forbidden}");
                }
                assert!(page.len() < 2 << 20, "{} bytes", page.len());
            }
        }
    }
}

#[test]
fn one_report_gives_one_page() {
    let report = full("a", 0.87, &classification("a", 0.87));
    assert_eq!(page(&report), page(&report));
    let stored: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(page(&report), page(&stored));
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = page(&full("a", 0.87, &classification("a", 0.87)));
    for forbidden in ["http://", "https://", "src=", "<link", "@import", "url(", " style=", "<script"] {
        let allowed = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!allowed.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src &#39;none&#39;; style-src &#39;sha256-"));
}

#[test]
fn those_who_cannot_see_it_are_told() {
    let page = page(&full("a", 0.87, &classification("a", 0.87)));
    let drawings = page.matches("<svg").count();
    assert!(drawings > 12);
    let told = page.matches("role=\"img\"").count();
    assert_eq!((told + page.matches("aria-hidden").count(), page.matches("<desc>").count()), (drawings, told));
    assert_eq!(page.matches("<table").count(), page.matches("<tbody").count());
    assert!(page.contains("<th scope=\"col\">Outcome</th>") && page.contains("<html lang=\"en\">"));
}

#[test]
fn the_largest_report_is_a_page_of_two_megabytes_at_most() {
    let name = "n".repeat(256);
    let mut value = serde_json::to_value(full(&name, 0.5, &classification(&name, 0.5))).unwrap();
    let repeat = |value: &mut serde_json::Value, times: usize| {
        let items = value.as_array_mut().unwrap();
        let first = items[0].clone();
        items.resize(times, first);
    };
    let pictures = &mut value["pictures"];
    for (place, times) in [("/answers/curves", 6), ("/permutation/features", 20), ("/partialDependence", 8)] {
        repeat(pictures.pointer_mut(place).unwrap(), times);
    }
    for curve in 0..6 {
        repeat(&mut pictures["answers"]["curves"][curve]["roc"], 202);
        repeat(&mut pictures["answers"]["curves"][curve]["precisionRecall"], 400);
    }
    for (place, times) in [("/gates", 50), ("/checks", 50), ("/warnings", 1000), ("/search/results", 100)] {
        repeat(value.pointer_mut(place).unwrap(), times);
    }
    for (place, times) in [("/dataReport/described", 500), ("/dataReport/findings", 100), ("/dataReport/classes", 500)]
    {
        repeat(value.pointer_mut(place).unwrap(), times);
    }
    let page = page(&report(value));
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
    well_formed(&page).unwrap();
}

#[test]
fn a_gate_is_a_row_with_its_margin_in_words() {
    let gate = json!({
        "metric": "r2", "outcome": "Passed", "observed": 0.97, "bound": 0.9, "champion": 0.95, "message": "r2 is 0.97, not below 0.9",
    });
    let mut value = empty();
    value["gates"] = json!([gate]);
    let page = page(&report(value));
    let row = page.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
    insta::assert_snapshot!(row.replace("><", ">\n<"));
}
