//! Numbers as people write them.

use slipway_model::value::parse_number;

/// How the numbers of a column are written. A percent sign is part of none: `12 %` is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `1234.5`, `1e5`, `+3`.
    Plain,
    /// `1,234.5`, beside plain numbers.
    Thousands,
    /// `1.234,5`, `1234,5`, `12`: where semicolons separate the cells.
    DecimalComma,
}

/// Powers of ten that are exact as 64-bit floats.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Most digits that a 64-bit float keeps whatever they are.
const KEPT_DIGITS: usize = 15;

/// The number that all of `cell`, blanks around it aside, plainly is, and whether it is spelled as [`f64`] spells itself. A
/// number written otherwise, say with an exponent, gives `None` where the quick way does not know it.
///
/// A whole number below 2^53 divided by an exact power of ten is rounded once, and so correctly (Clinger 1990, "How to read
/// floating point numbers accurately").
pub(super) fn parse_plain(cell: &[u8]) -> Option<(f64, bool)> {
    const EXACT: u64 = 1 << 53;
    let (negative, digits) = match cell.trim_ascii() {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut mantissa: u64 = 0;
    let mut point = None;
    for (place, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            b'.' if point.is_none() => point = Some(place),
            _ => return None,
        }
    }
    let decimals = point.map_or(0, |point| digits.len() - point - 1);
    let count = digits.len() - usize::from(point.is_some());
    if count == 0 || mantissa > EXACT || decimals >= POWERS.len() {
        return None;
    }
    let value = mantissa as f64 / POWERS[decimals];
    let leads = digits[0] == b'0' && digits.len() > 1 && digits[1] != b'.' || digits[0] == b'.';
    let trails = point.is_some() && (decimals == 0 || digits.ends_with(b"0"));
    let verbatim = !leads && !trails && count <= KEPT_DIGITS;
    Some((if negative { -value } else { value }, verbatim))
}

impl Style {
    /// The style in which the most of `cells` are numbers, plain among equals.
    pub(crate) fn of<'a>(cells: &(impl Iterator<Item = &'a str> + Clone), delimiter: u8) -> Style {
        let [plain, other] = Style::possible(delimiter);
        if !cells.clone().any(|cell| cell.contains(',')) {
            return plain;
        }
        let count = |style: Style| cells.clone().filter(|cell| style.parse(cell).is_some()).count();
        if count(other) > count(plain) { other } else { plain }
    }

    /// The styles that may occur where `delimiter` separates the cells, plain first.
    fn possible(delimiter: u8) -> [Style; 2] {
        [Style::Plain, if delimiter == b';' { Style::DecimalComma } else { Style::Thousands }]
    }

    /// The number that all of `text` is.
    pub(crate) fn parse(self, text: &str) -> Option<f64> {
        match self {
            Style::Plain => parse_number(text),
            Style::Thousands => match ungroup(text, ',', '.') {
                Some(plain) => parse_number(&plain),
                None => parse_number(text),
            },
            Style::DecimalComma => {
                let plain = if text.contains('.') { ungroup(text, '.', ',')? } else { text.to_owned() };
                parse_number(&plain.replace(',', "."))
            }
        }
    }
}

/// `text` without the marks between groups of three digits; `None` where it is not written in such groups.
fn ungroup(text: &str, mark: char, decimal: char) -> Option<String> {
    let whole_end = text.find(decimal).unwrap_or(text.len());
    let (whole, fraction) = text.split_at(whole_end);
    let digits = whole.trim_start_matches(['+', '-']);
    let mut groups = digits.split(mark);
    let all_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().filter(|first| (1..=3).contains(&first.len()) && all_digits(first))?;
    let mut later = groups.peekable();
    later.peek()?;
    let regular = !first.is_empty() && later.all(|group| group.len() == 3 && all_digits(group));
    regular.then(|| whole.replace(mark, "") + fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_quick_way_gives_the_nearest_number_and_knows_its_own_spelling() {
        for (cell, verbatim) in [
            ("0", true),
            ("-0", true),
            ("12", true),
            ("-0.5", true),
            ("123456789.012345", true),
            ("007", false),
            ("1.0", false),
            ("1.", false),
            (".5", false),
            (" 1", true),
            ("1234567890123456", false),
        ] {
            assert_eq!(parse_plain(cell.as_bytes()), Some((cell.trim().parse().unwrap(), verbatim)), "{cell}");
        }
        for cell in ["", "-", ".", "1e5", "+3", "1.2.3", "--1", "inf", "1_0", "99999999999999999999"] {
            assert_eq!(parse_plain(cell.as_bytes()), None, "{cell}");
        }
    }

    proptest! {
        #[test]
        fn the_quick_way_agrees_with_the_slow_one(text in "-?[0-9]{0,18}(\\.[0-9]{0,18})?") {
            if let Some((value, verbatim)) = parse_plain(text.as_bytes()) {
                prop_assert_eq!(value, text.parse::<f64>().unwrap());
                prop_assert!(!verbatim || value.to_string() == text);
            }
        }
    }

    #[test]
    fn numbers_are_read_in_the_spellings_of_their_style() {
        use Style::{DecimalComma, Plain, Thousands};
        for (style, text, expected) in [
            (Plain, "1e5", Some(1e5)),
            (Plain, "+3", Some(3.0)),
            (Plain, "-.5", Some(-0.5)),
            (Plain, "1,234", None),
            (Plain, "12%", None),
            (Plain, "inf", None),
            (Plain, "0x10", None),
            (Thousands, "1,234.5", Some(1234.5)),
            (Thousands, "-1,234,567", Some(-1_234_567.0)),
            (Thousands, "12", Some(12.0)),
            (Thousands, "1,23", None),
            (Thousands, "1234,567", None),
            (Thousands, ",123", None),
            (Thousands, "1,234.5,6", None),
            (DecimalComma, "1.234,5", Some(1234.5)),
            (DecimalComma, "0,25", Some(0.25)),
            (DecimalComma, "1.234", Some(1234.0)),
            (DecimalComma, "1.5", None),
            (DecimalComma, "1,2,3", None),
        ] {
            assert_eq!(style.parse(text), expected, "{style:?} {text}");
        }
    }
}
