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

/// The names of the records that are stored: those that bear their own name as their id. All others are bodies of
/// writes, or earlier versions.
pub fn stored() -> impl Iterator<Item = &'static str> {
    names().filter(|name| text(name).contains(&format!("\"id\":\"{name}\"")))
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

/// A history of the named versions, newest first, as an upstream at `base` would answer; `delete:OBS-ME` is a deletion,
/// which has no resource.
#[must_use]
pub fn history(names: &[&str], base: &str) -> String {
    let entry = |name: &&str| {
        if let Some(name) = name.strip_prefix("delete:") {
            let (kind, id) = kind_and_id(name);
            return format!(
                r#"{{"fullUrl":"{base}/{kind}/{id}","request":{{"method":"DELETE","url":"{kind}/{id}"}}}}"#
            );
        }
        let (kind, id) = kind_and_id(name);
        let text = text(name);
        format!(
            r#"{{"fullUrl":"{base}/{kind}/{id}","resource":{text},"request":{{"method":"PUT","url":"{kind}/{id}"}},"response":{{"status":"200"}}}}"#
        )
    };
    let total = names.len();
    let entries: Vec<String> = names.iter().map(entry).collect();
    format!(r#"{{"resourceType":"Bundle","id":"h1","type":"history","total":{total},"entry":[{}]}}"#, entries.join(","))
}

/// The type and id of a record.
fn kind_and_id(name: &str) -> (String, String) {
    let record: serde_json::Value = serde_json::from_str(text(name)).expect("a record is JSON");
    let member = |key: &str| record[key].as_str().unwrap_or_else(|| panic!("{name} has no {key}")).to_owned();
    (member("resourceType"), member("id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_has_the_text_of_another() {
        let texts: std::collections::BTreeSet<_> = names().map(text).collect();
        assert_eq!(texts.len(), names().count());
    }

    #[test]
    fn a_history_is_a_bundle_of_versions() {
        let bundle: serde_json::Value =
            serde_json::from_str(&history(&["delete:OBS-ME", "OBS-ME-V2", "OBS-ME-V1"], "http://up")).unwrap();
        assert_eq!(bundle["entry"][0]["request"]["url"], "Observation/OBS-ME");
        assert!(bundle["entry"][0].get("resource").is_none());
        assert_eq!(bundle["entry"][1]["resource"]["meta"]["versionId"], "2");
    }
}
