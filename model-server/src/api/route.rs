//! The table of routes. The router, the metrics' labels, who may call without a key, and the API's description are made of it.

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, get, post};
use slipway_model::Manifest;

use super::{grpc, openapi, page, predict, v1, v2};
use crate::state::App;

/// Addresses of one form.
pub struct Route {
    /// As the router reads it and the metrics name it. `{model}` and `{version}` stand for those that are served.
    pub path: &'static str,
    /// Whether callers need no key.
    pub open: bool,
    /// What answers.
    serves: fn() -> MethodRouter<Arc<App>>,
    /// What can be done here.
    pub operations: &'static [Operation],
}

/// Something that can be done at an address.
pub struct Operation {
    /// What follows the route's path: the router takes a segment as a whole.
    pub verb: &'static str,
    /// The group it belongs to.
    pub tag: &'static str,
    /// Its name in generated clients.
    pub id: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// What it takes and gives.
    pub exchange: Exchange,
}

/// What an operation takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Gives JSON of a schema.
    Read(&'static str),
    /// Gives JSON of a schema, with the status 503 where the answer is no.
    Ask(&'static str),
    /// Gives a page to who accepts HTML, or JSON of a schema.
    Page(&'static str),
    /// Predicts a row, a list of rows, or a stream of them.
    PredictRows,
    /// Predicts a list of rows, all or none.
    PredictInstances,
    /// Explains the predictions of a list of rows, all or none.
    ExplainInstances,
    /// Predicts rows given as tensors.
    PredictTensors,
}

impl Route {
    const fn rest(
        path: &'static str,
        serves: fn() -> MethodRouter<Arc<App>>,
        operations: &'static [Operation],
    ) -> Route {
        Route { path, open: false, serves, operations }
    }

    /// A method of gRPC, which OpenAPI has no words for.
    const fn call(path: &'static str, serves: fn() -> MethodRouter<Arc<App>>) -> Route {
        Route { path, open: false, serves, operations: &[] }
    }

    /// An address of this form, as callers of the model write it.
    pub fn address(&self, operation: &Operation, manifest: &Manifest) -> String {
        let path = self.path.replace("{model}", &manifest.model_name).replace("{version}", &manifest.version);
        path + operation.verb
    }
}

impl Operation {
    const fn new(tag: &'static str, id: &'static str, exchange: Exchange, summary: &'static str) -> Operation {
        Operation { verb: "", tag, id, summary, exchange }
    }
}

/// All routes, those with most requests first.
pub static ROUTES: [Route; 21] = [
    Route::rest(
        "/predict",
        || post(predict::predict),
        &[Operation::new(
            "predict",
            "predict",
            Exchange::PredictRows,
            "Predict one row, a list of rows, or a stream of rows; in a list or stream, a bad row costs only itself",
        )],
    ),
    Route::rest("/v2/models/{model}/infer", || post(v2::infer), &[INFER]),
    Route::call("/inference.GRPCInferenceService/ModelInfer", || post(grpc::model_infer)),
    Route::rest(
        "/v2/models/{model}/versions/{version}/infer",
        || post(v2::infer),
        &[Operation { id: "inferOfVersion", ..INFER }],
    ),
    Route::rest(
        "/v1/models/{model}",
        v1::model,
        &[
            Operation::new("v1", "getModelV1", Exchange::Read("ModelStatus"), "Whether the model is ready"),
            Operation {
                verb: v1::PREDICT,
                ..Operation::new(
                    "v1",
                    "predictV1",
                    Exchange::PredictInstances,
                    "Predict a list of rows; a bad row refuses the whole list",
                )
            },
            Operation {
                verb: v1::EXPLAIN,
                ..Operation::new(
                    "v1",
                    "explainV1",
                    Exchange::ExplainInstances,
                    "Predict a list of rows and tell what each field contributes; a bad row refuses the whole list",
                )
            },
        ],
    ),
    Route::rest(
        "/",
        || get(page::show),
        &[Operation::new("about", "getPage", Exchange::Page("Status"), "A page to try the model; a sign of life")],
    ),
    // For people only.
    Route::rest("/report", || get(page::report), &[]),
    Route::rest(
        "/openapi.json",
        || get(openapi::show),
        &[Operation::new("about", "getDescription", Exchange::Read("Description"), "This description")],
    ),
    Route::rest(
        "/v1/models",
        || get(v1::list),
        &[Operation::new("v1", "listModelsV1", Exchange::Read("ModelList"), "The models of this server")],
    ),
    Route::rest(
        "/v2",
        || get(v2::server),
        &[Operation::new("v2", "getServer", Exchange::Read("Server"), "The server's name, version and extensions")],
    ),
    Route {
        open: true,
        ..Route::rest(
            "/v2/health/live",
            || get(v2::live),
            &[Operation::new("v2", "getLive", Exchange::Read("Live"), "Whether the server lives")],
        )
    },
    Route {
        open: true,
        ..Route::rest(
            "/v2/health/ready",
            || get(v2::ready),
            &[Operation::new("v2", "getReady", Exchange::Ask("Ready"), "Whether the server is ready")],
        )
    },
    Route::rest("/v2/models/{model}", || get(v2::model), &[METADATA]),
    Route::rest("/v2/models/{model}/ready", || get(v2::model_ready), &[READY]),
    Route::rest(
        "/v2/models/{model}/versions/{version}",
        || get(v2::model),
        &[Operation { id: "getModelOfVersion", ..METADATA }],
    ),
    Route::rest(
        "/v2/models/{model}/versions/{version}/ready",
        || get(v2::model_ready),
        &[Operation { id: "getModelReadyOfVersion", ..READY }],
    ),
    Route { open: true, ..Route::call("/inference.GRPCInferenceService/ServerLive", || post(grpc::server_live)) },
    Route { open: true, ..Route::call("/inference.GRPCInferenceService/ServerReady", || post(grpc::server_ready)) },
    Route::call("/inference.GRPCInferenceService/ModelReady", || post(grpc::model_ready)),
    Route::call("/inference.GRPCInferenceService/ServerMetadata", || post(grpc::server_metadata)),
    Route::call("/inference.GRPCInferenceService/ModelMetadata", || post(grpc::model_metadata)),
];

const INFER: Operation = Operation::new("v2", "infer", Exchange::PredictTensors, "Predict rows given as tensors");
const METADATA: Operation = Operation::new("v2", "getModel", Exchange::Read("Model"), "The model's inputs and outputs");
const READY: Operation =
    Operation::new("v2", "getModelReady", Exchange::Ask("ModelStatus"), "Whether the model is ready");

/// A router of all routes.
pub fn router() -> Router<Arc<App>> {
    ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, (route.serves)()))
}

/// The route of a path as the router names it.
pub fn find(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}
