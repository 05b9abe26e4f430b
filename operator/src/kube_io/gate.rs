//! The one way out to the API server: it lets writes through while this operator is the one that writes, counts them, and
//! learns the API server's time from its answers.

use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Wake, Poll};
use std::time::Instant;

use hyper::header::DATE;
use hyper::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tokio::sync::watch;
use tower::{BoxError, Layer, Service};

use super::context::Clock;
use crate::metrics::Metrics;

/// Another operator writes, or nobody knows that none does.
#[derive(Clone, Copy, Debug, Error)]
#[error("another operator holds the lease")]
pub struct NotLeader;

/// Whether this operator may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Never,
    Until(Instant),
    Always,
}

impl Hold {
    fn is_open(self, now: Instant) -> bool {
        match self {
            Hold::Never => false,
            Hold::Until(until) => now < until,
            Hold::Always => true,
        }
    }
}

/// Opens while this operator provably holds the lease.
pub struct Gate {
    hold: watch::Sender<Hold>,
    stop: watch::Receiver<bool>,
}

impl Gate {
    /// Open for good: there is no other operator.
    pub fn open(stop: watch::Receiver<bool>) -> Gate {
        Gate { hold: watch::Sender::new(Hold::Always), stop }
    }

    /// Shut until the lease is held.
    pub fn shut(stop: watch::Receiver<bool>) -> Gate {
        Gate { hold: watch::Sender::new(Hold::Never), stop }
    }

    /// The lease is held until then, by the clock of this machine that only goes forward.
    pub fn hold_until(&self, until: Instant) {
        self.hold.send_replace(Hold::Until(until));
    }

    /// The lease was given back.
    pub fn release(&self) {
        self.hold.send_replace(Hold::Never);
    }

    /// Whether a write may leave now.
    pub fn is_open(&self) -> bool {
        self.hold.borrow().is_open(Instant::now())
    }

    /// Waits until writes may leave; false where the program is stopped before.
    pub async fn entered(&self) -> bool {
        let (mut hold, mut stop) = (self.hold.subscribe(), self.stop.clone());
        tokio::select! {
            biased;
            opened = hold.wait_for(|hold| hold.is_open(Instant::now())) => opened.is_ok(),
            _ = stop.wait_for(|is_set| *is_set) => false,
        }
    }
}

/// The API server's time, as its answers tell it: deadlines in a status are judged alike by every operator, whatever its
/// machine's clock says. Before the first answer, the machine's.
#[derive(Debug, Default)]
pub struct ServerClock(Mutex<Option<(Timestamp, Instant)>>);

/// Answers tell whole seconds, and take their time to arrive: less than this is no difference.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

impl ServerClock {
    fn told(&self, date: Timestamp, now: Instant) {
        let mut anchor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_as_expected = anchor.is_some_and(|anchor| date.duration_since(after(anchor, now)).abs() <= TOLERANCE);
        if !is_as_expected {
            *anchor = Some((date, now));
        }
    }

    fn at(&self, now: Instant) -> Option<Timestamp> {
        let anchor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        anchor.map(|anchor| after(anchor, now))
    }
}

fn after((date, then): (Timestamp, Instant), now: Instant) -> Timestamp {
    SignedDuration::try_from(now.duration_since(then))
        .ok()
        .and_then(|passed| date.checked_add(passed).ok())
        .unwrap_or(date)
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        self.at(Instant::now()).unwrap_or_else(Timestamp::now)
    }
}

/// Puts the gate, the clock and the counting around a client.
#[derive(Clone)]
pub struct Gatekeeper {
    /// The gate.
    pub gate: Arc<Gate>,
    /// The clock.
    pub clock: Arc<ServerClock>,
    /// Where writes are counted.
    pub metrics: Arc<Metrics>,
}

impl Debug for Gatekeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gatekeeper")
    }
}

impl<S> Layer<S> for Gatekeeper {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, keeper: self.clone() }
    }
}

/// A client behind the gate.
#[derive(Clone, Debug)]
pub struct Gated<S> {
    inner: S,
    keeper: Gatekeeper,
}

impl<S, In, Out> Service<Request<In>> for Gated<S>
where
    S: Service<Request<In>, Response = Response<Out>, Error = BoxError>,
    S::Future: Send + 'static,
    Out: Send + 'static,
{
    type Response = Response<Out>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Out>, BoxError>> + Send>>;

    fn poll_ready(&mut self, wake: &mut Wake<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(wake)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let write = Write::of(request.method(), request.uri().path());
        if let Some(write) = &write
            && write.kind != LEASES
            && !self.keeper.gate.is_open()
        {
            return Box::pin(std::future::ready(Err(NotLeader.into())));
        }
        let keeper = self.keeper.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if let Ok(answer) = &answer
                && let Some(date) = answer.headers().get(DATE).and_then(|date| date.to_str().ok())
                && let Ok(date) = jiff::fmt::rfc2822::parse(date)
            {
                keeper.clock.told(date.timestamp(), Instant::now());
            }
            if let Some(Write { kind, verb }) = write {
                let code = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
                keeper.metrics.wrote(kind, verb, code);
            }
            answer
        })
    }
}

const LEASES: &str = "leases";

/// What a request changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Write {
    kind: &'static str,
    verb: &'static str,
}

impl Write {
    /// `None` where it only reads.
    fn of(method: &Method, path: &str) -> Option<Write> {
        const KINDS: [&str; 9] = [
            "trainingruns",
            "modeldeployments",
            "jobs",
            "deployments",
            "services",
            "poddisruptionbudgets",
            "pods",
            "events",
            LEASES,
        ];
        let verb = match *method {
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => return None,
        };
        // …/namespaces/NAMESPACE/KIND[/NAME[/SUBRESOURCE]]
        let kind = path.split('/').skip_while(|part| *part != "namespaces").nth(2).unwrap_or_default();
        let kind = KINDS.into_iter().find(|known| *known == kind).unwrap_or("other");
        Some(Write { kind, verb })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;

    fn keeper(gate: Gate) -> Gatekeeper {
        Gatekeeper { gate: Arc::new(gate), clock: Arc::default(), metrics: Arc::default() }
    }

    async fn send(keeper: &Gatekeeper, method: Method, path: &str) -> Result<u16, BoxError> {
        let server = tower::service_fn(|_: Request<()>| async {
            let answer = Response::builder().header(DATE, "Sun, 06 Nov 1994 08:49:37 GMT").body(());
            answer.map_err(BoxError::from)
        });
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        keeper.layer(server).call(request).await.map(|answer| answer.status().as_u16())
    }

    const JOBS: &str = "/apis/batch/v1/namespaces/ml/jobs";
    const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/slipway/leases/slipway-operator";

    #[tokio::test]
    async fn who_does_not_hold_the_lease_reads_but_writes_nothing() {
        let (_sender, stop) = watch::channel(false);
        let keeper = keeper(Gate::shut(stop));
        assert!(send(&keeper, Method::POST, JOBS).await.unwrap_err().is::<NotLeader>());
        assert_eq!(send(&keeper, Method::GET, JOBS).await.unwrap(), 200);
        assert_eq!(send(&keeper, Method::PUT, LEASE).await.unwrap(), 200);
        keeper.gate.hold_until(Instant::now() + Duration::from_secs(60));
        assert_eq!(send(&keeper, Method::POST, JOBS).await.unwrap(), 200);
        keeper.gate.hold_until(Instant::now());
        assert!(send(&keeper, Method::POST, JOBS).await.is_err(), "it was not renewed in time");
        let text = keeper.metrics.encode().unwrap();
        assert!(text.contains(r#"slipway_operator_writes_total{kind="jobs",verb="create",code="200"} 1"#), "{text}");
    }

    #[tokio::test]
    async fn work_waits_for_the_lease_and_a_stop_ends_the_wait() -> Result<(), Infallible> {
        let (sender, stop) = watch::channel(false);
        let gate = Arc::new(Gate::shut(stop));
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.entered().await }
        });
        gate.hold_until(Instant::now() + Duration::from_secs(60));
        assert!(waiting.await.unwrap());
        gate.release();
        let waiting = tokio::spawn(async move { gate.entered().await });
        sender.send_replace(true);
        assert!(!waiting.await.unwrap());
        Ok(())
    }

    #[tokio::test]
    async fn the_time_is_the_api_servers() {
        let (_sender, stop) = watch::channel(false);
        let keeper = keeper(Gate::open(stop));
        send(&keeper, Method::GET, JOBS).await.unwrap();
        let expected: Timestamp = "1994-11-06T08:49:37Z".parse().unwrap();
        assert!(keeper.clock.now().duration_since(expected).abs() < TOLERANCE);
    }

    #[test]
    fn the_time_goes_on_smoothly_between_answers_and_follows_a_step() {
        let (clock, begin) = (ServerClock::default(), Instant::now());
        let date = |second| Timestamp::from_second(second).unwrap();
        let at = |seconds| begin + Duration::from_secs(seconds);
        clock.told(date(100), at(0));
        clock.told(date(109), at(10));
        assert_eq!(clock.at(at(10)), Some(date(110)), "a second is what rounding makes");
        clock.told(date(200), at(20));
        assert_eq!(clock.at(at(21)), Some(date(201)));
    }

    #[test]
    fn a_write_is_known_by_its_path() {
        let write = |method, path| Write::of(&method, path).map(|write| (write.kind, write.verb));
        assert_eq!(write(Method::GET, JOBS), None);
        assert_eq!(write(Method::POST, "/api/v1/namespaces/ml/services"), Some(("services", "create")));
        assert_eq!(
            write(Method::PUT, "/apis/slipway.dev/v1alpha1/namespaces/ml/trainingruns/a/status"),
            Some(("trainingruns", "update"))
        );
        assert_eq!(write(Method::DELETE, "/api/v1/namespaces/ml/secrets/a"), Some(("other", "delete")));
    }
}
