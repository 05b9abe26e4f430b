//! What the story applies, as a user writes it.

/// Namespace of the story.
pub const NAMESPACE: &str = "slipway-demo";
/// The model, and the deployment that serves it.
pub const MODEL: &str = "time-to-dispatch";
/// A row whose prediction is known.
pub const ROW: &str = r#"{"product_code": "SKU001", "orders_placed": 10}"#;
/// The prediction that scikit-learn gives for it, with the second run's parameters.
pub const KNOWN_PREDICTION: f64 = 0.652_754_305_798_511_5;

/// A run: data, depth of the tree, and the least r² it must have.
pub struct Run<'a> {
    /// Its name.
    pub name: &'a str,
    /// The object in the bucket.
    pub data: &'a str,
    /// `max_depth` of the tree.
    pub depth: u32,
    /// The bound of its gate.
    pub r2_at_least: f64,
}

impl Run<'_> {
    /// As YAML.
    pub fn yaml(&self, bucket: &str) -> String {
        let Run { name, data, depth, r2_at_least } = self;
        format!(
            "apiVersion: slipway.dev/v1alpha1
kind: TrainingRun
metadata: {{name: {name}}}
spec:
  modelName: {MODEL}
  data: {{uri: s3://{bucket}/{data}}}
  target: hours_to_dispatch
  train:
    builtin:
      estimator: DecisionTree
      parameters: {{max_depth: {depth}, min_samples_leaf: 2}}
      split: {{column: set}}
  gates:
  - {{metric: r2, atLeast: {r2_at_least}}}
  checks:
  - range: {{min: 0, maxTimesObserved: 1.25}}
  output: {{uri: s3://{bucket}/models/}}
"
        )
    }
}

/// The deployment.
pub fn deployment() -> String {
    format!(
        "apiVersion: slipway.dev/v1alpha1
kind: ModelDeployment
metadata: {{name: {MODEL}}}
spec:
  model:
    follow: {{modelName: {MODEL}}}
  replicas: 2
  rollout: {{minReadySeconds: 2, bakeSeconds: 5}}
"
    )
}
