//! What a request asks of the API server, from its method and path. Pure.

use std::fmt;

/// A request, as far as the rig tells requests apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Method of HTTP.
    pub method: String,
    /// Such as `deployments`; empty where the path names no resource.
    pub resource: String,
    /// Namespace; empty for all.
    pub namespace: String,
    /// Name; empty for a collection.
    pub name: String,
    /// Such as `status`; empty for none.
    pub subresource: String,
    /// Field manager, where the query says one.
    pub manager: String,
    /// Whether the answer goes on for as long as things happen.
    pub is_watch: bool,
}

/// Resources whose writes are no writes: leases are renewed all the time, reviews are questions.
const UNCOUNTED: [&str; 5] =
    ["leases", "tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"];

impl Call {
    /// Reads a request line.
    pub fn parse(method: &str, path: &str, query: &str) -> Call {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let rest = match segments.as_slice() {
            ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
            _ => &[],
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let at = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value.replace("%2F", "/")).unwrap_or_default()
        };
        Call {
            method: method.to_owned(),
            resource: at(0),
            namespace: namespace.to_owned(),
            name: at(1),
            subresource: at(2),
            manager: parameter("fieldManager"),
            is_watch: matches!(parameter("watch").as_str(), "true" | "1"),
        }
    }

    /// Whether it may change anything, and counts.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && self.method != "HEAD" && !UNCOUNTED.contains(&self.resource.as_str())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.resource)?;
        for part in [&self.name, &self.subresource] {
            if !part.is_empty() {
                write!(f, "/{part}")?;
            }
        }
        if self.manager.is_empty() { Ok(()) } else { write!(f, " as {}", self.manager) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_write_is_told_from_a_list() {
        let path = "/apis/slipway.dev/v1alpha1/namespaces/team/modeldeployments/orders/status";
        let write = Call::parse("PUT", path, "&fieldManager=slipway-operator%2Fstatus");
        assert_eq!(write.to_string(), "PUT modeldeployments/orders/status as slipway-operator/status");
        assert_eq!(write.namespace, "team");
        assert!(write.is_write());

        let list = Call::parse("GET", "/api/v1/namespaces/team/pods", "&limit=100");
        assert_eq!((list.resource.as_str(), list.is_watch, list.is_write()), ("pods", false, false));
        assert!(Call::parse("GET", "/api/v1/pods", "watch=true&timeoutSeconds=60").is_watch);
    }

    #[test]
    fn a_namespace_is_an_object_too() {
        let call = Call::parse("DELETE", "/api/v1/namespaces/team", "");
        assert_eq!((call.resource.as_str(), call.name.as_str()), ("namespaces", "team"));
    }

    #[test]
    fn leases_and_questions_are_no_writes() {
        assert!(!Call::parse("PUT", "/apis/coordination.k8s.io/v1/namespaces/x/leases/slipway", "").is_write());
        assert!(!Call::parse("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "").is_write());
    }

    #[test]
    fn paths_outside_the_api_name_nothing() {
        assert_eq!(Call::parse("GET", "/readyz", "").resource, "");
    }
}
