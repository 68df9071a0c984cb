//! The records of the fixture Service: synthetic resources of two patients, `ME` and `OTHER`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::value::RawValue;

/// The records as they stand in the corpus, by name; each keeps its text byte for byte.
static RECORDS: LazyLock<BTreeMap<String, Box<RawValue>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../tests/decisions/records.json")).expect("the records are JSON")
});

/// The fixture's records that are ME's: one of the compartment's parameters is a literal reference to Patient/ME.
pub const OWN: &[&str] = &[
    "A-ME",
    "BIN-ME",
    "C-ME",
    "C-R",
    "COV-ME",
    "DEV-ME",
    "DOC-ME",
    "DR-ME",
    "E-ME",
    "G-ME",
    "LIST-ME",
    "ME",
    "OBS-BAD-TAG",
    "OBS-BY-OTHER",
    "OBS-DATA-LABEL",
    "OBS-DATA-TAG",
    "OBS-DEPT",
    "OBS-DEPT-ONC",
    "OBS-DEPT-TEAM",
    "OBS-DEPT-TWO",
    "OBS-ELEMENTS",
    "OBS-HOLDS",
    "OBS-ID1",
    "OBS-L",
    "OBS-L-R",
    "OBS-LAB",
    "OBS-ME",
    "OBS-MIXED",
    "OBS-N",
    "OBS-NO-CODE-LABEL",
    "OBS-OUT",
    "OBS-OUT-ALL",
    "OBS-OWN-BASE",
    "OBS-PARTNER",
    "OBS-R",
    "OBS-R-STU3",
    "OBS-REG",
    "OBS-REG-TWO",
    "OBS-SOCIAL",
    "OBS-TEAM-ONC",
    "OBS-TEAM-RED",
    "OBS-UP-BASE",
    "OBS-V",
    "OBS-VER",
    "OBS-WILD-TAG",
    "OBS-X-LABEL",
    "PROV-CONTEXT",
    "PROV-ME",
    "T-ME",
];
/// Nobody's: shared types, a Device without a patient, and the Binary that a document of ME names.
pub const SHARED: &[&str] = &["BIN-NOBODY", "DEV-SHARED", "ORG1", "ORG2", "P1", "VS1"];

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

/// The upstream's Bundle of these answers, one a word or `[…]` list: a record, `201 RECORD`, a status alone.
#[must_use]
pub fn answers(kind: &str, answers: &str) -> String {
    let entry = |line: &str| {
        let (status, rest) = match line.split_once(' ') {
            Some((status, rest)) if status.parse::<u16>().is_ok() => (status, rest),
            _ if line.parse::<u16>().is_ok() => (line, ""),
            _ => ("200", line),
        };
        let resource = match rest.strip_prefix('[').and_then(|list| list.strip_suffix(']')) {
            Some(list) => searchset(&list.split_whitespace().collect::<Vec<_>>(), crate::ehr::UPSTREAM),
            None if rest.is_empty() => String::new(),
            None => text(rest).to_owned(),
        };
        let resource = if resource.is_empty() { resource } else { format!("\"resource\" : {resource} ,") };
        let outcome = r#""outcome":{"resourceType":"OperationOutcome","text":"secret of OTHER"}"#;
        format!(
            r#"{{"fullUrl":"{base}/x","link":[{{"url":"secret"}}],{resource}"response":{{"status":"{status} Whatever","location":"Observation/NEW/_history/1","etag":"W/\"7\"","lastModified":"2024-01-01T00:00:00Z",{outcome}}}}}"#,
            base = crate::ehr::UPSTREAM
        )
    };
    let entries: Vec<String> = answers.split(" ; ").map(str::trim).filter(|line| !line.is_empty()).map(entry).collect();
    format!(r#"{{"resourceType":"Bundle","id":"secret","type":"{kind}-response","entry":[{}]}}"#, entries.join(","))
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
