//! What an upstream answers: what was asked, more, less, somebody else's, or what nobody can read.

use policy::decision::{Action, Decision};
use policy::operation::Interaction as I;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use testkit::ehr;

use super::records::Record;

/// An answer, before it is written down; what it says depends on what was asked.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// Instead of what fits the request.
    pub(crate) status: Option<u16>,
    /// The records in a result, by their place, and how they are said to have got there.
    pub(crate) picks: Vec<(Index, &'static str)>,
    pub(crate) flavour: Flavour,
    pub(crate) damage: Vec<Damage>,
}

/// What kind of body is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flavour {
    /// What was asked for.
    Fitting,
    /// An instance where a result was asked for, and the other way round.
    Other,
    /// Nothing.
    Empty,
    /// An OperationOutcome.
    Outcome,
}

/// What happened to a body on its way.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Byte(Index, u8),
    Case(Index),
    Cut(Index),
    /// A member stands twice, with another value.
    Twice(&'static str, &'static str),
    Spaces,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// Any answer.
pub(crate) fn given() -> impl Strategy<Value = Given> {
    let status = prop_oneof![
        10 => Just(None),
        1 => select(vec![200, 201, 202, 204, 301, 304, 400, 401, 404, 410, 412, 422, 500, 503]).prop_map(Some),
    ];
    let mode = select(vec!["match", "match", "match", "match", "include", "include", "outcome", ""]);
    let picks = vec((any::<Index>(), mode), 0..6);
    let flavour = prop_oneof![
        14 => Just(Flavour::Fitting),
        1 => Just(Flavour::Other),
        1 => Just(Flavour::Empty),
        1 => Just(Flavour::Outcome)
    ];
    let damage = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        any::<Index>().prop_map(Damage::Case),
        any::<Index>().prop_map(Damage::Cut),
        select(vec![
            ("\"id\":", "\"id\":\"x\","),
            ("\"subject\":", "\"subject\":{\"reference\":\"Patient/ME\"},"),
            ("\"resourceType\":", "\"resourceType\":\"Basic\","),
            ("\"entry\":", "\"entry\":[],"),
            ("\"type\":", "\"type\":\"searchset\","),
            ("\"resource\":", "\"resource\":{},"),
            ("\"status\":", "\"status\":\"200\","),
        ])
        .prop_map(|(name, more)| Damage::Twice(name, more)),
        Just(Damage::Spaces),
    ];
    let damage = prop_oneof![9 => Just(Vec::new()), 1 => vec(damage, 1..3)];
    (status, picks, flavour, damage).prop_map(|(status, picks, flavour, damage)| Given {
        status,
        picks,
        flavour,
        damage,
    })
}

impl Given {
    /// The answer to what goes upstream by this decision.
    pub(crate) fn reply(&self, decision: &Decision<'_>, asked: &[u8], records: &[Record]) -> Reply {
        let (status, body) = self.fitting(decision, asked, records);
        let mut body = body.into_bytes();
        for one in &self.damage {
            one.done_to(&mut body);
        }
        let headers = vec![
            ("content-type", "application/fhir+json".to_owned()),
            ("etag", "W/\"7\"".to_owned()),
            ("last-modified", "Wed, 01 Jan 2020 00:00:00 GMT".to_owned()),
            ("location", format!("{}/Observation/OBS-ME/_history/7", ehr::UPSTREAM)),
            ("x-secret", "OTHER".to_owned()),
        ];
        Reply { status: self.status.unwrap_or(status), headers, body }
    }

    fn fitting(&self, decision: &Decision<'_>, asked: &[u8], records: &[Record]) -> (u16, String) {
        let outcome = json!({"resourceType": "OperationOutcome", "text": "secret of OTHER"}).to_string();
        match self.flavour {
            Flavour::Empty => return (200, String::new()),
            Flavour::Outcome => return (200, outcome),
            Flavour::Fitting | Flavour::Other => {}
        }
        let kind = decision.resource_type.as_deref().unwrap_or("Observation");
        let id = decision.resource_id.as_deref();
        let stored = |id: &str| records.iter().find(|one| one.kind == kind && one.id == id).map(|one| one.text.clone());
        let any = || self.picks.first().map_or_else(|| outcome.clone(), |(at, _)| at.get(records).text.clone());
        let instance = || id.and_then(stored).unwrap_or_else(any);
        let is_result =
            matches!(decision.interaction, Some(I::SearchType | I::SearchSystem | I::SearchCompartment | I::Operation));
        match decision.interaction {
            _ if self.flavour == Flavour::Other => {
                (200, if is_result { any() } else { self.results("searchset", records, kind) })
            }
            Some(I::Read | I::Vread | I::Patch) => (200, instance()),
            Some(I::HistoryInstance | I::HistoryType | I::HistorySystem) => (200, self.history(records, kind, id)),
            Some(I::SearchType | I::SearchSystem | I::SearchCompartment) => {
                (200, self.results("searchset", records, kind))
            }
            Some(I::Operation) if self.picks.len() > 3 => (200, self.parameters(records)),
            Some(I::Operation) => (200, self.results("searchset", records, kind)),
            Some(I::Create) => (201, with_id(asked, "NEW")),
            Some(I::Update) => (200, with_id(asked, id.unwrap_or("NEW"))),
            Some(I::Delete) => (204, String::new()),
            Some(I::Conditional) => (200, with_id(asked, "NEW")),
            Some(I::Batch) => (200, self.responses(decision, records)),
            Some(I::Capabilities) => (200, json!({"resourceType": "CapabilityStatement"}).to_string()),
            None => (200, any()),
        }
    }

    /// Some of what is stored, mostly of the type that was asked for.
    fn results(&self, kind: &str, records: &[Record], wanted: &str) -> String {
        let of_type: Vec<&Record> = records.iter().filter(|one| one.kind == wanted).collect();
        let entries: Vec<String> = self
            .picks
            .iter()
            .map(|(at, mode)| {
                let record = if *mode == "match" && !of_type.is_empty() { *at.get(&of_type) } else { at.get(records) };
                let search =
                    if mode.is_empty() { String::new() } else { format!(r#","search":{{"mode":"{mode}","score":1}}"#) };
                let base = if *mode == "include" { "https://evil.example/x" } else { ehr::UPSTREAM };
                format!(r#"{{"fullUrl":"{base}/{}/{}","resource":{}{search}}}"#, record.kind, record.id, record.text)
            })
            .collect();
        format!(
            r#"{{"resourceType":"Bundle","id":"b1","type":"{kind}","total":{},"link":[{{"relation":"self","url":"{base}/secret"}},{{"relation":"next","url":"{base}?_getpages=1"}}],"entry":[{}]}}"#,
            entries.len(),
            entries.join(","),
            base = ehr::UPSTREAM
        )
    }

    fn history(&self, records: &[Record], kind: &str, id: Option<&str>) -> String {
        let of_it: Vec<&Record> =
            records.iter().filter(|one| one.kind == kind && id.is_none_or(|id| one.id == id)).collect();
        let entries: Vec<String> = self.picks.iter().enumerate().map(|(number, (at, mode))| {
            let record = if *mode != "include" && !of_it.is_empty() { *at.get(&of_it) } else { at.get(records) };
            let url = format!("{}/{}", record.kind, record.id);
            let base = ehr::UPSTREAM;
            if *mode == "outcome" {
                return format!(r#"{{"fullUrl":"{base}/{url}","request":{{"method":"DELETE","url":"{url}"}}}}"#);
            }
            let text = if number == 0 { record.text.clone() } else { record.text.replace("Patient/OTHER", "Patient/ME") };
            format!(r#"{{"fullUrl":"{base}/{url}","resource":{text},"request":{{"method":"PUT","url":"{url}"}},"response":{{"status":"200"}}}}"#)
        }).collect();
        format!(
            r#"{{"resourceType":"Bundle","id":"h1","type":"history","total":{},"entry":[{}]}}"#,
            entries.len(),
            entries.join(",")
        )
    }

    fn parameters(&self, records: &[Record]) -> String {
        let parts: Vec<String> = self
            .picks
            .iter()
            .map(|(at, mode)| {
                let record = at.get(records);
                if mode.is_empty() {
                    format!(r#"{{"name":"more","part":[{{"name":"x","resource":{}}}]}}"#, record.text)
                } else if *mode == "outcome" {
                    format!(r#"{{"name":"who","valueReference":{{"reference":"{}/{}"}}}}"#, record.kind, record.id)
                } else {
                    format!(r#"{{"name":"return","resource":{}}}"#, record.text)
                }
            })
            .collect();
        format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, parts.join(","))
    }

    /// An answer for each entry that was forwarded; one too few or too many where an odd one was drawn.
    fn responses(&self, decision: &Decision<'_>, records: &[Record]) -> String {
        let Action::Forward(upstream) = &decision.action else { return String::new() };
        let sent: Value = serde_json::from_str(upstream.body.as_deref().unwrap_or("{}")).unwrap_or_default();
        let kind = sent["type"].as_str().unwrap_or("batch").to_owned();
        let none = Vec::new();
        let forwarded = sent["entry"].as_array().unwrap_or(&none);
        let of = |(number, entry): (usize, &Value)| {
            let url = entry["request"]["url"].as_str().unwrap_or_default();
            let path = url.split('?').next().unwrap_or_default();
            let (name, id) = path.split_once('/').unwrap_or((path, ""));
            let id = id.split('/').next().unwrap_or_default();
            let stored = records.iter().find(|one| one.kind == name && one.id == id).map(|one| one.text.clone());
            let body = match (entry["request"]["method"].as_str(), stored) {
                (Some("GET"), Some(text)) if !path.contains('_') && !path.contains('$') => text,
                (Some("GET"), _) if path.contains("_history") => {
                    self.history(records, name, Some(id).filter(|id| !id.is_empty()))
                }
                (Some("GET"), None) if id.is_empty() || path.contains('$') => self.results("searchset", records, name),
                (Some("GET"), _) => self.picks.first().map(|(at, _)| at.get(records).text.clone()).unwrap_or_default(),
                (Some("DELETE"), _) => String::new(),
                _ => with_id(entry["resource"].to_string().as_bytes(), if id.is_empty() { "NEW" } else { id }),
            };
            let status = match self.picks.get(number).map(|(_, mode)| *mode) {
                Some("outcome") => "404 Not Found",
                Some("") => "500",
                _ => "200 OK",
            };
            let resource = if body.is_empty() { String::new() } else { format!("\"resource\":{body},") };
            format!(
                r#"{{{resource}"response":{{"status":"{status}","location":"Observation/NEW/_history/1","etag":"W/\"7\"","outcome":{{"resourceType":"OperationOutcome","text":"secret"}}}}}}"#
            )
        };
        let entries: Vec<String> = forwarded.iter().enumerate().map(of).collect();
        format!(r#"{{"resourceType":"Bundle","id":"secret","type":"{kind}-response","entry":[{}]}}"#, entries.join(","))
    }
}

/// What was written, with the id that it got.
fn with_id(asked: &[u8], id: &str) -> String {
    match serde_json::from_slice::<Value>(asked) {
        Ok(mut value) if value.is_object() => {
            value["id"] = id.into();
            value.to_string()
        }
        _ => String::new(),
    }
}

impl Damage {
    fn done_to(&self, body: &mut Vec<u8>) {
        if body.is_empty() {
            return;
        }
        match self {
            Self::Byte(at, byte) => {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            Self::Case(at) => {
                let at = at.index(body.len());
                if body[at].is_ascii_alphabetic() {
                    body[at] ^= 0x20;
                }
            }
            Self::Cut(at) => body.truncate(at.index(body.len())),
            Self::Twice(name, more) => {
                let text = String::from_utf8_lossy(body).into_owned();
                *body = text.replacen(name, &format!("{more}{name}"), 1).into_bytes();
            }
            Self::Spaces => {
                let text = String::from_utf8_lossy(body).into_owned();
                *body = text.replace("\":", "\" :\n").into_bytes();
            }
        }
    }
}
