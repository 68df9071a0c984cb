//! FHIR's dates as intervals: `2026-02` is the whole of February.

use chrono::{DateTime, Months, NaiveDate, NaiveDateTime, NaiveTime};
use serde_json::Value;

/// From the first second (included) to the last (excluded), in seconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interval {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Interval {
    /// The interval of `2026`, `2026-02`, `2026-02-03`, `2026-02-03T10:30`, or an instant.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Some(Self { start: instant.timestamp(), end: instant.timestamp() + 1 });
        }
        if let Ok(minute) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M") {
            let start = minute.and_utc().timestamp();
            return Some(Self { start, end: start + 60 });
        }
        let (full, months) = match text.len() {
            4 => (format!("{text}-01-01"), 12),
            7 => (format!("{text}-01"), 1),
            _ => (text.to_owned(), 0),
        };
        let first = full.parse::<NaiveDate>().ok()?;
        let after = if months == 0 { first.succ_opt()? } else { first.checked_add_months(Months::new(months))? };
        let seconds = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc().timestamp();
        Some(Self { start: seconds(first), end: seconds(after) })
    }

    /// The intervals of an element: a date, an instant, a Period, or a Timing.
    pub(super) fn of_element(value: &Value) -> Vec<Self> {
        if let Some(text) = value.as_str() {
            return Self::of_text(text).into_iter().collect();
        }
        let events = value.get("event").and_then(Value::as_array);
        if let Some(events) = events {
            return events.iter().filter_map(|event| Self::of_text(event.as_str()?)).collect();
        }
        let period = value.pointer("/repeat/boundsPeriod").unwrap_or(value);
        let side = |name| period.get(name).and_then(Value::as_str).and_then(Self::of_text);
        let (start, end) = (side("start"), side("end"));
        let open = Self { start: start.map_or(i64::MIN, |one| one.start), end: end.map_or(i64::MAX, |one| one.end) };
        (start.is_some() || end.is_some()).then_some(open).into_iter().collect()
    }

    /// Whether this fits a search value such as `ge2026-01-01`; none if that is not one.
    pub(super) fn fits(self, wanted: &str) -> Option<bool> {
        let (prefix, rest) = prefix(wanted);
        let asked = Self::of_text(rest)?;
        let equal = self.start >= asked.start && self.end <= asked.end;
        Some(match prefix {
            "ne" => !equal,
            "gt" => self.end > asked.end,
            "ge" => self.end > asked.start,
            "lt" => self.start < asked.start,
            "le" => self.start < asked.end,
            "sa" => self.start >= asked.end,
            "eb" => self.end <= asked.start,
            "ap" => self.start < asked.end && self.end > asked.start,
            _ => equal,
        })
    }
}

/// A value's prefix (`eq` if it has none) and the rest.
pub(super) fn prefix(text: &str) -> (&str, &str) {
    match (text.get(..2), text.get(2..)) {
        (Some(prefix @ ("eq" | "ne" | "gt" | "ge" | "lt" | "le" | "sa" | "eb" | "ap")), Some(rest)) => (prefix, rest),
        _ => ("eq", text),
    }
}
