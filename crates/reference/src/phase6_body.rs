//! Phase 6, Body: the new state belongs where the rule reaches, and so does what is stored.
//!
//! The order is the page's: parse, new state, stored version, patch, labels and tags, parts, fields.

use policy::Reason as R;
use policy::decision::Phase::Body;
use policy::facts::Standing;
use policy::letters::Letters;
use policy::operation::Interaction as I;
use serde_json::Value;

use crate::call::Scene;
use crate::coverage::Cover;
use crate::denial::{Denial, Stop, deny, stop};
use crate::membership::{Named, has_contained_patient, is_subsetted};
use crate::patch::{self, Patch};
use crate::phase5_query::Plan;
use crate::rules::Rule;
use crate::{Interpreter, json, url};

/// What phase 6 found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    /// The new state, where there is one.
    pub(crate) state: Option<Value>,
    /// `If-Match` of the version that was checked.
    pub(crate) if_match: Option<String>,
    /// Nothing was stored, so nothing may be.
    pub(crate) if_none_match: bool,
    /// The narrowed `If-None-Exist`.
    pub(crate) if_none_exist: Option<Plan>,
}

/// A stored resource, with the version that `If-Match` will carry.
pub(crate) struct Current {
    pub(crate) value: Value,
    pub(crate) version: Option<String>,
}

impl Interpreter {
    /// Goes through phase 6 with one rule.
    pub(crate) fn body_phase(&self, scene: &Scene<'_>, rule: &Rule) -> Result<Written, Stop> {
        match scene.target.interaction {
            Some(I::Create) => self.create(scene, rule),
            Some(I::Update) => self.update(scene, rule),
            Some(I::Patch) => self.patch(scene, rule),
            Some(I::Delete) => self.delete(scene, rule),
            Some(I::Conditional) => self.conditional(scene, rule),
            Some(I::Operation) => self.operation_body(scene, rule),
            None => self.plain_body(scene, rule),
            Some(_) => Ok(Written::default()),
        }
    }

    fn create(&self, scene: &Scene<'_>, rule: &Rule) -> Result<Written, Stop> {
        // Phase 5's part of a create.
        let if_none_exist = match scene.call.header("if-none-exist") {
            Some(header) => Some(self.if_none_exist(scene, rule, header)?),
            None => None,
        };
        let state = self.resource(scene)?;
        if state.get("id").is_some() {
            return Err(stop(Body, R::MalformedBody));
        }
        self.check_new(scene, rule, &state)?;
        self.check_attachments(scene, &state, None)?;
        self.check_marks(scene, &state, None)?;
        check_whole(&state)?;
        self.check_fields(scene, rule, &state)?;
        Ok(Written { state: Some(state), if_none_exist, ..Written::default() })
    }

    fn update(&self, scene: &Scene<'_>, rule: &Rule) -> Result<Written, Stop> {
        let state = self.resource(scene)?;
        if json::text(&state, "id") != scene.target.id.as_deref() {
            return Err(stop(Body, R::MalformedBody));
        }
        self.check_new(scene, rule, &state)?;
        let name = scene.target.resource_type.clone().unwrap_or_default();
        let creates = self.writes_blindly(scene, rule) && self.gives(rule, &name, Letters::CREATE);
        let mut written = Written::default();
        let mut stored = None;
        if !creates {
            match self.current(scene, Body)? {
                Some(current) => {
                    self.check_stored(scene, rule, &current, Letters::UPDATE)?;
                    written.if_match = Some(current.version.clone().ok_or(stop(Body, R::ResponseUnreadable))?);
                    stored = Some(current.value);
                }
                // D14: it is created then, by a plain rule that may.
                None if scene.call.header("if-match").is_none()
                    && scene.all.iter().any(|one| {
                        self.is_plain(one, scene.target.operation)
                            && one.condition.is_none()
                            && self.gives(one, &name, Letters::CREATE)
                    }) =>
                {
                    written.if_none_match = true;
                }
                None => return Err(self.missing(Body)),
            }
        }
        self.check_attachments(scene, &state, stored.as_ref())?;
        self.check_marks(scene, &state, stored.as_ref())?;
        check_whole(&state)?;
        if let Some(stored) = &stored {
            check_whole(stored)?;
        }
        self.check_fields(scene, rule, &state)?;
        written.state = Some(state);
        Ok(written)
    }

    fn patch(&self, scene: &Scene<'_>, rule: &Rule) -> Result<Written, Stop> {
        let patch = self.read_patch(scene)?;
        let name = scene.target.resource_type.clone().unwrap_or_default();
        let Some(current) = self.current(scene, Body)? else { return Err(self.missing(Body)) };
        self.check_stored(scene, rule, &current, Letters::UPDATE)?;
        let version = current.version.clone().ok_or(stop(Body, R::ResponseUnreadable))?;
        if patch.tests() && !self.gives(rule, &name, Letters::READ) {
            return Err(stop(Body, R::NoRule));
        }
        let state = patch.apply(&current.value).ok_or(stop(Body, R::MalformedBody))?;
        let same =
            json::text(&state, "resourceType") == Some(&name) && json::text(&state, "id") == scene.target.id.as_deref();
        if !same || json::has_two_readings(&state, &self.element_names(&name)) {
            return Err(stop(Body, R::MalformedBody));
        }
        self.check_new(scene, rule, &state)?;
        self.check_attachments(scene, &state, Some(&current.value))?;
        self.check_marks(scene, &state, Some(&current.value))?;
        check_whole(&state)?;
        check_whole(&current.value)?;
        let touched = patch.touched();
        let lists = rule.field_lists(scene.target.operation);
        if !lists.iter().all(|list| touched.iter().all(|path| crate::fields::allows_path(list, path))) {
            return Err(stop(Body, R::FieldDenied));
        }
        Ok(Written { state: Some(state), if_match: Some(version), ..Written::default() })
    }

    fn delete(&self, scene: &Scene<'_>, rule: &Rule) -> Result<Written, Stop> {
        if scene.call.has_body() {
            return Err(stop(Body, R::MalformedBody));
        }
        if self.is_plain(rule, scene.target.operation) {
            return Ok(Written::default());
        }
        let Some(current) = self.current(scene, Body)? else { return Err(self.missing(Body)) };
        self.check_stored(scene, rule, &current, Letters::DELETE)?;
        check_whole(&current.value)?;
        let version = current.version.ok_or(stop(Body, R::ResponseUnreadable))?;
        Ok(Written { if_match: Some(version), ..Written::default() })
    }

    /// D17: plain rules only, so nothing stored is asked; the body is checked as far as it goes.
    fn conditional(&self, scene: &Scene<'_>, rule: &Rule) -> Result<Written, Stop> {
        match scene.call.method.as_str() {
            "PUT" => {
                let state = self.resource(scene)?;
                self.check_new(scene, rule, &state)?;
                self.check_attachments(scene, &state, None)?;
                self.check_marks(scene, &state, None)?;
                check_whole(&state)?;
                Ok(Written { state: Some(state), ..Written::default() })
            }
            "PATCH" => {
                let patch = self.read_patch(scene)?;
                let name = scene.target.resource_type.clone().unwrap_or_default();
                if patch.tests() && !self.gives(rule, &name, Letters::READ) {
                    return Err(stop(Body, R::NoRule));
                }
                if patch.values().any(|value| self.holds_conditional(value)) {
                    return Err(stop(Body, R::ConditionalDenied));
                }
                Ok(Written::default())
            }
            _ if scene.call.has_body() => Err(stop(Body, R::MalformedBody)),
            _ => Ok(Written::default()),
        }
    }

    /// D12: what the body of an operation names of patients is the context.
    fn operation_body(&self, scene: &Scene<'_>, rule: &Rule) -> Result<Written, Stop> {
        if !scene.call.has_body() || matches!(scene.target.code.as_deref(), Some("everything" | "export")) {
            return Ok(Written::default());
        }
        let body = scene.call.json()?;
        if json::text(&body, "resourceType").is_none() || json::has_two_readings(&body, &self.element_names("")) {
            return Err(stop(Body, R::MalformedBody));
        }
        if let Some(patient) = &scene.principal.patient {
            for object in json::objects(&body) {
                if object.get("reference").is_some_and(Value::is_string) {
                    match Self::named(object, &[self.own_base()]) {
                        Named::Conditional => return Err(stop(Body, R::ConditionalDenied)),
                        Named::Instance(name, id) if name == "Patient" && id != *patient => {
                            return Err(stop(Body, R::OtherPatient));
                        }
                        Named::Undecidable
                            if json::text(object, "reference").is_some_and(|text| text.contains("Patient/")) =>
                        {
                            return Err(stop(Body, R::OtherPatient));
                        }
                        _ => {}
                    }
                }
                if json::text(object, "resourceType") == Some("Patient") && json::text(object, "id") != Some(patient) {
                    return Err(stop(Body, R::OtherPatient));
                }
            }
        }
        self.check_fields(scene, rule, &body)?;
        Ok(Written::default())
    }

    fn plain_body(&self, scene: &Scene<'_>, rule: &Rule) -> Result<Written, Stop> {
        let written = matches!(scene.call.method.as_str(), "POST" | "PUT" | "PATCH");
        if !rule.field_lists(scene.target.operation).is_empty() && written && scene.call.has_body() {
            let body = scene.call.json()?;
            self.check_fields(scene, rule, &body)?;
        }
        Ok(Written::default())
    }

    /// The body as a resource of the type in the path.
    fn resource(&self, scene: &Scene<'_>) -> Result<Value, Stop> {
        let body = scene.call.json()?;
        let name = scene.target.resource_type.clone().unwrap_or_default();
        let of_type = body.is_object() && json::text(&body, "resourceType") == Some(&name);
        let id_ok = body.get("id").is_none_or(|id| id.as_str().is_some_and(policy::text::FhirId::accepts));
        if !of_type || !id_ok || json::has_two_readings(&body, &self.element_names(&name)) {
            return Err(stop(Body, R::MalformedBody));
        }
        Ok(body)
    }

    fn read_patch(&self, scene: &Scene<'_>) -> Result<Patch, Stop> {
        let body = scene.call.json()?;
        let name = scene.target.resource_type.clone().unwrap_or_default();
        let patch = patch::read(&body, &name).ok_or(stop(Body, R::MalformedBody))?;
        // D58: what a patch brings in has one reading, whatever becomes of it.
        let known = self.element_names(&name);
        let disguised =
            |one: &String| !one.is_ascii() || known.iter().any(|other| other != one && other.eq_ignore_ascii_case(one));
        if patch.touched().iter().flatten().any(disguised)
            || patch.values().any(|value| json::has_two_readings(value, &known))
        {
            return Err(stop(Body, R::MalformedBody));
        }
        if patch.len() > patch::MAX_OPERATIONS { Err(stop(Body, R::TooLarge)) } else { Ok(patch) }
    }

    /// D58: whether a value is, or holds, a reference that the upstream would resolve by a search.
    fn holds_conditional(&self, value: &Value) -> bool {
        let bases = [self.own_base()];
        let text = |value: &Value| {
            value.as_str().is_some_and(|text| crate::membership::literal(text, &bases) == Named::Conditional)
        };
        text(value) || json::objects(value).iter().any(|object| Self::named(object, &bases) == Named::Conditional)
    }

    /// D59: nothing is looked at where a rule covers whatever is stored, and no declared key could be dropped.
    pub(crate) fn writes_blindly(&self, scene: &Scene<'_>, rule: &Rule) -> bool {
        self.is_plain(rule, scene.target.operation) && self.service.tag_keys.is_empty()
    }

    /// What is stored at the path's instance; none if nothing is.
    pub(crate) fn current(&self, scene: &Scene<'_>, phase: policy::decision::Phase) -> Result<Option<Current>, Stop> {
        let (name, id) =
            (scene.target.instance_type.clone().unwrap_or_default(), scene.target.id.clone().unwrap_or_default());
        self.instance(scene, phase, &name, &id)
    }

    /// What is stored at an instance; none if nothing is.
    pub(crate) fn instance(
        &self,
        scene: &Scene<'_>,
        phase: policy::decision::Phase,
        name: &str,
        id: &str,
    ) -> Result<Option<Current>, Stop> {
        let unreadable = stop(phase, R::ResponseUnreadable);
        let stored = scene.call.stored(phase, &format!("/{name}/{id}"), "")?;
        match stored.status {
            404 | 410 => return Ok(None),
            200 => {}
            _ => return Err(unreadable),
        }
        // What cannot be read is there, and covered by nobody.
        let Ok(document) = json::read(stored.body) else { return Err(self.uncovered(phase)) };
        let value = document.value;
        if !value.is_object() {
            return Err(self.uncovered(phase));
        }
        if !document.repeats.is_empty()
            || json::text(&value, "resourceType") != Some(name)
            || json::text(&value, "id") != Some(id)
        {
            return Err(self.uncovered(phase));
        }
        let version = stored.etag.map(str::to_owned).or_else(|| {
            let version = value.get("meta").and_then(|meta| json::text(meta, "versionId"))?;
            Some(format!("W/\"{version}\""))
        });
        Ok(Some(Current { value, version }))
    }

    /// The stored version is covered by the same rule, with the letter that it writes by.
    fn check_stored(&self, scene: &Scene<'_>, rule: &Rule, current: &Current, letter: Letters) -> Result<(), Stop> {
        let sight = self.stored_sight(scene);
        match self.covers(scene, rule, &current.value, letter, &sight) {
            Cover::Yes if !rule.is_patient() || self.is_owned_now(scene, &current.value, &sight.bases) => Ok(()),
            Cover::Yes | Cover::No | Cover::ByDocument | Cover::ByTargets => Err(self.uncovered(Body)),
        }
    }

    /// D61: what is another's as well, or nobody's, is not for a patient's app to change.
    fn is_owned_now(&self, scene: &Scene<'_>, stored: &Value, bases: &[String]) -> bool {
        let mut alone = scene.clone();
        alone.call.siblings.clear();
        self.check_owner(&alone, stored, bases).is_ok()
    }

    /// D65: a DocumentReference opens the Binaries that it names, so it names only the patient's own, or those it named.
    fn check_attachments(&self, scene: &Scene<'_>, state: &Value, stored: Option<&Value>) -> Result<(), Stop> {
        let Some(patient) = &scene.principal.patient else { return Ok(()) };
        if scene.target.resource_type.as_deref() != Some("DocumentReference") {
            return Ok(());
        }
        let sight = self.stored_sight(scene);
        let path = ["content".to_owned(), "attachment".to_owned(), "url".to_owned()];
        let is_new = |url: &str| scene.call.siblings.get(url).is_some_and(|one| one.is_new);
        let mut urls = json::at(state, &path).into_iter().filter_map(Value::as_str);
        if scene.call.in_transaction && urls.any(|url| url.starts_with("urn:") && !is_new(url)) {
            return Err(stop(Body, R::NoOwner));
        }
        let attached = |document: &Value| -> std::collections::BTreeSet<String> {
            let urls = json::at(document, &path).into_iter().filter_map(Value::as_str);
            urls.filter_map(|url| match crate::membership::literal(url, &sight.bases) {
                Named::Instance(name, id) if name == "Binary" => Some(id),
                _ => None,
            })
            .collect()
        };
        let before = stored.map(attached).unwrap_or_default();
        let new: Vec<String> = attached(state).difference(&before).cloned().collect();
        if new.len() > 100 {
            return Err(stop(Body, R::NoOwner));
        }
        let (mut asks, mut foreign) = (Vec::new(), false);
        for id in &new {
            match self.instance(scene, Body, "Binary", id) {
                Ok(Some(binary)) => foreign |= !self.is_member(&binary.value, patient, &sight.bases, false),
                Ok(None) => foreign = true,
                Err(Stop::Ask(_, lookups)) => asks.extend(lookups),
                Err(Stop::Deny(denial))
                    if matches!(denial.reason, R::ResponseUnreadable | R::ObligationUnsupported) =>
                {
                    return Err(Stop::Deny(denial));
                }
                Err(Stop::Deny(_)) => foreign = true,
            }
        }
        if foreign {
            return Err(stop(Body, R::NoOwner));
        }
        if asks.is_empty() { Ok(()) } else { Err(Stop::Ask(Body, asks)) }
    }

    /// The answer to an instance that is not there.
    pub(crate) fn missing(&self, phase: policy::decision::Phase) -> Stop {
        Stop::Deny(Denial { phase, status: 404, reason: R::NotFound })
    }

    /// The answer to an instance that is not covered: the same, unless its existence may show.
    pub(crate) fn uncovered(&self, phase: policy::decision::Phase) -> Stop {
        let hides = self.service.settings.hide_existence;
        let (status, reason) = if hides { (404, R::NotFound) } else { (403, R::ExistingNotCovered) };
        Stop::Deny(Denial { phase, status, reason })
    }

    /// The new state is covered by the rule; its tags are asked in phase 8.
    fn check_new(&self, scene: &Scene<'_>, rule: &Rule, state: &Value) -> Result<(), Denial> {
        let bases = [self.own_base()];
        let conditional = |object: &&Value| Self::named(object, &bases) == Named::Conditional;
        if json::objects(state).iter().any(conditional) {
            return Err(deny(Body, R::ConditionalDenied));
        }
        if rule.is_patient() {
            self.check_owner(scene, state, &bases)?;
        }
        if !self.matches(state, &rule.constraints, &bases) {
            return Err(deny(Body, R::NoRule));
        }
        Ok(())
    }

    fn check_owner(&self, scene: &Scene<'_>, state: &Value, bases: &[String]) -> Result<(), Denial> {
        let name = json::text(state, "resourceType").unwrap_or_default();
        let patient = scene.principal.patient.clone().unwrap_or_default();
        if has_contained_patient(state) {
            return Err(deny(Body, R::OtherOwner));
        }
        match self.standing(name) {
            Standing::Patient if json::text(state, "id") == Some(&patient) => Ok(()),
            Standing::Patient => Err(deny(Body, R::OtherOwner)),
            Standing::Compartment | Standing::PatientElement => {
                // Every element of the table counts, whatever the setting says of membership.
                let table = fhir::r4().owner_paths(name).iter();
                let paths =
                    table.map(|one| one.elements.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>());
                for one in paths.flat_map(|path| json::at(state, &path)) {
                    self.owner_named(scene, one, &patient, bases)?;
                }
                let context = Named::Instance("Patient".to_owned(), patient);
                let own = self.owners(state, name).iter().any(|one| Self::named(one, bases) == context);
                if own { Ok(()) } else { Err(deny(Body, R::NoOwner)) }
            }
            Standing::NamesPatients => {
                if self.names_only(state, name, &patient, bases) {
                    Ok(())
                } else {
                    Err(deny(Body, R::NoOwner))
                }
            }
            Standing::Binary => {
                let context = Named::Instance("Patient".to_owned(), patient.clone());
                let header =
                    scene.call.header("x-security-context").map(|text| crate::membership::literal(text, bases));
                let own = state.get("securityContext").map(|one| Self::named(one, bases));
                match own {
                    None => Err(deny(Body, R::NoOwner)),
                    Some(one) if one == context && header.as_ref().is_none_or(|header| *header == context) => Ok(()),
                    Some(_) => Err(deny(Body, R::OtherOwner)),
                }
            }
            Standing::Shared | Standing::Provenance | Standing::Undecidable => Err(deny(Body, R::NoOwner)),
        }
    }

    /// Whether a Reference names the context; a type other than Patient does not count.
    fn owner_named(
        &self,
        scene: &Scene<'_>,
        reference: &Value,
        patient: &str,
        bases: &[String],
    ) -> Result<bool, Denial> {
        match Self::named(reference, bases) {
            Named::Conditional => Err(deny(Body, R::ConditionalDenied)),
            Named::Instance(name, id) if name == "Patient" => {
                if id == patient {
                    Ok(true)
                } else {
                    Err(deny(Body, R::OtherOwner))
                }
            }
            Named::Instance(..) => Ok(false),
            Named::Urn(urn)
                if scene.call.siblings.get(&urn).is_some_and(|one| {
                    one.resource_type != "Patient"
                        && json::text(reference, "type").is_none_or(|given| given == one.resource_type)
                }) =>
            {
                Ok(false)
            }
            Named::Urn(_) | Named::Undecidable | Named::Malformed => Err(deny(Body, R::OtherOwner)),
        }
    }

    /// Labels and access keys: none dropped, lowered or set beyond the caller's own (D25, D26).
    fn check_marks(&self, scene: &Scene<'_>, state: &Value, stored: Option<&Value>) -> Result<(), Denial> {
        if self.enforces_labels() {
            let path = ["meta".to_owned(), "security".to_owned()];
            let key = |coding: &&Value| {
                (json::text(coding, "system").map(str::to_owned), json::text(coding, "code").map(str::to_owned))
            };
            let new: Vec<_> = json::at(state, &path).iter().map(key).collect();
            let old: Vec<_> =
                stored.map(|stored| json::at(stored, &path)).unwrap_or_default().iter().map(key).collect();
            let lowers = stored.is_some_and(|stored| self.label(state) < self.label(stored));
            if lowers || !self.is_cleared(scene, state) || !old.iter().all(|coding| new.contains(coding)) {
                return Err(deny(Body, R::Label));
            }
        }
        if self.service.tag_keys.is_empty() {
            return Ok(());
        }
        let mismatch = deny(Body, R::TagMismatch);
        let new = self.meta_tags(state).ok_or(mismatch)?;
        let old = match stored {
            Some(stored) => self.meta_tags(stored).ok_or(mismatch)?,
            None => crate::tags::Tags::new(),
        };
        let has = |tags: &crate::tags::Tags, key: &String, value: &String| {
            tags.get(key).is_some_and(|list| list.contains(value))
        };
        let may_set = new.iter().all(|(key, values)| {
            values.iter().all(|value| has(&scene.principal.tags, key, value) || has(&old, key, value))
        });
        let keeps = old.iter().all(|(key, values)| values.iter().all(|value| has(&new, key, value)));
        if may_set && keeps { Ok(()) } else { Err(mismatch) }
    }

    /// Phase 6's list of fields of a body.
    fn check_fields(&self, scene: &Scene<'_>, rule: &Rule, body: &Value) -> Result<(), Denial> {
        let lists = rule.field_lists(scene.target.operation);
        let allowed = lists.iter().all(|list| crate::fields::allows_body(list, body));
        if allowed { Ok(()) } else { Err(deny(Body, R::FieldDenied)) }
    }

    /// D18: the query of `If-None-Exist`, as a search of the type by the same rule.
    fn if_none_exist(&self, scene: &Scene<'_>, rule: &Rule, header: &str) -> Result<Plan, Denial> {
        let query = header.strip_prefix('?').unwrap_or(header);
        let malformed = crate::phase5_query::fault(R::MalformedQuery);
        if query.contains('?') {
            return Err(malformed);
        }
        let pairs = url::pairs(query).ok_or(malformed)?;
        crate::phase1_normalise::check_query_limits(&pairs)?;
        self.query(scene, rule, &self.searched(scene), &pairs, crate::phase5_query::Kind::IfNoneExist)
    }
}

/// A resource that is only part of itself is written over nothing.
fn check_whole(state: &Value) -> Result<(), Denial> {
    if is_subsetted(state) { Err(deny(Body, R::ExistingNotCovered)) } else { Ok(()) }
}
