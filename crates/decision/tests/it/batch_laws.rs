//! The properties of a batch: an entry is decided like the request that it is, and a transaction goes on whole or not at all.

use std::sync::LazyLock;

use decision::Engine;
use policy::decision::{Action, Decision, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use testkit::records;

use crate::check::{answer, ask, ehr_engine};

static ENGINES: LazyLock<Vec<Engine>> = LazyLock::new(|| {
    ["", "search_without_context=check legacy_400=true", "shared=scope related=reject"].map(ehr_engine).into()
});

fn token() -> impl Strategy<Value = String> {
    let scopes = prop::sample::select(vec![
        "patient/*.rs",
        "patient/*.cruds",
        "patient/Observation.rs?category=laboratory",
        "patient/Observation.c",
        "user/Observation.rs",
        "user/Practitioner.r",
        "system/Patient.cr",
        "role:observation-reader",
        "patient:-",
    ]);
    vec(scopes, 1..4).prop_map(|words| words.join(" "))
}

/// Method, URL below the base, and resource.
fn entry() -> impl Strategy<Value = (&'static str, String, &'static str)> {
    let reads = prop::sample::select(vec![
        "Observation/OBS-ME",
        "Observation/OBS-OTHER",
        "Patient/ME",
        "Patient/OTHER",
        "Practitioner/P1",
        "Organization/ORG1",
        "Spaceship/1",
        "Observation/OBS-OTHER/_history/1",
        "Observation/OBS-ME/_history",
        "Patient/ME/$everything",
        "Patient/ME/Observation?code=x",
        "Observation?patient=ME&_elements=code",
        "Observation?patient=OTHER",
        "Observation?subject=Patient%2FME&_include=*",
        "Observation?_summary=count",
        "Observation?%zz",
        "Observation//OBS-ME",
        "Observation/OBS-ME;x",
        "Observation/../Patient/OTHER",
        "?_type=Observation",
        "_history",
        "Observation/OBS-ME?_format=xml",
        "Observation/OBS-ME?_method=DELETE",
        "Observation/OBS-ME?access_token=x",
        "$export",
    ]);
    let bodies = prop::sample::select(vec![
        "OBS-NEW",
        "OBS-NEW-OTHER",
        "OBS-NEW-CONDITIONAL",
        "OBS-NEW-URN",
        "OBS-NEW-CONTAINED",
        "OBS-NEW-LAB",
        "OBS-ME",
        "ORG-NEW",
        "BIN-NEW-ME",
    ]);
    let writes = prop::sample::select(vec![
        ("POST", "Observation"),
        ("POST", "Organization"),
        ("POST", "Binary?_pretty=true"),
        ("PUT", "Observation/OBS-ME"),
        ("PUT", "Patient/OTHER"),
        ("DELETE", "Observation/OBS-ME"),
        ("POST", "Spaceship"),
    ]);
    prop_oneof![
        3 => reads.prop_map(|url| ("GET", url.to_owned(), "")),
        2 => (writes, bodies).prop_map(|((method, url), body)| {
            (method, url.to_owned(), if method == "DELETE" { "" } else { body })
        }),
    ]
}

fn in_bundle((method, url, body): &(&str, String, &str)) -> String {
    if body.is_empty() { format!("{method} {url}") } else { format!("{method} {url} @{body}") }
}

fn alone((method, url, body): &(&str, String, &str)) -> String {
    if body.is_empty() { format!("{method} /{url}") } else { format!("{method} /{url} json: @{body}") }
}

fn bundle(kind: &str, entries: &[(&'static str, String, &'static str)]) -> String {
    format!("POST / {kind}: {}", entries.iter().map(in_bundle).collect::<Vec<_>>().join(" ; "))
}

/// Whether two entries write one instance: then the whole is refused (D63).
fn write_twice(entries: &[(&'static str, String, &'static str)]) -> bool {
    let mut written: Vec<&str> =
        entries.iter().filter(|(method, ..)| matches!(*method, "PUT" | "DELETE")).map(|(_, url, _)| &**url).collect();
    written.sort_unstable();
    written.windows(2).any(|pair| pair[0] == pair[1])
}

/// All of a decision but what is only of the wire: the headers.
fn compared(decision: &Decision<'static>) -> Decision<'static> {
    let mut decision = decision.clone();
    if let Action::Forward(upstream) = &mut decision.action {
        upstream.headers = Vec::new().into();
    }
    decision
}

fn status(decision: &Decision<'_>) -> Option<u16> {
    match decision.verdict {
        Verdict::Deny { status, .. } => Some(status),
        Verdict::Permit | Verdict::Undecided => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn law_3_an_entry_is_decided_like_the_request_that_it_is(
        token in token(), entries in vec(entry(), 1..6), which in 0..3_usize
    ) {
        prop_assume!(!write_twice(&entries));
        let engine = &ENGINES[which];
        let whole = ask(engine, &token, &bundle("batch", &entries));
        if whole.entries.is_empty() {
            // Nothing to decide by: then none of them is permitted alone either.
            for one in &entries {
                prop_assert!(!ask(engine, &token, &alone(one)).permits(), "{token} {}", alone(one));
            }
        } else {
            prop_assert!(whole.permits());
            for (one, decided) in entries.iter().zip(whole.entries.iter()) {
                let single = ask(engine, &token, &alone(one));
                prop_assert_eq!(compared(decided), compared(&single), "{} {}", token, alone(one));
            }
        }
    }

    #[test]
    fn i08_a_transaction_with_a_denied_entry_forwards_nothing(
        token in token(), entries in vec(entry(), 1..5), which in 0..3_usize
    ) {
        prop_assume!(!write_twice(&entries));
        let engine = &ENGINES[which];
        let batch = ask(engine, &token, &bundle("batch", &entries));
        let whole = ask(engine, &token, &bundle("transaction", &entries));
        prop_assert_eq!(whole.entries.len(), batch.entries.len());
        for ((own, other), (method, ..)) in whole.entries.iter().zip(batch.entries.iter()).zip(&entries) {
            if *method == "GET" {
                // D62: what a read would find is looked at first, as the whole fails for it.
                prop_assert!(other.permits() || !own.permits());
            } else {
                prop_assert_eq!(own, other);
            }
        }
        if whole.entries.is_empty() {
            prop_assert!(!whole.permits());
        } else if let Some(refused) = whole.entries.iter().find(|entry| !entry.permits()) {
            prop_assert_eq!(whole.reason(), Some(policy::Reason::EntryDenied));
            prop_assert_eq!(&whole.action, &Action::None);
            prop_assert_eq!(status(&whole), status(refused));
        } else {
            prop_assert!(matches!(whole.action, Action::Forward(_)));
        }
    }

    #[test]
    fn law_3_a_read_in_a_batch_gives_what_the_read_alone_does(
        token in token(), kind in prop::sample::select(vec!["Observation", "Patient", "Practitioner", "Condition"]),
        name in prop::sample::select(records::names().collect::<Vec<_>>()), which in 0..3_usize
    ) {
        let engine = &ENGINES[which];
        let call = format!("POST / batch: GET {kind}/{name}");
        let single = format!("GET /{kind}/{name}");
        if ask(engine, &token, &single).permits() {
            let text = records::text(name);
            let alone = answer(engine, &token, &single, 200, &[], text);
            let body = format!(r#"{{"resourceType":"Bundle","type":"batch-response","entry":[{{"resource":{text},"response":{{"status":"200"}}}}]}}"#);
            let given = answer(engine, &token, &call, 200, &[], &body);
            let released = alone.body.clone();
            let marker = if alone.status == 200 { format!("{{\"resource\":{released},") } else { format!("\"outcome\":{released}}}}}") };
            prop_assert!(given.body.contains(&marker), "{call} {} {}", given.body, released);
            prop_assert_eq!((given.released, given.dropped), (alone.released, alone.dropped));
        }
    }
}
