//! The words every part of Slipway shares: what to train ([`run`]), how a model is judged ([`gate`], [`check`],
//! [`judge`]), what is reported ([`report`], [`pictures`]), and the fixed names both sides of a process boundary must agree on
//! ([`contract`]).
//!
//! Nothing here does IO. With the `schemars` feature every type describes itself as a JSON schema, including the CEL
//! rules that Kubernetes enforces at admission.

pub mod check;
mod coherence;
pub mod contract;
pub mod data_report;
pub mod estimator;
pub mod evaluation;
pub mod feature;
pub mod gate;
pub mod judge;
mod limits;
pub mod metric;
pub mod parameters;
pub mod pictures;
pub mod report;
pub mod run;
#[cfg(feature = "schemars")]
pub mod schema;
pub mod search;
pub mod similar;
pub mod split;

pub use check::{Check, Direction, InvariantCheck, MonotonicCheck, RangeCheck, UnseenGroupsCheck};
pub use data_report::{ColumnReport, ColumnRole, DataReport, Finding, FindingKind, NumberSummary, ValueCount};
pub use estimator::Estimator;
pub use evaluation::{
    Confidence, Evaluation, GroupMetrics, GroupReport, GroupWord, Interval, Maximised, Threshold, ThresholdReport,
};
pub use feature::{
    Bins, Derived, Difference, Encoding, Feature, FeatureType, Fill, MissingPolicy, Ratio, Scaling, TimePart, Unknown,
};
pub use gate::{BaselineGate, Gate, Of, RelativeGate, Requirement};
pub use judge::{CheckResult, Comparison, GateResult, Judgement, Outcome, Verdict};
pub use metric::{Metric, Metrics, Percent};
pub use parameters::{
    ClassWeight, Criterion, DummyStrategy, EarlyStopping, Fraction, Grid, Init, IntOrNone, Loss, MaxFeatures,
    NonNegativeNumber, ParameterError, Parameters, Penalty, PositiveInteger, PositiveNumber, Share, ShareOrCount,
    Splitter,
};
pub use pictures::{ImportanceKind, Importances, Pictures};
pub use report::{
    About, Baseline, DataFile, DataIdentity, Report, RowCounts, SearchPoint, SearchReport, SearchRound, Summary,
    TrainingNotes,
};
pub use run::{ArtefactRef, Builtin, Container, Data, EnvVar, Output, Run, Select, Task, Train, TrainingSpec};
pub use search::{Factor, FoldKind, Folding, Halving, NumberRange, RandomSearch, Resource, Search, SearchError};
pub use split::{GroupSplit, RandomSplit, Split, TimeSplit};
