//! `GET /`: a page to try the model, for people; for programs, a sign of life.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use slipway_model::{Artefact, Field, Unknown};
use slipway_spec::FeatureType;

use super::openapi::{example, others};
use crate::state::App;

const TEMPLATE: &str = include_str!("page.html");
/// Nothing from elsewhere, and nothing may frame it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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

/// The page for a model; `keyed` where callers must show a key.
pub fn html(artefact: &Artefact, keyed: bool) -> String {
    let manifest = &artefact.manifest;
    let fields: String =
        manifest.input.fields().iter().enumerate().map(|(place, field)| control(place, field)).collect();
    // One pass over the template, so that nothing a name holds is taken for a place of it.
    let mut html = String::with_capacity(TEMPLATE.len() + fields.len() + 512);
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or(("", after));
        html.push_str(before);
        html.push_str(&match name {
            "model" => escape(&manifest.model_name),
            "version" => escape(&manifest.version),
            "estimator" => escape(&manifest.estimator),
            "keyed" => keyed.to_string(),
            "target" => escape(manifest.output.name()),
            _ => fields.clone(),
        });
        rest = after;
    }
    html.push_str(rest);
    html
}

/// The label and the control of a field.
fn control(place: usize, field: &Field) -> String {
    let name = escape(&field.name);
    let required = if field.required() { " required" } else { "" };
    let attributes = format!(
        "id=\"f{place}\" name=\"{name}\" data-type=\"{:?}\" aria-describedby=\"h{place}\"{required}",
        field.type_
    );
    let value = match example(field) {
        Value::String(text) => escape(&text),
        other => escape(&other.to_string()),
    };
    let control = match field.type_ {
        FeatureType::Category if field.unknown != Unknown::Reject => suggestions(place, &attributes, field, &value),
        FeatureType::Category => {
            select(&attributes, field.categories.iter().map(String::as_str), &value, field.required())
        }
        FeatureType::Boolean => select(&attributes, ["false", "true"].into_iter(), &value, field.required()),
        FeatureType::Number => {
            let minimum = field.minimum.map_or_else(String::new, |minimum| format!(" min=\"{minimum}\""));
            format!("<input {attributes} type=\"number\" step=\"any\"{minimum} value=\"{value}\">")
        }
        FeatureType::Timestamp => format!("<input {attributes} value=\"{value}\">"),
    };
    format!(
        "<div><label for=\"f{place}\">{name}</label>{control}<div class=\"hint\" id=\"h{place}\">{}</div></div>\n",
        escape(&hint(field))
    )
}

fn select<'a>(attributes: &str, options: impl Iterator<Item = &'a str>, chosen: &str, required: bool) -> String {
    let mut html = format!("<select {attributes}>");
    if !required {
        html.push_str("<option value=\"\"></option>");
    }
    for option in options.map(escape) {
        let selected = if option == chosen { " selected" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(html, "<option value=\"{option}\"{selected}>{option}</option>");
    }
    html + "</select>"
}

/// A text for which the known categories are suggested.
fn suggestions(place: usize, attributes: &str, field: &Field, value: &str) -> String {
    let mut html = format!("<input {attributes} list=\"l{place}\" value=\"{value}\"><datalist id=\"l{place}\">");
    for category in &field.categories {
        // Writing to a string cannot fail.
        let _ = write!(html, "<option value=\"{}\"></option>", escape(category));
    }
    html + "</datalist>"
}

/// What helps to fill in a field.
fn hint(field: &Field) -> String {
    let mut parts: Vec<String> = field.description.iter().cloned().collect();
    if let Some(range) = field.range.filter(|_| field.type_ == FeatureType::Number) {
        parts.push(format!("In training from {} to {}.", range.min, range.max));
    }
    if field.type_ == FeatureType::Timestamp {
        parts.push("A time such as 2024-05-01T06:30:00Z.".to_owned());
    }
    if field.type_ == FeatureType::Category && field.unknown != Unknown::Reject {
        parts.push(others(field.unknown).to_owned());
    }
    if !field.required() {
        parts.push("May be left empty.".to_owned());
    }
    parts.join(" ")
}

/// A text as HTML shows it, also in an attribute in double quotes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
