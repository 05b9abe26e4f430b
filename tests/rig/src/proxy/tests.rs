//! Against a server that notes what reaches it.

use std::sync::atomic::AtomicUsize;

use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::sync::mpsc;

use super::*;
use crate::api::Endpoint;

const STATUS: &str = "/apis/slipway.dev/v1alpha1/namespaces/n/modeldeployments/orders/status";
const WATCH: &str = "/api/v1/namespaces/n/pods?watch=true";

/// Something to talk to: writes are answered with the version 7, watches with what is sent.
struct Server {
    url: String,
    reached: Arc<AtomicUsize>,
    events: mpsc::UnboundedSender<&'static str>,
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let reached = Arc::new(AtomicUsize::new(0));
        let (events, told) = mpsc::unbounded_channel();
        let (told, count) = (Arc::new(Mutex::new(Some(told))), reached.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (told, count) = (told.clone(), count.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (told, count) = (told.clone(), count.clone());
                    async move { Ok::<_, std::convert::Infallible>(answer(&request, &told, &count)) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Server { url, reached, events }
    }

    async fn proxy(&self, script: &str) -> Proxy {
        let script = format!("x:{script}").parse::<crate::fault::Replay>().unwrap().script;
        Proxy::start(Api::new(&Endpoint::plain(self.url.clone()).unwrap(), "secret"), script).await.unwrap()
    }

    fn reached(&self) -> usize {
        self.reached.load(Ordering::Relaxed)
    }
}

type Told = Mutex<Option<mpsc::UnboundedReceiver<&'static str>>>;

fn answer(request: &Request<Incoming>, told: &Told, count: &AtomicUsize) -> Response<Body> {
    assert_eq!(request.headers()[AUTHORIZATION], "Bearer secret");
    if request.method() == hyper::Method::GET {
        let events = told.lock().unwrap().take().unwrap();
        let frames = futures::stream::unfold(events, |mut events| async {
            let event = events.recv().await?;
            Some((Ok(hyper::body::Frame::data(Bytes::from(event))), events))
        });
        return Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)));
    }
    count.fetch_add(1, Ordering::Relaxed);
    Response::new(full(Bytes::from(r#"{"metadata": {"resourceVersion": "7"}}"#)))
}

async fn ask(proxy: &Proxy, method: &str, path: &str) -> Option<Response<Incoming>> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let uri = format!("http://{}{path}", proxy.address);
    client.request(Request::builder().method(method).uri(uri).body(Empty::new()).unwrap()).await.ok()
}

async fn put(proxy: &Proxy) -> Option<u16> {
    ask(proxy, "PUT", STATUS).await.map(|response| response.status().as_u16())
}

fn kills(proxy: &Proxy) -> Arc<AtomicUsize> {
    let kills = Arc::new(AtomicUsize::new(0));
    let counted = kills.clone();
    proxy.on_kill(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    kills
}

#[tokio::test]
async fn a_write_is_carried_and_noted() {
    let server = Server::start().await;
    let proxy = server.proxy("before:9").await;
    assert_eq!(put(&proxy).await, Some(200));
    let journal = proxy.journal();
    let entry = &journal.entries()[0];
    assert_eq!((entry.code, entry.version.as_str(), entry.life), (Some(200), "7", 1));
    assert_eq!(entry.call.to_string(), "PUT modeldeployments/orders/status");
}

#[tokio::test]
async fn who_is_killed_before_a_write_has_not_written_and_after_it_has() {
    for (script, reached) in [("before:2", 1), ("after:2", 2)] {
        let server = Server::start().await;
        let proxy = server.proxy(script).await;
        let kills = kills(&proxy);
        assert_eq!(put(&proxy).await, Some(200));
        assert_eq!(put(&proxy).await, None, "{script}: nobody is told");
        assert_eq!((server.reached(), kills.load(Ordering::Relaxed)), (reached, 1), "{script}");
        assert_eq!(put(&proxy).await, Some(200), "{script}: life goes on");
        assert_eq!(proxy.journal().entries()[2].life, 2);
    }
}

#[tokio::test]
async fn an_answer_may_be_lost_or_wrong() {
    for (script, told, reached) in [("lose:1", None, 1), ("503-before:1", Some(503), 0), ("504-after:1", Some(504), 1)]
    {
        let server = Server::start().await;
        let proxy = server.proxy(script).await;
        assert_eq!((put(&proxy).await, server.reached()), (told, reached), "{script}");
    }
}

async fn next(watch: &mut Response<Incoming>) -> Option<Bytes> {
    watch.body_mut().frame().await?.ok()?.into_data().ok()
}

#[tokio::test]
async fn a_watch_that_is_cut_ends() {
    let server = Server::start().await;
    let proxy = server.proxy("cut:1").await;
    server.events.send("one\n").unwrap();
    let mut watch = ask(&proxy, "GET", WATCH).await.unwrap();
    assert_eq!(next(&mut watch).await.as_deref(), Some(&b"one\n"[..]));
    put(&proxy).await;
    assert_eq!(next(&mut watch).await, None);
}

#[tokio::test]
async fn a_watch_that_is_muted_neither_ends_nor_tells() {
    let server = Server::start().await;
    let proxy = server.proxy("mute:1").await;
    server.events.send("one\n").unwrap();
    let mut watch = ask(&proxy, "GET", WATCH).await.unwrap();
    assert!(next(&mut watch).await.is_some());
    put(&proxy).await;
    // Whether the proxy still listens does not matter.
    let _ = server.events.send("two\n");
    assert!(tokio::time::timeout(Duration::from_millis(300), next(&mut watch)).await.is_err());
}

#[tokio::test]
async fn a_watch_that_is_held_tells_late_and_only_of_its_kind() {
    for (script, is_late) in [("hold-pods:1", true), ("hold:1", true), ("hold-jobs:1", false)] {
        let server = Server::start().await;
        let proxy = server.proxy(script).await;
        server.events.send("one\n").unwrap();
        let mut watch = ask(&proxy, "GET", WATCH).await.unwrap();
        assert!(next(&mut watch).await.is_some());
        put(&proxy).await;
        let sent = Instant::now();
        server.events.send("two\n").unwrap();
        assert_eq!(next(&mut watch).await.as_deref(), Some(&b"two\n"[..]));
        assert_eq!(sent.elapsed() > DELAY / 2, is_late, "{script}");
    }
}
