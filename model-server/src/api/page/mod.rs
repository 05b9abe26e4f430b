//! `GET /`: a page to try the model, for people; for programs, a sign of life.

mod card;
mod form;

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use slipway_model::Artefact;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::error::ApiError;
use crate::state::{App, Settings};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing from elsewhere, and nothing may frame it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What a report may do: show itself.
const REPORT_POLICY: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'";
/// Largest report that is shown, bytes.
const MAX_REPORT: u64 = 4 << 20;

/// `GET /`: the page for who accepts HTML, as browsers say they do; JSON for everybody else.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let vary = (header::VARY, HeaderValue::from_static("accept"));
    if is_wanted(&headers) {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            vary,
        ];
        return (headers, app.page.clone()).into_response();
    }
    let manifest = app.manifest();
    let body = json!({"status": "alive", "model": manifest.model_name, "version": manifest.version});
    ([vary], super::reply(&body)).into_response()
}

/// Whether a request accepts HTML, as those of browsers say that they do.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT);
    accepted.iter().any(|accept| accept.to_str().is_ok_and(|text| text.contains("text/html")))
}

/// `GET /report`: the report of the training, where it lies beside the model. The manifest does not vouch for it, so it may
/// show itself and nothing else.
pub async fn report(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let absent = || ApiError::not_found("the report of the training does not lie beside the model");
    let path = app.settings.report.as_ref().ok_or_else(absent)?;
    let file = File::open(path).await.map_err(|_| absent())?;
    let mut report = Vec::new();
    file.take(MAX_REPORT + 1).read_to_end(&mut report).await.map_err(|_| absent())?;
    if report.len() as u64 > MAX_REPORT {
        return Err(absent());
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(REPORT_POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, report).into_response())
}

/// The page for a model, served with `settings`.
pub fn html(artefact: &Artefact, settings: &Settings) -> String {
    let manifest = &artefact.manifest;
    let fields: String =
        manifest.input.fields().iter().enumerate().map(|(place, field)| form::control(place, field)).collect();
    // One pass over the template, so that nothing a name holds is taken for a place of it.
    let mut html = String::with_capacity(TEMPLATE.len() + STYLE.len() + SCRIPT.len() + fields.len() + (8 << 10));
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or(("", after));
        html.push_str(before);
        html.push_str(&match name {
            "model" => escape(&manifest.model_name),
            "version" => escape(&manifest.version),
            "estimator" => escape(&manifest.estimator),
            "keyed" => settings.keys.is_some().to_string().into(),
            "target" => format!("{}{}", escape(manifest.output.name()), form::unit(manifest.output.unit())).into(),
            "unit" => escape(manifest.output.unit().unwrap_or_default()),
            "options" => form::options(manifest).into(),
            "card" => card::html(artefact, settings.report.is_some()).into(),
            "style" => STYLE.into(),
            "script" => SCRIPT.into(),
            _ => fields.as_str().into(),
        });
        rest = after;
    }
    html.push_str(rest);
    html
}

/// A text as HTML shows it, also in an attribute in double quotes.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
        .into()
}
