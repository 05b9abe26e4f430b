use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

fn table(text: &str) -> Table {
    read_from("t.csv", text.as_bytes()).unwrap()
}

fn cells(table: &Table, name: &str) -> Vec<String> {
    table.column(name).unwrap().1.cells().map(Cow::into_owned).collect()
}

#[test]
fn csv_is_read_as_people_write_it() {
    for (text, delimiter) in [
        ("a,b\n1,x y\n2,\"p,q\"\n", b','),
        ("\u{feff}a,b\r\n1,x y\r\n2,\"p,q\"\r\n", b','),
        ("a;b\n1;x y\n2;p,q\n", b';'),
        ("a\tb\n1\tx y\n2\tp,q", b'\t'),
        ("\"a\" , b\n 1 ,  x y \n\n2,\"p,q\"\n\n", b','),
    ] {
        let table = table(text);
        assert_eq!(table.delimiter, delimiter, "{text:?}");
        assert_eq!(table.names(), ["a", "b"], "{text:?}");
        assert_eq!(cells(&table, "a"), ["1", "2"], "{text:?}");
        assert_eq!(cells(&table, "b"), ["x y", "p,q"], "{text:?}");
    }
}

#[test]
fn every_spelling_of_nothing_is_a_missing_value() {
    let text = format!("a,b\n,1\n{},1\n none,1\n", MISSING.join(",1\n"));
    let cells = cells(&table(&text), "a");
    assert!(cells[..=MISSING.len()].iter().all(String::is_empty), "{cells:?}");
    assert_eq!(cells.last().unwrap(), "none", "a category may be called none");
}

#[test]
fn the_digest_is_that_of_all_bytes() {
    let text = "\u{feff}a,b\n".to_owned() + &"1,2\n".repeat(200_000);
    let table = table(&text);
    assert_eq!((table.digest, table.size, table.rows), (Digest::of(text.as_bytes()), text.len() as u64, 200_000));
}

#[test]
fn thousands_of_columns_are_read_and_too_many_refused() {
    let row = |columns: usize| (0..columns).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
    let table = table(&format!("{}\n{}\n", row(5_000), row(5_000)));
    assert_eq!((table.columns.len(), table.columns[4_999].cell(0).as_ref()), (5_000, "c4999"));
    let error = read_from("t.csv", format!("{0}\n{0}\n", row(MAX_COLUMNS + 1)).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "t.csv: 10001 columns; at most 10000 are read");
}

#[test]
fn a_quote_that_is_never_closed_is_noticed() {
    let text = "a,b\n1,\"2\n".to_owned() + &"3,4\n".repeat(MAX_CELL_BYTES);
    let error = read_from("t.csv", text.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "t.csv, row 1, column b: a cell longer than 1 MiB; is a quote never closed?");
    let error = read_from("t.csv", b"a,b\n1,2\n3,\"4\n5,6\n".as_slice()).unwrap_err();
    assert_eq!(error.to_string(), "t.csv, row 2: a quote is never closed");
    assert_eq!(cells(&table("a,b\n1,\"2\n\"\n"), "b"), ["2"]);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_from("t.csv", bytes.as_slice());
    }

    #[test]
    fn nothing_that_looks_like_csv_makes_the_reader_panic(text in "[a-c,;\t\"\r\n1-3. \u{feff}]{0,200}") {
        if let Ok(table) = read_from("t.csv", text.as_bytes()) {
            prop_assert!(table.columns.iter().all(|column| column.len() == table.rows));
            prop_assert!(table.columns.iter().all(|column| column.cells().count() == table.rows));
        }
    }
}
