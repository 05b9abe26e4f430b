//! The `ModelDeployment` API.
