//! What a pass of a reconciler is based on.

use kube::api::DynamicObject;
use kube::core::discovery::ApiResource;
use kube::{Api, Client, ResourceExt};
use tokio::sync::OnceCell;

use super::applier::Kind;
use super::error::{IoError, within_deadline};

/// One object in one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Option<String>,
    /// Its resource version.
    pub version: Option<String>,
}

impl Seen {
    /// The object as it was read.
    pub fn of(object: &impl ResourceExt) -> Seen {
        Seen { name: object.name_any(), uid: object.uid(), version: object.resource_version() }
    }
}

/// The object that one pass of a reconciler works for, in the version that a store held. Before the first write of a pass
/// the API server itself is asked whether it still is that version: a view that is old, because a watch lags behind or
/// the program stood still, must not write what was right then. A status written in the same pass has shown it already.
pub struct Basis {
    client: Client,
    namespace: String,
    api: Api<DynamicObject>,
    kind: String,
    seen: Seen,
    confirmed: OnceCell<()>,
}

impl Basis {
    /// A pass that works for `object`, from a store.
    pub fn new<K: Kind>(client: &Client, object: &K) -> Basis {
        let namespace = object.namespace().unwrap_or_default();
        let resource = ApiResource::erase::<K>(&());
        Basis {
            client: client.clone(),
            api: Api::namespaced_with(client.clone(), &namespace, &resource),
            namespace,
            kind: resource.kind,
            seen: Seen::of(object),
            confirmed: OnceCell::new(),
        }
    }

    /// Writes of this pass to objects of `K`, in the same namespace.
    pub(super) fn children<K: Kind>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Fails where the object is no longer the version that was seen; asks once.
    pub(super) async fn confirm(&self) -> Result<(), IoError> {
        self.confirmed.get_or_try_init(|| self.ask()).await.copied()
    }

    /// The API server has just taken a write that only the version seen allows.
    pub(super) fn is_confirmed(&self) {
        // It may have been confirmed before: that is as good.
        let _ = self.confirmed.set(());
    }

    async fn ask(&self) -> Result<(), IoError> {
        let Seen { name, uid, version } = &self.seen;
        let live = within_deadline(|| format!("read {} {name}", self.kind), self.api.get_metadata_opt(name)).await?;
        if live.is_some_and(|live| live.uid() == *uid && live.resource_version() == *version) {
            Ok(())
        } else {
            Err(IoError::Stale { object: format!("{} {name}", self.kind) })
        }
    }
}
