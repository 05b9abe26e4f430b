//! Holds the lease, or waits for it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use slipway_crds::label;

use super::election::{Ask, Election, HOLD, LEASE, Record};
use super::error::{IoError, within};
use super::gate::Gate;

/// Time between two looks at the lease.
const RETRY: Duration = Duration::from_secs(2);
/// Longest wait for an answer: a renewal that takes longer is not worth waiting for.
const ANSWER: Duration = Duration::from_secs(4);

/// One candidate for the lease, and the gate that it opens.
pub struct Candidate {
    api: Api<Lease>,
    election: Election,
    gate: Arc<Gate>,
    /// The lease as this candidate wrote it last.
    held: Option<Lease>,
}

impl Candidate {
    /// A candidate for the lease in `namespace`.
    pub fn new(client: &Client, namespace: &str, gate: Arc<Gate>) -> Candidate {
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| label::OPERATOR.to_owned());
        let me = format!("{host}_{:x}_{}", Timestamp::now().as_nanosecond(), std::process::id());
        Candidate { api: Api::namespaced(client.clone(), namespace), election: Election::new(me), gate, held: None }
    }

    /// Takes the lease when it is free and renews it until `end`, then gives it back.
    pub async fn stand(mut self, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        loop {
            let was_open = self.gate.is_open();
            if let Err(error) = self.round().await {
                // Somebody else was quicker, or the API server is away: the next round looks again.
                self.held = None;
                tracing::debug!(%error, "lease");
            }
            if self.gate.is_open() != was_open {
                tracing::info!(leads = !was_open, "lease");
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = &mut end => break,
            }
        }
        if let Some(held) = self.held.take().filter(|_| self.gate.is_open()) {
            self.gate.release();
            if let Err(error) = self.write(Some(held), String::new()).await {
                tracing::warn!(%error, "the lease was not given back; another operator waits until it has run out");
            }
        }
    }

    async fn round(&mut self) -> Result<(), IoError> {
        let before = if let Some(held) = self.held.take() {
            Some(held)
        } else {
            let name = label::OPERATOR;
            let lease = within(ANSWER, || format!("read Lease {name}"), self.api.get_opt(name)).await?;
            match self.election.look(lease.as_ref().map(record).as_ref(), Instant::now()) {
                Ask::Wait => return Ok(()),
                Ask::Create => None,
                Ask::Renew | Ask::Take => lease,
            }
        };
        let sent = Instant::now();
        let me = self.election.me().to_owned();
        self.held = Some(self.write(before, me).await?);
        self.gate.hold_until(sent + HOLD);
        Ok(())
    }

    /// Writes exactly over the lease that was read; one that has changed meanwhile answers 409.
    async fn write(&self, before: Option<Lease>, holder: String) -> Result<Lease, IoError> {
        let now = MicroTime(Timestamp::now());
        let spec = before.as_ref().and_then(|before| before.spec.clone()).unwrap_or_default();
        let is_same = spec.holder_identity.as_deref() == Some(&holder);
        let spec = LeaseSpec {
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: if is_same { spec.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(!is_same)),
            holder_identity: Some(holder),
            ..spec
        };
        let params = PostParams { field_manager: Some(label::OPERATOR.to_owned()), ..PostParams::default() };
        if let Some(before) = before {
            let lease = Lease { spec: Some(spec), ..before };
            let call = self.api.replace(label::OPERATOR, &params, &lease);
            within(ANSWER, || "write the Lease".to_owned(), call).await
        } else {
            let metadata = ObjectMeta { name: Some(label::OPERATOR.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(spec) };
            within(ANSWER, || "create the Lease".to_owned(), self.api.create(&params, &lease)).await
        }
    }
}

fn record(lease: &Lease) -> Record {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
    Record { holder, version: lease.resource_version().unwrap_or_default() }
}
