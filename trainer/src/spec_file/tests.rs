use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn read(text: &str) -> Result<Run, String> {
    parse(text, Path::new("orders.csv"), Path::new("out"))
}

const SPEC: &str = "{modelName: m, target: y, train: {builtin: {estimator: DecisionTree}}}";

#[test]
fn a_training_run_and_its_bare_spec_are_the_same_run() {
    let bare = read(SPEC).unwrap();
    let whole =
        format!("{{apiVersion: slipway.dev/v1alpha1, kind: TrainingRun, metadata: {{name: a-1}}, spec: {SPEC}}}");
    let whole = read(&whole).unwrap();
    assert_eq!((bare.name.as_str(), whole.name.as_str()), ("m", "a-1"));
    assert_eq!(bare.spec, whole.spec);
    assert_eq!(bare.spec.data.uri, "orders.csv");
}

#[test]
fn a_version_depends_on_spec_and_data_not_on_where_they_are() {
    let spec = read(SPEC).unwrap().spec;
    let elsewhere = parse(SPEC, Path::new("other.csv"), Path::new("other")).unwrap().spec;
    assert_eq!(version(&spec, "sha256:1"), version(&elsewhere, "sha256:1"));
    assert_ne!(version(&spec, "sha256:1"), version(&spec, "sha256:2"));
    let other = read(&SPEC.replace("target: y", "target: z")).unwrap().spec;
    assert_ne!(version(&spec, "sha256:1"), version(&other, "sha256:1"));
}

#[test]
fn what_only_a_cluster_needs_is_passed_over() {
    let operational = format!("{{pod: {{resources: {{}}}}, retries: 3, {}", &SPEC[1..]);
    assert_eq!(read(&operational).unwrap().spec, read(SPEC).unwrap().spec);
}

#[test]
fn mistakes_are_named_by_their_path() {
    for (text, expected) in [
        ("[1, 2]", "expected a TrainingRun, or its spec"),
        ("{modelName: m", "line 1"),
        (
            "{modelName: m, target: 3, train: {}}",
            "spec.target: invalid type: integer `3`, expected a string; write it in quotes",
        ),
        ("{modelName: m, target: y, train: {builtin: {estimator: DecisionTree, features: [{nam: x}]}}}", "spec.train"),
        (
            "{modelName: m, target: y, train: {builtin: null, estimator: DecisionTree}}",
            "spec.train: expected one entry, got builtin and estimator; keep one, or correct the indentation",
        ),
        (
            "{modelName: m, target: y, train: {builtin: {estimator: RandomForestClassifier}}}",
            "spec.train.builtin.estimator: there is no RandomForestClassifier; write one of DecisionTree, RandomForest",
        ),
        (
            "{modelName: m, target: y, train: {builtin: {estimator: DecisionTree, search: {grid: {max_depth: 3}}}}}",
            "expected a sequence: write a list, such as [3]",
        ),
        ("{kind: TrainingRun, spec: {}}", "apiVersion: expected slipway.dev/v1alpha1, got nothing"),
    ] {
        let problem = read(text).unwrap_err();
        assert!(problem.contains(expected), "{text}: {problem}");
    }
}

/// Specs in which every part of the language occurs.
const EXAMPLES: [&str; 3] = [
    "modelName: time-to-dispatch
target: hours_to_dispatch
task: Regression
train:
  builtin:
    estimator: DecisionTree
    parameters: {criterion: squared_error, monotonic_cst: {orders_placed: 1}}
    search:
      grid: {min_samples_leaf: [1, 2, 0.1], max_depth: [4, 8, None]}
      folds: 5
      foldsBy: {kind: TimeSeriesSplit, column: day, embargoDays: 7}
      metric: r2
    features:
    - {name: product_code, type: Category, encoding: OneHot, missing: MostFrequent}
    - {name: order_id, use: false, description: a number nobody needs}
    sampleWeight: weight
    split: {random: {testFraction: 0.2, stratifyBy: product_code, seed: 42}}
    refitOnAllRows: true
evaluation: {groupBy: product_code, minGroupRows: 20, confidence: {resamples: 100, seed: 1}}
gates:
- {metric: r2, atLeast: 0.9, warnBelow: 0.95}
- {metric: mae, atMost: 1.25, of: WorstGroup}
- {metric: r2, champion: {worseByAtMost: 0.005}, baseline: {betterByAtLeast: 0.1}}
checks:
- monotonic: {feature: orders_placed, at: [100, 150], within: product_code}
- range: {min: 0, maxTimesObserved: 1.25}
",
    "modelName: titanic
target: Survived
task: Classification
positiveClass: '1'
train:
  builtin:
    estimator: RandomForest
    parameters: {class_weight: {'0': 1, '1': 2.5}, bootstrap: true, oob_score: true}
    search:
      random:
        points: 12
        choices: {max_features: [sqrt, log2, None, 0.5], criterion: [gini, entropy]}
        ranges: {min_samples_leaf: {min: 1, max: 20, log: true}, n_estimators: {min: 10, max: 50}}
        seed: 3
      halving: {resource: n_samples, factor: 3, minResources: 50}
    split: {time: {column: day, testFraction: 0.25, embargoDays: 28}}
    threshold: {maximise: f1}
",
    "apiVersion: slipway.dev/v1alpha1
kind: TrainingRun
metadata: {generateName: flowers-}
spec:
  modelName: flowers
  target: species
  train: {builtin: {estimator: LogisticRegression, parameters: {C: 0.5, l1_ratio: 0.5, penalty: elasticnet},
    split: {group: {column: field}}}}
  pod: {resources: {limits: {memory: 1Gi}}}
",
];

/// What somebody may write in place of a word.
const TOKENS: [&str; 20] = [
    "null",
    "[]",
    "{}",
    "-1",
    "0",
    "1e999",
    "0.5",
    ".nan",
    "99999999999999999999",
    "true",
    "''",
    "None",
    "estimator",
    "grid",
    "[1, 2]",
    "{a: 1}",
    "&a *a",
    "!!binary x",
    "parameters",
    "y\n- ",
];

/// A change of a text: a character overwritten, a piece cut out, a word in place of another, two lines exchanged.
#[derive(Clone, Debug)]
enum Change {
    Character(Index, char),
    Cut(Index, usize),
    Word(Index, Index),
    Swap(Index, Index),
    Lines(Index, Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = any::<Index>;
    let change = prop_oneof![
        2 => (place(), any::<char>()).prop_map(|(place, character)| Change::Character(place, character)),
        2 => (place(), "[ -~\n]").prop_map(|(place, text)| Change::Character(place, text.chars().next().unwrap_or(' '))),
        2 => (place(), 1..40_usize).prop_map(|(place, length)| Change::Cut(place, length)),
        4 => (place(), place()).prop_map(|(place, token)| Change::Word(place, token)),
        2 => (place(), place()).prop_map(|(one, other)| Change::Swap(one, other)),
        1 => (place(), place()).prop_map(|(one, other)| Change::Lines(one, other)),
    ];
    prop::collection::vec(change, 1..4)
}

/// Where the words of a text are.
fn words(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (place, character) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, character.is_alphanumeric() || matches!(character, '_' | '.' | '-')) {
            (None, true) => start = Some(place),
            (Some(begun), false) => {
                words.push(begun..place);
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn apply(text: &str, change: &Change) -> String {
    let characters: Vec<char> = text.chars().collect();
    let words = words(text);
    if characters.is_empty() || words.is_empty() {
        return text.to_owned();
    }
    match change {
        Change::Character(place, character) => {
            let mut characters = characters;
            let place = place.index(characters.len());
            characters[place] = *character;
            characters.into_iter().collect()
        }
        Change::Cut(place, length) => {
            let start = place.index(characters.len());
            characters.iter().take(start).chain(characters.iter().skip(start + length)).collect()
        }
        Change::Word(place, token) => {
            let mut text = text.to_owned();
            text.replace_range(place.get(&words).clone(), token.get::<&str>(&TOKENS));
            text
        }
        Change::Swap(one, other) => {
            let mut text = text.to_owned();
            let taken = text[other.get(&words).clone()].to_owned();
            text.replace_range(one.get(&words).clone(), &taken);
            text
        }
        Change::Lines(one, other) => {
            let mut lines: Vec<&str> = text.lines().collect();
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
            lines.join("\n")
        }
    }
}

#[test]
fn the_examples_are_sound() {
    for example in EXAMPLES {
        assert_eq!(read(example).and_then(|run| run.spec.check()), Ok(()), "{example}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_read_or_refused_in_a_few_words(example in any::<Index>(), changes in changes()) {
        let text = changes.iter().fold((*example.get::<&str>(&EXAMPLES)).to_owned(), |text, change| apply(&text, change));
        match read(&text).and_then(|run| run.spec.check()) {
            Ok(()) => {}
            Err(problem) => {
                prop_assert!(!problem.trim().is_empty());
                prop_assert!(problem.len() < 4_000, "{} bytes: {problem}", problem.len());
            }
        }
    }
}
