//! What a search tried and found.

use std::collections::BTreeMap;

use slipway_spec::{Metric, Report, SearchReport};

use super::{head_cell, number_cell, parameters, table};
use crate::Section;
use crate::draw::{Axis, Plot, Shape};
use crate::element::{Element, el, shorten};
use crate::number::{count, counted, short};

/// Points that stand in the table.
const MAX_ROWS: usize = 10;
/// Most parameters with a picture.
const MAX_PICTURES: usize = 6;
/// Most values of a parameter in a picture that are told one by one.
const MAX_VALUES: usize = 24;
/// Numbers from this many on stand along a scale.
const MIN_SCALE: usize = 7;
/// Numbers this many times as large as others stand along a scale of their logarithms.
const MIN_POWERS: f64 = 10.0;

pub(crate) fn section(report: &Report) -> Option<Section> {
    let search = report.training.search.as_ref()?;
    let metric = shorten(&search.metric, 40);
    let best: Vec<String> =
        parameters(&search.best_parameters).iter().map(|(name, value)| format!("{name} {}", readable(value))).collect();
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
    content.extend(rounds(search));
    let pictures: Vec<Element> =
        varied.iter().take(MAX_PICTURES).map(|(name, values)| picture(search, name, values)).collect();
    if !pictures.is_empty() {
        let mut says =
            "Each dot is a point of the search: how it scored, by the value of one parameter. The large dot is the winner; \
             a line joins the best of each value."
                .to_owned();
        if !search.rounds.is_empty() {
            says += " Points that left in an early round were scored after learning from less.";
        }
        if search.results.len() < search.points {
            says = format!("{says} Only the best {} are kept.", count(search.results.len() as u64));
        }
        content.push(el("p").class("soft").text(says));
        content.push(el("div").class("grid small").children(pictures));
    }
    content.push(best_points(search, &varied));
    Some(Section { id: "search", title: "Search", content })
}

/// How successive halving went on.
fn rounds(search: &SearchReport) -> Option<Element> {
    let best = format!("#best mean {}", shorten(&search.metric, 30));
    let rows = search.rounds.iter().enumerate().map(|(place, round)| {
        el("tr")
            .child(head_cell(place + 1))
            .child(number_cell(count(round.points as u64)))
            .child(number_cell(count(round.resources as u64)))
            .child(number_cell(short(round.best_score)))
    });
    let head = ["Round", "#points", "#rows or trees each", best.as_str()];
    (!search.rounds.is_empty()).then(|| table("", &head, rows))
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
    let metric = shorten(&search.metric, 30);
    let y = Axis::around(&metric, search.results.iter().map(|point| point.score));
    let says = format!("The mean {metric} of each point of the search by its {name}.");
    let scale = Scale::of(values);
    let mut plot = Plot::new(Shape::Small, name, &says, scale.axis(), y);
    let higher = Metric::parse(&search.metric).is_none_or(Metric::higher_is_better);
    let placed = search.results.iter().filter_map(|point| {
        let (_, value) = parameters(&point.parameters).into_iter().find(|(own, _)| own == name)?;
        Some([scale.place(&value)?, point.score])
    });
    let mut points: Vec<[f64; 2]> = placed.collect();
    let winner = points.first().copied();
    plot.cloud("c6", points.iter().copied());
    // The best of each place comes first there.
    points.sort_by(|[x, score], [other, than]| {
        let better = if higher { than.total_cmp(score) } else { score.total_cmp(than) };
        x.total_cmp(other).then(better)
    });
    points.dedup_by_key(|[x, _]| *x);
    if let Scale::Values(_) = scale {
        plot.line("c1", points);
    }
    if let Some([place, score]) = winner {
        plot.dot("c1", [place, score], 5.5, &format!("the best: {}", short(score)));
    }
    el("figure").child(el("h3").text(shorten(name, 40))).child(plot.finish())
}

/// How the values of a parameter stand along a picture.
enum Scale<'a> {
    /// One beside the other.
    Values(&'a [String]),
    /// As numbers.
    Numbers(Vec<f64>),
    /// As decimal logarithms.
    Powers(Vec<f64>),
}

impl Scale<'_> {
    fn of(values: &[String]) -> Scale<'_> {
        let numbers: Option<Vec<f64>> = values.iter().map(|value| value.parse().ok()).collect();
        match numbers.filter(|numbers| numbers.len() >= MIN_SCALE) {
            None => Scale::Values(&values[..values.len().min(MAX_VALUES)]),
            Some(numbers) if numbers[0] > 0.0 && numbers[numbers.len() - 1] >= MIN_POWERS * numbers[0] => {
                Scale::Powers(numbers.into_iter().map(f64::log10).collect())
            }
            Some(numbers) => Scale::Numbers(numbers),
        }
    }

    fn axis(&self) -> Axis {
        match self {
            Scale::Values(values) => {
                Axis::labels("", &values.iter().map(|value| readable(value)).collect::<Vec<String>>())
            }
            Scale::Numbers(numbers) => Axis::around("", numbers.iter().copied()),
            Scale::Powers(powers) => Axis::powers("", powers.iter().copied()),
        }
    }

    fn place(&self, value: &str) -> Option<f64> {
        match self {
            Scale::Values(values) => Some(values.iter().position(|known| known == value)? as f64 + 0.5),
            Scale::Numbers(_) => value.parse().ok(),
            Scale::Powers(_) => value.parse().ok().map(f64::log10),
        }
    }
}

/// A value without digits that nobody reads.
fn readable(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(number) if value.len() > 8 => short(number),
        _ => value.to_owned(),
    }
}

fn best_points(search: &SearchReport, varied: &[(String, Vec<String>)]) -> Element {
    let names: Vec<&str> = varied.iter().map(|(name, _)| name.as_str()).collect();
    let mean = format!("#mean {}", shorten(&search.metric, 30));
    let mut head = vec!["Rank"];
    head.extend(&names);
    head.extend([mean.as_str(), "#over the folds"]);
    let rows = search.results.iter().take(MAX_ROWS).enumerate().map(|(place, point)| {
        let own = parameters(&point.parameters);
        let value = |name: &str| own.iter().find(|(known, _)| known == name).map(|(_, value)| readable(value));
        let low = point.fold_scores.iter().copied().fold(f64::INFINITY, f64::min);
        let high = point.fold_scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        el("tr")
            .child(head_cell(place + 1))
            .children(names.iter().map(|name| el("td").text(shorten(&value(name).unwrap_or_default(), 60))))
            .child(number_cell(short(point.score)))
            .child(number_cell(format!("{} to {}", short(low), short(high))))
    });
    table("", &head, rows)
}
