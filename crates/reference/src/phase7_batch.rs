//! Phase 7, Batch: each entry is decided as if it came alone (D32 to D35).
//!
//! Invariant: state that the bundle itself creates never justifies an entry.

use std::collections::BTreeMap;

use policy::Reason as R;
use policy::decision::{Lookup, Phase, Verdict};
use policy::operation::Interaction as I;
use policy::request::Request;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Next, Sent, SentBody};
use crate::call::{Body, Call, Scene, Sibling};
use crate::decide::{Decided, Permitted, base, denied, encode_query, set, sorted, undecided};
use crate::denial::{Denial, deny};
use crate::phase1_normalise::{accepted, check_query_limits};
use crate::phase4_rules::Fitting;
use crate::phase5_query::Plan;
use crate::union::Merged;
use crate::{Interpreter, json, url};

/// The most entries.
const MAX_ENTRIES: usize = 500;

/// One entry, as it was read.
struct Entry {
    full_url: Option<String>,
    method: String,
    /// Below the base; as it came.
    url: String,
    headers: Vec<(String, String)>,
    resource: Option<Value>,
}

const fn malformed() -> Denial {
    deny(Phase::Batch, R::MalformedBody)
}

impl Interpreter {
    /// Goes through phase 7.
    pub(crate) fn batch<'a>(&self, fitting: Fitting<'a>, request: &Request<'a>) -> Decided<'a> {
        let scene = fitting.scene;
        let read = fitting.rules.first().ok_or(deny(Phase::Rules, R::NoRule)).and_then(|rule| {
            let plan = self.query_phase(&scene, rule)?;
            Ok((plan, self.read_bundle(&scene)?))
        });
        let (plan, (kind, entries)) = match read {
            Ok(read) => read,
            Err(denial) => return denied(denial, Some(&scene.target)),
        };
        let can = scene.call.capabilities;
        let siblings = if kind == "transaction" { siblings(&entries) } else { BTreeMap::new() };
        let decided: Vec<Decided<'a>> = entries
            .iter()
            .map(|entry| self.entry(&scene, entry, (&siblings, kind == "transaction"), request))
            .collect();
        // D63: nobody decided on what two writes of one instance make together.
        let mut written: Vec<(&String, &String)> =
            decided.iter().filter_map(|one| written_instance(&one.answer)).collect();
        written.sort();
        if written.windows(2).any(|pair| pair.first() == pair.last()) {
            return denied(malformed(), Some(&scene.target));
        }
        let mut asks: Vec<Lookup> = Vec::new();
        for one in &decided {
            if let Next::Lookup(lookups) = &one.answer.next {
                asks.extend(lookups.clone());
            }
        }
        asks.sort();
        asks.dedup();
        let answers: Vec<Answer> = decided.iter().map(|one| one.answer.clone()).collect();
        if !asks.is_empty() {
            let mut waiting = undecided(Phase::Batch, asks, &scene.target);
            waiting.answer.entries = answers;
            return waiting;
        }
        let refused = answers.iter().find_map(|one| match one.verdict {
            Verdict::Deny { status, .. } => Some(status),
            Verdict::Permit | Verdict::Undecided => None,
        });
        if let (true, Some(status)) = (kind == "transaction", refused) {
            let mut whole = denied(Denial { phase: Phase::Batch, status, reason: R::EntryDenied }, Some(&scene.target));
            whole.answer.entries = answers;
            return whole;
        }
        // D34: the answer is always written anew.
        if !can.rewrite || !can.check_response {
            let mut whole = denied(deny(Phase::Batch, R::ObligationUnsupported), Some(&scene.target));
            whole.answer.entries = answers;
            return whole;
        }
        self.forward_batch(scene, plan, &kind, &entries, decided)
    }

    fn forward_batch<'a>(
        &self,
        scene: Scene<'a>,
        plan: Plan,
        kind: &str,
        entries: &[Entry],
        decided: Vec<Decided<'a>>,
    ) -> Decided<'a> {
        let mut answer = base(Verdict::Permit, Phase::Batch, Some(&scene.target));
        let mut forwarded = Vec::new();
        for (entry, one) in entries.iter().zip(&decided) {
            if let Next::Forward(sent) = &one.answer.next {
                let id = one.answer.resource_id.as_ref();
                let about = one
                    .answer
                    .resource_type
                    .as_ref()
                    .zip(id)
                    .map(|(name, id)| format!("{}/{name}/{id}", self.own_base()));
                forwarded.push(written(entry, sent, about.as_deref()));
            }
            for rule in &one.answer.rules {
                if !answer.rules.contains(rule) {
                    answer.rules.push(rule.clone());
                }
            }
        }
        answer.ignored = sorted(plan.ignored.clone());
        answer.entries = decided.iter().map(|one| one.answer.clone()).collect();
        answer.next = if forwarded.is_empty() {
            let refused: Vec<Value> = answer.entries.iter().map(|one| self.outcome_entry(one)).collect();
            Next::Reply(200, json!({"resourceType": "Bundle", "type": format!("{kind}-response"), "entry": refused}))
        } else {
            let kept = plan.shape.iter().filter(|(name, _)| matches!(name.as_str(), "_format" | "_pretty")).cloned();
            let mut sent = self.sent(&scene.call, kept.collect());
            sent.headers.retain(|(name, _)| name != "if-match" && name != "if-none-exist");
            set(&mut sent.headers, "accept", accepted(&scene.call.headers).unwrap_or_default());
            set(&mut sent.headers, "content-type", "application/fhir+json");
            sent.body = Some(SentBody::Json(json!({"resourceType": "Bundle", "type": kind, "entry": forwarded})));
            Next::Forward(sent)
        };
        let merged = Merged { query: plan.shape.clone(), exact: true, added_elements: Vec::new(), plan };
        let entries = decided.into_iter().map(|one| one.permitted).collect();
        Decided {
            answer,
            permitted: Some(Permitted { scene, permits: Vec::new(), merged, by_reference: false, entries }),
        }
    }

    /// The place of a denied entry in the answer.
    pub(crate) fn outcome_entry(&self, answer: &Answer) -> Value {
        let status = match answer.verdict {
            Verdict::Deny { status, .. } => self.legacy_status(status),
            Verdict::Permit | Verdict::Undecided => 200,
        };
        json!({"response": {"status": status.to_string(), "outcome": {"resourceType": "OperationOutcome"}}})
    }

    /// The Bundle's type and entries, or the fault that refuses the whole.
    fn read_bundle(&self, scene: &Scene<'_>) -> Result<(String, Vec<Entry>), Denial> {
        let body = scene.call.json().map_err(|denial| Denial { phase: Phase::Batch, ..denial })?;
        let is_bundle = body.is_object() && json::text(&body, "resourceType") == Some("Bundle");
        let kind = json::text(&body, "type").unwrap_or_default().to_owned();
        if !is_bundle
            || !matches!(kind.as_str(), "batch" | "transaction")
            || json::has_confusing_key(&body, &envelope_names())
        {
            return Err(malformed());
        }
        let list = match body.get("entry") {
            None => Vec::new(),
            Some(list) => list.as_array().cloned().ok_or(malformed())?,
        };
        if list.len() > MAX_ENTRIES {
            return Err(deny(Phase::Batch, R::TooLarge));
        }
        let entries: Vec<Entry> = list.iter().map(|entry| self.read_entry(entry)).collect::<Result<_, _>>()?;
        let mut urls: Vec<&String> = entries.iter().filter_map(|entry| entry.full_url.as_ref()).collect();
        let count = urls.len();
        urls.sort();
        urls.dedup();
        if urls.len() == count { Ok((kind, entries)) } else { Err(malformed()) }
    }

    fn read_entry(&self, entry: &Value) -> Result<Entry, Denial> {
        let entry = entry.as_object().ok_or(malformed())?;
        let request = entry.get("request").and_then(Value::as_object).ok_or(malformed())?;
        let text = |name: &str| match request.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(malformed()),
        };
        let method = text("method")?.ok_or(malformed())?;
        if !matches!(method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE") {
            return Err(malformed());
        }
        if request.contains_key("ifNoneMatch") || request.contains_key("ifModifiedSince") {
            return Err(malformed());
        }
        let url = self.entry_url(&text("url")?.ok_or(malformed())?).ok_or(malformed())?;
        let resource = entry.get("resource").cloned();
        let kind = resource.as_ref().and_then(|resource| json::text(resource, "resourceType"));
        let is_root = url.split('?').next() == Some("");
        if kind == Some("Bundle") || (method == "POST" && is_root) {
            return Err(malformed());
        }
        let full_url = match entry.get("fullUrl") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err(malformed()),
        };
        let mut headers = Vec::new();
        if let Some(value) = text("ifMatch")? {
            headers.push(("if-match".to_owned(), value));
        }
        if let Some(value) = text("ifNoneExist")? {
            headers.push(("if-none-exist".to_owned(), value));
        }
        Ok(Entry { full_url, method, url, headers, resource })
    }

    /// An entry's URL below the own base; none for another base.
    fn entry_url(&self, text: &str) -> Option<String> {
        if !text.contains("://") || text.find("://") > text.find(['/', '?']) {
            return (!text.starts_with('/')).then(|| text.to_owned());
        }
        let (own, given) = (url::absolute(&self.service.base_url)?, url::absolute(text)?);
        if own.scheme != given.scheme || own.authority != given.authority {
            return None;
        }
        let rest = given.rest.strip_prefix(own.rest)?;
        match rest.strip_prefix('/') {
            Some(rest) => Some(rest.to_owned()),
            None if rest.is_empty() || rest.starts_with('?') => Some(rest.to_owned()),
            None => None,
        }
    }

    /// Phases 1 and 3 to 8 of one entry.
    fn entry<'a>(
        &self,
        scene: &Scene<'a>,
        entry: &Entry,
        siblings: (&BTreeMap<String, Sibling>, bool),
        request: &Request<'a>,
    ) -> Decided<'a> {
        match self.entry_call(scene, entry, siblings) {
            Ok(call) => without_export(self.after_token(call, request)),
            Err(denial) => denied(denial, None),
        }
    }

    /// Phase 1 of an entry.
    fn entry_call<'a>(
        &self,
        scene: &Scene<'a>,
        entry: &Entry,
        (siblings, in_transaction): (&BTreeMap<String, Sibling>, bool),
    ) -> Result<Call<'a>, Denial> {
        let fault = |reason| deny(Phase::Normalise, reason);
        let (path, query) = entry.url.split_once('?').unwrap_or((&entry.url, ""));
        if entry.url.contains('#') {
            return Err(fault(R::MalformedUrl));
        }
        let path = url::segments(&format!("/{path}")).ok_or(fault(R::MalformedUrl))?;
        self.check_ids(&entry.method, &path)?;
        let query = url::pairs(query).ok_or(fault(R::MalformedQuery))?;
        if query.iter().any(|(name, _)| name == "access_token") {
            return Err(fault(R::MalformedQuery));
        }
        if query.iter().any(|(name, _)| name == "_method") {
            return Err(fault(R::MethodOverride));
        }
        check_query_limits(&query)?;
        if query.iter().any(|(name, value)| name == "_format" && !crate::phase1_normalise::is_json_format(value)) {
            return Err(fault(R::NotAcceptable));
        }
        if entry.resource.as_ref().is_some_and(|resource| !resource.is_object()) {
            return Err(fault(R::MalformedBody));
        }
        if entry.resource.is_some() && matches!(entry.method.as_str(), "GET" | "DELETE") {
            return Err(fault(R::MalformedBody));
        }
        if entry.method == "POST" && path.last().is_some_and(|last| last == "_search") {
            return Err(fault(R::UnsupportedMediaType));
        }
        let mut headers = entry.headers.clone();
        headers.extend(scene.call.headers.iter().filter(|(name, _)| name == "prefer").cloned());
        Ok(Call {
            method: entry.method.clone(),
            path: Some(path),
            query,
            form: None,
            headers,
            body: Body::Resource(entry.resource.clone()),
            capabilities: scene.call.capabilities,
            stored: scene.call.stored,
            upstream_base: scene.call.upstream_base,
            siblings: siblings.clone(),
            in_transaction,
        })
    }
}

/// D51: an export has no place in a batch.
fn without_export(decided: Decided<'_>) -> Decided<'_> {
    match &decided.permitted {
        Some(permitted) if permitted.scene.target.code.as_deref() == Some("export") => {
            denied(deny(Phase::Batch, R::OperationDenied), Some(&permitted.scene.target))
        }
        _ => decided,
    }
}

/// The names of a Bundle's own elements.
fn envelope_names() -> Vec<String> {
    let names = [
        "resourceType",
        "type",
        "entry",
        "fullUrl",
        "resource",
        "request",
        "method",
        "url",
        "ifMatch",
        "ifNoneExist",
        "ifNoneMatch",
        "ifModifiedSince",
    ];
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The instance that an entry writes, if it names one.
fn written_instance(answer: &Answer) -> Option<(&String, &String)> {
    let writes = matches!(answer.interaction, Some(I::Update | I::Patch | I::Delete));
    answer.resource_type.as_ref().zip(answer.resource_id.as_ref()).filter(|_| writes)
}

/// D33: the type behind each `urn:`, of the entries that create or replace a resource of the type that their URL names.
fn siblings(entries: &[Entry]) -> BTreeMap<String, Sibling> {
    let one = |entry: &Entry| {
        let urn = entry.full_url.clone().filter(|text| text.starts_with("urn:"))?;
        let kind = json::text(entry.resource.as_ref()?, "resourceType")?.to_owned();
        let own = entry.url.split(['/', '?']).next() == Some(kind.as_str());
        let is_new = entry.method == "POST" && entry.headers.iter().all(|(name, _)| name != "if-none-exist");
        let writes = own && matches!(entry.method.as_str(), "POST" | "PUT");
        writes.then_some((urn, Sibling { resource_type: kind, is_new }))
    };
    entries.iter().filter_map(one).collect()
}

/// An entry as it goes upstream.
fn written(entry: &Entry, sent: &Sent, own_url: Option<&str>) -> Value {
    let mut request = Map::new();
    let query = encode_query(&sent.query);
    let path = sent.path.trim_start_matches('/');
    let url = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    request.insert("method".to_owned(), json!(sent.method));
    request.insert("url".to_owned(), json!(url));
    for (header, name) in [("if-match", "ifMatch"), ("if-none-match", "ifNoneMatch"), ("if-none-exist", "ifNoneExist")]
    {
        if let Some((_, value)) = sent.headers.iter().find(|(known, _)| known == header) {
            request.insert(name.to_owned(), json!(value));
        }
    }
    let mut out = Map::new();
    // D33: a `urn:`, or the own URL of just what the entry is about.
    let goes = |url: &&String| url.starts_with("urn:") || own_url.is_some_and(|own| **url == own);
    if let Some(full_url) = entry.full_url.as_ref().filter(goes) {
        out.insert("fullUrl".to_owned(), json!(full_url));
    }
    if let Some(resource) = &entry.resource {
        out.insert("resource".to_owned(), resource.clone());
    }
    out.insert("request".to_owned(), Value::Object(request));
    Value::Object(out)
}
