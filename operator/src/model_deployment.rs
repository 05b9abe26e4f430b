//! The `ModelDeployment` controller.
