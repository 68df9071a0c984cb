//! The audit of the story: every request at the gateway has its decision there, in the order it was made.

use policy::audit::{Effect, Entry, Record};
use reqwest::Method;
use serde_json::Value;

use super::Service;
use crate::client::{Call, Named};
use crate::failure::Failure;
use crate::people::Who;
use crate::stage::Stage;

/// How long entries may be on their way from the gateway's spool.
const SHIP_SECONDS: u64 = 45;
/// The most pages that are read; the story has some hundred entries.
const MAX_PAGES: usize = 20;

/// What the audit says of one request.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) effect: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) micros: u64,
    pub(crate) phase: u8,
    pub(crate) method: String,
}

/// The verdicts on all requests so far, in their order; waits until there are so many.
pub(crate) async fn verdicts(
    stage: &Stage,
    (owner, service): (&Named, &Service),
    expected: usize,
) -> Result<Vec<Verdict>, Failure> {
    let started = tokio::time::Instant::now();
    loop {
        let entries = all(stage, owner, service).await?;
        let complete = entries.iter().all(|entry| settled(entry, &entries));
        let verdicts = joined(&entries);
        if verdicts.len() >= expected && complete || started.elapsed().as_secs() >= SHIP_SECONDS {
            return Ok(verdicts);
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Whether a permit's outcome has arrived too; a denial has none.
fn settled(entry: &Entry, all: &[Entry]) -> bool {
    match &entry.record {
        Record::Decision(decision) if decision.effect == Effect::Permit => {
            all.iter().any(|one| one.request_id == entry.request_id && matches!(one.record, Record::Outcome(_)))
        }
        _ => true,
    }
}

/// All entries, oldest first.
async fn all(stage: &Stage, owner: &Named, service: &Service) -> Result<Vec<Entry>, Failure> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/v1/services/{}/audit-events?limit=200{after}", service.id);
        let answer = stage.client.send(&stage.to_control(Who::Owner, Method::GET, path).bearer(owner)).await?;
        let data = answer.body.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
        let unreadable = |error: serde_json::Error| Failure::Unexpected {
            what: "an audit entry".to_owned(),
            found: error.to_string(),
        };
        for mut entry in data {
            // The control plane adds when it came in; an entry as the gateway wrote it has no such member.
            entry.as_object_mut().and_then(|members| members.remove("received_at"));
            entries.push(serde_json::from_value(entry).map_err(unreadable)?);
        }
        cursor = answer.text("/next_cursor").map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    entries.sort_by_key(|entry| (entry.boot, entry.seq));
    Ok(entries)
}

/// Each decision with its outcome.
fn joined(entries: &[Entry]) -> Vec<Verdict> {
    let taken_back = |request| {
        entries.iter().find_map(|entry| match &entry.record {
            Record::Outcome(outcome) if entry.request_id == request => outcome.reason,
            _ => None,
        })
    };
    let verdict = |entry: &Entry| match &entry.record {
        Record::Decision(decision) => Some(Verdict {
            effect: if decision.effect == Effect::Permit { "permit" } else { "deny" },
            reason: decision.reason.or_else(|| taken_back(entry.request_id)).map(|reason| reason.to_string()),
            micros: decision.micros,
            phase: decision.phase,
            method: decision.method.clone(),
        }),
        Record::Outcome(_) | Record::Gap { .. } => None,
    };
    entries.iter().filter_map(verdict).collect()
}

/// Reads the audit back as an auditor would: by decision, by reason, by patient.
pub(crate) async fn read_back(
    stage: &mut Stage,
    (owner, service): (&Named, &Service),
    (patient, requests): (&str, usize),
) -> Result<(), Failure> {
    stage.chapter("The audit: who saw what, and why not");
    let path = format!("/v1/services/{}/audit-events", service.id);
    let ask = |stage: &Stage, query: &str| -> Call {
        stage.to_control(Who::Owner, Method::GET, format!("{path}{query}")).bearer(owner)
    };
    let whole = format!("{requests} requests so far, each has its decision there, failed authentication included");
    let call = ask(stage, "");
    stage.call(call, 200, &whole).await?;
    let of_any = [
        ("?decision=deny", "only the denials", "/effect", "deny"),
        ("?reason=no_token", "who came without a token", "/reason", "no_token"),
    ];
    let of_fhir = [
        ("?reason=other_patient", "who asked for another patient", "/reason", "other_patient"),
        ("?type=Observation", "what was done with Observations", "/resource_type", "Observation"),
    ];
    for (query, what, pointer, value) in of_any.into_iter().chain(of_fhir.into_iter().filter(|_| service.fhir)) {
        let call = ask(stage, query);
        let answer = stage.call(call, 200, what).await?;
        check(stage, query, &data(&answer.body), |entry| entry.pointer(pointer).is_some_and(|own| own == value));
    }
    if !service.fhir {
        return Ok(());
    }
    let call = stage.to_control(Who::Owner, Method::POST, format!("{path}/search")).bearer(owner);
    let call = call.json(serde_json::json!({"patient": patient, "limit": 200}));
    let answer = stage.call(call, 200, "everything about one patient; an id is never in a URL here").await?;
    let about = |entry: &Value| {
        let own = |name: &str| entry.get(name).is_some_and(|value| value == patient);
        own("patient") || own("resource_id")
    };
    check(stage, "search by patient", &data(&answer.body), about);
    Ok(())
}

fn data(body: &Value) -> Vec<Value> {
    body.get("data").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Every decision of a filtered list is what was asked for, and there is one at least.
fn check(stage: &mut Stage, what: &str, data: &[Value], wanted: impl Fn(&Value) -> bool) {
    let decisions: Vec<&Value> =
        data.iter().filter(|entry| entry.get("type").is_some_and(|own| own == "decision")).collect();
    let others = decisions.iter().filter(|entry| !wanted(entry)).count();
    if decisions.is_empty() || others > 0 {
        let found = format!("{} entries, {others} of them not asked for", decisions.len());
        stage.tell(Who::Owner, what, &found, false);
    } else {
        stage.note(&format!("{} entries", decisions.len()));
    }
}
