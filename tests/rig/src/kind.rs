//! The kinds of objects that the rig deals with, and where the API server has them.

/// A namespaced kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Such as `Deployment`.
    pub name: &'static str,
    /// Such as `apps/v1`; `v1` of the core.
    pub version: &'static str,
    /// Such as `deployments`.
    pub plural: &'static str,
}

/// What users write to serve.
pub const MODEL_DEPLOYMENT: Kind =
    Kind { name: "ModelDeployment", version: "slipway.dev/v1alpha1", plural: "modeldeployments" };
/// What users write to train.
pub const TRAINING_RUN: Kind = Kind { name: "TrainingRun", version: "slipway.dev/v1alpha1", plural: "trainingruns" };
/// Revisions.
pub const DEPLOYMENT: Kind = Kind { name: "Deployment", version: "apps/v1", plural: "deployments" };
/// What Kubernetes makes of them.
pub const REPLICA_SET: Kind = Kind { name: "ReplicaSet", version: "apps/v1", plural: "replicasets" };
/// Training.
pub const JOB: Kind = Kind { name: "Job", version: "batch/v1", plural: "jobs" };
/// Pods of both.
pub const POD: Kind = Kind { name: "Pod", version: "v1", plural: "pods" };
/// Routes.
pub const SERVICE: Kind = Kind { name: "Service", version: "v1", plural: "services" };
/// Disruption budgets.
pub const BUDGET: Kind = Kind { name: "PodDisruptionBudget", version: "policy/v1", plural: "poddisruptionbudgets" };

/// All that the operator and Kubernetes make of what a user writes, that included.
pub const ALL: [Kind; 8] = [MODEL_DEPLOYMENT, TRAINING_RUN, DEPLOYMENT, REPLICA_SET, JOB, POD, SERVICE, BUDGET];

impl Kind {
    /// Path of one object, of all of a namespace (an empty name), or of all (an empty namespace, too).
    pub fn path(&self, namespace: &str, name: &str) -> String {
        let root = if self.version.contains('/') { "apis" } else { "api" };
        let mut path = format!("/{root}/{}", self.version);
        if !namespace.is_empty() {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(self.plural);
        if !name.is_empty() {
            path.push('/');
            path.push_str(name);
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api_server() {
        assert_eq!(POD.path("team", "p"), "/api/v1/namespaces/team/pods/p");
        assert_eq!(JOB.path("team", ""), "/apis/batch/v1/namespaces/team/jobs");
        assert_eq!(MODEL_DEPLOYMENT.path("", ""), "/apis/slipway.dev/v1alpha1/modeldeployments");
    }
}
