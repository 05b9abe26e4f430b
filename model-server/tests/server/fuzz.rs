//! Whatever is sent, it is never the server's fault.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Client, crime, dispatch, iris, orders, twice};

/// JSON of any form, with keys that the protocols know among others.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("instances".to_owned()),
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
    fn any_cut_of_good_json_is_answered(cut in 0usize..80) {
        let body = br#"{"instances": [{"orders_placed": 10, "product_code": "SKU\u0030\u00301", "x": [{"a": null}]}]}"#;
        send_everywhere(&body[..cut])?;
    }
}
