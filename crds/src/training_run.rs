//! The `TrainingRun` API.
