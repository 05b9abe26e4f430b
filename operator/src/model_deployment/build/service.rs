//! The route: one Service, whose selector names the revision that gets the traffic.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{NO_REVISION, labels, selector};
use crate::model_deployment::validate::ValidDeployment;

/// The Service that sends its traffic to `revision`, or to nobody.
pub fn service(valid: &ValidDeployment, revision: Option<&str>) -> Service {
    let port = |name: &str, port| ServicePort {
        name: Some(name.to_owned()),
        port,
        target_port: Some(IntOrString::String(name.to_owned())),
        app_protocol: Some("http".to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: ObjectMeta {
            name: Some(valid.name.clone()),
            namespace: Some(valid.namespace.clone()),
            labels: Some(labels(valid)),
            owner_references: Some(vec![valid.owner.clone()]),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            ports: Some(vec![port("http", 80), port("admin", 8081)]),
            selector: Some(selector(&valid.name, revision.unwrap_or(NO_REVISION))),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Where predictions are answered, within the cluster.
pub fn url(valid: &ValidDeployment) -> String {
    format!("http://{}.{}.svc", valid.name, valid.namespace)
}
