//! What every pod of ours keeps to, whoever makes it: Pod Security `restricted`, and credentials by reference only.

use k8s_openapi::api::core::v1::{
    Capabilities, EnvVar, EnvVarSource, PodSecurityContext, SeccompProfile, SecretKeySelector, SecurityContext,
};
use slipway_spec::contract::env;

/// The user and group of every process.
const USER: i64 = 65_532;

/// Of a pod.
pub fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

/// Of a container.
pub fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        ..SecurityContext::default()
    }
}

/// Credentials and endpoint of object storage, where the Secret has them; the operator itself never reads it.
pub fn storage(secret_name: &str) -> impl Iterator<Item = EnvVar> {
    env::STORAGE.iter().map(move |name| EnvVar {
        name: (*name).to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret_name.to_owned(),
                key: (*name).to_owned(),
                optional: Some(true),
            }),
            ..EnvVarSource::default()
        }),
    })
}
