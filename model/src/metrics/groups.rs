//! Metrics within groups of rows.

use std::collections::{BTreeMap, HashMap};

use slipway_spec::{GroupMetrics, GroupReport, GroupWord, Metric, Metrics};

use super::{Scored, evaluate_with};
use crate::schema::Output;

/// Most groups.
const MAX_GROUPS: usize = 1_000;
/// Groups that a report lists: those with the most rows.
const MAX_LISTED: usize = 100;

/// The metrics within each group of rows; `groups` names the group of every row. Groups of fewer than `min_rows` rows do not
/// count for the worst and the gap.
pub fn by_group(
    output: &Output,
    scored: Scored<'_>,
    asked: &[Metric],
    column: &str,
    groups: &[&str],
    min_rows: usize,
) -> Result<GroupReport, String> {
    let mut members: HashMap<&str, Vec<usize>> = HashMap::new();
    for (row, group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(row);
    }
    if members.len() > MAX_GROUPS {
        let count = members.len();
        return Err(format!(
            "{column} has {count} different values in the test rows; at most {MAX_GROUPS} groups are told apart"
        ));
    }
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.0.cmp(b.0)));
    let evaluated: Vec<GroupMetrics> = members
        .iter()
        .map(|(group, rows)| GroupMetrics {
            group: (*group).to_owned(),
            rows: rows.len(),
            metrics: of_rows(output, scored, asked, rows),
        })
        .collect();
    let small = evaluated.iter().filter(|group| group.rows < min_rows).count();
    let (worst, gap) = extremes(evaluated.iter().filter(|group| group.rows >= min_rows));
    let total = evaluated.len();
    Ok(GroupReport {
        column: column.to_owned(),
        total,
        too_small: small,
        worst,
        gap,
        groups: evaluated.into_iter().take(MAX_LISTED).collect(),
    })
}

/// The metrics of some of the rows.
fn of_rows(output: &Output, scored: Scored<'_>, asked: &[Metric], rows: &[usize]) -> Metrics {
    match scored {
        Scored::Numbers { truth, predicted } => {
            let truth: Vec<f64> = rows.iter().map(|&row| truth[row]).collect();
            let predicted: Vec<f64> = rows.iter().map(|&row| predicted[row]).collect();
            evaluate_with(output, Scored::Numbers { truth: &truth, predicted: &predicted }, asked).metrics
        }
        Scored::Classes { truth, predicted, probabilities } => {
            let width = probabilities.map_or(0, |all| all.len() / truth.len());
            let probabilities = probabilities
                .map(|all| rows.iter().flat_map(|&row| &all[row * width..][..width]).copied().collect::<Vec<f64>>());
            let truth: Vec<usize> = rows.iter().map(|&row| truth[row]).collect();
            let predicted: Vec<usize> = rows.iter().map(|&row| predicted[row]).collect();
            let scored =
                Scored::Classes { truth: &truth, predicted: &predicted, probabilities: probabilities.as_deref() };
            evaluate_with(output, scored, asked).metrics
        }
    }
}

/// For each metric the worst group, and the distance between the best and the worst. A metric that is undefined in a group
/// passes it over.
fn extremes<'a>(groups: impl Iterator<Item = &'a GroupMetrics>) -> (BTreeMap<String, GroupWord>, Metrics) {
    let mut worst: BTreeMap<String, GroupWord> = BTreeMap::new();
    let mut best = Metrics::new();
    for group in groups {
        for (name, &value) in &group.metrics {
            let higher = Metric::parse(name).is_none_or(Metric::higher_is_better);
            let better = |a: f64, b: f64| if higher { a > b } else { a < b };
            match worst.get(name) {
                Some(word) if !better(word.value, value) => {}
                _ => _ = worst.insert(name.clone(), GroupWord { group: group.group.clone(), value }),
            }
            let best = best.entry(name.clone()).or_insert(value);
            if better(value, *best) {
                *best = value;
            }
        }
    }
    let gap = worst.iter().map(|(name, word)| (name.clone(), (best[name] - word.value).abs())).collect();
    (worst, gap)
}

/// The numbers of the worst group and the gap under the keys by which gates ask for them.
pub fn worst_and_gap(report: &GroupReport) -> impl Iterator<Item = (String, f64)> {
    use slipway_spec::Of;
    let worst = report.worst.iter().map(|(name, word)| (Of::WorstGroup.key(name), word.value));
    worst.chain(report.gap.iter().map(|(name, gap)| (Of::GroupGap.key(name), *gap)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(groups: &[&str], min_rows: usize) -> Result<GroupReport, String> {
        let output = Output::Regression { name: "y".to_owned(), range: None, unit: None };
        let truth: Vec<f64> = (0..groups.len()).map(|row| row as f64).collect();
        let error = |group: &str| if group == "b" { 2.0 } else { 0.5 };
        let predicted: Vec<f64> = truth.iter().zip(groups).map(|(truth, group)| truth + error(group)).collect();
        by_group(&output, Scored::Numbers { truth: &truth, predicted: &predicted }, &[], "region", groups, min_rows)
    }

    #[test]
    fn the_worst_group_and_the_gap_are_found_whichever_way_is_better() {
        let report = report(&["a", "b", "a", "b", "a", "c"], 2).unwrap();
        assert_eq!((report.total, report.too_small), (3, 1));
        assert_eq!(
            report.groups.iter().map(|group| (&*group.group, group.rows)).collect::<Vec<_>>(),
            [("a", 3), ("b", 2), ("c", 1)]
        );
        assert_eq!(report.worst["mae"], GroupWord { group: "b".to_owned(), value: 2.0 });
        assert_eq!(report.gap["mae"], 1.5);
        assert_eq!(report.worst["r2"].group, "b");
        assert!(report.worst["r2"].value < report.groups[0].metrics["r2"]);
        let keyed: Metrics = worst_and_gap(&report).collect();
        assert_eq!((keyed["mae.worst_group"], keyed["mae.group_gap"]), (2.0, 1.5));
    }

    #[test]
    fn too_many_groups_are_refused() {
        let names: Vec<String> = (0..1_001).map(|row| row.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(report(&names, 1).unwrap_err().contains("1001 different values"));
    }
}
