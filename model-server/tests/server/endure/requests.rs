//! Requests of all kinds, good ones and worse ones, the same for the same seed.

use std::fmt::Write;

use serde_json::{Value, json};
use slipway_model::rng::Rng;

/// A request as it is sent.
pub struct Sent {
    pub bytes: Vec<u8>,
    /// Whether the caller sets a deadline, after which it wants no answer.
    pub hurries: bool,
    /// Whether it asks for the head of an answer only.
    pub head_only: bool,
}

/// Makes requests to a model.
pub struct Requests {
    rng: Rng,
    name: String,
    /// A row that the model takes.
    row: Value,
}

const QUERIES: [&str; 10] = [
    "",
    "",
    "?with=contributions",
    "?threshold=0.3",
    "?with=decision,contributions",
    "?with=range",
    "?with=%00",
    "?with=probabilities",
    "?threshold=1e999",
    "?a=%zz&=&with",
];
const TYPES: [&str; 9] = [
    "application/json",
    "application/json",
    "application/json; charset=utf-8",
    "text/csv",
    "application/x-ndjson",
    "application/octet-stream",
    "application/grpc",
    "text/html;;;",
    "\u{1}",
];
const HEADERS: [&str; 16] = [
    "Accept: text/html",
    "Accept: application/x-ndjson",
    "Accept-Encoding: gzip, zstd;q=0.5, *;q=0",
    "Content-Encoding: gzip",
    "Content-Encoding: zstd",
    "Content-Encoding: br",
    "x-request-id: a",
    "x-request-id: \u{7f}",
    "x-request-timeout-ms: 1",
    "x-request-timeout-ms: -1",
    "grpc-timeout: 1H",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "traceparent: 99-zz",
    "Inference-Header-Content-Length: 30",
    "Inference-Header-Content-Length: 99999999999999999999",
    "Origin: https://example.org",
];
const METHODS: [&str; 8] = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "POST", "BREW"];

impl Requests {
    pub fn new(seed: i64, name: &str, row: Value) -> Requests {
        Requests { rng: Rng::new(seed), name: name.to_owned(), row }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.below(bound as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn next(&mut self) -> Sent {
        match self.below(20) {
            0 => self.elsewhere(),
            1 => self.broken_head(),
            _ => self.prediction(),
        }
    }

    /// Something that was good, mostly damaged.
    pub fn message(&mut self, good: &[u8]) -> Vec<u8> {
        let mut message = good.to_vec();
        if !self.one_in(4) {
            self.damage(&mut message);
        }
        message
    }

    fn prediction(&mut self) -> Sent {
        let path = match self.below(7) {
            0 => format!("/v1/models/{}:predict", self.name),
            3 => format!("/v1/models/{}:explain", self.name),
            1 => format!("/v2/models/{}/infer", self.name),
            2 => "/v2/models/other/infer".to_owned(),
            _ => "/predict".to_owned(),
        } + self.pick(&QUERIES);
        let (content_type, mut body) = self.body(path.contains("/v2"));
        if self.one_in(2) {
            self.damage(&mut body);
        }
        let content_type = if self.one_in(10) { self.pick(&TYPES) } else { content_type };
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n");
        if content_type != "\u{1}" {
            write!(head, "Content-Type: {content_type}\r\n").unwrap();
        }
        let hurries = self.add_headers(&mut head);
        if self.one_in(10) {
            head += "Transfer-Encoding: chunked\r\n\r\n";
            let cut = self.below(body.len() + 1);
            let mut chunks = head.into_bytes();
            for part in [&body[..cut], &body[cut..]].into_iter().filter(|part| !part.is_empty()) {
                chunks.extend(format!("{:x}\r\n", part.len()).bytes());
                chunks.extend_from_slice(part);
                chunks.extend(b"\r\n");
            }
            chunks.extend(b"0\r\n\r\n");
            return Sent { bytes: chunks, hurries, head_only: false };
        }
        write!(head, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
        Sent { bytes: [head.as_bytes(), &body].concat(), hurries, head_only: false }
    }

    /// Some headers of a kind that the server looks at; whether there is a deadline among them.
    fn add_headers(&mut self, head: &mut String) -> bool {
        let mut hurries = false;
        while self.one_in(4) {
            let header = self.pick(&HEADERS);
            hurries |= header.contains("timeout");
            write!(head, "{header}\r\n").unwrap();
        }
        hurries
    }

    fn body(&mut self, tensors: bool) -> (&'static str, Vec<u8>) {
        let row = self.any_row();
        let json = |value: Value| ("application/json", value.to_string().into_bytes());
        if tensors {
            let fields = row.as_object().cloned().unwrap_or_default();
            let kind = self.pick(&["FP64", "FP64", "BYTES", "BOOL", "INT64", "FP16", "X"]);
            let shape = self.pick(&[[1, 1], [1, 1], [2, 1], [0, 7]]);
            let tensor = |(name, data): (&String, &Value)| json!({"name": name, "datatype": kind, "shape": shape, "data": [data]});
            let outputs =
                self.pick(&["prediction", "probabilities", "contributions", "base", "range", "prediction_id", "?"]);
            let inputs: Vec<_> = fields.iter().map(tensor).collect();
            return json(json!({"id": "i", "inputs": inputs, "outputs": [{"name": outputs}]}));
        }
        match self.below(8) {
            0 => json(json!({"instances": [row, self.any_row()]})),
            1 => json(json!([row, self.any_row(), self.any_value(3)])),
            2 => json(json!({"combine": [[row, {}], [self.any_row(), self.any_value(2)]]})),
            3 => json(self.any_value(5)),
            4 => ("application/x-ndjson", format!("{row}\n\n{}\n", self.any_row()).into_bytes()),
            5 => ("text/csv", self.table()),
            6 => {
                let length = self.below(300);
                ("application/json", (0..length).map(|_| self.rng.next_u64() as u8).collect())
            }
            _ => json(row),
        }
    }

    fn table(&mut self) -> Vec<u8> {
        let row = self.any_row();
        let fields = row.as_object().cloned().unwrap_or_default();
        let names: Vec<_> = fields.keys().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        let cells: Vec<_> = fields.values().map(|value| value.to_string().replace('"', "")).collect();
        let line = cells.join(",");
        let end = self.pick(&["\n", "\r\n", "\r", ""]);
        format!("{}\n{line}{end}{line}\n\"{line}{end}", names.join(",")).into_bytes()
    }

    /// The row, some of its values replaced.
    fn any_row(&mut self) -> Value {
        let mut row = self.row.clone();
        let names: Vec<String> = row.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        for name in names {
            if self.one_in(6) {
                row[&name] = self.any_value(2);
            }
        }
        row
    }

    fn any_value(&mut self, depth: usize) -> Value {
        let kinds = if depth == 0 { 6 } else { 8 };
        match self.below(kinds) {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => json!(self.below(1000) as f64 - 500.0),
            3 => json!(f64::from_bits(self.rng.next_u64())),
            4 => json!(self.pick(&[
                "",
                "NaN",
                "1e309",
                "SKU001",
                "2024-05-01",
                "9999-99-99",
                "\u{0}",
                "\u{1f600}",
                "red"
            ])),
            5 => json!(self.rng.next_u64()),
            6 => (0..self.below(4)).map(|_| self.any_value(depth - 1)).collect(),
            _ => {
                let keys = ["x", "id", "instances", "combine", "inputs", "name", "data", "shape"];
                let pairs = (0..self.below(4)).map(|_| (self.pick(&keys).to_owned(), self.any_value(depth - 1)));
                Value::Object(pairs.collect())
            }
        }
    }

    /// Changes, removes, repeats or cuts off some bytes.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let place = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[place] = self.rng.next_u64() as u8,
                1 => bytes[place] ^= 1 << self.below(8),
                2 => drop(bytes.remove(place)),
                3 => bytes.insert(place, self.pick(b"\"[]{},:0-9eE.\\\x00\xff")),
                _ => bytes.truncate(place),
            }
        }
    }

    /// Something else than a prediction.
    fn elsewhere(&mut self) -> Sent {
        let method = self.pick(&METHODS);
        let path = match self.below(8) {
            0 => "/".to_owned(),
            1 => "/openapi.json".to_owned(),
            2 => format!("/v2/models/{}", self.name),
            3 => "/v2/health/ready".to_owned(),
            4 => "/v1/models/%2e%2e%2f".to_owned(),
            5 => format!("/{}", "a/".repeat(self.below(500))),
            6 => "/inference.GRPCInferenceService/ModelInfer".to_owned(),
            _ => "/predict?".to_owned() + &"x".repeat(self.below(2000)),
        };
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n");
        let hurries = self.add_headers(&mut head);
        head += "Content-Length: 0\r\n\r\n";
        Sent { bytes: head.into_bytes(), hurries, head_only: method == "HEAD" }
    }

    /// A head that is mostly no HTTP, and nothing behind it.
    fn broken_head(&mut self) -> Sent {
        let mut head = b"POST /predict HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nContent-Type: application/json".to_vec();
        self.damage(&mut head);
        head.extend(b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let head_only = head.starts_with(b"HEAD ");
        Sent { bytes: head, hurries: false, head_only }
    }
}
