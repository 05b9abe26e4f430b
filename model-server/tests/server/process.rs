//! The program: how it starts, how it stops, and that probes are answered whatever happens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::Connection;
use crate::support::{crime, dispatch, twice};

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway-model-server"));
    command.env_clear().arg("--model").arg(dir);
    command.env("SLIPWAY_LISTEN", "127.0.0.1:0").env("SLIPWAY_ADMIN_LISTEN", "127.0.0.1:0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running server.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    admin: SocketAddr,
    log: mpsc::Receiver<String>,
}

impl Server {
    pub fn start(dir: &Path, arguments: &[&str]) -> Server {
        let mut child = command(dir).args(arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let serving: Value = loop {
            let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            if line["message"] == "serving" {
                break line;
            }
        };
        // Read on, so that the server can always write.
        let (sender, log) = mpsc::channel();
        thread::spawn(move || lines.for_each(|line| drop(sender.send(line.unwrap()))));
        let address = |name: &str| serving[name].as_str().unwrap().parse().unwrap();
        Server { address: address("address"), admin: address("admin_address"), child, log }
    }

    /// The next line of the log with this message.
    fn logged(&self, message: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(10)).unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }

    /// The most memory that it has taken, bytes.
    pub fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
        1024 * peak.trim().parse::<usize>().unwrap()
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").arg(name).arg(self.child.id().to_string()).status().unwrap().success());
    }

    pub fn probe(&self, path: &str) -> u16 {
        Connection::open(self.admin).unwrap().get(path).unwrap().status
    }

    /// Waits for the end. Returns the exit code.
    pub fn end(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// How a server ends, and what it says, that cannot serve what is in `dir` and has `memory` KiB for itself.
pub fn starting(dir: &Path, memory: u32) -> (i32, String) {
    let server = command(dir);
    let mut within = Command::new("sh");
    within.args(["-c", &format!(r#"ulimit -d {memory} && exec "$0" "$@""#)]).arg(server.get_program());
    within.args(server.get_args()).env_clear();
    within.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    ending(&run(within.stdin(Stdio::null())))
}

/// The exit code, and the last line on stderr.
fn ending(output: &Output) -> (i32, String) {
    let last = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
    (output.status.code().unwrap(), last)
}

#[test]
fn what_cannot_be_served_ends_with_a_code_and_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (code, reason) = ending(&run(&mut command(dir.path())));
    assert_eq!(code, 66);
    assert!(reason.ends_with("there is no manifest.json"), "{reason}");

    dispatch().write(dir.path());
    let digest = format!("sha256:{}", "0".repeat(64));
    let (code, reason) = ending(&run(command(dir.path()).args(["--digest", &digest])));
    assert_eq!(code, 65);
    assert!(reason.contains("manifest.json: the digest is sha256:"), "{reason}");

    let model = dir.path().join("model.json");
    std::fs::write(&model, std::fs::read_to_string(&model).unwrap().replace("0.1", "0.2")).unwrap();
    let (code, reason) = ending(&run(&mut command(dir.path())));
    assert_eq!(code, 65);
    assert!(reason.contains("model.json: the digest is"), "{reason}");

    let (code, reason) = ending(&run(command(dir.path()).arg("--digest=md5:1")));
    assert_eq!(code, 64);
    assert!(reason.contains("is no digest; write sha256:"), "{reason}");
    let (code, _) = ending(&run(command(dir.path()).env("SLIPWAY_MAX_ROWS", "many")));
    assert_eq!(code, 64);
    let (code, _) = ending(&run(command(dir.path()).arg("--help")));
    assert_eq!(code, 0);
}

#[test]
fn the_report_of_the_training_is_shown_where_it_lies_beside_the_model() {
    let dir = tempfile::tempdir().unwrap();
    dispatch().write(dir.path());
    let page = |server: &Server| {
        let mut connection = Connection::open(server.address).unwrap();
        connection.write("GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n").unwrap();
        (connection.read().unwrap().unwrap().body, connection.get("/report").unwrap())
    };
    let server = Server::start(dir.path(), &[]);
    let (card, report) = page(&server);
    assert_eq!((card.contains("href=\"report\""), report.status), (false, 404));
    std::fs::write(dir.path().join("report.html"), "<h1>Trained on 800 rows</h1>").unwrap();
    let server = Server::start(dir.path(), &[]);
    let (card, report) = page(&server);
    assert_eq!((card.contains("href=\"report\""), report.status), (true, 200));
    assert_eq!(report.body, "<h1>Trained on 800 rows</h1>");
    assert!(report.headers.contains("content-security-policy: sandbox;"), "{}", report.headers);
}

#[test]
fn a_port_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    dispatch().write(dir.path());
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();
    for variable in ["SLIPWAY_LISTEN", "SLIPWAY_ADMIN_LISTEN"] {
        let (code, reason) = ending(&run(command(dir.path()).env(variable, &taken)));
        assert_eq!(code, 69);
        assert!(reason.contains(&format!("cannot listen on {taken}")), "{reason}");
    }
}

#[test]
fn it_starts_at_once_with_the_right_digest_and_stops_on_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let digest = dispatch().write(dir.path()).to_string();
    for signal in ["-TERM", "-INT"] {
        let begun = Instant::now();
        let server = Server::start(dir.path(), &["--digest", &digest, "--drain-seconds", "0"]);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!((server.probe("/livez"), server.probe("/readyz")), (200, 200));
        let metrics = Connection::open(server.admin).unwrap().get("/metrics").unwrap().body;
        assert!(metrics.contains(&format!("digest=\"{digest}\"")), "{metrics}");
        server.signal(signal);
        assert_eq!(server.end(), 0);
    }
}

#[test]
fn while_it_drains_it_is_not_ready_but_serves() {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let server = Server::start(dir.path(), &["--drain-seconds", "600"]);
    let mut old = Connection::open(server.address).unwrap();
    assert_eq!(old.post("/predict", r#"{"x": 1}"#).unwrap().status, 200);
    server.signal("-TERM");
    while server.probe("/readyz") == 200 {
        thread::yield_now();
    }
    assert_eq!(server.probe("/livez"), 200);
    let mut new = Connection::open(server.address).unwrap();
    for connection in [&mut old, &mut new] {
        let reply = connection.post("/predict", r#"{"x": 1}"#).unwrap();
        assert_eq!(reply.status, 200);
        assert!(reply.headers.contains("connection: close"), "{}", reply.headers);
        assert!(connection.is_closed());
    }
    server.signal("-TERM");
    assert_eq!(server.end(), 0, "a second signal ends the wait");
}

#[test]
fn no_request_fails_when_it_stops_under_load() {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let server = Server::start(dir.path(), &["--drain-seconds", "1"]);
    let address = server.address;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (stop, answered) = (stop.clone(), answered.clone());
            thread::spawn(move || {
                let mut connection = Connection::open(address).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let reply = connection.post("/predict", r#"{"x": 1}"#).unwrap();
                    assert_eq!(reply.status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                    if reply.headers.contains("connection: close") {
                        connection = Connection::open(address).unwrap();
                    }
                }
            })
        })
        .collect();
    let await_answers = |count: usize| {
        let until = answered.load(Ordering::Relaxed) + count;
        while answered.load(Ordering::Relaxed) < until {
            thread::yield_now();
        }
    };
    await_answers(200);
    server.signal("-TERM");
    await_answers(200);
    // Within the drain period, as when a Service no longer sends anybody.
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(server.end(), 0);
}

#[test]
fn probes_are_answered_under_full_load() {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let server = Server::start(dir.path(), &[]);
    let address = server.address;
    let body = format!("[{}]", vec![r#"{"x":1}"#; 100_000].join(","));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (stop, body) = (stop.clone(), body.clone());
            thread::spawn(move || {
                let mut connection = Connection::open(address).unwrap();
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(connection.post("/predict", &body).unwrap().status, 200);
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let begun = Instant::now();
        assert_eq!((server.probe("/livez"), server.probe("/readyz")), (200, 200));
        assert_eq!(Connection::open(address).unwrap().get("/v2/health/ready").unwrap().status, 200);
        slowest = slowest.max(begun.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let answered: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(answered > 0);
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[test]
fn the_artefact_may_go_once_it_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let server = Server::start(dir.path(), &[]);
    dir.close().unwrap();
    assert_eq!(Connection::open(server.address).unwrap().post("/predict", r#"{"x": 1}"#).unwrap().status, 200);
    server.signal("-INT");
    let mut server = server;
    let mut stderr = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((server.end(), stderr.as_str()), (0, ""));
}

#[test]
fn the_open_inference_protocol_is_kept() {
    let named = serde_json::json!({"inputs": [
        {"name": "orders_placed", "shape": [1], "datatype": "FP64", "data": [10]},
        {"name": "product_code", "shape": [1], "datatype": "BYTES", "data": ["SKU001"]},
    ]});
    for (kit, name, request) in [(dispatch(), "time-to-dispatch", Some(named)), (crime(), "crime", None)] {
        let dir = tempfile::tempdir().unwrap();
        kit.write(dir.path());
        let server = Server::start(dir.path(), &[]);
        let url = format!("http://{}", server.address);
        let findings = slipway_conformance::examine(&url, Some(&url), Some(name), request).unwrap();
        assert!(findings.0.iter().filter(|finding| finding.says.starts_with("gRPC")).count() > 30);
        let lacking: Vec<_> = findings.0.iter().filter(|finding| finding.instead.is_some()).collect();
        assert!(lacking.is_empty(), "{name}: {lacking:#?}");
    }
}

#[test]
fn with_a_file_of_keys_only_who_shows_one_is_served() {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let keys = dir.path().join("keys");
    let flag = ["--api-keys", keys.to_str().unwrap()];
    let refused = command(dir.path()).args(flag).output().unwrap();
    assert_eq!(refused.status.code(), Some(66));
    std::fs::write(&keys, "first\n").unwrap();
    let server = Server::start(dir.path(), &flag);
    let ask = |key: &str| {
        let mut connection = Connection::open(server.address).unwrap();
        connection.write(format!("GET /v2 HTTP/1.1\r\nHost: x\r\nX-Api-Key: {key}\r\n\r\n")).unwrap();
        connection.read().unwrap().unwrap()
    };
    assert_eq!(ask("first").status, 200);
    let answer = ask("second");
    assert_eq!((answer.status, answer.headers.contains("www-authenticate: bearer")), (401, true), "{answer:?}");
    assert_eq!(Connection::open(server.address).unwrap().get("/v2/health/ready").unwrap().status, 200);
    std::fs::write(&keys, "second\n").unwrap();
    let begun = Instant::now();
    while ask("second").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(ask("first").status, 401);
    server.signal("-INT");
    assert_eq!(server.end(), 0);
}

#[test]
fn with_a_certificate_it_serves_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/tls").join(name);
    let flags = |key: &str| {
        let flags = ["--tls-cert".into(), file("one.pem"), "--tls-key".into(), file(key)];
        flags.map(|path| path.to_str().unwrap().to_owned())
    };
    let (code, reason) = ending(&run(command(dir.path()).args(flags("two.key"))));
    assert_eq!(code, 65);
    assert!(reason.contains("one.pem with"), "{reason}");
    let (code, _) = ending(&run(command(dir.path()).args(flags("nothing.key"))));
    assert_eq!(code, 66);
    let server = Server::start(dir.path(), &flags("one.key").each_ref().map(String::as_str));
    assert_eq!(server.probe("/readyz"), 200, "the admin port is for the cluster and stays as it is");
    assert!(Connection::open(server.address).unwrap().get("/v2").is_err());
}

#[test]
fn recorded_traces_reach_the_collector() {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let collector = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let collected = thread::spawn(move || {
        let mut stream = BufReader::new(collector.accept().unwrap().0);
        let (mut head, mut line) = (String::new(), String::new());
        while stream.read_line(&mut line).unwrap() > 2 {
            head.push_str(&std::mem::take(&mut line).to_ascii_lowercase());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        (head, serde_json::from_slice::<Value>(&body).unwrap())
    });
    let server = Server::start(dir.path(), &["--otlp-endpoint", &endpoint, "--drain-seconds", "0"]);
    let mut connection = Connection::open(server.address).unwrap();
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    for flags in ["00", "01"] {
        let head = format!("GET /v2 HTTP/1.1\r\nHost: x\r\ntraceparent: 00-{id}-00f067aa0ba902b7-{flags}\r\n\r\n");
        connection.write(head).unwrap();
        assert_eq!(connection.read().unwrap().unwrap().status, 200);
    }
    // What waits is sent before the end.
    server.signal("-TERM");
    assert_eq!(server.end(), 0);
    let (head, body) = collected.join().unwrap();
    assert!(head.starts_with("post /v1/traces http/1.1") && head.contains("content-type: application/json"), "{head}");
    let resource = &body["resourceSpans"][0];
    assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "twice");
    let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 1, "only what the caller records");
    let span = &spans[0];
    assert_eq!((&span["traceId"], &span["parentSpanId"]), (&Value::from(id), &Value::from("00f067aa0ba902b7")));
    assert_eq!((&span["name"], &span["kind"]), (&Value::from("GET /v2"), &Value::from(2)));
    let time = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
}

#[test]
fn a_collector_that_is_away_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let server = Server::start(dir.path(), &["--otlp-endpoint", "http://127.0.0.1:1", "--drain-seconds", "0"]);
    let mut connection = Connection::open(server.address).unwrap();
    for number in 1..=600 {
        let trace = format!("traceparent: 00-{number:032x}-00f067aa0ba902b7-01");
        connection.write(format!("GET /v2 HTTP/1.1\r\nHost: x\r\n{trace}\r\n\r\n")).unwrap();
        assert_eq!(connection.read().unwrap().unwrap().status, 200);
    }
    server.logged("cannot send spans");
    let metrics = Connection::open(server.admin).unwrap().get("/metrics").unwrap().body;
    assert!(metrics.contains("slipway_server_spans_total{outcome=\"dropped\"} 512"), "{metrics}");
    server.signal("-TERM");
    assert_eq!(server.end(), 0);
}

#[test]
fn a_trace_is_answered_and_logged() {
    let dir = tempfile::tempdir().unwrap();
    twice().write(dir.path());
    let server = Server::start(dir.path(), &["--access-log"]);
    let mut connection = Connection::open(server.address).unwrap();
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let get = |trace: &str| format!("GET /v2 HTTP/1.1\r\nHost: x\r\n{trace}\r\n");
    connection.write(get(&format!("traceparent: 00-{id}-00f067aa0ba902b7-01\r\n"))).unwrap();
    let reply = connection.read().unwrap().unwrap();
    let header = reply.headers.lines().find_map(|line| line.strip_prefix("traceparent: ")).unwrap();
    let [version, trace, span, flags] = header.split('-').collect::<Vec<_>>()[..] else { panic!("{header}") };
    assert_eq!((version, trace, flags, span.len()), ("00", id, "01", 16));
    assert_ne!(span, "00f067aa0ba902b7");
    connection.write(get("")).unwrap();
    assert!(!connection.read().unwrap().unwrap().headers.contains("traceparent"));

    let answered = server.logged("answered");
    assert_eq!((&answered["trace_id"], &answered["span_id"]), (&Value::from(id), &Value::from(span)));
    assert_eq!(server.logged("answered").get("trace_id"), None);
}
