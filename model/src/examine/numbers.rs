//! What is known of metrics beside their value on all test rows: confidence intervals, and values within groups.

use std::collections::BTreeMap;

use slipway_spec::{Confidence, GroupReport, Interval, Metric, Metrics, Of, Run};

use super::TestEvidence;
use crate::metrics::{self, Scored};
use crate::predictor::Model;
use crate::schema::Output;

/// Numbers of metrics beside their value on all test rows.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) intervals: BTreeMap<String, Interval>,
    pub(super) groups: Option<GroupReport>,
}

impl Numbers {
    /// Computes what the run asks for.
    pub(super) fn of(
        model: &Model,
        evidence: &TestEvidence,
        run: &Run,
        asked: &[Metric],
        warnings: &mut Vec<String>,
    ) -> Numbers {
        let scored = evidence.answers.scored();
        let intervals = confidence(run, scored.rows())
            .map(|confidence| metrics::intervals(model.output(), scored, asked, &confidence));
        let groups = run.spec.evaluation.group_by.as_ref().map(|column| match &evidence.test.groups {
            Some(groups) => {
                let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
                let min_rows = run.spec.evaluation.min_rows_of_group();
                metrics::by_group(model.output(), scored, asked, column, &groups, min_rows)
            }
            None => Err(format!("test.csv has no column input:{column} or group:{column}")),
        });
        let groups =
            groups.and_then(|groups| groups.map_err(|why| warnings.push(format!("evaluation.groupBy: {why}"))).ok());
        Numbers { intervals: intervals.unwrap_or_default(), groups }
    }

    /// The numbers that a gate may ask for, by [`Of::key`].
    pub(super) fn keyed(&self) -> Metrics {
        let bound = |(name, interval): (&String, &Interval)| {
            let higher = Metric::parse(name).is_none_or(Metric::higher_is_better);
            (Of::ConfidenceBound.key(name), if higher { interval.low } else { interval.high })
        };
        let bounds = self.intervals.iter().map(bound);
        bounds.chain(self.groups.iter().flat_map(metrics::worst_and_gap)).collect()
    }
}

/// How intervals are made, if they are: where the spec says so, a gate asks for one, or there are few rows.
fn confidence(run: &Run, rows: usize) -> Option<Confidence> {
    let gated = run.spec.gates.iter().any(|gate| gate.of == Of::ConfidenceBound);
    let default = (gated || rows <= metrics::MAX_UNASKED_ROWS).then(Confidence::default);
    run.spec.evaluation.confidence.clone().or(default).filter(|confidence| confidence.resamples > 0 && rows > 0)
}

/// The worst group and the gap of each metric, by [`Of::key`]; nothing where groups cannot be told apart.
pub(super) fn of_groups(output: &Output, scored: Scored<'_>, groups: &[&str], run: &Run, asked: &[Metric]) -> Metrics {
    let min_rows = run.spec.evaluation.min_rows_of_group();
    let report = metrics::by_group(output, scored, asked, "", groups, min_rows);
    report.map(|report| metrics::worst_and_gap(&report).collect()).unwrap_or_default()
}
