//! Parts of a time.

use slipway_spec::TimePart;

const SECONDS_A_DAY: f64 = 86_400.0;

/// A part of the time `seconds` after 1970-01-01, UTC; NaN of a missing time.
pub(super) fn part(seconds: f64, part: TimePart) -> f64 {
    let days = (seconds / SECONDS_A_DAY).floor();
    let of_day = seconds - days * SECONDS_A_DAY;
    // 1970-01-01 was a Thursday.
    let day_of_week = || (days + 3.0).rem_euclid(7.0);
    match part {
        TimePart::Elapsed => seconds,
        TimePart::Hour => (of_day / 3600.0).floor(),
        TimePart::Minute => (of_day / 60.0).floor().rem_euclid(60.0),
        TimePart::DayOfWeek => day_of_week(),
        TimePart::IsWeekend if seconds.is_nan() => seconds,
        TimePart::IsWeekend => f64::from(u8::from(day_of_week() >= 5.0)),
        TimePart::Year | TimePart::Quarter | TimePart::Month | TimePart::Day | TimePart::DayOfYear => {
            if seconds.is_nan() {
                return seconds;
            }
            let date = Date::of(days as i64);
            match part {
                TimePart::Year => date.year as f64,
                TimePart::Quarter => (date.month - 1).div_euclid(3) as f64 + 1.0,
                TimePart::Month => date.month as f64,
                TimePart::Day => date.day as f64,
                _ => date.day_of_year as f64,
            }
        }
    }
}

/// A day of the Gregorian calendar.
struct Date {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: i64,
}

impl Date {
    /// The day `days` after 1970-01-01. Years are counted from March in eras of 400 years, all of the same length (Hinnant,
    /// "chrono-compatible low-level date algorithms").
    fn of(days: i64) -> Date {
        // Far beyond what a timestamp can be, so that nothing overflows.
        let days = days.clamp(-4_000_000_000, 4_000_000_000) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let since_march = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * since_march + 2) / 153;
        let day = since_march - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let leap = i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
        // From 1 March on, January and February have passed: 59 days, or 60.
        let day_of_year = if month > 2 { since_march + 60 + leap } else { since_march - 305 };
        Date { year, month, day, day_of_year }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::parse_timestamp;

    #[test]
    fn parts_are_those_of_the_calendar() {
        use TimePart::{Day, DayOfWeek, DayOfYear, Hour, IsWeekend, Minute, Month, Quarter, Year};
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", [1970, 1, 1, 1, 3, 1, 0, 0, 0]),
            ("2000-02-29T23:59:59.9Z", [2000, 1, 2, 29, 1, 60, 23, 59, 0]),
            ("2024-12-31T12:34:56Z", [2024, 4, 12, 31, 1, 366, 12, 34, 0]),
            ("2023-03-01", [2023, 1, 3, 1, 2, 60, 0, 0, 0]),
            ("1969-12-28T01:02:03Z", [1969, 4, 12, 28, 6, 362, 1, 2, 1]),
            ("1600-10-01", [1600, 4, 10, 1, 6, 275, 0, 0, 1]),
            ("2024-06-01T00:30:00+01:00", [2024, 2, 5, 31, 4, 152, 23, 30, 0]),
        ] {
            let seconds = parse_timestamp(text).unwrap();
            let parts = [Year, Quarter, Month, Day, DayOfWeek, DayOfYear, Hour, Minute, IsWeekend];
            assert_eq!(parts.map(|part| super::part(seconds, part)), expected.map(f64::from), "{text}");
            assert!(parts.iter().all(|part| super::part(f64::NAN, *part).is_nan()));
        }
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let mut before = Date::of(-800_000);
        for days in -799_999..800_000 {
            let date = Date::of(days);
            let next_year = date.year == before.year + 1 && date.day_of_year == 1 && (date.month, date.day) == (1, 1);
            let same_year = date.year == before.year && date.day_of_year == before.day_of_year + 1;
            assert!(next_year || same_year, "day {days}");
            before = date;
        }
    }
}
