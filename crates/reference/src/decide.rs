//! The way of a request through the phases.
//!
//! Invariant: the first denial wins; of several rules, the denial of the one that got furthest.

use policy::Reason as R;
use policy::decision::{Lookup, Phase, Verdict};
use policy::letters::Letters;
use policy::operation::Interaction as I;
use policy::request::Request;

use crate::answer::{Answer, Next, Sent, SentBody};
use crate::call::{Call, Scene, Target};
use crate::coverage::Cover;
use crate::denial::{Denial, Stop, deny, stop};
use crate::phase1_normalise::{accepted, media_type};
use crate::phase2_token::Passed;
use crate::phase4_rules::{Fitting, prefers};
use crate::phase5_query::{Pairs, SHAPE};
use crate::phase6_body::Written;
use crate::rules::Rule;
use crate::union::{Merged, Permit};
use crate::{Interpreter, url};

/// What a permit rests on, for phase 9.
#[derive(Clone, Debug)]
pub(crate) struct Permitted<'a> {
    pub(crate) scene: Scene<'a>,
    pub(crate) permits: Vec<Permit>,
    pub(crate) merged: Merged,
    pub(crate) by_reference: bool,
    /// The entries of a batch that were forwarded, in order, and those that were not.
    pub(crate) entries: Vec<Option<Permitted<'a>>>,
}

/// An answer, and what it rests on if it is a permit that goes through the rules.
#[derive(Clone, Debug)]
pub(crate) struct Decided<'a> {
    pub(crate) answer: Answer,
    pub(crate) permitted: Option<Permitted<'a>>,
}

impl Interpreter {
    /// Decides on one request.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Answer {
        let mut answer = self.decided(request).answer;
        self.legacy(&mut answer);
        answer
    }

    fn legacy(&self, answer: &mut Answer) {
        if let Verdict::Deny { status, .. } = &mut answer.verdict {
            *status = self.legacy_status(*status);
        }
        answer.entries.iter_mut().for_each(|entry| self.legacy(entry));
    }

    /// `legacy_400`: every denial but 401 and 403.
    pub(crate) fn legacy_status(&self, status: u16) -> u16 {
        if self.service.settings.legacy_400 && !matches!(status, 401 | 403) { 400 } else { status }
    }

    /// Decides, and keeps what the decision rests on.
    pub(crate) fn decided<'a>(&self, request: &Request<'a>) -> Decided<'a> {
        if request.stale {
            return denied(deny(Phase::Normalise, R::BundleStale), None);
        }
        let call = match self.normalise(request) {
            Ok(call) => call,
            Err(denial) => return denied(denial, None),
        };
        match self.token(&call, &request.caller, request.now) {
            Err(denial) => denied(denial, None),
            Ok(Passed::Options) => ended(Phase::Token, Next::Answer(204), None),
            Ok(Passed::Open(query)) => {
                let query_names: Vec<String> = query.iter().map(|(name, _)| name.clone()).collect();
                let mut sent = self.sent(&call, query);
                if self.is_fhir() && sent.path == "/metadata" {
                    sent.headers.retain(|(name, _)| name != "prefer");
                    set(&mut sent.headers, "accept", accepted(&call.headers).unwrap_or("application/fhir+json"));
                }
                if !call.capabilities.rewrite && Self::is_rewritten(&call, &sent) {
                    return denied(deny(Phase::Response, R::ObligationUnsupported), None);
                }
                let mut ended = ended(Phase::Token, Next::Forward(sent), None);
                let kept = |name: &String| query_names.contains(name);
                ended.answer.ignored =
                    sorted(call.query.iter().map(|(name, _)| name.clone()).filter(|name| !kept(name)).collect());
                ended
            }
            Ok(Passed::DevMode) => {
                let sent = self.sent_as_it_was(&call);
                if !call.capabilities.rewrite && Self::is_rewritten(&call, &sent) {
                    return denied(deny(Phase::Response, R::ObligationUnsupported), None);
                }
                ended(Phase::Token, Next::Forward(sent), Some(R::DevMode))
            }
            Ok(Passed::On) => self.after_token(call, request),
        }
    }

    /// Phases 3 to 8 of a request or of an entry.
    pub(crate) fn after_token<'a>(&self, call: Call<'a>, request: &Request<'a>) -> Decided<'a> {
        let target = match self.operation(&call) {
            Ok(target) => target,
            Err(denial) => return denied(denial, None),
        };
        let fitting = match self.rules(call, target.clone(), &request.caller) {
            Ok(fitting) => fitting,
            Err(denial) => return denied(denial, Some(&target)),
        };
        if target.interaction == Some(I::Batch) {
            return self.batch(fitting, request);
        }
        self.by_rules(fitting)
    }

    /// Phases 5, 6 and 8 for each rule that fits.
    fn by_rules<'a>(&self, fitting: Fitting<'a>) -> Decided<'a> {
        let Fitting { scene, rules, by_reference } = fitting;
        let mut permits = Vec::new();
        let mut asks: Vec<(Phase, Vec<Lookup>)> = Vec::new();
        let mut denials: Vec<Denial> = Vec::new();
        for rule in &rules {
            match self.one_rule(&scene, rule, by_reference) {
                Ok(permit) => permits.push(permit),
                Err(Stop::Ask(phase, lookups)) => asks.push((phase, lookups)),
                Err(Stop::Deny(denial)) => denials.push(denial),
            }
        }
        if permits.is_empty() {
            if let Some((phase, _)) = asks.first() {
                let mut all: Vec<Lookup> = asks.iter().flat_map(|(_, lookups)| lookups.clone()).collect();
                all.sort();
                all.dedup();
                return undecided(*phase, all, &scene.target);
            }
            // One that this gateway cannot look for might have permitted.
            if let Some(unsupported) = denials.iter().find(|one| one.reason == R::ObligationUnsupported) {
                return denied(*unsupported, Some(&scene.target));
            }
            // The one that got furthest, the first on a tie.
            let furthest = denials.iter().copied().reduce(|best, one| if one.phase > best.phase { one } else { best });
            return denied(furthest.unwrap_or(deny(Phase::Rules, R::NoRule)), Some(&scene.target));
        }
        self.permit(scene, permits, by_reference)
    }

    /// The phases of one rule.
    fn one_rule(&self, scene: &Scene<'_>, rule: &Rule, by_reference: bool) -> Result<Permit, Stop> {
        if by_reference {
            self.check_reference(scene, rule)?;
        }
        let plan = self.query_phase(scene, rule)?;
        let written = self.body_phase(scene, rule)?;
        self.tags_phase(scene, rule, &written)?;
        if self.is_fhir() && scene.target.interaction.is_some() {
            self.check_current(scene, rule, by_reference)?;
        }
        Ok(Permit { rule: rule.clone(), plan, written })
    }

    /// D6: the context Patient is covered, and refers to exactly this instance.
    fn check_reference(&self, scene: &Scene<'_>, rule: &Rule) -> Result<(), Stop> {
        let no_rule = stop(Phase::Rules, R::NoRule);
        let patient = scene.principal.patient.clone().unwrap_or_default();
        let found = match self.instance(scene, Phase::Rules, "Patient", &patient) {
            Ok(found) => found,
            Err(Stop::Deny(denial)) if denial.reason == R::NotFound => return Err(no_rule),
            Err(other) => return Err(other),
        };
        let Some(current) = found else { return Err(no_rule) };
        let sight = self.stored_sight(scene);
        if self.covers(scene, rule, &current.value, Letters::READ, &sight) != Cover::Yes {
            return Err(no_rule);
        }
        let wanted = crate::membership::Named::Instance(
            scene.target.resource_type.clone().unwrap_or_default(),
            scene.target.id.clone().unwrap_or_default(),
        );
        // D66: at the elements that R4 gives a Patient for it.
        let paths: [&[&str]; 3] = [&["generalPractitioner"], &["managingOrganization"], &["contact", "organization"]];
        let refers = paths.iter().any(|path| {
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            crate::json::at(&current.value, &path).iter().any(|one| Self::named(one, &sight.bases) == wanted)
        });
        if refers { Ok(()) } else { Err(no_rule) }
    }

    /// D50: the Group that an export goes by is covered by a rule that lets its type be exported.
    fn check_group(&self, scene: &Scene<'_>, name: &str) -> Result<(), Stop> {
        let rs = Letters::READ | Letters::SEARCH;
        let operation = scene.target.operation;
        let by = |rule: &&Rule| {
            (rule.basic || rule.context == Some(crate::scope::Context::System)) && !rule.excludes(operation)
        };
        let rules: Vec<&Rule> = scene.all.iter().filter(by).filter(|rule| self.gives(rule, name, rs)).collect();
        if rules.iter().any(|rule| self.is_plain(rule, operation)) {
            return Ok(());
        }
        let Some(current) = self.current(scene, Phase::Response)? else { return Err(self.missing(Phase::Response)) };
        let sight = self.stored_sight(scene);
        let covers = |rule: &&Rule| self.covers(scene, rule, &current.value, Letters::READ, &sight) == Cover::Yes;
        if rules.iter().any(covers) { Ok(()) } else { Err(self.uncovered(Phase::Response)) }
    }

    /// D5, D10, D12: what only the current state of the instance can tell, before anything is forwarded.
    fn check_current(&self, scene: &Scene<'_>, rule: &Rule, by_reference: bool) -> Result<(), Stop> {
        let Some(id) = &scene.target.id else { return Ok(()) };
        let name = scene.target.resource_type.clone().unwrap_or_default();
        if scene.target.interaction == Some(I::Operation) && scene.target.code.as_deref() == Some("everything") {
            return self.check_chart(scene, &name, id);
        }
        // One rule that asks for nothing is enough for all of them.
        let free = |one: &Rule| {
            let nothing = Written::default();
            self.is_plain(one, scene.target.operation)
                && self.fits_read(scene, one, &name)
                && self.tags_phase(scene, one, &nothing).is_ok()
        };
        let plain = scene.all.iter().any(free);
        let code = scene.target.code.as_deref();
        match scene.target.interaction {
            Some(I::Vread | I::HistoryInstance) if !plain && !by_reference => {}
            // D62: the whole fails for what is not there, so it has to fail for what is not to be seen.
            Some(I::Read) if scene.call.in_transaction && !plain && !by_reference => {}
            Some(I::Operation) if code == Some("export") => return self.check_group(scene, &name),
            Some(I::Operation) => {
                return self.check_operation_instance(scene, &name);
            }
            _ => return Ok(()),
        }
        let Some(current) = self.current(scene, Phase::Response)? else { return Err(self.missing(Phase::Response)) };
        let sight = self.stored_sight(scene);
        let cover = if rule.letters.is_none() {
            self.covers_but_letters(scene, rule, &current.value, &sight)
        } else {
            self.covers(scene, rule, &current.value, Letters::READ, &sight)
        };
        // D9: nothing is looked up beside what is stored; a target that is the context needs no look.
        let of_context = |(kind, id): (String, String)| kind == "Patient" && Some(id) == scene.principal.patient;
        let by_targets = || {
            let targets = Self::targets_of(&current.value, &sight.bases);
            cover == Cover::ByTargets && targets.is_some_and(|targets| targets.into_iter().all(of_context))
        };
        if cover == Cover::Yes || by_targets() { Ok(()) } else { Err(self.uncovered(Phase::Response)) }
    }

    /// D10: the instance of a chart is covered with `r`, by whatever rule of the token.
    fn check_chart(&self, scene: &Scene<'_>, name: &str, id: &str) -> Result<(), Stop> {
        let operation = scene.target.operation;
        let is_own = name == "Patient" && scene.principal.patient.as_deref() == Some(id);
        let opens = |rule: &Rule| rule.names(operation) || self.gives(rule, name, Letters::READ);
        // The path tells whose it is, and nothing of its tags and labels.
        let by_path = |rule: &Rule| rule.is_patient() && is_own && !self.tags_bind(rule) && !self.enforces_labels();
        let usable = |rule: &&Rule| !rule.is_patient() || scene.principal.patient.is_some();
        let free = |rule: &Rule| (self.is_plain(rule, operation) && opens(rule)) || by_path(rule);
        if scene.all.iter().filter(usable).any(free) {
            return Ok(());
        }
        let Some(current) = self.current(scene, Phase::Response)? else { return Err(self.missing(Phase::Response)) };
        let sight = self.stored_sight(scene);
        let covers = |rule: &Rule| self.covers(scene, rule, &current.value, Letters::READ, &sight) == Cover::Yes;
        if scene.all.iter().filter(usable).any(covers) { Ok(()) } else { Err(self.uncovered(Phase::Response)) }
    }

    /// D12: an instance in the path of an operation is a member of the token's patient, if it has one.
    fn check_operation_instance(&self, scene: &Scene<'_>, name: &str) -> Result<(), Stop> {
        let Some(patient) = &scene.principal.patient else { return Ok(()) };
        if name == "Patient" {
            return Ok(());
        }
        let Some(current) = self.current(scene, Phase::Response)? else { return Err(self.missing(Phase::Response)) };
        let member = self.is_member(&current.value, patient, &self.stored_sight(scene).bases, false);
        if member { Ok(()) } else { Err(self.uncovered(Phase::Response)) }
    }

    /// What is forwarded, once a rule permits.
    fn permit<'a>(&self, scene: Scene<'a>, permits: Vec<Permit>, by_reference: bool) -> Decided<'a> {
        let merged = self.merge(&scene, &permits);
        if let Some(denial) = self.refuse_counts(&scene, &merged) {
            return denied(denial, Some(&scene.target));
        }
        if merged.plan.refuses_includes {
            return denied(deny(Phase::Query, R::IncludeDenied), Some(&scene.target));
        }
        // D57: whether it is created would tell what the rules do not cover.
        if !self.condition_of_create(&scene, &permits).is_none_or(|merged| merged.exact) {
            return denied(deny(Phase::Query, R::ConditionalDenied), Some(&scene.target));
        }
        let written = needs(&permits);
        let own = scene.call.header("if-match");
        let differs = match (&written.if_match, own) {
            (Some(version), Some(own)) => own != version,
            (None, Some(_)) => written.if_none_match,
            _ => false,
        };
        if differs {
            return denied(deny(Phase::Body, R::ChangedMeanwhile), Some(&scene.target));
        }
        let sent = self.sent_by_rules(&scene, &permits, &merged);
        if !scene.call.capabilities.check_response && !self.needs_no_check(&scene, &permits, &merged) {
            return denied(deny(Phase::Response, R::ObligationUnsupported), Some(&scene.target));
        }
        if !scene.call.capabilities.rewrite && Self::is_rewritten(&scene.call, &sent) {
            return denied(deny(Phase::Response, R::ObligationUnsupported), Some(&scene.target));
        }
        let mut answer = base(Verdict::Permit, Phase::Tags, Some(&scene.target));
        answer.next = Next::Forward(sent);
        for one in &permits {
            if !answer.rules.contains(&one.rule.name) {
                answer.rules.push(one.rule.name.clone());
            }
        }
        answer.related.clone_from(&merged.plan.related);
        let passed_over = |name: &str| SHAPE.contains(&name) || matches!(name, "_sort" | "_include" | "_revinclude");
        let decisive = |name: &&String| !passed_over(name.split(':').next().unwrap_or(name));
        let includes = |(name, value): &(String, String)| {
            matches!(name.split(':').next(), Some("_include" | "_revinclude")) && !value.is_empty()
        };
        let asked = scene.call.parameters();
        let asked = asked.iter().filter(|pair| Self::is_search(&scene) && includes(pair)).map(|(name, _)| name);
        let decided = merged.query.iter().map(|(name, _)| name).filter(decisive);
        let condition = self.condition_of_create(&scene, &permits).map(|merged| merged.query).unwrap_or_default();
        let condition = condition.iter().map(|(name, _)| name).filter(decisive);
        answer.used = sorted(decided.chain(asked).chain(condition).cloned().collect());
        let mut ignored = merged.plan.ignored.clone();
        if self.is_fhir() && scene.target.interaction.is_some() && !self.enforces_labels() {
            ignored.push("meta.security".to_owned());
        }
        answer.ignored = sorted(ignored);
        Decided { answer, permitted: Some(Permitted { scene, permits, merged, by_reference, entries: Vec::new() }) }
    }

    /// Whether nobody has to look at the answer: outside FHIR, and where a rule without context asks nothing of a resource.
    fn needs_no_check(&self, scene: &Scene<'_>, permits: &[Permit], merged: &Merged) -> bool {
        let asks_nothing = |one: &Permit| {
            let rule = &one.rule;
            rule.context.is_none() && rule.constraints.is_empty() && !self.tags_bind(rule) && !self.enforces_labels()
        };
        let is_fhir = self.is_fhir() && scene.target.interaction.is_some();
        !is_fhir || (merged.plan.includes.is_empty() && permits.iter().any(asks_nothing))
    }

    /// Counts are refused where the narrowing is inexact.
    fn refuse_counts(&self, scene: &Scene<'_>, merged: &Merged) -> Option<Denial> {
        let counts = |(name, value): &(String, String)| match name.as_str() {
            "_summary" => value == "count",
            "_count" => value.parse() == Ok(0_u32),
            "_total" => true,
            _ => false,
        };
        let refused = Self::is_search(scene) && !merged.exact && merged.plan.shape.iter().any(counts);
        refused.then(|| deny(Phase::Query, R::ParameterDenied))
    }

    /// D67: whether anything that means something goes upstream otherwise than it came.
    fn is_rewritten(call: &Call<'_>, sent: &Sent) -> bool {
        let (goes, came) = match &sent.body {
            Some(SentBody::Form(pairs)) => (pairs.clone(), call.parameters()),
            _ => (sent.query.clone(), call.query.clone()),
        };
        let sorted = |mut pairs: Pairs| {
            pairs.sort();
            pairs
        };
        let headers = ["if-match", "if-none-match", "if-none-exist", "if-modified-since", "prefer", "range"];
        let of = |list: &Pairs, name: &str| -> Vec<String> {
            list.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
        };
        let differs = |name: &&str| of(&sent.headers, name) != of(&call.headers, name);
        sorted(goes) != sorted(came) || headers.iter().any(differs)
    }

    fn sent_by_rules(&self, scene: &Scene<'_>, permits: &[Permit], merged: &Merged) -> Sent {
        let call = &scene.call;
        let target = &scene.target;
        let mut sent = self.sent(call, merged.query.clone());
        if call.form.is_some() {
            sent.body = Some(SentBody::Form(std::mem::take(&mut sent.query)));
        }
        // D43: a precondition goes with the write that it is one of, and `Prefer` with writes.
        let keeps = |name: &str| match (name, target.interaction) {
            (_, None) => true,
            ("if-none-exist", interaction) => interaction == Some(I::Create),
            ("if-match", interaction) => {
                matches!(interaction, Some(I::Update | I::Patch | I::Delete | I::Conditional))
            }
            ("prefer", interaction) => interaction != Some(I::Operation),
            _ => true,
        };
        sent.headers.retain(|(name, _)| keeps(name));
        if target.interaction.is_some()
            && sent.headers.iter().any(|(name, _)| name == "content-type")
            && call.form.is_none()
        {
            let of = call.header("content-type").map(|text| media_type(text).0).unwrap_or_default();
            let patch = of == "application/json-patch+json";
            set(&mut sent.headers, "content-type", if patch { &of } else { "application/fhir+json" });
        }
        if target.interaction.is_some() {
            set(&mut sent.headers, "accept", accepted(&call.headers).unwrap_or("application/fhir+json"));
        }
        let written = needs(permits);
        if let Some(version) = &written.if_match {
            set(&mut sent.headers, "if-match", version);
        }
        if written.if_none_match {
            set(&mut sent.headers, "if-none-match", "*");
        }
        if let Some(condition) = self.condition_of_create(scene, permits) {
            set(&mut sent.headers, "if-none-exist", &encode_query(&condition.query));
        }
        let writes = matches!(target.interaction, Some(I::Create | I::Update | I::Patch | I::Conditional | I::Delete));
        let name = target.resource_type.clone().unwrap_or_default();
        let reads = |one: &Permit| self.gives(&one.rule, &name, Letters::READ);
        if writes && !permits.iter().any(reads) {
            set(&mut sent.headers, "prefer", "return=minimal");
        }
        if target.code.as_deref() == Some("export") {
            set(&mut sent.headers, "prefer", "respond-async");
        }
        sent
    }

    /// D18: the search of `If-None-Exist`, as all permitting rules narrow it.
    fn condition_of_create(&self, scene: &Scene<'_>, permits: &[Permit]) -> Option<Merged> {
        let plans: Vec<Permit> = permits
            .iter()
            .filter_map(|one| one.written.if_none_exist.clone().map(|plan| Permit { plan, ..one.clone() }))
            .collect();
        let target = Target { interaction: Some(I::SearchType), ..scene.target.clone() };
        (!plans.is_empty()).then(|| self.merge(&Scene { target, ..scene.clone() }, &plans))
    }

    /// A request with that query, and the client's headers by list.
    pub(crate) fn sent(&self, call: &Call<'_>, query: Pairs) -> Sent {
        let mut headers: Pairs = Pairs::new();
        let writes = !matches!(call.method.as_str(), "GET" | "OPTIONS") && call.form.is_none();
        for name in ["accept", "content-type", "if-match", "if-none-exist", "prefer"] {
            let Some(value) = call.header(name) else { continue };
            let value = match name {
                "prefer" if self.is_fhir() => preferences(value, writes),
                "if-match" | "if-none-exist" | "content-type" if !writes && self.is_fhir() => String::new(),
                "content-type" if self.is_fhir() && !call.has_body() => String::new(),
                _ => value.to_owned(),
            };
            if !value.is_empty() {
                headers.push((name.to_owned(), value));
            }
        }
        if call.form.is_some() {
            set(&mut headers, "content-type", "application/x-www-form-urlencoded");
        }
        let path = url::path_of(call.path.as_deref().unwrap_or_default());
        Sent { method: call.method.clone(), path, query, body: None, headers }
    }

    /// D31: forwarded as it was normalised.
    fn sent_as_it_was(&self, call: &Call<'_>) -> Sent {
        self.sent(call, call.query.clone())
    }
}

/// What a write has to carry: nothing, if a rule permits it without a look at what is stored.
fn needs(permits: &[Permit]) -> Written {
    let free = permits.iter().find(|one| one.written.if_match.is_none() && !one.written.if_none_match);
    free.or(permits.first()).map(|one| one.written.clone()).unwrap_or_default()
}

/// Of `Prefer` what FHIR defines for a write: `return`. On a read it means nothing, and `respond-async` never goes (D38).
fn preferences(value: &str, writes: bool) -> String {
    let mut returns = value.split([',', ';']).map(str::trim).filter(|one| prefers(one, "return"));
    let known = |one: &str| {
        let value = one.split_once('=').map_or("", |(_, value)| value.trim().trim_matches('"'));
        ["minimal", "representation", "OperationOutcome"].into_iter().find(|known| *known == value)
    };
    let first = if writes { returns.find_map(known) } else { None };
    first.map(|value| format!("return={value}")).unwrap_or_default()
}

pub(crate) fn set(headers: &mut Pairs, name: &str, value: &str) {
    headers.retain(|(known, _)| known != name);
    headers.push((name.to_owned(), value.to_owned()));
    headers.sort();
}

/// Writes a query, each name and value encoded once.
pub(crate) fn encode_query(pairs: &[(String, String)]) -> String {
    let encode = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/,@!$'()*".contains(&byte);
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

pub(crate) fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list.dedup();
    list
}

/// An answer of nothing but its verdict.
pub(crate) fn base(verdict: Verdict, phase: Phase, target: Option<&Target>) -> Answer {
    Answer {
        verdict,
        phase,
        note: None,
        interaction: target.and_then(|one| one.interaction),
        resource_type: target.and_then(|one| one.resource_type.clone()),
        // Of a compartment the path names the Patient, not what is worked on.
        resource_id: target.filter(|one| one.interaction != Some(I::SearchCompartment)).and_then(|one| one.id.clone()),
        rules: Vec::new(),
        used: Vec::new(),
        ignored: Vec::new(),
        related: Vec::new(),
        next: Next::Nothing,
        entries: Vec::new(),
    }
}

pub(crate) fn denied<'a>(denial: Denial, target: Option<&Target>) -> Decided<'a> {
    let verdict = Verdict::Deny { status: denial.status, reason: denial.reason };
    Decided { answer: base(verdict, denial.phase, target), permitted: None }
}

pub(crate) fn undecided<'a>(phase: Phase, lookups: Vec<Lookup>, target: &Target) -> Decided<'a> {
    let answer = Answer { next: Next::Lookup(lookups), ..base(Verdict::Undecided, phase, Some(target)) };
    Decided { answer, permitted: None }
}

fn ended<'a>(phase: Phase, next: Next, note: Option<R>) -> Decided<'a> {
    Decided { answer: Answer { note, next, ..base(Verdict::Permit, phase, None) }, permitted: None }
}
