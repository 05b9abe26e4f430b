//! Which file of a folder is the newest, by the time in its name.

use jiff::civil::{Date, DateTime, Time};
use slipway_spec::contract::{DATA_NAMES, Exit, data_format};

/// Most names that a message lists.
const MAX_SHOWN: usize = 5;

/// Why no file of a folder is the newest. A message follows the folder's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoNewest {
    /// No name has a time.
    #[error(
        "no data file ({DATA_NAMES}) has a time in its name, such as orders-2024-05-01T06:30:00.csv; there {found}"
    )]
    None {
        /// What is there, as `is a.txt, b.csv`.
        found: String,
    },
    /// Two names have the same time, the newest.
    #[error("{first} and {second} have the same time, {time}, so neither is the newest")]
    Tie {
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// Their time.
        time: DateTime,
    },
}

impl NoNewest {
    /// How a program ends on this error.
    pub fn exit(&self) -> Exit {
        Exit::NotFound
    }
}

/// The newest of `names`, which are sorted, and its time. Names without a time or of no data file do not count.
pub fn newest(names: &[String]) -> Result<(&str, DateTime), NoNewest> {
    let dated = names
        .iter()
        .filter(|name| data_format(name).is_some())
        .filter_map(|name| Some((name.as_str(), time_in(name)?)));
    let none = || NoNewest::None { found: show(names) };
    let time = dated.clone().map(|(_, time)| time).max().ok_or_else(none)?;
    let mut newest = dated.filter(|(_, other)| *other == time).map(|(name, _)| name);
    match (newest.next(), newest.next()) {
        (Some(name), None) => Ok((name, time)),
        (Some(first), Some(second)) => Err(NoNewest::Tie { first: first.to_owned(), second: second.to_owned(), time }),
        (None, _) => Err(none()),
    }
}

/// What is there, for a message.
pub(crate) fn show(names: &[String]) -> String {
    if names.is_empty() {
        return "is nothing".to_owned();
    }
    let shown: Vec<_> = names.iter().take(MAX_SHOWN).map(|name| name.chars().take(100).collect::<String>()).collect();
    let more = names.len().saturating_sub(MAX_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("is {}{more}", shown.join(", "))
}

/// The first ISO date in `name`, with its time where one follows: after `T`, a space or `_`, hours, minutes and, if it likes,
/// seconds, parted by `:`, `-` or `|`. A date alone is midnight. A date that is followed by an impossible time does not count.
pub fn time_in(name: &str) -> Option<DateTime> {
    let bytes = name.as_bytes();
    (0..bytes.len()).find_map(|start| {
        let after_digit = start > 0 && bytes[start - 1].is_ascii_digit();
        let date = bytes.get(start..start + 10).filter(|_| !after_digit)?;
        let date = date_of(date)?;
        let rest = &bytes[start + 10..];
        if rest.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        Some(match rest.split_first() {
            Some((b'T' | b' ' | b'_', rest)) if looks_like_time(rest) => {
                time_of(rest).map(|time| date.to_datetime(time))
            }
            _ => Some(date.to_datetime(Time::midnight())),
        })
    })?
}

fn number(digits: &[u8]) -> Option<i16> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + i16::from(digit - b'0')))
}

fn small(digits: &[u8]) -> Option<i8> {
    number(digits)?.try_into().ok()
}

fn date_of(text: &[u8]) -> Option<Date> {
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    Date::new(number(&text[..4])?, small(&text[5..7])?, small(&text[8..])?).ok()
}

fn parts_time(byte: u8) -> bool {
    matches!(byte, b':' | b'-' | b'|')
}

fn looks_like_time(text: &[u8]) -> bool {
    text.len() >= 5 && number(&text[..2]).is_some() && parts_time(text[2]) && number(&text[3..5]).is_some()
}

fn time_of(text: &[u8]) -> Option<Time> {
    let (hour, minute) = (small(&text[..2])?, small(&text[3..5])?);
    let seconds = text.get(5..8).filter(|rest| parts_time(rest[0])).and_then(|rest| small(&rest[1..]));
    Time::new(hour, minute, seconds.unwrap_or(0), 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_found_wherever_it_stands() {
        for (name, time) in [
            ("orders-2024-05-01T06:30:00.csv", Some("2024-05-01T06:30:00")),
            ("orders_2024-05-01 06:30:15.csv", Some("2024-05-01T06:30:15")),
            ("2024-05-01_06-30-15_orders.csv", Some("2024-05-01T06:30:15")),
            ("orders|2024-05-01T06|30|15.csv", Some("2024-05-01T06:30:15")),
            ("orders-2024-05-01T06:30.csv", Some("2024-05-01T06:30:00")),
            ("orders-2024-05-01T06:30:15.123456.csv", Some("2024-05-01T06:30:15")),
            ("orders-2024-05-01.csv", Some("2024-05-01T00:00:00")),
            ("orders-2024-05-01_v2.csv", Some("2024-05-01T00:00:00")),
            ("v3-2024-05-01-final.csv", Some("2024-05-01T00:00:00")),
            ("2024-02-29.csv", Some("2024-02-29T00:00:00")),
            ("bestellungen-für-2024-05-01.csv", Some("2024-05-01T00:00:00")),
            ("orders-2023-02-29.csv", None),
            ("orders-2024-13-01.csv", None),
            ("orders-2024-05-01T25:00:00.csv", None),
            ("orders-20240501.csv", None),
            ("orders-01-05-2024.csv", None),
            ("orders-12024-05-01.csv", None),
            ("orders-2024-05-011.csv", None),
            ("orders.csv", None),
            ("2024-05", None),
            ("", None),
        ] {
            assert_eq!(time_in(name), time.map(|time| time.parse().unwrap()), "{name}");
        }
    }

    fn choose(names: &[&str]) -> Result<String, String> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        newest(&names).map(|(name, _)| name.to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_newest_counts_not_the_last_in_order() {
        for (names, expected) in [
            (&["a-2024-05-02.csv", "b-2024-05-01.csv"][..], "a-2024-05-02.csv"),
            (&["a-2024-05-01.csv", "b-2024-05-01T00:00:01.csv"], "b-2024-05-01T00:00:01.csv"),
            (&["a-2024-05-01.csv", "b-2025-01-01.txt", "c.csv"], "a-2024-05-01.csv"),
            (&["a-2024-05-01.csv", "b-2024-05-01.csv", "c-2024-06-01.csv"], "c-2024-06-01.csv"),
            (&["a-2024-05-01.CSV"], "a-2024-05-01.CSV"),
        ] {
            assert_eq!(choose(names).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn ties_and_folders_without_a_time_are_errors_that_name_what_is_there() {
        for (names, expected) in [
            (&[][..], "there is nothing"),
            (&["a.csv", "b.csv"], "there is a.csv, b.csv"),
            (&["a", "b", "c", "d", "e", "f", "g"], "there is a, b, c, d, e and 2 more"),
            (
                &["a-2024-05-01.csv", "b-2024-05-01.csv"],
                "a-2024-05-01.csv and b-2024-05-01.csv have the same time, 2024-05-01T00:00:00",
            ),
        ] {
            let error = choose(names).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_read_without_a_panic(name in ".{0,60}", date in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T _]?.{0,12}") {
            let _ = time_in(&name);
            let _ = time_in(&date);
        }
    }
}
