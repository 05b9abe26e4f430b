//! Whatever is sent, it is never the server's fault.

use axum::body::Body;
use axum::http::{Request, Version};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};
use slipway_conformance::grpc::client::framed;
use slipway_conformance::grpc::messages::{Contents, InferRequest, Tensor};

use crate::support::{Client, crime, dispatch, iris, orders, twice};

/// JSON of any form, with keys that the protocols know among others.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("instances".to_owned()),
        Just("combine".to_owned()),
        Just("id".to_owned()),
        Just("inputs".to_owned()),
        Just("outputs".to_owned()),
        Just("name".to_owned()),
        Just("shape".to_owned()),
        Just("datatype".to_owned()),
        Just("data".to_owned()),
        Just("x".to_owned()),
        Just("amount".to_owned()),
        Just("sold_at".to_owned()),
        Just("orders_placed".to_owned()),
        ".{0,3}",
    ];
    let text = prop_oneof![Just("FP64".to_owned()), Just("BYTES".to_owned()), Just("SKU001".to_owned()), key.clone()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        (-2i64..5).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Sends `body` to every route that takes one; all answers are JSON and none says that the server is at fault.
fn send_everywhere(body: &[u8]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for client in clients() {
            let name = client.app.manifest().model_name.clone();
            for path in
                ["/predict".to_owned(), format!("/v1/models/{name}:predict"), format!("/v2/models/{name}/infer")]
            {
                let answer = client.post(&path, body.to_owned()).await;
                prop_assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text);
                prop_assert!(answer.status.is_success() || !answer.error().is_empty(), "{path}: {}", answer.text);
            }
        }
        Ok(())
    })
}

/// Sends a message to the method that predicts; no status says that the server is at fault.
fn call(message: &[u8]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for client in clients() {
            let request = Request::post("/inference.GRPCInferenceService/ModelInfer").version(Version::HTTP_2);
            let body = Body::from(framed(message));
            let request = request.header("content-type", "application/grpc").body(body).unwrap();
            let (status, headers, _) = client.send_bytes(request).await;
            prop_assert_eq!(status, 200);
            let code = headers.get("grpc-status").map(|code| code.to_str().unwrap().to_owned());
            let fine = [None, Some("3"), Some("5"), Some("8")].contains(&code.as_deref());
            prop_assert!(fine, "{:?} {:?}", code, headers.get("grpc-message"));
        }
        Ok(())
    })
}

/// A request for every model of these tests, by its place.
fn good_message(model: usize) -> InferRequest {
    let number = |name: &str, value: f64| Tensor {
        name: name.to_owned(),
        datatype: "FP64".to_owned(),
        shape: vec![1],
        contents: Some(Contents { fp64s: vec![value], ..Contents::default() }),
        ..Tensor::default()
    };
    let code = Tensor {
        datatype: "BYTES".to_owned(),
        contents: Some(Contents { bytes: vec![b"SKU001".to_vec()], ..Contents::default() }),
        ..number("product_code", 0.0)
    };
    let clients = clients();
    let model_name = clients[model % clients.len()].app.manifest().model_name.clone();
    let inputs = vec![number("orders_placed", 10.0), code, number("x", 1.0), number("y", f64::NAN)];
    InferRequest { model_name, inputs, ..InferRequest::default() }
}

/// Any contents, most of them of another datatype than they should be.
fn any_contents() -> impl Strategy<Value = Contents> {
    let list = prop::collection::vec(any::<i64>(), 0..4);
    (0_u8..8, list).prop_map(|(field, list)| {
        let mut contents = Contents::default();
        match field {
            0 => contents.bools = list.iter().map(|number| number % 2 == 0).collect(),
            1 => contents.ints = list.iter().map(|&number| number as i32).collect(),
            2 => contents.int64s = list,
            3 => contents.uints = list.iter().map(|&number| number as u32).collect(),
            4 => contents.uint64s = list.iter().map(|&number| number as u64).collect(),
            5 => contents.fp32s = list.iter().map(|&number| f32::from_bits(number as u32)).collect(),
            6 => contents.fp64s = list.iter().map(|&number| f64::from_bits(number as u64)).collect(),
            _ => contents.bytes = list.iter().map(|number| number.to_le_bytes().to_vec()).collect(),
        }
        contents
    })
}

fn clients() -> Vec<Client> {
    thread_local! {
        static CLIENTS: Vec<Client> = [dispatch(), crime(), iris(), orders(), twice()].map(Client::new).into();
    }
    CLIENTS.with(Clone::clone)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        send_everywhere(&bytes)?;
    }

    #[test]
    fn any_json_is_answered(value in any_json()) {
        send_everywhere(value.to_string().as_bytes())?;
    }

    #[test]
    fn any_row_is_answered(x in any_json(), y in any_json(), list in any::<bool>()) {
        let row = json!({"x": x, "y": y, "orders_placed": x, "product_code": y, "amount": x, "sold_at": y});
        let body = if list { json!([row, x]) } else { row };
        send_everywhere(body.to_string().as_bytes())?;
    }

    #[test]
    fn any_tensor_is_answered(data in any_json(), shape in prop::collection::vec(0u64..4, 0..3), rank in any::<u64>()) {
        let shape = if rank % 50 == 0 { vec![rank, rank] } else { shape };
        let tensor = |name: &str| json!({"name": name, "shape": shape, "datatype": "FP64", "data": data});
        send_everywhere(json!({"inputs": [tensor("x"), tensor("y")]}).to_string().as_bytes())?;
        send_everywhere(json!({"inputs": [tensor("matrix")]}).to_string().as_bytes())?;
    }

    #[test]
    fn any_bytes_are_a_message_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        call(&bytes)?;
    }

    #[test]
    fn any_damage_to_a_good_message_is_answered(model in 0_usize..5, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut: bool) {
        let mut message = good_message(model).encode_to_vec();
        let at = at.index(message.len());
        message[at] = byte;
        if cut {
            message.truncate(at);
        }
        call(&message)?;
    }

    #[test]
    fn any_tensors_in_a_message_are_answered(
        model in 0_usize..5,
        shape in prop::collection::vec(-1_i64..4, 0..3),
        contents in prop::collection::vec(any_contents(), 4),
        raw in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5),
        datatype in prop::sample::select(vec!["FP64", "FP32", "FP16", "BOOL", "INT8", "INT64", "UINT32", "BYTES", "", "X"]),
    ) {
        let mut request = good_message(model);
        for (input, contents) in request.inputs.iter_mut().zip(contents) {
            input.datatype = datatype.to_owned();
            input.shape.clone_from(&shape);
            input.contents = Some(contents).filter(|_| raw.is_empty());
        }
        request.raw_input_contents = raw;
        call(&request.encode_to_vec())?;
    }

    #[test]
    fn any_cut_of_good_json_is_answered(cut in 0usize..80) {
        let body = br#"{"instances": [{"orders_placed": 10, "product_code": "SKU\u0030\u00301", "x": [{"a": null}]}]}"#;
        send_everywhere(&body[..cut])?;
    }
}
