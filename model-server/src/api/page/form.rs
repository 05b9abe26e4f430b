//! The form: a control for each field, and what can be had beside the prediction.

use std::fmt::Write;

use serde_json::Value;
use slipway_model::{Field, Manifest, Output, Unknown};
use slipway_spec::FeatureType;

use super::escape;
use crate::api::openapi::{example, others};
use crate::api::wants::{self, Extra};

/// The label and the control of a field.
pub fn control(place: usize, field: &Field) -> String {
    let name = escape(&field.name);
    let required = if field.required() { " required" } else { "" };
    let attributes = format!(
        "id=\"f{place}\" name=\"{name}\" data-type=\"{:?}\" data-unit=\"{}\" aria-describedby=\"h{place}\"{required}",
        field.type_,
        escape(field.unit.as_deref().unwrap_or_default())
    );
    let value = match example(field) {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let value = escape(&value);
    let control = match field.type_ {
        FeatureType::Category if field.unknown != Unknown::Reject => suggestions(place, &attributes, field, &value),
        FeatureType::Category => {
            select(&attributes, field.categories.iter().map(String::as_str), &value, field.required())
        }
        FeatureType::Boolean => select(&attributes, ["false", "true"].into_iter(), &value, field.required()),
        FeatureType::Number => {
            let minimum = field.minimum.map_or_else(String::new, |minimum| format!(" min=\"{minimum}\""));
            let slider = slider(place, field, &name, &value);
            format!("<input {attributes} type=\"number\" step=\"any\"{minimum} value=\"{value}\">{slider}")
        }
        FeatureType::Timestamp => format!("<input {attributes} value=\"{value}\">"),
    };
    let unit = unit(field.unit.as_deref());
    format!(
        "<div><label for=\"f{place}\">{name}{unit}</label>{control}<div class=\"hint\" id=\"h{place}\">{}</div></div>\n",
        escape(&hint(field))
    )
}

/// What stands behind the name of what is measured.
pub fn unit(unit: Option<&str>) -> String {
    unit.map_or_else(String::new, |unit| format!(" <span class=\"unit\">{}</span>", escape(unit)))
}

/// A slider over the range of training, beside the number that it moves: other numbers can be typed.
fn slider(place: usize, field: &Field, name: &str, value: &str) -> String {
    let Some(range) = field.range.filter(|range| range.min < range.max) else { return String::new() };
    let (min, max) = (range.min, range.max);
    // In steps that a hand can make.
    let step = 10_f64.powf(((max - min) / 200.0).log10().floor());
    format!(
        "<input type=\"range\" data-of=\"f{place}\" min=\"{min}\" max=\"{max}\" step=\"{step}\" value=\"{value}\" \
         aria-label=\"{name}, slider\">"
    )
}

/// What can be had beside the prediction.
pub fn options(manifest: &Manifest) -> String {
    let mut html = "<fieldset><legend>With the prediction</legend>\n".to_owned();
    let mut add = |extra: Extra, checked: &str, label: &str, more: &str| {
        let name = extra.name();
        // Writing to a string cannot fail.
        let _ = writeln!(
            html,
            "<div class=\"option\"><input type=\"checkbox\" id=\"{name}\" data-with=\"{name}\"{checked}>\
             <label for=\"{name}\">{label}</label>{more}</div>"
        );
    };
    for extra in Extra::of(&manifest.output) {
        match extra {
            Extra::Contributions => add(extra, " checked", "what each field adds", ""),
            Extra::Range if manifest.distributions.neighbours.is_empty() => {}
            Extra::Range => add(extra, " checked", "where the truth lay for similar predictions", ""),
            Extra::Decision => {
                let threshold = "<label for=\"threshold\">from this probability on</label><input type=\"number\" \
                    id=\"threshold\" data-threshold min=\"0\" max=\"1\" step=\"any\" placeholder=\"the model\u{2019}s\">";
                add(extra, "", &decides(&manifest.output), threshold);
            }
            // They come anyway.
            Extra::Probabilities | Extra::PredictionId => {}
        }
    }
    html + "</fieldset>"
}

/// What a decision is for.
fn decides(output: &Output) -> String {
    let positive = wants::positive(output).and_then(|class| output.classes().get(class));
    positive.map_or_else(|| "a decision".to_owned(), |class| format!("decide for {}", escape(class)))
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
