//! What a search tried and found.

use std::collections::BTreeMap;

use slipway_spec::{Metric, Report, SearchPoint, SearchReport};

use super::{head_cell, number_cell, parameters, table};
use crate::Section;
use crate::draw::{Axis, Plot, Shape};
use crate::element::{Element, el, shorten};
use crate::number::{count, counted, short};

/// Points that stand in the table.
const MAX_ROWS: usize = 10;
/// Most parameters with a picture.
const MAX_PICTURES: usize = 6;
/// Most values of a parameter in a picture.
const MAX_VALUES: usize = 24;

pub(crate) fn section(report: &Report) -> Option<Section> {
    let search = report.training.search.as_ref()?;
    let metric = shorten(&search.metric, 40);
    let best: Vec<String> =
        parameters(&search.best_parameters).into_iter().map(|(name, value)| format!("{name} {value}")).collect();
    let says = format!(
        "{} were tried, each on {} folds of the training rows. The best has {} and a mean {metric} of {}. The test rows were not \
         used.",
        counted(search.points as u64, "point"),
        search.folds,
        shorten(&best.join(", "), 400),
        short(search.best_score)
    );
    let varied = varied(search);
    let mut content = vec![el("p").text(says)];
    let pictures: Vec<Element> =
        varied.iter().take(MAX_PICTURES).map(|(name, values)| picture(search, name, values)).collect();
    if !pictures.is_empty() {
        let mut says =
            "Each dot is a point of the search: how it scored, by the value of one parameter. The line joins the best \
                        of each value; the large dot is the winner."
                .to_owned();
        if search.results.len() < search.points {
            says = format!("{says} Only the best {} are kept.", count(search.results.len() as u64));
        }
        content.push(el("p").class("soft").text(says));
        content.push(el("div").class("grid small").children(pictures));
    }
    content.push(best_points(search, &varied));
    Some(Section { id: "search", title: "Search", content })
}

/// Parameters with more than one value, with the values in order.
fn varied(search: &SearchReport) -> Vec<(String, Vec<String>)> {
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for point in &search.results {
        for (name, value) in parameters(&point.parameters) {
            let values = seen.entry(name).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    for values in seen.values_mut() {
        values.sort_by(|a, b| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.total_cmp(&b),
            (Ok(_), Err(_)) => std::cmp::Ordering::Less,
            (Err(_), Ok(_)) => std::cmp::Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        });
    }
    seen.into_iter().filter(|(_, values)| values.len() > 1).collect()
}

fn picture(search: &SearchReport, name: &str, values: &[String]) -> Element {
    let values = &values[..values.len().min(MAX_VALUES)];
    let metric = shorten(&search.metric, 30);
    let y = Axis::around(&metric, search.results.iter().map(|point| point.score));
    let says = format!("The mean {metric} of each point of the search by its {name}.");
    let mut plot = Plot::new(Shape::Small, name, &says, Axis::labels("", values), y);
    let mut best: Vec<Option<f64>> = vec![None; values.len()];
    let higher = Metric::parse(&search.metric).is_none_or(Metric::higher_is_better);
    let mut points = Vec::new();
    for point in &search.results {
        let Some(place) = place(point, name, values) else { continue };
        points.push([place as f64 + 0.5, point.score]);
        let kept = best[place].get_or_insert(point.score);
        *kept = if higher { kept.max(point.score) } else { kept.min(point.score) };
    }
    plot.cloud("c6", points);
    let line = best.iter().enumerate().filter_map(|(place, score)| Some([place as f64 + 0.5, (*score)?]));
    plot.line("c1", line);
    if let Some((winner, place)) = search.results.first().and_then(|point| Some((point, place(point, name, values)?))) {
        plot.dot("c1", [place as f64 + 0.5, winner.score], 5.5, &format!("the best: {}", short(winner.score)));
    }
    el("figure").child(el("h3").text(shorten(name, 40))).child(plot.finish())
}

fn place(point: &SearchPoint, name: &str, values: &[String]) -> Option<usize> {
    let (_, value) = parameters(&point.parameters).into_iter().find(|(own, _)| own == name)?;
    values.iter().position(|known| *known == value)
}

fn best_points(search: &SearchReport, varied: &[(String, Vec<String>)]) -> Element {
    let names: Vec<&str> = varied.iter().map(|(name, _)| name.as_str()).collect();
    let mean = format!("#mean {}", shorten(&search.metric, 30));
    let mut head = vec!["Rank"];
    head.extend(&names);
    head.extend([mean.as_str(), "#over the folds"]);
    let rows = search.results.iter().take(MAX_ROWS).enumerate().map(|(place, point)| {
        let own = parameters(&point.parameters);
        let value = |name: &&str| own.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        let low = point.fold_scores.iter().copied().fold(f64::INFINITY, f64::min);
        let high = point.fold_scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        el("tr")
            .child(head_cell(place + 1))
            .children(names.iter().map(|name| el("td").text(shorten(value(name), 60))))
            .child(number_cell(short(point.score)))
            .child(number_cell(format!("{} to {}", short(low), short(high))))
    });
    table("", &head, rows)
}
