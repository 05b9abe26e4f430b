//! Rows without end: `text/csv` and `application/x-ndjson`, read, predicted and answered piece by piece in constant memory.
//!
//! A bad row costs only itself. What ends a stream early is told in its last line, so that callers never see a broken reply.

mod csv;
mod lines;
mod write;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use tokio::sync::mpsc;

use super::body::{self, Source};
use super::coding::Coding;
use super::deadline::Deadline;
use super::error::ApiError;
use super::json::table::{Outcome, Table};
use super::predict::predict_together;
use super::tell::Teller;
use crate::state::App;
use csv::CsvRows;
use lines::Lines;
use write::Writer;

pub use write::cell as write_cell;

/// Longest row of a stream, bytes.
const MAX_ROW: usize = 1 << 20;
/// Most values and predicted numbers of the rows that are predicted together.
const MAX_TOGETHER: usize = 1 << 16;

/// How rows stand in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A header with the names of fields, then a row a line (RFC 4180).
    Csv,
    /// A JSON object a line.
    Lines,
}

impl Format {
    /// The format that a media type names, if it is one of a stream.
    fn of(media_type: &str) -> Option<Format> {
        const NAMES: [(&str, Format); 5] = [
            ("text/csv", Format::Csv),
            ("application/csv", Format::Csv),
            ("application/x-ndjson", Format::Lines),
            ("application/ndjson", Format::Lines),
            ("application/jsonl", Format::Lines),
        ];
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        NAMES.into_iter().find(|(name, _)| essence.eq_ignore_ascii_case(name)).map(|(_, format)| format)
    }

    /// The format of a body, if it is one of a stream.
    pub fn of_body(headers: &HeaderMap) -> Option<Format> {
        Format::of(headers.get(header::CONTENT_TYPE)?.to_str().ok()?)
    }

    /// The format that a caller asks for.
    fn wanted(headers: &HeaderMap) -> Option<Format> {
        headers.get(header::ACCEPT)?.to_str().ok()?.split(',').find_map(Format::of)
    }

    fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Lines => "application/x-ndjson",
        })
    }
}

/// What reading a stream gives.
enum Next {
    /// A row.
    Row(Outcome),
    /// More of the body is needed.
    Starved,
    /// There is no more.
    End,
    /// Nothing that follows can be read.
    Broken(String),
}

/// Answers a stream with a stream, in the format the caller asks for or in the same one.
pub async fn answer(app: Arc<App>, request: Request, format: Format, teller: Teller) -> Result<Response, ApiError> {
    let metrics = app.metrics.clone();
    let result = start(app, request, format, teller).await;
    if let Some(refusal) = result.as_ref().err().and_then(ApiError::refusal) {
        metrics.refused(refusal);
    }
    result
}

async fn start(app: Arc<App>, request: Request, format: Format, teller: Teller) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let known =
        Coding::of(headers, &header::CONTENT_ENCODING).and_then(|coding| Ok((coding, Deadline::of(headers, None)?)));
    let (coding, deadline) = match known {
        Ok(known) => known,
        Err(error) => return Err(body::refuse(headers, body, error).await),
    };
    let Ok(permit) = app.streams.clone().try_acquire_owned() else {
        return Err(body::refuse(headers, body, ApiError::too_many_requests()).await);
    };
    if teller.wants.contributions {
        let explained = app.clone();
        let known = tokio::task::spawn_blocking(move || explained.check_explains()).await;
        if let Err(error) = known.unwrap_or_else(|_| Err(ApiError::internal())) {
            return Err(body::refuse(headers, body, error).await);
        }
    }
    let mut source = Source::new(body, coding, &app.pending);
    let mut reader = Reader::new(format);
    // A table's header is judged before the reply begins.
    loop {
        match reader.started(&app) {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => return Err(body::refuse(headers, source.body, error).await),
        }
        match source.next_or_discard(&app.settings.limits).await? {
            Some(bytes) => reader.push(bytes),
            None => reader.finish(),
        }
    }
    let written = Format::wanted(headers).unwrap_or(format);
    let warnings = reader.warnings();
    let worker =
        Worker { reader, writer: Writer::new(written, teller.wants), teller, rows: 0, deadline, output: Vec::new() };
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        run(app, worker, source, sender).await;
        drop(permit);
    });
    let pieces = stream::unfold(receiver, |mut receiver| async {
        let piece: Bytes = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), receiver))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(header::CONTENT_TYPE, written.media_type());
    if let Some(warnings) = warnings {
        response.headers_mut().insert("slipway-warnings", warnings);
    }
    Ok(response)
}

/// Reads, predicts and writes until one side ends.
async fn run(app: Arc<App>, mut worker: Worker, mut source: Source, sender: mpsc::Sender<Bytes>) {
    loop {
        let Ok(slot) = app.large.clone().acquire_owned().await else { return };
        let shared = app.clone();
        let work = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let state = worker.step(&shared);
            (worker, state)
        });
        let state;
        (worker, state) = match work.await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a prediction failed");
                return;
            }
        };
        let output = std::mem::take(&mut worker.output);
        if !output.is_empty() && sender.send(output.into()).await.is_err() {
            return;
        }
        match state {
            State::Busy => {}
            State::Ended => {
                // Most callers look at the reply only when they have sent everything.
                body::discard(&mut source.body).await;
                return;
            }
            State::Starved => match source.next_or_discard(&app.settings.limits).await {
                Ok(Some(bytes)) => worker.reader.push(bytes),
                Ok(None) => worker.reader.finish(),
                Err(error) => {
                    if let Some(refusal) = error.refusal() {
                        app.metrics.refused(refusal);
                    }
                    worker.writer.failure(&mut worker.output, error.message());
                    // Where nobody reads on, nothing is lost.
                    let _ = sender.send(std::mem::take(&mut worker.output).into()).await;
                    return;
                }
            },
        }
    }
}

/// Whether there is more to do.
enum State {
    Busy,
    Starved,
    Ended,
}

/// One stream at work.
struct Worker {
    reader: Reader,
    writer: Writer,
    teller: Teller,
    /// Rows so far.
    rows: usize,
    deadline: Deadline,
    /// What is to be sent.
    output: Vec<u8>,
}

impl Worker {
    /// Predicts a few of the rows that have come.
    fn step(&mut self, app: &App) -> State {
        let model = app.model();
        self.writer.start(&mut self.output, model);
        if let Err(error) = self.deadline.check() {
            self.writer.failure(&mut self.output, error.message());
            return State::Ended;
        }
        let most =
            (MAX_TOGETHER / model.fields().len().max(model.output().width())).clamp(1, self.teller.together(app));
        let mut together = Table::new(model.fields().len());
        let mut broken = None;
        let state = loop {
            if together.count() == most {
                break State::Busy;
            }
            match self.reader.next(app, self.rows + together.count() + 1) {
                Next::Row(row) => together.push(row),
                Next::Starved => break State::Starved,
                Next::End => break State::Ended,
                Next::Broken(message) => {
                    broken = Some(message);
                    break State::Ended;
                }
            }
        };
        let mut good = 0;
        let count = together.count();
        predict_together(app, &self.teller, self.rows + 1, together, |row| {
            self.rows += 1;
            good += usize::from(row.is_ok());
            self.writer.row(&mut self.output, app, self.rows, &row);
        });
        app.metrics.rows(good, count - good);
        app.metrics.unknown_fields.inc_by(self.reader.take_unknown());
        if let Some(message) = broken {
            self.writer.failure(&mut self.output, &message);
        }
        state
    }
}

/// The rows of a body in any format.
enum Reader {
    Csv(Box<CsvRows>),
    Lines(Lines),
}

impl Reader {
    fn new(format: Format) -> Reader {
        match format {
            Format::Csv => Reader::Csv(Box::default()),
            Format::Lines => Reader::Lines(Lines::default()),
        }
    }

    /// Whether rows can be read: a table must begin with a header that has all fields the model requires.
    fn started(&mut self, app: &App) -> Result<bool, ApiError> {
        match self {
            Reader::Csv(rows) => rows.started(app),
            Reader::Lines(_) => Ok(true),
        }
    }

    fn push(&mut self, bytes: Bytes) {
        match self {
            Reader::Csv(rows) => rows.push(bytes),
            Reader::Lines(lines) => lines.push(bytes),
        }
    }

    fn finish(&mut self) {
        match self {
            Reader::Csv(rows) => rows.finish(),
            Reader::Lines(lines) => lines.finish(),
        }
    }

    fn next(&mut self, app: &App, number: usize) -> Next {
        match self {
            Reader::Csv(rows) => rows.next(app, number),
            Reader::Lines(lines) => lines.next(app, number),
        }
    }

    /// About columns that are ignored.
    fn warnings(&self) -> Option<HeaderValue> {
        match self {
            Reader::Csv(rows) => rows.warnings(),
            Reader::Lines(_) => None,
        }
    }

    /// How many unknown fields came since the last time.
    fn take_unknown(&mut self) -> u64 {
        match self {
            Reader::Csv(_) => 0,
            Reader::Lines(lines) => lines.take_unknown(),
        }
    }
}
