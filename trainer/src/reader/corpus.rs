//! The files in `tests/corpus`, and what becomes of them when they are damaged.

use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

fn cells(table: &Table, name: &str) -> Vec<String> {
    table.column(name).unwrap_or_else(|| panic!("no column {name}")).1.cells().map(Cow::into_owned).collect()
}

fn rows(table: &Table) -> Vec<Vec<String>> {
    table.names().into_iter().map(|name| cells(table, name)).collect()
}

#[test]
fn every_format_gives_the_same_table_and_the_digest_of_its_file() {
    let texts = Request { texts: ["id"].into(), ..Request::default() };
    let csv = read(&path("orders.csv"), &texts).unwrap();
    assert_eq!(csv.names(), ["id", "amount", "count", "colour", "active", "day", "y"]);
    assert_eq!((csv.rows, cells(&csv, "id")[1].as_str(), cells(&csv, "amount")[4].as_str()), (12, "001", ""));
    assert!(matches!(csv.column("day").unwrap().1.cells, Cells::Times(_)));
    assert!(matches!(csv.column("amount").unwrap().1.cells, Cells::Numbers(_)));
    for name in [
        "orders.csv.gz",
        "orders.parts.gz",
        "orders.parts.zst",
        "orders.jsonl",
        "orders.jsonl.zst",
        "orders.snappy.parquet",
        "orders.zstd.parquet",
        "orders.gzip.parquet",
        "orders.lz4.parquet",
        "orders.none.parquet",
    ] {
        let table = read(&path(name), &texts).unwrap();
        assert_eq!(table.names(), csv.names(), "{name}");
        assert_eq!(rows(&table), rows(&csv), "{name}");
        assert_eq!((table.digest, table.size), (Digest::of(&bytes(name)), bytes(name).len() as u64), "{name}");
    }
}

#[test]
fn parquet_types_become_numbers_times_and_texts() {
    for name in ["types.parquet", "types.int96.parquet"] {
        let table = read(&path(name), &Request::default()).unwrap();
        for (column, expected) in [
            ("int8", ["-1", "2"]),
            ("uint8", ["1", "255"]),
            ("uint32", ["1", "4294967295"]),
            ("int64", ["-1099511627776", "1099511627776"]),
            ("uint64", ["1", "9223372036854776000"]),
            ("half", ["1.5", "-0.25"]),
            ("float", ["1.5", "0.5"]),
            ("double", ["1.5", ""]),
            ("decimal", ["1.25", "-2.5"]),
            ("wide", ["12345678901234568", "-1.5"]),
            ("bool", ["true", "false"]),
            ("text", ["a", "b"]),
            ("large", ["x", ""]),
            ("dictionary", ["u", "v"]),
            ("binary", ["p", "q"]),
            ("date", ["2024-05-01T00:00:00Z", "1969-12-31T00:00:00Z"]),
            ("millis", ["2024-05-01T06:30:00.125Z"; 2]),
            ("nanos", ["2024-05-01T06:30:00.125Z"; 2]),
            ("time", ["3600.5", "0"]),
            ("nothing", ["", ""]),
        ] {
            assert_eq!(cells(&table, column), [expected[0], expected[1], ""], "{name} {column}");
        }
    }
    let table = read(&path("encodings.parquet"), &Request::default()).unwrap();
    assert_eq!(cells(&table, "delta")[99], "1099");
    assert_eq!(cells(&table, "split")[99], "24.75");
    assert_eq!(cells(&table, "strings")[99], "name 0099");
}

#[test]
fn what_is_no_table_is_refused_by_file_and_column() {
    for (name, expected) in [
        ("list.parquet", "list.parquet, column b: it is nested (b.list.element)"),
        ("struct.parquet", "struct.parquet, column b: it is nested (b.c)"),
        ("empty.parquet", "empty.parquet: the table has columns and no row"),
    ] {
        let message = read(&path(name), &Request::default()).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
    for (text, expected) in [
        ("{\"a\": 1}\n{\"a\": [1]}\n", "t, row 2, column a: the value is a list or an object"),
        ("{\"a\": 1}\n\n{\"a\": {\"b\": 1}}\n", "t, row 2, column a: the value is a list or an object"),
        ("{\"a\": 1}\n{\"a\": 1, \"a\": 2}\n", "t, row 2, column a: the key occurs twice in one object"),
        ("{\"a\": 1}\n{\"a\": 1\n", "t, row 2: this is no JSON object on one line: EOF while parsing an object"),
        ("{\"a\": 1}\n[1]\n", "t, row 2: this is no JSON object on one line: invalid type: sequence"),
        ("{\"a\": 1} {\"a\": 1}\n", "t, row 1: this is no JSON object on one line: trailing characters"),
        ("{}\n", "t: no object has a key"),
        ("{\"\": 1}\n", "t: column 1 has no name"),
        ("[\n{\"a\": 1}]", "t: this is a JSON array; write one object a line instead"),
    ] {
        let message = read_from("t", text.as_bytes()).unwrap_err().to_string();
        assert!(message.starts_with(expected), "expected {expected}\n     got {message}");
    }
}

#[test]
fn keys_that_a_line_lacks_are_missing_and_new_ones_begin_a_column() {
    let table = read_from("t", b"\xef\xbb\xbf{\"a\": 1}\n{\"b\": \"x\"}\n{\"b\": null, \"a\": 1.5}\n").unwrap();
    assert_eq!(table.names(), ["a", "b"]);
    assert_eq!(
        (cells(&table, "a"), cells(&table, "b")),
        (vec!["1".into(), String::new(), "1.5".into()], vec![String::new(), "x".into(), String::new()])
    );
}

#[test]
fn what_is_cut_off_is_refused() {
    for (name, expected) in [
        ("orders.csv.gz", "t: the gzip file is cut off"),
        ("orders.jsonl.zst", "t: the Zstandard file is cut off"),
        ("orders.zstd.parquet", "t: the Parquet file is cut off or damaged"),
    ] {
        let whole = bytes(name);
        for cut in [whole.len() - 1, whole.len() / 2, 20] {
            let message = read_from("t", &whole[..cut]).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{name} {cut}: {message}");
        }
    }
}

#[test]
fn a_file_that_unpacks_to_too_much_is_refused() {
    let csv = "a,b\n".to_owned() + &"1,2\n".repeat(100_000);
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(csv.as_bytes(), flate2::Compression::best()).read_to_end(&mut packed).unwrap();
    for bytes in [packed, zstd::encode_all(csv.as_bytes(), 19).unwrap(), bytes("run.parquet")] {
        let limit = Request { max_unpacked_bytes: Some(200_000), ..Request::default() };
        let files = [("t".to_owned(), Input::Memory(&bytes))];
        let message = read_set("t", &files, &limit).unwrap_err().to_string();
        assert!(message.contains("unpacks to more than 200000 bytes"), "{message}");
        assert!(message.ends_with("allow more by --max-unpacked-bytes"), "{message}");
        assert!(read_set("t", &files, &Request::default()).is_ok());
    }
    assert_eq!(unpack::most(1 << 20, None), 256 << 20);
    assert_eq!(unpack::most(10 << 20, None), 2000 << 20);
    assert_eq!(unpack::most(1 << 40, None), MAX_FILE_BYTES);
}

#[test]
fn a_spelling_that_was_let_go_is_read_again_where_it_is_needed() {
    let text = "a,b\n".to_owned() + &"007,1.50\n".repeat(100_000) + "A12,x\n";
    let table = read_from("t", text.as_bytes()).unwrap();
    assert_eq!(
        (table.column("a").unwrap().1.cell(0), table.column("b").unwrap().1.cell(0)),
        ("007".into(), "1.50".into())
    );
    // Numbers that spell themselves are turned into texts as they are.
    let text = "a\n".to_owned() + &"7.5\n".repeat(100_000) + "A12\n";
    assert_eq!(cells(&read_from("t", text.as_bytes()).unwrap(), "a")[0], "7.5");
    // Dates keep their spelling only where not all cells are dates.
    let text = "a,b\n".to_owned() + &"2024-05-01,1\n".repeat(100_000) + "never,1\n";
    assert_eq!(cells(&read_from("t", text.as_bytes()).unwrap(), "a")[0], "2024-05-01");
}

fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Table, Error>) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let table = read(dir.path(), &Request::default());
    (dir, table)
}

#[test]
fn the_files_of_a_folder_are_one_table() {
    let (_dir, table) = folder(&[
        ("b.csv", "y,x\n4,003\n"),
        ("a.csv", "x,y\n1,2\n2,3\n"),
        ("c.csv", "y,x\n5,A\n"),
        ("_SUCCESS", ""),
        (".hidden", "1"),
        ("empty.csv", ""),
    ]);
    let table = table.unwrap();
    assert_eq!(
        (cells(&table, "x"), cells(&table, "y")),
        (vec!["1".into(), "2".into(), "003".into(), "A".into()], vec!["2".into(), "3".into(), "4".into(), "5".into()])
    );
    assert_eq!(table.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a.csv", "b.csv", "c.csv"]);
    let line = |name: &str, text: &str| format!("{} {name}\n", Digest::of(text.as_bytes()));
    let listed = line("a.csv", "x,y\n1,2\n2,3\n") + &line("b.csv", "y,x\n4,003\n") + &line("c.csv", "y,x\n5,A\n");
    assert_eq!(table.digest, Digest::of(listed.as_bytes()));
    assert_eq!(table.size, 12 + 10 + 8);
    let place = |row: usize| table.error("wrong").at_row(row).to_string();
    assert_eq!(
        (place(1).as_str(), place(2).as_str(), place(3).as_str()),
        ("a.csv, row 2: wrong", "b.csv, row 1: wrong", "c.csv, row 1: wrong")
    );
}

#[test]
fn files_that_do_not_fit_together_are_refused_by_file_and_column() {
    for (second, expected) in [
        ("x\n1\n", "b.csv, column y: the column is not there, and a.csv has it"),
        ("x,y,z\n1,2,3\n", "b.csv, column z: a.csv has no such column"),
        ("{\"x\": 1, \"z\": 2}\n", "b.csv, row 1, column z: a.csv has no such column"),
        ("{\"x\": 1, \"y\": 2}\n", "b.csv: it is JSON lines, and a.csv is CSV with commas; write all files alike"),
        ("x;y\n1;2\n", "b.csv: it is CSV with semicolons, and a.csv is CSV with commas"),
        ("x,y\n1\n", "b.csv, row 1: 1 cells where the header has 2"),
        ("x,y\n", "b.csv: there is a header and no row below it"),
    ] {
        let (_dir, table) = folder(&[("a.csv", "x,y\n1,2\n"), ("b.csv", second)]);
        let message = table.unwrap_err().to_string();
        assert!(message.starts_with(expected), "expected {expected}\n     got {message}");
    }
    let (_dir, table) = folder(&[("a.jsonl", "{\"x\": 1, \"y\": 2}\n"), ("b.jsonl", "{\"x\": 1}\n")]);
    let message = table.unwrap_err().to_string();
    assert!(message.starts_with("b.jsonl, column y: the column is not there, and a.jsonl has it"), "{message}");
    assert!(matches!(folder(&[("_SUCCESS", "")]).1, Err(Error::NotFound(_))));
}

/// Every file of the corpus.
fn corpus() -> &'static [(String, Vec<u8>)] {
    static CORPUS: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let names = fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != "make.py").collect();
        names.sort();
        names.into_iter().map(|name| (name.clone(), bytes(&name))).collect()
    })
}

/// A change of a file: a byte overwritten, a piece cut out, doubled, or put in.
#[derive(Clone, Debug)]
enum Change {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = any::<prop::sample::Index>;
    let change = prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|(place, byte)| Change::Byte(place, byte)),
        1 => (place(), 1..64_usize).prop_map(|(place, length)| Change::Cut(place, length)),
        1 => (place(), 1..64_usize).prop_map(|(place, length)| Change::Double(place, length)),
        1 => (place(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(place, bytes)| Change::Insert(place, bytes)),
    ];
    prop::collection::vec(change, 1..4)
}

fn apply(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            return bytes;
        }
        let piece = |place: &prop::sample::Index, length: usize| {
            let start = place.index(bytes.len());
            start..(start + length).min(bytes.len())
        };
        match change {
            Change::Byte(place, byte) => {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            Change::Cut(place, length) => drop(bytes.drain(piece(place, *length))),
            Change::Double(place, length) => {
                let range = piece(place, *length);
                let doubled = bytes[range.clone()].to_vec();
                drop(bytes.splice(range.start..range.start, doubled));
            }
            Change::Insert(place, inserted) => {
                let start = place.index(bytes.len());
                drop(bytes.splice(start..start, inserted.clone()));
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_makes_a_reader_panic(file in any::<prop::sample::Index>(), changes in changes()) {
        let texts: Vec<_> = corpus().iter().filter(|(name, _)| !name.ends_with(".parquet")).collect();
        let (name, bytes) = file.get(&texts);
        let damaged = apply(bytes.clone(), &changes);
        let limit = Request { max_unpacked_bytes: Some(8 << 20), ..Request::default() };
        if let Ok(table) = read_set(name, &[(name.clone(), Input::Memory(&damaged))], &limit) {
            prop_assert!(table.columns.iter().all(|column| column.len() == table.rows));
            prop_assert!(table.columns.iter().all(|column| column.cells().count() == table.rows));
        }
    }

    #[test]
    fn no_damage_makes_the_parquet_reader_panic(file in any::<prop::sample::Index>(), changes in changes()) {
        let tables: Vec<_> = corpus().iter().filter(|(name, _)| name.ends_with(".parquet")).collect();
        let (name, bytes) = file.get(&tables);
        let damaged = apply(bytes.clone(), &changes);
        let limit = Request { max_unpacked_bytes: Some(8 << 20), ..Request::default() };
        if let Ok(table) = read_set(name, &[(name.clone(), Input::Memory(&damaged))], &limit) {
            prop_assert!(table.columns.iter().all(|column| column.len() == table.rows));
        }
    }
}
