use super::*;
use crate::reader::{Input, Request, read_from, read_set};

fn column(cells: &[&str], delimiter: char) -> (Table, Inferred) {
    let quote = |cell: &&str| format!("\"{cell}\"{delimiter}1\n");
    let text = format!("a{delimiter}b\n") + &cells.iter().map(quote).collect::<String>();
    let table = read_from("t.csv", text.as_bytes()).unwrap();
    let inferred = infer(&table, &table.columns[0]).unwrap();
    (table, inferred)
}

fn typed(cells: &[&str]) -> Typed {
    match column(cells, ',').1 {
        Inferred::Typed(typed) => typed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn types_are_found_by_what_all_cells_are() {
    use FeatureType::{Boolean, Category, Number, Timestamp};
    for (cells, expected) in [
        (&["1", "-2.5", "1e5", ""][..], Number),
        (&["1,234.5", "12", "7"], Number),
        (&["0", "1", "1"], Number),
        (&["True", "false", "NA", "TRUE"], Boolean),
        (&["2024-05-01", "2024-05-01T06:30:00Z", "2024-05-01 06:30:00"], Timestamp),
        (&["red", "1", "2"], Category),
        (&["12%", "7%"], Category),
        (&["2018-10", "2018-11"], Category),
        (&["yes", "no"], Category),
    ] {
        assert_eq!(typed(cells).type_, expected, "{cells:?}");
    }
    assert_eq!(column(&["", "NA"], ',').1, Inferred::Empty);
}

#[test]
fn numbers_with_marks_are_read_by_the_style_of_their_file() {
    assert_eq!(typed(&["1,234.5", "-12", "1,000,000"]).values.as_slice(), [1234.5, -12.0, 1e6]);
    let (table, Inferred::Typed(european)) = column(&["1.234,5", "0,25", "7"], ';') else { panic!() };
    assert_eq!(european.values.as_slice(), [1234.5, 0.25, 7.0]);
    assert_eq!(european.canonical(&table.columns[0].cell(0), 1234.5), "1234.5", "as the served model reads it");
}

#[test]
fn a_text_among_numbers_is_a_mistake_and_named() {
    let text = "a,b\n".to_owned() + &"1,1\n".repeat(15) + "ten,1\n";
    let table = read_from("t.csv", text.as_bytes()).unwrap();
    let error = infer(&table, &table.columns[0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.csv, row 16, column a: expected a number, got \"ten\"; 15 of its 16 values are numbers; correct the cell, \
         leave it empty where nothing is known, or say `type: Category` for this column in features"
    );
}

#[test]
fn texts_that_are_nearly_all_different_are_no_categories() {
    let names: Vec<String> = (0..100).map(|row| format!("person {row}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(column(&names, ',').1, Inferred::Distinct(100));
    assert_eq!(typed(&names[..20]).labels.len(), 20, "so few may be categories");
}

#[test]
fn categories_are_sorted_and_missing_ones_marked() {
    let typed = typed(&["red", "", "blue", "red"]);
    assert_eq!(typed.labels, ["blue", "red"]);
    assert_eq!(typed.values[0], 1.0);
    assert!(typed.values[1].is_nan());
}

#[test]
fn whole_numbers_as_categories_lose_their_fraction_only_where_all_are_whole() {
    let (table, _) = column(&["1.0", "2", "3.0"], ',');
    let typed = read_as(&table, &table.columns[0], FeatureType::Category).unwrap();
    assert_eq!(typed.labels, ["1", "2", "3"]);
    assert_eq!(typed.canonical("3.0", 2.0), "3");
    let request = Request { texts: ["a"].into(), ..Request::default() };
    let files = [("t.csv".to_owned(), Input::Memory(b"a\n1.0\n2.1\n007\n"))];
    let table = read_set("t.csv", &files, &request).unwrap();
    let typed = read_as(&table, &table.columns[0], FeatureType::Category).unwrap();
    assert_eq!(typed.labels, ["007", "1.0", "2.1"]);
}
