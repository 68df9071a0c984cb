//! Engine and reference, asked the same: every difference in words.

use std::collections::BTreeSet;

use decision::{Answer, Arena, Engine, Grants, Outcome, decide, refuse, respond};
use policy::Reason;
use policy::decision::{Action, Decision, Lookup, Obligation, Released, Upstream, Verdict};
use policy::request::{Capabilities, Header, Request, Stored};
use policy::scope::Scope;
use reference::{Next, Response, Sent, SentBody};
use serde_json::Value;
use testkit::ehr;

use crate::generated::answer::{Given, Reply};
use crate::generated::caller::Who;
use crate::generated::request::Asked;
use crate::generated::world::World;

/// The headers that change a meaning.
const MEANING: &[&str] = &["accept", "content-type", "if-match", "if-none-exist", "if-none-match", "prefer"];
/// More rounds of lookups than this are none that a gateway makes.
const MAX_ROUNDS: usize = 5;

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) who: Who,
    pub(crate) asked: Asked,
    pub(crate) given: Given,
    pub(crate) store: Store,
    pub(crate) capabilities: Capabilities,
}

/// How what is stored answers lookups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Store {
    Honest,
    /// Nothing is there.
    Gone,
    /// It fails.
    Failing,
    /// Its answers end early.
    Broken,
    /// It tells no `ETag`.
    Unversioned,
}

/// What both came to.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) decision: Decision<'static>,
    /// What was released, where something was forwarded.
    pub(crate) released: Option<Released>,
    pub(crate) lookups: usize,
}

type Known = Vec<(Lookup, u16, Option<&'static str>, String)>;

impl Store {
    fn answer(self, world: &World, lookup: &Lookup) -> (u16, Option<&'static str>, String) {
        let (status, body) = world.stored(lookup);
        match self {
            Self::Honest => (status, Some("W/\"1\""), body),
            Self::Gone => (410, None, String::new()),
            Self::Failing => (500, None, body),
            Self::Broken => (status, Some("W/\"1\""), body.get(..body.len() / 2).unwrap_or_default().to_owned()),
            Self::Unversioned => (status, None, body),
        }
    }
}

/// Asks both, and answers their lookups; `Err` says where they differ.
pub(crate) fn settle(world: &World, case: &Case) -> Result<Settled, String> {
    let (call, credentials) = (case.asked.call(), case.who.credentials());
    let headers = call.borrowed();
    let request = Request { capabilities: case.capabilities, ..call.asked_by(&headers, credentials.caller()) };
    let grants = Grants::new(&world.engine, &request.caller);
    let mut known = Known::new();
    let decision = loop {
        let stored = borrowed(&known);
        let request = Request { stored: &stored, ..request };
        let arena = Arena::new();
        let engine = decide(&world.engine, &request, &grants, &arena);
        let reference = world.reference.decide(&request);
        differ(&world.engine, &engine, &reference, false)?;
        let Action::Lookup(lookups) = &engine.action else { break engine.into_owned() };
        let lookups = lookups.to_vec();
        look_up(world, case.store, &mut known, lookups)?;
    };
    let mut settled = Settled { decision, released: None, lookups: known.len() };
    if !settled.decision.permits() || !matches!(settled.decision.action, Action::Forward(_)) {
        return Ok(settled);
    }
    let reply = case.given.reply(&settled.decision, &call.body, &world.records);
    loop {
        let stored = borrowed(&known);
        let request = Request { stored: &stored, ..request };
        match both_respond(world, &request, &grants, &reply)? {
            Outcome::Lookup(lookups) => look_up(world, case.store, &mut known, lookups)?,
            Outcome::Release(released) => {
                settled.released = Some(released);
                return Ok(settled);
            }
        }
    }
}

fn borrowed(known: &Known) -> Vec<Stored<'_>> {
    known
        .iter()
        .map(|(lookup, status, etag, body)| Stored { lookup, status: *status, etag: *etag, body: body.as_bytes() })
        .collect()
}

fn look_up(world: &World, store: Store, known: &mut Known, lookups: Vec<Lookup>) -> Result<(), String> {
    if known.len() > MAX_ROUNDS * 600 || lookups.is_empty() {
        return Err("lookups without end".to_owned());
    }
    for lookup in lookups {
        if known.iter().any(|(one, ..)| *one == lookup) {
            return Err(format!("{lookup:?} was asked for twice"));
        }
        let (status, etag, body) = store.answer(world, &lookup);
        known.push((lookup, status, etag, body));
    }
    Ok(())
}

fn both_respond(world: &World, request: &Request<'_>, grants: &Grants, reply: &Reply) -> Result<Outcome, String> {
    let headers: Vec<Header<'_>> =
        reply.headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
    let given = Answer { status: reply.status, headers: &headers, body: &reply.body, upstream_base: ehr::UPSTREAM };
    let mut seal = |url: &str| Some(format!("{}?_page=sealed-{}", ehr::BASE, url.len()));
    let engine = respond(&world.engine, request, grants, &given, &mut seal);
    let texts: Vec<(&str, &str)> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let upstream =
        reference::Upstream { status: reply.status, headers: &texts, body: &reply.body, base: ehr::UPSTREAM };
    let reference = world.reference.respond(request, &upstream);
    let told = || format!("\n  upstream: {} {}", reply.status, String::from_utf8_lossy(&reply.body));
    responses_differ(&engine, &reference, &reply.body).map_err(|fault| fault + &told())?;
    Ok(engine)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, engine: &T, reference: &T) -> Result<(), String> {
    if engine == reference {
        Ok(())
    } else {
        Err(format!("{what}\n  engine:    {engine:?}\n  reference: {reference:?}"))
    }
}

/// Where the engine has nothing yet, there is nothing to compare.
fn is_not_built(decision: &Decision<'_>, reference: &reference::Answer) -> bool {
    let says = |verdict: Verdict| matches!(verdict, Verdict::Deny { reason: Reason::NotBuilt, .. });
    let whole = says(decision.verdict) && !says(reference.verdict);
    whole || decision.entries.iter().zip(&reference.entries).any(|(one, other)| is_not_built(one, other))
}

fn differ(by: &Engine, engine: &Decision<'_>, reference: &reference::Answer, is_entry: bool) -> Result<(), String> {
    if is_not_built(engine, reference) {
        return Ok(());
    }
    // What the client gets for a denial, and where it was denied; nobody sees where a request waits.
    let of = |verdict: Verdict, status, phase| match verdict {
        Verdict::Deny { reason, .. } => (Verdict::Deny { status, reason }, Some(phase)),
        verdict => (verdict, None),
    };
    let refused = refuse(Some(by), engine).status;
    let status = if let Verdict::Deny { status, .. } = reference.verdict { status } else { 0 };
    let (one, other) = (of(engine.verdict, refused, engine.phase), of(reference.verdict, status, reference.phase));
    same("verdict and phase", &one, &other)?;
    same("note", &engine.note, &reference.note)?;
    next_differs(engine, reference, is_entry)?;
    let owned = |one: &Option<std::borrow::Cow<'_, str>>| one.as_deref().map(str::to_owned);
    // An entry that its key lets nobody at is told before its operation is written down.
    if !engine.permits() && engine.interaction.is_none() {
        return Ok(());
    }
    same("interaction", &engine.interaction, &reference.interaction)?;
    same("type", &owned(&engine.resource_type), &reference.resource_type)?;
    same("id", &owned(&engine.resource_id), &reference.resource_id)?;
    if engine.permits() {
        let names = |list: &[std::borrow::Cow<'_, str>]| list.iter().map(ToString::to_string).collect::<Vec<String>>();
        let canonical = |name: &String| name.parse::<Scope>().map_or_else(|_| name.clone(), |scope| scope.to_string());
        let mut rules: Vec<String> = Vec::new();
        for name in reference.rules.iter().map(canonical) {
            if !rules.contains(&name) {
                rules.push(name);
            }
        }
        let unordered = |mut names: Vec<String>| {
            names.sort();
            names
        };
        same("rules", &unordered(names(&engine.rules)), &unordered(rules))?;
        same("fields used", &names(&engine.fields_used), &reference.used)?;
        same("fields ignored", &names(&engine.fields_ignored), &reference.ignored)?;
        let related: Vec<_> =
            engine.related.iter().map(|one| (one.via.to_string(), one.resource_type.to_string(), one.permit)).collect();
        // Asked for twice, it is told of twice or once.
        let told: BTreeSet<_> = related.iter().collect();
        same("related", &told, &reference.related.iter().collect())?;
        obligations(engine)?;
    }
    if engine.verdict == Verdict::Undecided {
        return Ok(());
    }
    same("the number of entries", &engine.entries.len(), &reference.entries.len())?;
    for (number, (one, other)) in engine.entries.iter().zip(&reference.entries).enumerate() {
        differ(by, one, other, true).map_err(|fault| format!("entry {number}: {fault}"))?;
    }
    Ok(())
}

/// What the engine says that it has done, it has done: the reference has no list of obligations to compare with.
fn obligations(engine: &Decision<'_>) -> Result<(), String> {
    let Action::Forward(upstream) = &engine.action else { return Ok(()) };
    let pairs = pairs(upstream.body.as_deref().filter(|_| !upstream.path.is_empty()).unwrap_or(&upstream.query));
    let all: Vec<(String, String)> = pairs.into_iter().chain(self::pairs(&upstream.query)).collect();
    let has = |name: &str, value: Option<&str>| {
        all.iter().any(|(known, text)| known == name && value.is_none_or(|value| value == text))
    };
    for one in engine.obligations.iter() {
        let done = match one {
            Obligation::AddQuery(name, value) | Obligation::SetQuery(name, value) => has(name, Some(value)),
            Obligation::SetHeader(name, value) => {
                upstream.headers.iter().any(|(known, text)| known == name && **text == *value.as_bytes())
            }
            Obligation::StripHeader(name) => {
                // `Prefer` may be set anew after the client's own was left out.
                let set = engine
                    .obligations
                    .iter()
                    .any(|one| matches!(one, Obligation::SetHeader(other, _) if other == name));
                set || *name == "prefer" || !upstream.headers.iter().any(|(known, _)| known == name)
            }
            _ => true,
        };
        if !done {
            return Err(format!("the obligation {one:?} is not carried out in {upstream:?}"));
        }
    }
    Ok(())
}

fn next_differs(engine: &Decision<'_>, reference: &reference::Answer, is_entry: bool) -> Result<(), String> {
    match (&engine.action, &reference.next) {
        (Action::None, Next::Nothing) => Ok(()),
        (Action::Answer(one), Next::Answer(other)) => same("the status of our own answer", one, other),
        (Action::Reply(status, body), Next::Reply(other, value)) => {
            same("the status of our own answer", status, other)?;
            entries_differ(&serde_json::from_str(body).map_err(|_| "our own answer is no JSON")?, value)
        }
        (Action::Lookup(one), Next::Lookup(other)) => {
            let sorted: BTreeSet<&Lookup> = one.iter().collect();
            same("lookups", &sorted, &other.iter().collect())
        }
        (Action::Forward(upstream), Next::Forward(sent)) => {
            // An entry has no headers: what of them goes on stands in its request. And what is not decided goes as it came.
            sent_differs(upstream, sent, is_entry || engine.note.is_some())
        }
        (one, other) => Err(format!("what is done\n  engine:    {one:?}\n  reference: {other:?}")),
    }
}

/// A query or form, decoded.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = tail;
            match (first, tail) {
                (b'%', [high, low, tail @ ..]) => {
                    let digits = [*high, *low];
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                    rest = tail;
                }
                _ => bytes.push(*first),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// Parameters are joined by AND, so their order says nothing.
fn unordered(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

fn sent_differs(upstream: &Upstream<'_>, sent: &Sent, without_headers: bool) -> Result<(), String> {
    same("the method upstream", &upstream.method.to_string(), &sent.method)?;
    same("the path upstream", &upstream.path.to_string(), &sent.path)?;
    same("the query upstream", &unordered(pairs(&upstream.query)), &unordered(sent.query.clone()))?;
    match (&upstream.body, &sent.body) {
        (None, None) => {}
        (Some(form), Some(SentBody::Form(other))) => {
            same("the form upstream", &unordered(pairs(form)), &unordered(other.clone()))?;
        }
        (Some(body), Some(SentBody::Json(value))) => {
            let body: Value = serde_json::from_str(body).map_err(|_| "the body upstream is no JSON")?;
            same("the body upstream", &body, value)?;
        }
        (one, other) => return Err(format!("the body upstream\n  engine:    {one:?}\n  reference: {other:?}")),
    }
    if without_headers {
        return Ok(());
    }
    let mut headers: Vec<(String, String)> = upstream
        .headers
        .iter()
        .filter(|(name, _)| MEANING.contains(&&**name))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    headers.sort();
    let mut expected: Vec<(String, String)> = sent.headers.clone();
    expected.sort();
    same("the headers upstream", &headers, &expected)
}

fn responses_differ(outcome: &Outcome, reference: &Response, upstream: &[u8]) -> Result<(), String> {
    match (outcome, reference) {
        (Outcome::Lookup(one), Response::Lookup(other)) => {
            let sorted: BTreeSet<&Lookup> = one.iter().collect();
            same("lookups of the answer", &sorted, &other.iter().collect())
        }
        (Outcome::Release(released), Response::Released { status, reason, body, released: list, dropped }) => {
            let text = released.body.bytes(upstream);
            same("the status released", &released.status, status)?;
            same("the reason of the answer", &released.reason, reason)?;
            match body {
                Some(expected) => {
                    let found: Value = serde_json::from_slice(&text)
                        .map_err(|_| format!("what is released is no JSON: {}", String::from_utf8_lossy(&text)))?;
                    bodies_differ(&found, expected)?;
                    if expected["type"].as_str().is_some_and(|kind| kind.ends_with("-response")) {
                        return Ok(());
                    }
                    same("the number dropped", &released.dropped, &u32::try_from(*dropped).unwrap())
                }
                // What nobody looks at goes as it came, JSON or not.
                None if list.is_empty() && released.reason.is_none() && text == upstream => Ok(()),
                None => own_differs(released, &text),
            }
        }
        (one, other) => Err(format!("what becomes of the answer\n  engine:    {one:?}\n  reference: {other:?}")),
    }
}

/// Where the reference releases no body, the engine releases none or one of its own.
fn own_differs(released: &Released, text: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(text);
    let own = text.is_empty() || text.contains("OperationOutcome") || text.starts_with("{\"code\":");
    if !own || text.contains("secret") || text.contains("OTHER") {
        return Err(format!("nothing is to be released but {text}"));
    }
    same("resources released", &released.released, &0)
}

/// Bodies are the same but for what is of the gateway alone: ids and links of a Bundle, outcomes of its own.
fn bodies_differ(found: &Value, expected: &Value) -> Result<(), String> {
    let kind = expected["type"].as_str().unwrap_or_default();
    if expected["resourceType"] != "Bundle" || found["resourceType"] != "Bundle" {
        return same("the body released", found, expected);
    }
    if kind.ends_with("-response") {
        return entries_differ(found, expected);
    }
    let without = |value: &Value| {
        let mut value = value.clone();
        let map = value.as_object_mut().unwrap();
        map.remove("link");
        map.remove("id");
        if map.get("entry").is_some_and(|entry| entry.as_array().is_some_and(Vec::is_empty)) {
            map.remove("entry");
        }
        if let Some(entries) = map.get_mut("entry").and_then(Value::as_array_mut) {
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                // Written anew: the own URL, and what the entry was found to be.
                entry.remove("fullUrl");
                entry.remove("search");
                entry.remove("request");
                entry.remove("response");
            }
        }
        value
    };
    same("the Bundle released", &without(found), &without(expected))
}

/// The entries of a batch's answer: statuses, and resources where the reference has one.
fn entries_differ(found: &Value, expected: &Value) -> Result<(), String> {
    same("the type of the Bundle", &found["type"], &expected["type"])?;
    let none = Vec::new();
    let (one, other) = (found["entry"].as_array().unwrap_or(&none), expected["entry"].as_array().unwrap_or(&none));
    same("the number of answers", &one.len(), &other.len())?;
    for (number, (one, other)) in one.iter().zip(other).enumerate() {
        let status = |entry: &Value| {
            entry["response"]["status"].as_str().unwrap_or_default().split(' ').next().unwrap_or_default().to_owned()
        };
        same(&format!("the status of answer {number}"), &status(one), &status(other))?;
        match (one.get("resource"), other.get("resource")) {
            (None, None) => {}
            (Some(found), Some(expected)) => {
                bodies_differ(found, expected).map_err(|fault| format!("answer {number}: {fault}"))?;
            }
            (found, expected) => {
                return Err(format!(
                    "the resource of answer {number}\n  engine:    {found:?}\n  reference: {expected:?}"
                ));
            }
        }
    }
    Ok(())
}
