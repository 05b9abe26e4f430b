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

impl Style {
    /// The styles that may occur where `delimiter` separates the cells, plain first.
    pub(crate) fn possible(delimiter: u8) -> [Style; 2] {
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
    use super::*;

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
