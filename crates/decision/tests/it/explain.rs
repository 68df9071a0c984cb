//! What `explain` says: never anything else than `decide`, never a value, and always a next step.

use std::collections::BTreeSet;

use decision::{Arena, Engine, Grants, decide, explain};
use expect_test::expect;
use policy::decision::{Decision, Phase, Verdict};
use policy::explanation::{Effect, Explanation, Fate, Outcome, RuleOutcome};
use policy::request::Request;
use policy::scope::words;
use testkit::call::Call;
use testkit::token::Token;

use crate::check::{self, ehr_engine, with_stored};
use crate::corpus::documents;

/// The decision on a request and its explanation, with what is stored; and what was said at each round of lookups.
fn explained(engine: &Engine, request: &Request<'_>, check: &mut dyn FnMut(&Decision<'_>, &Explanation)) {
    let grants = Grants::new(engine, &request.caller);
    with_stored(request, |request| {
        let (arena, other) = (Arena::new(), Arena::new());
        let decision = decide(engine, request, &grants, &arena);
        check(&decision, &explain(engine, request, &grants, &other));
        match &decision.action {
            policy::decision::Action::Lookup(lookups) => Err(lookups.to_vec()),
            _ => Ok(()),
        }
    });
}

fn explanation(engine: &Engine, token: &str, call: &str) -> Explanation {
    let (call, token) = (Call::parse(call), Token::parse(token));
    let headers = call.borrowed();
    let mut last = None;
    explained(engine, &call.request(&headers, &token), &mut |_, said| last = Some(said.clone()));
    last.unwrap()
}

fn each_row(check: &mut dyn FnMut(&str, &Token, &Decision<'_>, &Explanation)) {
    for (path, document) in documents() {
        let engine = check::engine(&document);
        for row in document.rows.iter().filter(|row| row.has("call")) {
            let (call, token) = (Call::parse(row.cell("call")), Token::parse(row.cell("token")));
            let headers = call.borrowed();
            let name = format!("{path}:{} `{}` {}", row.line, row.cell("token"), row.cell("call"));
            explained(&engine, &call.request(&headers, &token), &mut |decision, said| {
                check(&name, &token, decision, said);
            });
        }
    }
}

#[test]
fn explain_never_contradicts_decide_on_any_row_of_the_corpus() {
    each_row(&mut |row, token, decision, said| {
        for check in [
            says_the_verdict,
            says_the_rules,
            says_the_denial_of_a_rule,
            ends_where_it_does,
            says_a_next_step,
            says_every_word,
        ] {
            check(row, token, decision, said);
        }
    });
}

fn says_the_verdict(row: &str, _: &Token, decision: &Decision<'_>, said: &Explanation) {
    let (effect, status) = match decision.verdict {
        Verdict::Permit => (Effect::Permit, None),
        Verdict::Undecided => (Effect::Undecided, None),
        Verdict::Deny { status, .. } => (Effect::Deny, Some(status)),
    };
    assert_eq!((said.effect, said.status, said.reason), (effect, status, decision.reason()), "{row}");
    assert_eq!(said.phase, decision.phase.as_str(), "{row}");
    let obligations: Vec<String> = decision.obligations.iter().map(policy::decision::Obligation::name).collect();
    assert_eq!(said.obligations, obligations, "{row}");
    assert_eq!(said.fields_used, decision.fields_used.to_vec(), "{row}");
    assert_eq!(said.fields_ignored, decision.fields_ignored.to_vec(), "{row}");
    assert_eq!(said.entries.len(), decision.entries.len(), "{row}");
}

fn says_the_rules(row: &str, _: &Token, decision: &Decision<'_>, said: &Explanation) {
    let permits = |rule: &&policy::explanation::Rule| rule.outcome == RuleOutcome::Permits;
    let permitting: BTreeSet<&str> = said.rules.iter().filter(permits).map(|rule| &*rule.name).collect();
    if said.entries.is_empty() {
        assert_eq!(permitting, decision.rules.iter().map(|name| &**name).collect(), "{row}");
    }
    for rule in said.rules.iter().filter(|rule| rule.outcome == RuleOutcome::Refuses) {
        assert!(rule.reason.is_some() && rule.phase.is_some() && rule.says.len() > 10, "{row}: {rule:?}");
    }
    assert!(said.effect == Effect::Permit || permitting.is_empty(), "{row}");
}

fn says_the_denial_of_a_rule(row: &str, _: &Token, decision: &Decision<'_>, said: &Explanation) {
    let of_rules = decision.phase >= Phase::Rules && said.effect == Effect::Deny && said.entries.is_empty();
    let tried: Vec<_> = said.rules.iter().filter(|rule| rule.outcome == RuleOutcome::Refuses).collect();
    if of_rules && !tried.is_empty() && tried.len() == said.rules.len() {
        let own = tried.iter().any(|rule| rule.reason == said.reason);
        // Types are read before any rule is asked, and a group of rules is refused as one.
        let before =
            decision.interaction.is_some_and(|one| one.letters().is_empty()) || decision.resource_type.is_none();
        assert!(own || before || said.reason == Some(policy::Reason::NotBuilt), "{row}: {said:#?}");
    }
}

fn ends_where_it_does(row: &str, _: &Token, decision: &Decision<'_>, said: &Explanation) {
    assert_eq!(said.phases.len(), 9, "{row}");
    for (step, phase) in said.phases.iter().zip(Phase::ALL) {
        assert_eq!(step.phase, phase.as_str());
        assert!(step.says.len() > 4 && !step.says.ends_with('.'), "{row}: {step:?}");
        let ends = matches!(step.outcome, Outcome::Deny | Outcome::Lookup);
        assert_eq!(ends, said.effect != Effect::Permit && phase == decision.phase, "{row}: {step:?}");
        let reached = said.effect == Effect::Permit || phase <= decision.phase;
        assert_eq!(step.outcome != Outcome::NotReached, reached, "{row}: {step:?}");
    }
}

fn says_a_next_step(row: &str, _: &Token, _: &Decision<'_>, said: &Explanation) {
    assert_eq!(said.next.is_empty(), said.effect != Effect::Deny, "{row}");
    for step in &said.next {
        assert!(step.ends_with('.') && step.len() > 8, "{row}: {step}");
    }
    for entry in &said.entries {
        assert_eq!(entry.next.is_empty(), entry.effect != Effect::Deny, "{row}");
    }
}

fn says_every_word(row: &str, token: &Token, _: &Decision<'_>, said: &Explanation) {
    let (Token::Claims(claims, _) | Token::Both(claims, ..)) = token else { return };
    for word in words(claims.scope.as_deref().unwrap_or_default()) {
        let name = match word {
            policy::scope::Word::Resource(scope) => scope.to_string(),
            policy::scope::Word::Extension(name)
            | policy::scope::Word::Other(name)
            | policy::scope::Word::Invalid(name, _) => name.to_owned(),
        };
        let told =
            said.rules.iter().any(|rule| rule.name == name) || said.without_effect.iter().any(|one| one.name == name);
        assert!(told, "{row}: {name}");
    }
    for id in &claims.role_ids {
        let told = said.rules.iter().any(|rule| rule.name == id.to_string())
            || said.without_effect.iter().any(|one| one.name == id.to_string());
        assert!(told, "{row}: {id}");
    }
}

#[test]
fn what_is_proposed_is_what_it_takes() {
    let engine = ehr_engine("");
    for (token, call) in [
        ("patient/Condition.rs", "GET /Observation"),
        ("patient/Observation.r", "GET /Observation?code=x"),
        ("openid", "GET /Patient/ME"),
        ("system/Patient.r account:partner", "GET /Observation"),
        ("patient/*.rs", "GET /Patient/OTHER"),
        ("user/Observation.rs", "POST /Observation json: @OBS-NEW"),
    ] {
        let said = explanation(&engine, token, call);
        assert_eq!(said.effect, Effect::Deny, "{token} {call}");
        let proposed = said.next.iter().filter_map(|step| step.strip_prefix("With `")?.split_once("` in the token, "));
        let mut some = false;
        for (scope, then) in proposed {
            some = true;
            let after = explanation(&engine, &format!("{token} {scope}"), call);
            let permits = then == "the request is permitted.";
            // What is looked up here is found, so what the explanation leaves to it is decided.
            assert!(after.effect == Effect::Permit || !permits, "{token} {scope} {call}: {then} {after:#?}");
            assert_ne!(after.reason, said.reason, "{token} {scope} {call}: {then}");
        }
        assert!(some, "{token} {call}: {:?}", said.next);
    }
}

#[test]
fn the_parameter_that_a_request_is_refused_for_is_named() {
    let engine = ehr_engine("");
    let said = explanation(&engine, "patient/*.rs", "GET /Observation?code=a&_filter=b&_count=5");
    expect![[r#"
        [
            "Leave it out.",
            "Without `_filter`, the request is permitted.",
        ]
    "#]]
    .assert_debug_eq(&said.next);
    let refused: Vec<_> = said.asked.parameters.iter().filter(|one| one.fate == Fate::Refused).collect();
    assert_eq!((refused.len(), &*refused[0].name), (1, "_filter"));
    let said = explanation(
        &engine,
        "patient/Observation.rs",
        "POST /Observation/_search form: encounter.status=x&subject=OTHER",
    );
    assert!(said.next.iter().any(|step| step.starts_with("Without `encounter.status`")), "{:?}", said.next);
}

#[test]
fn no_value_of_the_request_or_of_what_is_stored_is_in_it() {
    let engine = ehr_engine("");
    let secret = "hunter2";
    for (token, call) in [
        ("patient/*.cruds", "GET /Observation?code=hunter2&bogus=hunter2&_filter=hunter2"),
        ("patient/*.cruds", "GET /Observation?code=hunter2&patient=hunter2"),
        ("patient/*.cruds", "POST /Observation/_search + Cookie: hunter2 form: code=hunter2&encounter.status=hunter2"),
        ("patient/*.cruds", r#"POST /Observation json: {"resourceType":"Observation","note":[{"text":"hunter2"}]}"#),
        ("patient/*.cruds", "GET /Observation?code:in=hunter2"),
        ("patient/*.cruds", "GET /Observation?%zz=hunter2&hunter2;=1"),
        ("patient/*.cruds", "POST / batch: GET Observation?code=hunter2 ; GET Patient/OTHER?_filter=hunter2"),
        ("system/*.rs?bogus=1", "GET /Observation?_include=Observation:subject&_has:Condition:patient:code=hunter2"),
    ] {
        let said = explanation(&engine, token, call);
        let text = serde_json::to_string(&said).unwrap();
        assert!(!text.contains(secret), "{call}: {text}");
    }
    // Names, dates and references of a record that was looked up.
    let said = explanation(&engine, "patient/*.rs", "GET /Observation/OBS-ME/_history");
    let text = serde_json::to_string(&said).unwrap();
    assert!(!text.contains("laboratory") && !text.contains("final"), "{text}");
}

#[test]
fn a_foreign_instance_and_a_missing_one_have_the_same_explanation() {
    let engine = ehr_engine("");
    for (token, form) in
        [("patient/*.cruds", "GET /Observation/ID/_history"), ("patient/*.cruds", "GET /Observation/ID/_history/1")]
    {
        let asked = |id: &str| {
            let said = explanation(&engine, token, &form.replace("ID", id));
            serde_json::to_string(&said).unwrap().replace(id, "ID")
        };
        assert_eq!(asked("OBS-OTHER"), asked("OBS-NOWHERE"), "{form}");
    }
}

#[test]
fn the_tables_in_force_are_printed() {
    let tables = |settings: &str, call: &str| explanation(&ehr_engine(settings), "patient/*.rs", call).tables;
    let [table] = &*tables("", "GET /Observation") else { panic!("one type") };
    expect![[r#"
        Table {
            resource_type: "Observation",
            standing: "compartment",
            says: "it is a patient's if one of these elements refers to that Patient",
            owners: [
                "subject",
                "performer",
            ],
            parameters: [
                "patient",
                "performer",
                "subject",
            ],
            narrowing: Some(
                "patient",
            ),
            security: false,
        }
    "#]]
    .assert_debug_eq(table);
    let [table] = &*tables("compartment=subject_only", "GET /Observation") else { panic!("one type") };
    assert_eq!(
        (&*table.owners, &*table.parameters),
        (&["subject (Patient)".to_owned()][..], &["patient".to_owned(), "subject".to_owned()][..])
    );
    assert_eq!(tables("", "GET /?_type=Observation,Organization")[1].standing, "shared");
}

#[test]
fn a_decision_is_explained_phase_by_phase_and_rule_by_rule() {
    let token = "patient/Observation.s user/Patient.r openid patient/Condition.sr system/Observation.rs?bogus=1";
    let said = explanation(&ehr_engine(""), token, "GET /Observation?code=x&bogus=1");
    let mut lines: Vec<String> =
        said.phases.iter().map(|step| format!("{} {:?}: {}", step.phase, step.outcome, step.says)).collect();
    lines.extend(
        said.rules.iter().map(|rule| format!("{} ({}) {:?}: {}", rule.name, rule.gives, rule.outcome, rule.says)),
    );
    lines.extend(said.without_effect.iter().map(|one| format!("{}: {}", one.name, one.says)));
    lines.extend(said.asked.parameters.iter().map(|one| format!("{} {:?}", one.name, one.fate)));
    lines.extend(said.settings.iter().map(|one| format!("{}={}", one.name, one.value)));
    expect![[r"
        normalise Continue: read as GET with 2 parameters
        token Continue: the token counts
        operation Continue: GET:/Observation, search-type Observation
        rules Continue: 1 of 2 rules fit
        query Continue: adds patient; leaves out bogus
        body Nothing: there is no body to decide on
        batch Nothing: it is no batch
        tags Nothing: no tag, `where` or label binds
        response Ahead: the answer is checked before any of it is released
        patient/Observation.s (s on Observation) Permits: it permits it, within the context patient
        user/Patient.r (r on Patient) Refuses: it is for another type, and gives no `s`
        openid: it carries no permission
        patient/Condition.sr: it is no scope: it needs letters of `cruds`, in that order, after the dot
        system/Observation.rs?bogus=1: its constraint cannot be compared on a resource, so the whole scope gives nothing
        code Used
        bogus LeftOut
        compartment=r4
        search_without_context=narrow
        results=filter
        labels=ignore"]]
    .assert_eq(&lines.join("\n"));
}
