//! The records of the fixture Service: synthetic resources of two patients, `ME` and `OTHER`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::value::RawValue;

/// The records as they stand in the corpus, by name; each keeps its text byte for byte.
static RECORDS: LazyLock<BTreeMap<String, Box<RawValue>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../tests/decisions/records.json")).expect("the records are JSON")
});

/// The names of all records, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    RECORDS.keys().map(String::as_str)
}

/// The text of a record.
///
/// # Panics
/// When there is no such record.
#[must_use]
pub fn text(name: &str) -> &'static str {
    RECORDS.get(name).unwrap_or_else(|| panic!("there is no record {name}")).get()
}

/// A searchset of the named records, as an upstream at `base` would answer: each name may stand behind
/// `include:`, and `outcome` is an OperationOutcome.
#[must_use]
pub fn searchset(names: &[&str], base: &str) -> String {
    let entries: Vec<String> = names
        .iter()
        .map(|name| {
            let (mode, name) = name.split_once(':').unwrap_or(("match", name));
            let text = text(name);
            format!(r#"{{"fullUrl":"{base}/x/{name}","resource":{text},"search":{{"mode":"{mode}"}}}}"#)
        })
        .collect();
    let total = names.len();
    format!(
        r#"{{"resourceType":"Bundle","id":"b1","type":"searchset","total":{total},"link":[{{"relation":"self","url":"{base}/secret"}},{{"relation":"next","url":"{base}?_getpages=1"}}],"entry":[{}]}}"#,
        entries.join(",")
    )
}
