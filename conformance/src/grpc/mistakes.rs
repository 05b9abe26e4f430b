//! What a client's mistakes are answered: `INVALID_ARGUMENT` and the reason, never a fault of the server's.

use bytes::Bytes;

use super::infer::request;
use super::messages::{Contents, InferRequest, InferResponse, Requested, Tensor};
use super::{Failure, Status, answered, infer, refused, values};
use crate::suite::Level::{Recommended, Required};
use crate::suite::{Check, check, hold};

pub(super) fn checks() -> Vec<Check> {
    let mut checks: Vec<Check> = changes()
        .into_iter()
        .map(|(says, change)| {
            check(Recommended, format!("{says} is INVALID_ARGUMENT, with a reason"), move |subject| {
                let mut request = request(subject)?;
                change(&mut request);
                refused(infer(subject, &request), &[Status::INVALID_ARGUMENT])
            })
        })
        .collect();
    checks.extend([
        check(Recommended, "predictions of a model that is not there are NOT_FOUND", |subject| {
            let request = InferRequest { model_name: "no-such-model-8a1f".to_owned(), ..request(subject)? };
            refused(infer(subject, &request), &[Status::NOT_FOUND])
        }),
        check(Recommended, "an input that the model does not know is no fault of the server's", |subject| {
            let mut request = request(subject)?;
            first(&mut request, |input| "no-such-input-8a1f".clone_into(&mut input.name));
            not_the_servers(infer(subject, &request))
        }),
        check(Recommended, "no row at all is no fault of the server's", |subject| {
            let mut request = request(subject)?;
            for input in &mut request.inputs {
                input.contents = Some(Contents::default());
                if let Some(rows) = input.shape.first_mut() {
                    *rows = 0;
                }
            }
            not_the_servers(infer(subject, &request))
        }),
        check(Recommended, "bytes that are no message are no fault of the server's", |subject| {
            let Some(caller) = &subject.grpc else { return Ok(()) };
            let sent =
                caller.borrow_mut().send::<InferResponse>("ModelInfer", Bytes::from_static(b"\0\0\0\0\x02\xff\xff"));
            let answer = sent.map_err(|error| format!("{error:#}"))?;
            not_the_servers(answer.map_err(Failure::Status))
        }),
        check(Required, "after all of this, the model still answers", |subject| {
            answered(infer(subject, &request(subject)?)).map(drop)
        }),
    ]);
    checks
}

fn not_the_servers(answer: Result<InferResponse, Failure>) -> Result<(), String> {
    match answer {
        Err(Failure::Status(status)) => hold(!status.is_servers_fault(), || status.to_string()),
        Err(failure) => Err(failure.to_string()),
        Ok(_) => Ok(()),
    }
}

type Change = fn(&mut InferRequest);

/// Requests that are wrong, made from one that is right.
fn changes() -> Vec<(&'static str, Change)> {
    vec![
        ("no input", |request| request.inputs.clear()),
        ("an input without a name", |request| first(request, |input| input.name.clear())),
        ("an input without a shape", |request| first(request, |input| input.shape.clear())),
        ("an input without a datatype", |request| first(request, |input| input.datatype.clear())),
        ("an input without values", |request| first(request, |input| input.contents = None)),
        ("a datatype that is none", |request| first(request, |input| "FLOAT128".clone_into(&mut input.datatype))),
        ("a shape with a negative size", |request| first(request, |input| input.shape = vec![-1])),
        ("a shape of more values than there are", |request| first(request, |input| input.shape = vec![1000])),
        ("a shape of more values than can be", |request| {
            first(request, |input| input.shape = vec![i64::MAX, i64::MAX]);
        }),
        ("a shape of fewer values than there are", |request| first(request, |input| input.shape = vec![0])),
        ("values in the contents of another datatype", |request| {
            first(request, |input| {
                let wrong = match input.datatype.as_str() {
                    "BOOL" => Contents { bytes: vec![vec![]], ..Contents::default() },
                    _ => Contents { bools: vec![true], ..Contents::default() },
                };
                input.contents = Some(wrong);
            });
        }),
        ("values in contents and as bytes", |request| {
            request.raw_input_contents = values::raw(request).raw_input_contents;
        }),
        ("bytes for another number of inputs", |request| {
            *request = values::raw(request);
            request.raw_input_contents.push(Vec::new());
        }),
        ("bytes of another length", |request| {
            *request = values::raw(request);
            if let Some(bytes) = request.raw_input_contents.first_mut() {
                bytes.push(0);
            }
        }),
        ("an output that there is not", |request| {
            request.outputs = vec![Requested { name: "no-such-output-8a1f".to_owned(), ..Requested::default() }];
        }),
    ]
}

fn first(request: &mut InferRequest, change: impl FnOnce(&mut Tensor)) {
    if let Some(input) = request.inputs.first_mut() {
        change(input);
    }
}
