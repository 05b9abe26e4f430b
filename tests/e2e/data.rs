//! Data and objects that several tests use.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use slipway_e2e::Space;

/// The row whose prediction is known.
pub fn known_row() -> Value {
    json!({"product_code": "SKU001", "orders_placed": 10})
}

/// What scikit-learn predicts for it, trained on [`time_to_dispatch`] with [`parameters`].
pub const KNOWN_PREDICTION: f64 = 0.652_754_305_798_511_5;

/// The parameters behind [`KNOWN_PREDICTION`].
pub fn parameters() -> Value {
    json!({"criterion": "squared_error", "max_depth": 8, "min_samples_split": 2, "min_samples_leaf": 2})
}

/// Times to dispatch in scikit-learn's order, with a column `set` that marks train and test rows.
pub fn time_to_dispatch(root: &Path) -> Result<String> {
    let read = |name: &str| std::fs::read_to_string(root.join("data").join(name)).with_context(|| name.to_owned());
    let (data, split) = (read("time_to_dispatch.csv")?, read("split_time_to_dispatch.csv")?);
    let rows: Vec<_> = data.lines().collect();
    let mut csv = format!("set,{}\n", rows[0]);
    for line in split.lines().skip(1) {
        let (set, row) = line.split_once(',').context("a line of the split")?;
        writeln!(csv, "{set},{}", rows[row.parse::<usize>()? + 1])?;
    }
    Ok(csv)
}

/// A run on `data/NAME.csv` of the space's bucket with one decision tree; `more` is merged into the spec.
pub fn run(space: &Space, name: &str, more: &Value) -> Value {
    let mut run = json!({
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {"name": name},
        "spec": {
            "modelName": "time-to-dispatch",
            "data": {"uri": format!("s3://{}/data/orders.csv", space.name)},
            "target": "hours_to_dispatch",
            "train": {"builtin": {
                "estimator": "DecisionTree",
                "parameters": parameters(),
                "split": {"column": "set"},
            }},
            "gates": [{"metric": "r2", "atLeast": 0.9}],
            "output": {"uri": format!("s3://{}/models/", space.name)},
            "retries": 1,
        },
    });
    merge(&mut run["spec"], more);
    run
}

/// A deployment that follows the model of [`run`], quick to roll; `more` is merged into the spec.
pub fn deployment(name: &str, more: &Value) -> Value {
    let mut deployment = json!({
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {
            "model": {"follow": {"modelName": "time-to-dispatch"}},
            "replicas": 2,
            "rollout": {"minReadySeconds": 1, "bakeSeconds": 3},
        },
    });
    merge(&mut deployment["spec"], more);
    deployment
}

/// Puts `more` over `object`; `null` removes.
fn merge(object: &mut Value, more: &Value) {
    match (object, more) {
        (Value::Object(object), Value::Object(more)) => {
            for (key, value) in more {
                if value.is_null() {
                    object.remove(key);
                } else {
                    merge(object.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (object, more) => *object = more.clone(),
    }
}

/// A space whose bucket holds [`time_to_dispatch`] as `data/orders.csv`.
pub async fn space(test: &str) -> Result<Space> {
    let space = Space::new(test).await?;
    space.put("data/orders.csv", time_to_dispatch(&space.environment.root)?).await?;
    Ok(space)
}

/// A space with one trained run, `first`, and a deployment `orders` that serves it.
pub async fn serving(test: &str) -> Result<Space> {
    let space = space(test).await?;
    space.apply(&run(&space, "first", &json!({"train": {"builtin": {"parameters": {"max_depth": 6}}}})).to_string())?;
    space.apply(&deployment("orders", &json!({})).to_string())?;
    space.served("orders").await?;
    Ok(space)
}
