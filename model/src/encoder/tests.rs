use slipway_spec::{FeatureType, TimePart};

use super::*;
use crate::schema::Unknown;

fn encode(block: Block, row: &[f64]) -> Vec<f64> {
    let mut columns = Vec::new();
    Encoder::new(vec![block]).encode(row, &mut columns);
    columns
}

fn block(form: Form) -> Block {
    Block { form, ..Block::field(0) }
}

#[test]
fn blocks_and_scales_follow_one_order() {
    let one_hot = Block { form: Form::OneHot { columns: 3, places: vec![] }, ..Block::field(1) };
    let encoder = Encoder::new(vec![Block::field(0), one_hot]);
    let mut columns = Vec::new();
    encoder.encode(&[5.0, 1.0], &mut columns);
    assert_eq!(columns, [5.0, 0.0, 1.0, 0.0]);

    let scale = |mean, scale| Scale { mean, scale };
    let scaled = encoder.with_scales(vec![scale(3.0, 2.0), scale(0.0, 1.0), scale(0.5, 0.5), scale(0.0, 1.0)]);
    columns.clear();
    scaled.encode(&[5.0, 1.0], &mut columns);
    assert_eq!(columns, [1.0, 0.0, 1.0, 0.0]);
}

#[test]
fn each_form_makes_its_columns() {
    let parts = Form::Parts { parts: vec![TimePart::Month, TimePart::IsWeekend] };
    let table = Form::Table { columns: 2, values: vec![0.1, 0.2, 0.3, 0.4] };
    let pooled = || Form::OneHot { columns: 2, places: vec![0, 1, 1, 2] };
    for (form, value, expected) in [
        (Form::Identity, 7.0, vec![7.0]),
        (Form::Log, 0.0, vec![0.0]),
        (Form::Missing, 7.0, vec![0.0]),
        (Form::Missing, f64::NAN, vec![1.0]),
        (parts, 0.0, vec![1.0, 0.0]),
        (pooled(), 2.0, vec![0.0, 1.0]),
        (pooled(), 3.0, vec![0.0, 0.0]),
        (pooled(), f64::NAN, vec![0.0, 0.0]),
        (table, 1.0, vec![0.3, 0.4]),
    ] {
        assert_eq!(encode(block(form.clone()), &[value]), expected, "{form:?} of {value}");
    }
}

#[test]
fn what_is_missing_is_filled_in_before_anything_else() {
    let filled = |block: Block| Block { fill: Some(3.0), ..block };
    assert_eq!(encode(filled(Block::field(0)), &[f64::NAN]), [3.0]);
    assert_eq!(encode(filled(block(Form::Log)), &[-1.0]), [3.0_f64.ln_1p()], "no logarithm");
    let binned = |value| encode(Block { bins: vec![1.0, 3.0], ..filled(Block::field(0)) }, &[value]);
    assert_eq!([0.0, 1.0, 2.9, f64::NAN].map(|value| binned(value)[0]), [0.0, 1.0, 1.0, 2.0]);
    let ratio = Source::Ratio { name: "r".to_owned(), of: 0, to: 1 };
    let ratio = |row: &[f64]| encode(filled(Block { source: ratio.clone(), ..Block::field(0) }), row)[0];
    assert_eq!(
        [ratio(&[6.0, 4.0]), ratio(&[1.0, 0.0]), ratio(&[0.0, 0.0]), ratio(&[f64::NAN, 1.0])],
        [1.5, 3.0, 3.0, 3.0]
    );
    let difference = Source::Difference { name: "d".to_owned(), of: 0, minus: 1 };
    let difference = |row: &[f64]| encode(Block { source: difference.clone(), ..Block::field(0) }, row)[0];
    assert_eq!(difference(&[6.0, 4.0]), 2.0);
    assert!(difference(&[f64::MAX, f64::MIN]).is_nan());
}

#[test]
fn hostile_encoders_are_refused() {
    let colours = Field {
        name: "colour".to_owned(),
        type_: FeatureType::Category,
        categories: vec!["blue".to_owned(), "red".to_owned()],
        unknown: Unknown::Other,
        ..Field::default()
    };
    let fields = [Field { name: "x".to_owned(), ..Field::default() }, colours];
    let one_hot = |columns, places| Form::OneHot { columns, places };
    let of = |field, form| Block { form, ..Block::field(field) };
    let ratio = |to| Block { source: Source::Ratio { name: "r".to_owned(), of: 0, to }, ..Block::field(0) };
    for (block, fits) in [
        (Block::field(1), true),
        (Block::field(2), false),
        (of(1, one_hot(2, vec![])), true),
        (of(1, one_hot(2, vec![0, 1, 9])), true),
        (of(1, one_hot(2, vec![0, 1])), false),
        (of(1, one_hot(4, vec![])), false),
        (of(1, one_hot(0, vec![])), false),
        (of(0, one_hot(1, vec![])), false),
        (of(1, Form::Table { columns: 1, values: vec![1.0; 3] }), true),
        (of(1, Form::Table { columns: 1, values: vec![1.0; 2] }), false),
        (of(1, Form::Table { columns: usize::MAX, values: vec![1.0; 3] }), false),
        (of(1, Form::Table { columns: 1, values: vec![1.0, f64::NAN, 1.0] }), false),
        (of(0, Form::Parts { parts: vec![TimePart::Year] }), false),
        (of(1, Form::Log), false),
        (Block { fill: Some(3.0), ..Block::field(1) }, false),
        (Block { fill: Some(f64::INFINITY), ..Block::field(0) }, false),
        (Block { fill: Some(-1.0), ..of(0, Form::Log) }, false),
        (Block { bins: vec![1.0, 2.0], ..of(0, one_hot(3, vec![])) }, true),
        (Block { bins: vec![2.0, 1.0], ..Block::field(0) }, false),
        (Block { bins: vec![1.0], ..Block::field(1) }, false),
        (ratio(0), true),
        (ratio(1), false),
        (ratio(7), false),
    ] {
        assert_eq!(Encoder::new(vec![block.clone()]).check(&fields).is_ok(), fits, "{block:?}");
    }
    let wide = vec![of(1, one_hot(2, vec![])); MAX_WIDTH];
    assert!(Encoder::new(wide).check(&fields).is_err());
    let scaled = |scale| Encoder::new(vec![Block::field(0)]).with_scales(vec![Scale { mean: 0.0, scale }]);
    assert!(scaled(1.0).check(&fields).is_ok() && scaled(0.0).check(&fields).is_err());
}
