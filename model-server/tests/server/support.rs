//! Models to serve, and a router to ask.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use slipway_model::test_rows::Answers;
use slipway_model::{
    Artefact, Block, Combine, Digest, Distributions, Encoder, Estimator, Field, Form, Golden, GoldenRow, Input,
    Lineage, Linear, Link, Manifest, Model, Neighbours, Output, Range, TreeNode, Trees, TreesBuilder, artefact,
};
use slipway_model_server::api;
use slipway_model_server::config::Limits;
use slipway_model_server::metrics::Metrics;
use slipway_model_server::state::{App, Lifecycle, Phase, Settings};
use slipway_spec::{DataIdentity, FeatureType, GateResult, Outcome};
use tower::ServiceExt;

pub const VERSION: &str = "0b2c8c8e-1f44-4d0c-9a55-000000000001";

fn field(name: &str, type_: FeatureType) -> Field {
    Field { name: name.to_owned(), type_, ..Field::default() }
}

fn number(name: &str, min: f64, max: f64) -> Field {
    let range = Some(Range { min, max });
    Field { range, example: json!(f64::midpoint(min, max)), ..field(name, FeatureType::Number) }
}

fn category(name: &str, categories: &[&str]) -> Field {
    let categories: Vec<_> = categories.iter().map(|&category| category.to_owned()).collect();
    Field { example: json!(categories[0]), categories, ..field(name, FeatureType::Category) }
}

fn linear(link: Link, coefficients: &[&[f64]], intercepts: &[f64]) -> Estimator {
    let means = vec![0.0; coefficients[0].len()];
    let coefficients = coefficients.iter().map(|row| row.to_vec()).collect();
    Estimator::Linear(Linear { link, coefficients, intercepts: intercepts.to_vec(), means })
}

/// Something to serve.
pub struct Kit {
    name: &'static str,
    fields: Vec<Field>,
    output: Output,
    estimator: Estimator,
    golden: Value,
}

/// 0.5 hours and 0.1 an order, and one more hour for each product after the first.
pub fn dispatch() -> Kit {
    let orders = Field {
        example: json!(10),
        description: Some("Orders of the day.".to_owned()),
        ..number("orders_placed", 0.0, 250.0)
    };
    Kit {
        name: "time-to-dispatch",
        fields: vec![orders, category("product_code", &["SKU001", "SKU002", "SKU003"])],
        output: Output::Regression { name: "hours_to_dispatch".to_owned(), range: None, unit: None },
        estimator: linear(Link::Identity, &[&[0.1, 0.0, 1.0, 2.0]], &[0.5]),
        golden: json!({"orders_placed": 10, "product_code": "SKU001"}),
    }
}

/// The price of a flat: 3,000 USD a square metre, on whatever floor. Its numbers have units.
pub fn flats() -> Kit {
    let area = Field {
        description: Some("Living area".to_owned()),
        unit: Some("m\u{b2}".to_owned()),
        ..number("living_area", 20.0, 310.0)
    };
    Kit {
        name: "flats",
        fields: vec![area, Field { unit: Some("<floors>".to_owned()), ..number("floor", 0.0, 40.0) }],
        output: Output::Regression { name: "price".to_owned(), range: None, unit: Some("USD".to_owned()) },
        estimator: linear(Link::Identity, &[&[3000.0, 0.0]], &[0.0]),
        golden: json!({"living_area": 100, "floor": 1}),
    }
}

/// Probability of being caught: the logistic function of `x - y`.
pub fn crime() -> Kit {
    Kit {
        name: "crime",
        fields: vec![number("x", -10.0, 10.0), number("y", -10.0, 10.0)],
        output: Output::Classification {
            name: "outcome".to_owned(),
            classes: vec!["caught".to_owned(), "not caught".to_owned()],
            positive_class: Some(1),
            threshold: Some(0.5),
        },
        estimator: linear(Link::Logistic, &[&[1.0, -1.0]], &[0.0]),
        golden: json!({"x": 1, "y": 1}),
    }
}

/// Three classes of equal probability where all is 0.
pub fn iris() -> Kit {
    Kit {
        name: "iris",
        fields: ["sepal_length", "sepal_width", "petal_length", "petal_width"]
            .map(|name| number(name, 0.0, 8.0))
            .into(),
        output: Output::Classification {
            name: "species".to_owned(),
            classes: ["setosa", "versicolor", "virginica"].map(str::to_owned).into(),
            positive_class: None,
            threshold: None,
        },
        estimator: linear(
            Link::Softmax,
            &[&[1.0, 0.0, 0.0, 0.0], &[0.0, 1.0, 0.0, 0.0], &[0.0, 0.0, 1.0, 1.0]],
            &[0.0; 3],
        ),
        golden: json!({"sepal_length": 0, "sepal_width": 0, "petal_length": 0, "petal_width": 0}),
    }
}

/// Every type of field, optional ones and names that need care: amount, plus 100 on weekends, plus 1,000 for red, plus days
/// since 1970.
pub fn orders() -> Kit {
    Kit {
        name: "orders",
        fields: vec![
            Field { required: false, ..number("amount", 0.0, 10.0) },
            field("<weekend> & \"more\"", FeatureType::Boolean),
            Field { example: json!("2024-05-01"), ..field("sold_at", FeatureType::Timestamp) },
            Field { required: false, ..category("colour", &["blue", "red"]) },
        ],
        output: Output::Regression { name: "value".to_owned(), range: None, unit: None },
        estimator: linear(Link::Identity, &[&[1.0, 100.0, 1.0 / 86_400.0, 0.0, 1000.0]], &[0.0]),
        golden: json!({"amount": null, "<weekend> & \"more\"": false, "sold_at": "1970-01-02"}),
    }
}

/// A forest of two trees: the first looks at both numbers, the second at `y`; a missing one counts as 0.
pub fn forest() -> Kit {
    let split = |column, left| TreeNode::Split { column, threshold: 0.5, missing_left: true, left };
    let leaf = |value, weight| TreeNode::Leaf { value, weight };
    let mut trees = TreesBuilder::new(2);
    let both = [split(0, 1), leaf(0, 5.0), split(1, 3), leaf(1, 2.0), leaf(2, 3.0)];
    trees.push(&both, &[1.0, 0.0, 0.5, 0.5, 0.0, 1.0]);
    trees.push(&[split(1, 1), leaf(0, 6.0), leaf(1, 4.0)], &[0.5, 0.5, 0.0, 1.0]);
    let optional = |name| Field { required: false, ..number(name, 0.0, 1.0) };
    Kit {
        name: "forest",
        fields: vec![optional("x"), optional("y")],
        output: Output::Classification {
            name: "answer".to_owned(),
            classes: vec!["no".to_owned(), "yes".to_owned()],
            positive_class: Some(1),
            threshold: None,
        },
        estimator: Estimator::Trees(trees.finish(Combine::Mean)),
        golden: json!({"x": 1, "y": 1}),
    }
}

/// Twice `x`: the least there is to serve.
pub fn twice() -> Kit {
    Kit {
        name: "twice",
        fields: vec![number("x", 0.0, 1.0)],
        output: Output::Regression { name: "y".to_owned(), range: None, unit: None },
        estimator: linear(Link::Identity, &[&[2.0]], &[0.0]),
        golden: json!({"x": 3}),
    }
}

impl Kit {
    /// Has its trees hold nothing of the training rows, as those of the first format.
    pub fn forget_weights(&mut self) {
        let Estimator::Trees(trees) = &self.estimator else { return };
        let mut bytes = trees.to_bytes();
        // A byte a leaf and how they are written, and the version.
        bytes.truncate(bytes.len() - trees.leaves() - 4);
        bytes[8] = 1;
        self.estimator = Estimator::Trees(Trees::from_bytes(&bytes).unwrap());
    }

    /// Writes the artefact into `dir`.
    pub fn write(self, dir: &Path) -> Digest {
        let Kit { name, fields, output, estimator, golden } = self;
        // Trees take missing values as they are.
        let fill = if matches!(estimator, Estimator::Trees(_)) { None } else { Some(5.0) };
        let block = |(place, field): (usize, &Field)| match field.type_ {
            FeatureType::Category => {
                let form = Form::OneHot { columns: field.categories.len(), places: Vec::new() };
                Block { fill: Some(0.0), form, ..Block::field(place) }
            }
            _ => Block { fill, ..Block::field(place) },
        };
        let encoder = Encoder::new(fields.iter().enumerate().map(block).collect());
        let model = Model::new(fields.clone(), output.clone(), encoder, estimator).unwrap();
        let row = golden.as_object().unwrap().clone();
        let expected = model.predict_raw(&model.decode_json(&row).unwrap());
        // What came of test rows: the truth is 1 more than the prediction for half of them, and 1 less for the others.
        let predicted = |row: u32| f64::from(row / 2);
        let truth = (0..100).map(|row| predicted(row) + if row % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let neighbours = Neighbours::of(&Answers::Numbers { truth, predicted: (0..100).map(predicted).collect() });
        let distributions = match output {
            Output::Regression { .. } => Distributions { neighbours, ..Distributions::default() },
            Output::Classification { .. } => Distributions::default(),
        };
        let mut manifest = Manifest {
            format_version: 1,
            model_name: name.to_owned(),
            version: VERSION.to_owned(),
            input: Input::Row { fields },
            output,
            estimator: "LinearRegression".to_owned(),
            files: vec![],
            metrics: [("r2".to_owned(), 0.97)].into(),
            gates: vec![GateResult {
                metric: "r2".to_owned(),
                outcome: Outcome::Passed,
                observed: Some(0.97),
                bound: Some(0.9),
                champion: None,
                baseline: None,
                message: "r2 is 0.97, at least 0.9".to_owned(),
            }],
            checks: vec![],
            lineage: Lineage {
                data: DataIdentity { uri: "s3://data/<rows>.csv".to_owned(), ..DataIdentity::default() },
                rows: 1000,
                columns: 3,
                ..Lineage::default()
            },
            golden: Golden { tolerance: 1e-9, rows: vec![GoldenRow { row, expected }] },
            distributions,
        };
        artefact::write(dir, &mut manifest, &model, &[]).unwrap()
    }

    /// What serves it.
    pub fn app(self) -> Arc<App> {
        self.app_within(Limits::default())
    }

    /// What serves it within `limits`.
    pub fn app_within(self, limits: Limits) -> Arc<App> {
        self.app_with(Settings { limits, ..Settings::default() })
    }

    /// What serves it with `settings`.
    pub fn app_with(self, settings: Settings) -> Arc<App> {
        self.counted_app_with(settings).0
    }

    /// What serves it with `settings`, and where its metrics are.
    pub fn counted_app_with(self, settings: Settings) -> (Arc<App>, Registry) {
        let dir = tempfile::tempdir().unwrap();
        let digest = self.write(dir.path());
        serving(Artefact::load(dir.path(), Some(digest)).unwrap(), settings)
    }
}

fn serving(artefact: Artefact, settings: Settings) -> (Arc<App>, Registry) {
    let lifecycle = Arc::new(Lifecycle::default());
    lifecycle.enter(Phase::Ready);
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    (Arc::new(App::new(artefact, settings, metrics, lifecycle)), registry)
}

/// A server that is asked without a network.
#[derive(Clone)]
pub struct Client {
    router: Router,
    pub app: Arc<App>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The error of a refusal.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    pub fn new(kit: Kit) -> Client {
        Client::of(kit.app())
    }

    /// Of an artefact as it is.
    pub fn serving(artefact: Artefact) -> Client {
        Client::of(serving(artefact, Settings::default()).0)
    }

    pub fn of(app: Arc<App>) -> Client {
        Client { router: api::router(app.clone()), app }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (status, headers, bytes) = self.send_bytes(request).await;
        Answer { status, headers, text: String::from_utf8(bytes).unwrap() }
    }

    /// Sends a request whose answer is no text.
    pub async fn send_bytes(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, bytes.to_vec())
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    pub async fn method(&self, method: Method, path: &str) -> Answer {
        self.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    }
}
