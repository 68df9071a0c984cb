//! Phase 9, Response: every resource of an answer is decided like a read of its own.
//!
//! Invariant: what cannot be read or decided is not released; a fault after the fact releases nothing.

use policy::Reason as R;
use policy::decision::{Lookup, Verdict};
use policy::letters::Letters;
use policy::operation::Interaction as I;
use policy::request::Request;
use serde_json::{Value, json};

use crate::answer::{Next, Response, Upstream};
use crate::call::Scene;
use crate::coverage::{Cover, Sight};
use crate::decide::Permitted;
use crate::membership::Named;
use crate::rules::Rule;
use crate::{Interpreter, json};

/// A body of the upstream.
#[derive(Clone, Debug)]
pub(crate) enum Parsed {
    Empty,
    Unreadable,
    /// The value, and the places of repeated keys.
    Json(Value, Vec<Vec<String>>),
}

/// What is not released, and why not yet.
pub(crate) enum Hold {
    /// These have to be fetched first.
    Ask(Vec<Lookup>),
}

/// A resource that was let through, or not.
pub(crate) type Kept = Result<bool, Hold>;

impl Interpreter {
    /// Decides on the upstream's answer to a permitted request.
    #[must_use]
    pub fn respond(&self, request: &Request<'_>, answer: &Upstream<'_>) -> Response {
        let decided = self.decided(request);
        if let Next::Lookup(lookups) = decided.answer.next {
            return Response::Lookup(lookups);
        }
        if let Verdict::Deny { status, reason } = decided.answer.verdict {
            return self.own(status, reason, 0);
        }
        let parsed = match json::read(answer.body) {
            _ if answer.body.is_empty() => Parsed::Empty,
            Ok(document) => Parsed::Json(document.value, document.repeats),
            Err(_) => Parsed::Unreadable,
        };
        match decided.permitted {
            None => as_it_came(answer.status, parsed),
            // D52: where its job is, and that below the upstream's base.
            Some(permitted)
                if permitted.scene.target.code.as_deref() == Some("export")
                    && answer.status == 202
                    && !has_job(answer) =>
            {
                self.unreadable()
            }
            Some(permitted) => self.checked(&permitted, &decided.answer.entries, answer.status, parsed, answer.base),
        }
    }

    /// An answer of the gateway's own.
    pub(crate) fn own(&self, status: u16, reason: R, dropped: usize) -> Response {
        Response::Released {
            status: self.legacy_status(status),
            reason: Some(reason),
            body: None,
            released: Vec::new(),
            dropped,
        }
    }

    /// The not-found answer; of an instance that is there, 403 where its existence may show.
    pub(crate) fn not_found(&self, is_there: bool) -> Response {
        let shows = is_there && !self.service.settings.hide_existence;
        let (status, reason) = if shows { (403, R::ResponseNotCovered) } else { (404, R::NotFound) };
        self.own(status, reason, usize::from(is_there))
    }

    pub(crate) fn unreadable(&self) -> Response {
        self.own(502, R::ResponseUnreadable, 0)
    }

    /// One answer, by what was asked.
    pub(crate) fn checked(
        &self,
        permitted: &Permitted<'_>,
        entries: &[crate::Answer],
        status: u16,
        parsed: Parsed,
        base: &str,
    ) -> Response {
        let scene = &permitted.scene;
        let Some(interaction) = scene.target.interaction else {
            return as_it_came(status, parsed);
        };
        match status {
            404 | 410
                if scene.target.id.is_some()
                    && interaction != I::SearchCompartment
                    && scene.target.code.as_deref() != Some("export") =>
            {
                let own = self.not_found(false);
                let Response::Released { status, body, released, dropped, .. } = own else { return own };
                return Response::Released { status, reason: None, body, released, dropped };
            }
            410 => return bare(self.legacy_status(404)),
            400.. => return bare(status),
            200..=299 => {}
            _ => return self.unreadable(),
        }
        let partial =
            permitted.merged.plan.shape.iter().any(|(name, value)| {
                name == "_elements" || (name == "_summary" && (value == "true" || value == "count"))
            });
        let sight = Sight { bases: vec![self.own_base(), base.trim_end_matches('/').to_owned()], partial };
        match interaction {
            I::Read | I::Vread => self.instance_answer(permitted, status, parsed, &sight),
            I::SearchType
            | I::SearchSystem
            | I::SearchCompartment
            | I::HistoryInstance
            | I::HistoryType
            | I::HistorySystem => self.bundle_answer(permitted, status, parsed, &sight),
            I::Create | I::Update | I::Patch | I::Delete | I::Conditional => {
                self.write_answer(permitted, status, parsed, &sight)
            }
            I::Operation => match scene.target.code.as_deref() {
                Some("everything") if scene.target.resource_type.is_some() => {
                    self.bundle_answer(permitted, status, parsed, &sight)
                }
                // D52: what a kick-off answers is where its job is, and nothing else.
                Some("export") if status == 202 => bare(status),
                Some("export") => self.unreadable(),
                _ => self.operation_answer(permitted, status, parsed, &sight),
            },
            I::Batch => self.batch_answer(permitted, entries, status, parsed, base),
            I::Capabilities => as_it_came(status, parsed),
        }
    }

    /// The rules that can cover a resource of an answer.
    pub(crate) fn covering<'s>(scene: &'s Scene<'_>) -> impl Iterator<Item = &'s Rule> {
        scene.all.iter().filter(|rule| !rule.is_patient() || scene.principal.patient.is_some())
    }

    /// Whether some rule covers a resource with these letters; `named` if a role's naming of the operation suffices.
    pub(crate) fn is_covered(
        &self,
        scene: &Scene<'_>,
        resource: &Value,
        letters: Letters,
        named: bool,
        sight: &Sight,
    ) -> Vec<Cover> {
        Self::covering(scene)
            .map(|rule| {
                if named && rule.names(scene.target.operation) {
                    self.covers_but_letters(scene, rule, resource, sight)
                } else {
                    self.covers(scene, rule, resource, letters, sight)
                }
            })
            .collect()
    }

    fn instance_answer(&self, permitted: &Permitted<'_>, status: u16, parsed: Parsed, sight: &Sight) -> Response {
        let scene = &permitted.scene;
        let (value, repeats) = match parsed {
            Parsed::Json(value, repeats) if status == 200 && value.is_object() => (value, repeats),
            _ => return self.unreadable(),
        };
        let same = json::text(&value, "resourceType") == scene.target.resource_type.as_deref()
            && json::text(&value, "id") == scene.target.id.as_deref();
        let version = value.get("meta").and_then(|meta| json::text(meta, "versionId"));
        let asked = scene.call.path.as_ref().and_then(|path| path.last()).map(String::as_str);
        let other = scene.target.interaction == Some(I::Vread) && version.is_some() && version != asked;
        if !repeats.is_empty() || !same || other {
            return self.not_found(true);
        }
        let covers = self.is_covered(scene, &value, Letters::READ, true, sight);
        let by_reference = permitted.by_reference
            && permitted.permits.iter().any(|one| self.is_open_by_reference(scene, &one.rule, &value));
        let kept = if by_reference || covers.contains(&Cover::Yes) {
            Ok(true)
        } else if covers.contains(&Cover::ByDocument) {
            self.by_document(scene, &value, sight)
        } else if covers.contains(&Cover::ByTargets) {
            let room = Self::room(scene, [&value], sight);
            self.by_targets(scene, &value, &[], &room, sight)
        } else {
            Ok(false)
        };
        match kept {
            Ok(true) => {
                let value = without(&value, &permitted.merged.added_elements);
                Response::Released {
                    status,
                    reason: None,
                    body: Some(value.clone()),
                    released: vec![value],
                    dropped: 0,
                }
            }
            Ok(false) => self.not_found(true),
            Err(Hold::Ask(lookups)) => Response::Lookup(lookups),
        }
    }

    /// D19: the answer to a write is checked like a read; what is not covered is dropped, and the status stays.
    fn write_answer(&self, permitted: &Permitted<'_>, status: u16, parsed: Parsed, sight: &Sight) -> Response {
        let scene = &permitted.scene;
        let (value, repeats) = match parsed {
            Parsed::Empty => return bare(status),
            Parsed::Json(value, repeats) if value.is_object() => (value, repeats),
            Parsed::Json(..) | Parsed::Unreadable => return dropped_body(status),
        };
        let type_ok = json::text(&value, "resourceType") == scene.target.resource_type.as_deref();
        let id = json::text(&value, "id");
        let id_ok = id.is_some_and(|id| {
            scene.target.id.as_ref().map_or_else(|| policy::text::FhirId::accepts(id), |own| own == id)
        });
        let readers = permitted
            .permits
            .iter()
            .any(|one| self.gives(&one.rule, scene.target.resource_type.as_deref().unwrap_or_default(), Letters::READ));
        let covered = self.is_covered(scene, &value, Letters::READ, false, sight).contains(&Cover::Yes);
        if scene.target.interaction != Some(I::Delete) && repeats.is_empty() && type_ok && id_ok && readers && covered {
            Response::Released { status, reason: None, body: Some(value.clone()), released: vec![value], dropped: 0 }
        } else {
            dropped_body(status)
        }
    }

    /// D12: every resource of an operation's answer.
    fn operation_answer(&self, permitted: &Permitted<'_>, status: u16, parsed: Parsed, sight: &Sight) -> Response {
        let scene = &permitted.scene;
        let (value, repeats) = match parsed {
            Parsed::Empty => return bare(status),
            Parsed::Json(value, repeats) => (value, repeats),
            Parsed::Unreadable => return self.unreadable(),
        };
        let mut all = Vec::new();
        if !repeats.is_empty() || json::text(&value, "resourceType").is_none() {
            return self.unreadable();
        }
        if !resources(&value, &mut all) {
            return self.own(403, R::ResponseNotCovered, 1);
        }
        let open = |resource: &Value| permitted.permits.iter().any(|one| self.is_open(scene, &one.rule, resource));
        let reaches = |resource: &Value| match &scene.principal.patient {
            None => true,
            Some(patient) => {
                self.is_member(resource, patient, &sight.bases, sight.partial)
                    || self.is_covered(scene, resource, Letters::READ, false, sight).contains(&Cover::Yes)
            }
        };
        if all.iter().all(|resource| open(resource) && reaches(resource)) {
            let released = all.into_iter().cloned().collect();
            Response::Released { status, reason: None, body: Some(value.clone()), released, dropped: 0 }
        } else {
            self.own(403, R::ResponseNotCovered, all.len())
        }
    }

    /// D34: each entry by the decision on it; the denied ones in their place.
    fn batch_answer(
        &self,
        permitted: &Permitted<'_>,
        entries: &[crate::Answer],
        status: u16,
        parsed: Parsed,
        base: &str,
    ) -> Response {
        let Parsed::Json(value, repeats) = parsed else { return self.unreadable() };
        let is_response =
            json::text(&value, "type").is_some_and(|kind| kind == "batch-response" || kind == "transaction-response");
        let list = value.get("entry").and_then(Value::as_array).cloned().unwrap_or_default();
        let forwarded = permitted.entries.iter().flatten().count();
        let in_envelope = |place: &Vec<String>| {
            place.first().is_none_or(|first| first != "entry")
                || place.len() < 3
                || (place.len() == 3 && place.last().is_some_and(|last| last == "response"))
        };
        let envelope_repeats = repeats.iter().any(in_envelope);
        if json::text(&value, "resourceType") != Some("Bundle")
            || !is_response
            || list.len() != forwarded
            || envelope_repeats
        {
            return self.unreadable();
        }
        let (mut out, mut released, mut dropped, mut asks) = (Vec::new(), Vec::new(), 0, Vec::new());
        let mut answers = list.iter().enumerate();
        for (one, answer) in permitted.entries.iter().zip(entries) {
            let Some(one) = one else {
                out.push(self.outcome_entry(answer));
                continue;
            };
            let Some((at, entry)) = answers.next() else { return self.unreadable() };
            let own_repeats: Vec<Vec<String>> = repeats
                .iter()
                .filter(|place| {
                    place.get(1) == Some(&at.to_string()) && place.get(2).is_some_and(|name| name == "resource")
                })
                .cloned()
                .collect();
            let text = entry.get("response").and_then(|response| json::text(response, "status")).unwrap_or_default();
            let Ok(entry_status) = text.split(' ').next().unwrap_or_default().parse::<u16>() else {
                return self.unreadable();
            };
            let parsed = match entry.get("resource") {
                None => Parsed::Empty,
                Some(resource) => Parsed::Json(resource.clone(), inside_resource(&own_repeats)),
            };
            match self.checked(one, &[], entry_status, parsed, base) {
                Response::Lookup(lookups) => asks.extend(lookups),
                Response::Released { status, body, released: more, dropped: fewer, .. } => {
                    let mut entry = json!({"response": {"status": status.to_string()}});
                    if let (Some(body), Some(map)) = (body, entry.as_object_mut()) {
                        map.insert("resource".to_owned(), body);
                    }
                    out.push(entry);
                    released.extend(more);
                    dropped += fewer;
                }
            }
        }
        if !asks.is_empty() {
            asks.sort();
            asks.dedup();
            return Response::Lookup(asks);
        }
        let body = json!({"resourceType": "Bundle", "type": value.get("type"), "entry": out});
        Response::Released { status, reason: None, body: Some(body), released, dropped }
    }

    /// D8: a covered DocumentReference that names this Binary.
    fn by_document(&self, scene: &Scene<'_>, binary: &Value, sight: &Sight) -> Kept {
        let (Some(patient), Some(id)) = (&scene.principal.patient, json::text(binary, "id")) else { return Ok(false) };
        let relative = format!("Binary/{id}");
        let absolute: Vec<String> = sight.bases.iter().map(|base| format!("{base}/{relative}")).collect();
        let query = [
            ("patient".to_owned(), format!("Patient/{patient}")),
            ("location".to_owned(), format!("{relative},{}", absolute.join(","))),
        ];
        let lookup = Lookup { path: "/DocumentReference".to_owned(), query: crate::decide::encode_query(&query) };
        let Some(document) = fetched(scene, &lookup)? else { return Ok(false) };
        let names = |resource: &Value| {
            let path = ["content".to_owned(), "attachment".to_owned(), "url".to_owned()];
            let own = |url: &str| url == relative || sight.bases.iter().any(|base| url == format!("{base}/{relative}"));
            json::at(resource, &path).iter().any(|url| url.as_str().is_some_and(own))
        };
        let entries = document.value.get("entry").and_then(Value::as_array).cloned().unwrap_or_default();
        let ok = |(at, entry): (usize, &Value)| {
            let repeated =
                document.repeats.iter().any(|place| place.get(1) == Some(&at.to_string()) || place.len() < 2);
            entry.get("resource").is_some_and(|resource| {
                !repeated
                    && json::text(resource, "resourceType") == Some("DocumentReference")
                    && names(resource)
                    && self.is_covered(scene, resource, Letters::READ, false, sight).contains(&Cover::Yes)
            })
        };
        Ok(entries.iter().enumerate().any(ok))
    }

    /// D9: the targets that may be looked up for an answer: the first that its Provenances name, whoever reads them.
    pub(crate) fn room<'v>(
        scene: &Scene<'_>,
        all: impl IntoIterator<Item = &'v Value>,
        sight: &Sight,
    ) -> Vec<(String, String)> {
        let mut room = Vec::new();
        let is_provenance = |one: &&Value| json::text(one, "resourceType") == Some("Provenance");
        let targets =
            all.into_iter().filter(is_provenance).filter_map(|one| one.get("target").and_then(Value::as_array));
        for target in targets.flatten() {
            if let Named::Instance(name, id) = Self::named(target, &sight.bases) {
                let own = name == "Patient" && Some(&id) == scene.principal.patient.as_ref();
                let target = (name, id);
                if !own && room.len() < MAX_LOOKUPS && !room.contains(&target) {
                    room.push(target);
                }
            }
        }
        room
    }

    /// D9: every target is the context, or kept beside it and the context's, or is found so by a lookup.
    pub(crate) fn by_targets(
        &self,
        scene: &Scene<'_>,
        provenance: &Value,
        kept: &[&Value],
        room: &[(String, String)],
        sight: &Sight,
    ) -> Kept {
        let (Some(patient), Some(targets)) = (&scene.principal.patient, Self::targets_of(provenance, &sight.bases))
        else {
            return Ok(false);
        };
        let reads = |name: &str| Self::covering(scene).any(|rule| self.gives(rule, name, Letters::READ));
        let is = |one: &Value, name: &str, id: &str| {
            json::text(one, "resourceType") == Some(name) && json::text(one, "id") == Some(id)
        };
        let mut open = Vec::new();
        for (name, id) in targets {
            if name == "Patient" && id == *patient {
                continue;
            }
            match kept.iter().find(|one| is(one, &name, &id)) {
                Some(one) if self.is_member(one, patient, &sight.bases, sight.partial) => {}
                // One that can never be covered: then nothing is looked up.
                Some(_) => return Ok(false),
                None if name == "Provenance" || name == "Patient" || !reads(&name) => return Ok(false),
                None if !room.contains(&(name.clone(), id.clone())) => return Ok(false),
                None => open.push((name, id)),
            }
        }
        let mut asks = Vec::new();
        for (name, id) in open {
            let lookup = Lookup { path: format!("/{name}/{id}"), query: String::new() };
            match fetched(scene, &lookup) {
                Err(Hold::Ask(more)) => asks.extend(more),
                Ok(None) => return Ok(false),
                Ok(Some(document)) => {
                    let value = &document.value;
                    let whole = Sight { partial: false, ..sight.clone() };
                    let covered = is(value, &name, &id)
                        && self.is_member(value, patient, &sight.bases, false)
                        && self.is_covered(scene, value, Letters::READ, false, &whole).contains(&Cover::Yes);
                    if !document.repeats.is_empty() || !covered {
                        return Ok(false);
                    }
                }
            }
        }
        if asks.is_empty() { Ok(true) } else { Err(Hold::Ask(asks)) }
    }
}

/// Whether an answer names a job below the upstream's base.
fn has_job(answer: &Upstream<'_>) -> bool {
    let named = answer.headers.iter().find(|(name, _)| *name == "content-location").map(|(_, value)| *value);
    let rest = named.and_then(|url| url.strip_prefix(answer.base.trim_end_matches('/')));
    rest.is_some_and(|rest| rest.starts_with(['/', '?']))
}

/// The most lookups while one answer is checked.
pub(crate) const MAX_LOOKUPS: usize = 100;

/// What a lookup brought; none if nothing is stored, or this gateway cannot look up.
pub(crate) fn fetched(scene: &Scene<'_>, lookup: &Lookup) -> Result<Option<json::Document>, Hold> {
    let Some(found) = scene.call.stored.iter().find(|one| one.lookup == lookup) else {
        return if scene.call.capabilities.lookup { Err(Hold::Ask(vec![lookup.clone()])) } else { Ok(None) };
    };
    match found.status {
        // What cannot be read covers nothing.
        200 => Ok(json::read(found.body).ok()),
        _ => Ok(None),
    }
}

/// The resources of an operation's answer, through Bundle and Parameters; false if it holds what is none.
fn resources<'a>(value: &'a Value, all: &mut Vec<&'a Value>) -> bool {
    match json::text(value, "resourceType") {
        None => false,
        Some("OperationOutcome") => true,
        Some("Parameters") => {
            value.get("parameter").and_then(Value::as_array).into_iter().flatten().all(|one| in_parameter(one, all))
        }
        Some("Bundle") => {
            let entries = value.get("entry").and_then(Value::as_array).into_iter().flatten();
            entries.into_iter().all(|entry| entry.get("resource").is_none_or(|resource| resources(resource, all)))
        }
        Some(_) => {
            all.push(value);
            true
        }
    }
}

fn in_parameter<'a>(one: &'a Value, all: &mut Vec<&'a Value>) -> bool {
    let own = one.get("resource").is_none_or(|resource| resources(resource, all));
    own && one.get("part").and_then(Value::as_array).into_iter().flatten().all(|part| in_parameter(part, all))
}

/// The places of repeated keys below `entry[i].resource`, seen from the resource; an entry that repeats itself counts whole.
fn inside_resource(repeats: &[Vec<String>]) -> Vec<Vec<String>> {
    repeats.iter().map(|place| place.get(3..).map(<[String]>::to_vec).unwrap_or_default()).collect()
}

/// A resource without the elements that were asked for only to decide.
pub(crate) fn without(value: &Value, elements: &[String]) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        map.retain(|name, _| !elements.contains(name));
    }
    value
}

/// A status, and nothing else.
pub(crate) fn bare(status: u16) -> Response {
    Response::Released { status, reason: None, body: None, released: Vec::new(), dropped: 0 }
}

fn dropped_body(status: u16) -> Response {
    Response::Released { status, reason: None, body: None, released: Vec::new(), dropped: 1 }
}

fn as_it_came(status: u16, parsed: Parsed) -> Response {
    match parsed {
        Parsed::Json(value, _) => {
            let released = if value.get("resourceType").is_some() { vec![value.clone()] } else { Vec::new() };
            Response::Released { status, reason: None, body: Some(value), released, dropped: 0 }
        }
        Parsed::Empty | Parsed::Unreadable => bare(status),
    }
}
