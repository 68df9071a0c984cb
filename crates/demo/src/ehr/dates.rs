//! FHIR's dates as intervals: `2026-02` is the whole of February.

use chrono::{DateTime, Months, NaiveDate, NaiveTime};
use serde_json::Value;

/// From the first second (included) to the last (excluded), in seconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interval {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Interval {
    /// The interval of a date (`2026`, `2026-02`, `2026-02-03`) or of an instant.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Some(Self { start: instant.timestamp(), end: instant.timestamp() + 1 });
        }
        let seconds = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc().timestamp();
        let (full, months) = match text.len() {
            4 => (format!("{text}-01-01"), 12),
            7 => (format!("{text}-01"), 1),
            _ => (text.to_owned(), 0),
        };
        let first = full.parse::<NaiveDate>().ok()?;
        let after = if months == 0 { first.succ_opt()? } else { first.checked_add_months(Months::new(months))? };
        Some(Self { start: seconds(first), end: seconds(after) })
    }

    /// The interval of an element: a date, an instant or a Period.
    pub(super) fn of_element(value: &Value) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Self::of_text(text);
        }
        let side = |name| value.get(name).and_then(Value::as_str).and_then(Self::of_text);
        let (start, end) = (side("start"), side("end"));
        (start.is_some() || end.is_some())
            .then(|| Self { start: start.map_or(i64::MIN, |one| one.start), end: end.map_or(i64::MAX, |one| one.end) })
    }

    /// Whether this fits a search value such as `ge2026-01-01`; none if that is not one.
    pub(super) fn fits(self, wanted: &str) -> Option<bool> {
        let (prefix, rest) = match wanted.get(..2) {
            Some(prefix @ ("eq" | "ne" | "gt" | "ge" | "lt" | "le")) => (prefix, wanted.get(2..)?),
            _ => ("eq", wanted),
        };
        let asked = Self::of_text(rest)?;
        let equal = self.start >= asked.start && self.end <= asked.end;
        Some(match prefix {
            "ne" => !equal,
            "gt" => self.end > asked.end,
            "ge" => self.end > asked.start,
            "lt" => self.start < asked.start,
            "le" => self.start < asked.end,
            _ => equal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_holds_its_days_and_a_prefix_compares_by_interval() {
        let day = Interval::of_text("2026-02-03").unwrap();
        for (wanted, fits) in [
            ("2026-02", true),
            ("2026", true),
            ("2026-03", false),
            ("ge2026-02-03", true),
            ("gt2026-02-03", false),
            ("lt2026-02-04", true),
            ("le2026-02-02", false),
            ("ne2026-02-03", false),
        ] {
            assert_eq!(day.fits(wanted), Some(fits), "{wanted}");
        }
        assert_eq!(day.fits("yesterday"), None);
        let instant = Interval::of_text("2026-02-03T23:30:00-05:00").unwrap();
        assert_eq!(instant.fits("2026-02-04"), Some(true), "compared in UTC");
    }
}
