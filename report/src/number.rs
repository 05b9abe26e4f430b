//! Numbers for people: in text, and along axes.

/// What is left of zero by rounding.
const ROUNDING: f64 = 1e-13;

/// A number with four significant digits and thousands apart: `0.9688`, `206,900`, `2.039e14`.
pub(crate) fn short(value: f64) -> String {
    if value.abs() < ROUNDING { "0".to_owned() } else { significant(value, 4) }
}

fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { value.to_string() };
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-4..9).contains(&magnitude) {
        return format!("{value:.2e}").replace('-', "−");
    }
    let decimals = usize::try_from(digits - 1 - magnitude).unwrap_or(0);
    let text = format!("{:.decimals$}", value.abs());
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{}{}", if value < 0.0 { "−" } else { "" }, apart(text))
}

/// `0.123` as `12.3 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", significant(share * 100.0, if share.abs() >= 0.1 { 3 } else { 2 }))
}

/// A count with thousands apart.
pub(crate) fn count(count: impl TryInto<u64>) -> String {
    apart(&count.try_into().unwrap_or(u64::MAX).to_string())
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(number: impl TryInto<u64>, what: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

fn apart(digits: &str) -> String {
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    if whole.len() < 5 {
        return digits.to_owned();
    }
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

/// A size, as `1.2 MB`.
pub(crate) fn bytes(size: u64) -> String {
    let (mut value, mut unit) = (size as f64, 0);
    while value >= 1000.0 && unit < 4 {
        value /= 1000.0;
        unit += 1;
    }
    format!("{} {}", significant(value, 3), ["bytes", "kB", "MB", "GB", "TB"][unit])
}

/// Seconds, as `0.21 s` or `3 min 20 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 100.0 {
        return format!("{seconds:.2} s");
    }
    format!("{} min {} s", (seconds / 60.0).floor(), (seconds % 60.0).round())
}

/// About `wanted` round numbers within a range that is not empty, with the distance between them.
pub(crate) fn ticks(start: f64, end: f64, wanted: usize) -> (Vec<f64>, f64) {
    let rough = (end - start) / wanted.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(rough);
    // A range too narrow for its numbers has no steps in between.
    if !step.is_normal() || !(start / step).is_finite() || start + step == start {
        return (vec![start, end], end - start);
    }
    let first = (start / step - 1e-9).ceil();
    let count = ((end / step + 1e-9).floor() - first).clamp(0.0, 100.0) as usize;
    ((0..=count).map(|tick| (first + tick as f64) * step).collect(), step)
}

/// The label of a tick, with as many decimals as its neighbours need.
pub(crate) fn tick(value: f64, step: f64, largest: f64) -> String {
    let (unit, suffix) = match largest {
        largest if largest >= 1e15 || (largest > 0.0 && largest < 1e-3) => {
            return format!("{value:.1e}").replace('-', "−");
        }
        largest if largest >= 1e12 => (1e12, "T"),
        largest if largest >= 1e9 => (1e9, "G"),
        largest if largest >= 1e6 => (1e6, "M"),
        largest if largest >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let (value, step) = (value / unit, step / unit);
    // 2.5 and 0.25 need one decimal more than their magnitude says.
    let mut decimals = 0;
    while decimals < 12 && ((step * 10_f64.powi(decimals)).fract() - 0.5).abs() < 0.499 {
        decimals += 1;
    }
    let decimals = decimals as usize;
    let text = format!("{:.decimals$}", value.abs());
    let is_zero = text.trim_matches(['0', '.']).is_empty();
    if is_zero { "0".to_owned() } else { format!("{}{text}{suffix}", if value < 0.0 { "−" } else { "" }) }
}

/// The day of a time in seconds since 1970-01-01 UTC, as `2024-05-01` (Hinnant's `civil_from_days`).
pub(crate) fn day(seconds: f64) -> String {
    let days = (seconds / 86_400.0).floor().clamp(-1e9, 1e9) as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (value, text) in [
            (0.968_787, "0.9688"),
            (-0.5, "−0.5"),
            (206_855.7, "206,856"),
            (12.0, "12"),
            (1234.6, "1235"),
            (2.039e14, "2.04e14"),
            (0.0, "0"),
            (-2.2e-16, "0"),
            (3e-7, "3.00e−7"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!((percent(0.123_4), percent(0.005), percent(1.0)), ("12.3 %".into(), "0.5 %".into(), "100 %".into()));
        assert_eq!((bytes(12), bytes(1_234_567)), ("12 bytes".into(), "1.23 MB".into()));
        assert_eq!((counted(1_u64, "row"), counted(16_000_u64, "row")), ("1 row".into(), "16,000 rows".into()));
    }

    #[test]
    fn ticks_are_round_and_within() {
        for (start, end, expected) in [
            (0.0, 1.0, vec!["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            (-0.3, 1.1, vec!["0", "0.5", "1.0"]),
            (3.0, 97.0, vec!["20", "40", "60", "80"]),
            (14_999.0, 500_001.0, vec!["100k", "200k", "300k", "400k", "500k"]),
            (0.0, 0.9, vec!["0", "0.2", "0.4", "0.6", "0.8"]),
        ] {
            let (ticks, step) = ticks(start, end, 5);
            let labels: Vec<_> = ticks.iter().map(|value| tick(*value, step, end.abs())).collect();
            assert_eq!(labels, expected, "{start} {end}");
        }
        for (start, end) in [(1e300, 2e300), (1e15, 1e15 + 1.0), (0.0, 1e-300), (5.0, 5.0 + 1e-15)] {
            let (ticks, step) = ticks(start, end, 5);
            assert!(ticks.len() < 102 && step > 0.0, "{start} {end}: {ticks:?}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, text) in [(0.0, "1970-01-01"), (1_709_164_800.0, "2024-02-29"), (-1.0, "1969-12-31")] {
            assert_eq!(day(seconds), text);
        }
    }
}
