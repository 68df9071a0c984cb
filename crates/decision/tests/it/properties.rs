//! "Properties that must hold" 1 to 5 and 8, on generated Services, records, callers and requests; 6 and 7 are `equality`.
//!
//! The upstream of most of them answers with all that it has, whatever it was asked: nothing is kept from a caller but by
//! the decision point. Who may read what is judged by the reference, and by nothing else than the records.

use std::collections::BTreeSet;

use decision::{Engine, Grants};
use policy::decision::Decision;
use policy::request::{Capabilities, Request};
use policy::settings::ServiceKind;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestError;
use serde_json::Value;
use testkit::ehr;

use fixture_fhir::{Mind, Served, Server};

use crate::drive::{Driven, drive, drive_to};
use crate::generated::caller::Who;
use crate::generated::records::Record;
use crate::generated::request::{self, Asked};
use crate::generated::world::{World, factor, runner, seed};

/// Services and cases of each property in a usual run; `FIREWARDEN_TEST_FACTOR` multiplies the Services.
const SERVICES: u64 = 3;
/// See [`SERVICES`].
const CASES: u32 = 60;

/// Tries a property in several worlds of FHIR.
fn in_worlds<S: Strategy>(strategy: impl Fn(&World) -> S, holds: impl Fn(&World, S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Clone,
{
    let worlds = (0..).map(|number| seed().wrapping_add(number)).map(|seed| (seed, World::of(seed)));
    let fhir = worlds.filter(|(_, world)| world.spec.kind == ServiceKind::Fhirv4);
    for (seed, world) in fhir.take(usize::try_from(SERVICES * u64::from(factor())).unwrap()) {
        let found = runner(seed, CASES).run(&strategy(&world), |case| holds(&world, case));
        match found {
            Ok(()) => {}
            Err(TestError::Fail(reason, case)) => {
                panic!("FIREWARDEN_TEST_SEED={seed} {:?}\n  {reason}\n  {case:?}", world.spec)
            }
            Err(TestError::Abort(reason)) => panic!("{reason}"),
        }
    }
}

/// What an upstream gives that has no idea of parameters: the instance, or all that there is.
fn lavish(records: &[Record], target: &str, method: &str, body: &[u8]) -> Served {
    let answer = |status, body: String| Served { status, headers: Vec::new(), body: body.into_bytes() };
    let path = target.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.trim_matches('/').split('/').filter(|one| !one.is_empty()).collect();
    let found = |kind: &str, id: &str| records.iter().find(|one| one.kind == kind && one.id == id);
    match (method, segments.as_slice()) {
        ("GET", [kind, id] | [kind, id, "_history", _]) if !id.starts_with(['_', '$']) && found(kind, id).is_some() => {
            answer(200, found(kind, id).map(|one| one.text.clone()).unwrap_or_default())
        }
        ("GET", [_, id] | [_, id, "_history", ..]) if !id.starts_with(['_', '$']) => answer(404, String::new()),
        ("POST", []) => answer(200, responses(records, body)),
        _ => {
            let kind = if path.ends_with("_history") { "history" } else { "searchset" };
            answer(200, all(records, kind, segments.last().copied().unwrap_or_default()))
        }
    }
}

fn all(records: &[Record], kind: &str, wanted: &str) -> String {
    let entry = |one: &Record| {
        let mode = if one.kind == wanted || kind == "history" { "match" } else { "include" };
        let mode = if wanted.is_empty() || wanted.starts_with(['_', '$', '*']) { "match" } else { mode };
        format!(
            r#"{{"fullUrl":"{}/{}/{}","resource":{},"search":{{"mode":"{mode}"}}}}"#,
            ehr::UPSTREAM,
            one.kind,
            one.id,
            one.text
        )
    };
    let entries: Vec<String> = records.iter().map(entry).collect();
    format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{}]}}"#, entries.join(","))
}

fn responses(records: &[Record], body: &[u8]) -> String {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let none = Vec::new();
    let one = |entry: &Value| {
        let (method, url) = (entry["request"]["method"].as_str(), entry["request"]["url"].as_str());
        let target = format!("/{}", url.unwrap_or_default());
        let served = lavish(records, &target, method.unwrap_or_default(), b"");
        let text = String::from_utf8(served.body).unwrap();
        let resource = if text.is_empty() { text } else { format!("\"resource\":{text},") };
        format!(r#"{{{resource}"response":{{"status":"{}"}}}}"#, served.status)
    };
    let entries: Vec<String> = sent["entry"].as_array().unwrap_or(&none).iter().map(one).collect();
    let kind = sent["type"].as_str().unwrap_or_default();
    format!(r#"{{"resourceType":"Bundle","type":"{kind}-response","entry":[{}]}}"#, entries.join(","))
}

/// What a caller gets of that upstream.
fn given(engine: &Engine, records: &[Record], who: &Who, asked: &Asked) -> Driven {
    asked_with(
        who,
        asked,
        |request, grants| {
            let mut serve = |method: &str, target: &str, _: &[(&str, &[u8])], body: &[u8]| {
                // A search by POST has its type before `_search`.
                let target = target.replacen("/_search", "", 1);
                let form = method == "POST" && target.len() > 1;
                lavish(records, &target, if form { "GET" } else { method }, body)
            };
            drive_to(engine, grants, request, &mut serve)
        },
        engine,
    )
}

fn asked_with<T>(who: &Who, asked: &Asked, run: impl FnOnce(&Request<'_>, &Grants) -> T, engine: &Engine) -> T {
    let (call, credentials) = (asked.call(), who.credentials());
    let headers = call.borrowed();
    let request = Request { now: 100, ..call.asked_by(&headers, credentials.caller()) };
    let grants = Grants::new(engine, &request.caller);
    run(&request, &grants)
}

/// The resources in a body, as type and id: those that are entries, or the whole; nothing of a refusal.
fn resources(body: &[u8]) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    collect(&serde_json::from_slice(body).unwrap_or_default(), &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value["resourceType"].as_str() {
        Some("Bundle") => {
            let entries = value["entry"].as_array().into_iter().flatten();
            entries.for_each(|entry| collect(&entry["resource"], found));
        }
        None | Some("OperationOutcome") => {}
        Some(kind) => {
            found.insert((kind.to_owned(), value["id"].as_str().unwrap_or_default().to_owned()));
        }
    }
}

/// A caller by scopes alone: no roles, whose operations are what they list, and no Basic credentials.
fn by_scopes(world: &World) -> impl Strategy<Value = Who> + use<> {
    world.callers().prop_map(|who| Who { roles: Vec::new(), basic: None, refused: None, ..who })
}

/// The same caller with `r` wherever it has `s`, so that a read asks for no more than the search did.
fn reading(who: &Who) -> Who {
    let scope = |text: &String| {
        let (head, query) = text.split_once('?').map_or((text.as_str(), None), |(head, query)| (head, Some(query)));
        let Some((name, letters)) = head.rsplit_once('.') else { return text.clone() };
        let more = letters.ends_with('s') && !letters.contains('r') && letters.chars().all(|one| "cruds".contains(one));
        let letters: String = "cruds".chars().filter(|one| letters.contains(*one) || *one == 'r').collect::<String>();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        if more { format!("{name}.{letters}{query}") } else { text.clone() }
    };
    Who { scopes: who.scopes.iter().map(scope).collect(), ..who.clone() }
}

/// Whether the reference lets a caller read an instance.
fn may_read(world: &World, who: &Who, kind: &str, id: &str) -> bool {
    let asked = Asked::new("GET", format!("/{kind}/{id}"));
    let (call, credentials) = (asked.call(), who.credentials());
    let headers = call.borrowed();
    let Some(reader) = world.reader(kind) else { return false };
    let mut known: Vec<(policy::decision::Lookup, u16, String)> = Vec::new();
    for _ in 0..6 {
        let stored: Vec<_> = known
            .iter()
            .map(|(lookup, status, body)| policy::request::Stored {
                lookup,
                status: *status,
                etag: None,
                body: body.as_bytes(),
            })
            .collect();
        let request = Request {
            method: &call.method,
            target: &call.target,
            headers: &headers,
            body: &call.body,
            caller: credentials.caller(),
            capabilities: Capabilities::ALL,
            stale: false,
            now: 100,
            stored: &stored,
            upstream_base: ehr::UPSTREAM,
        };
        let text = world.records.iter().find(|one| one.kind == kind && one.id == id).map(|one| one.text.clone());
        let Some(text) = text else { return false };
        let upstream = reference::Upstream { status: 200, headers: &[], body: text.as_bytes(), base: ehr::UPSTREAM };
        match reader.respond(&request, &upstream) {
            reference::Response::Lookup(lookups) => {
                let more: Vec<_> = lookups
                    .into_iter()
                    .map(|lookup| {
                        let (status, body) = world.stored(&lookup);
                        (lookup, status, body)
                    })
                    .collect();
                known.extend(more);
            }
            reference::Response::Released { status, .. } => return status == 200,
        }
    }
    false
}

/// The types that may come because a kept entry refers to them.
fn is_shared(world: &World, kind: &str) -> bool {
    let list = &world.service.settings.shared_types;
    list.as_ref()
        .map_or_else(|| fhir::r4().shared_types().any(|one| one == kind), |list| list.iter().any(|one| **one == *kind))
}

fn refers(text: &str, kind: &str, id: &str) -> bool {
    text.contains(&format!("{kind}/{id}\""))
}

#[test]
fn property_1_nothing_is_released_that_a_read_of_its_own_would_refuse() {
    in_worlds(
        |world| (by_scopes(world), request::asks(&world.records)),
        |world, (who, asked)| {
            let driven = given(&world.engine, &world.records, &who, &asked);
            let released = resources(&driven.body);
            let reader = reading(&who);
            for (kind, id) in &released {
                if may_read(world, &reader, kind, id) {
                    continue;
                }
                let named = |one: &Record| {
                    released.contains(&(one.kind.clone(), one.id.clone())) && refers(&one.text, kind, id)
                };
                let beside = is_shared(world, kind) && world.records.iter().any(named);
                prop_assert!(beside, "{kind}/{id} is released, and no read of it");
            }
            Ok(())
        },
    );
}

#[test]
fn property_1_no_predicate_or_header_adds_a_resource() {
    let more = select(vec![
        "code=x",
        "_tag=a",
        "focus=Patient/OTHER",
        "bogus=1",
        "date=ge2020",
        "patient=Patient/ME",
        "_id=OBS-OTHER",
    ]);
    let headers = select(vec![
        ("x-forwarded-host", "evil"),
        ("if-none-match", "*"),
        ("prefer", "return=minimal"),
        ("accept", "*/*"),
    ]);
    in_worlds(
        move |world| (world.callers(), request::search(), more.clone(), headers.clone()),
        |world, (who, asked, more, (name, value))| {
            let before = given(&world.engine, &world.records, &who, &asked);
            let mut after = asked.clone();
            after.query.push(more.to_owned());
            after.headers.push((name.to_owned(), value.to_owned()));
            let after = given(&world.engine, &world.records, &who, &after);
            if before.decision.permits() {
                let (before, after) = (resources(&before.body), resources(&after.body));
                prop_assert!(after.is_subset(&before), "{more} {name} {:?}", after.difference(&before));
            }
            Ok(())
        },
    );
}

/// One thing less in a token; none where there is nothing that only gives.
fn less(who: &Who, which: usize) -> Option<Who> {
    let mut who = who.clone();
    // The last scope keeps roles out, or bounds nothing; what it leaves would be another kind of token.
    let smart = |text: &String| ["patient/", "user/", "system/"].iter().any(|start| text.starts_with(start));
    match which % 4 {
        0 if who.scopes.iter().filter(|one| smart(one)).count() > 1 => {
            let at = who.scopes.iter().position(smart)?;
            who.scopes.remove(at);
        }
        1 if who.roles.len() > 1 => {
            who.roles.pop();
        }
        2 if !who.tags.is_empty() => {
            who.tags.pop();
        }
        3 => who.clearance = None,
        _ => return None,
    }
    Some(who)
}

#[test]
fn property_2_less_in_a_token_never_gives_more() {
    in_worlds(
        |world| (world.callers(), request::asks(&world.records), 0..4_usize),
        |world, (who, asked, which)| {
            let Some(fewer) = less(&who, which) else { return Ok(()) };
            let negates =
                world.service.roles.iter().filter(|role| who.roles.contains(&role.id)).any(|role| {
                    role.condition.as_ref().is_some_and(|text| text.contains("NOT") || text.contains("!="))
                });
            // A count that one rule may tell is refused to two that are not one search; and `reject` tells more to fewer.
            let counts = asked
                .query
                .iter()
                .any(|one| ["_total", "_summary=count", "_count=0"].iter().any(|part| one.contains(part)));
            let rejects = world.spec.settings.iter().any(|one| one.ends_with("=reject"));
            if negates || counts || rejects {
                return Ok(());
            }
            let more = resources(&given(&world.engine, &world.records, &who, &asked).body);
            let less = resources(&given(&world.engine, &world.records, &fewer, &asked).body);
            prop_assert!(less.is_subset(&more), "{fewer:?} {:?}", less.difference(&more));
            Ok(())
        },
    );
}

#[test]
fn property_3_a_search_gives_the_same_however_it_is_asked() {
    in_worlds(
        |world| (by_scopes(world), request::search()),
        |world, (who, asked)| {
            // A ceiling of operations may give the one and not the other.
            let who = Who { account: "owner", ..who };
            let found = |asked: &Asked| {
                let driven = given(&world.engine, &world.records, &who, asked);
                (driven.decision.permits(), resources(&driven.body))
            };
            let by_get = found(&asked);
            // By default only GETs are given.
            let named = who.scopes.iter().any(|one| one.contains('/'));
            if named {
                prop_assert_eq!(&by_get, &found(&asked.by_post()), "GET and POST");
            }
            if by_get.0 {
                prop_assert_eq!(&by_get.1, &found(&asked.in_batch()).1, "GET and an entry");
            }
            // In the compartment of the context, for types that have one parameter that owns.
            let kind = asked.path.trim_start_matches('/');
            let owners = fhir::r4().patient_compartment(kind).map_or(0, <[_]>::len);
            let own = who.patient.clone().filter(|_| named && who.scopes.iter().all(|one| one.starts_with("patient/")));
            if let (1, Some(patient), true) = (owners, own, by_get.0) {
                let inside = found(&Asked { path: format!("/Patient/{patient}{}", asked.path), ..asked.clone() });
                if inside.0 {
                    prop_assert_eq!(&by_get.1, &inside.1, "GET and the compartment");
                }
            }
            Ok(())
        },
    );
}

#[test]
fn property_4_a_foreign_instance_and_a_missing_one_look_the_same() {
    in_worlds(
        |world| (world.callers(), request::instances(&world.records)),
        |world, (who, asked)| {
            if world.spec.settings.contains(&"hide_existence=false") {
                return Ok(());
            }
            let segments: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
            let [kind, id, ..] = segments.as_slice() else { return Ok(()) };
            let there = given(&world.engine, &world.records, &who, &asked);
            let context = who.patient.as_deref() == Some(*id) && *kind == "Patient";
            let not_found = if world.service.settings.legacy_400 { 400 } else { 404 };
            if there.status != not_found || context {
                return Ok(());
            }
            let fewer: Vec<Record> =
                world.records.iter().filter(|one| one.kind != *kind || one.id != *id).cloned().collect();
            let missing = given(&world.engine, &fewer, &who, &asked);
            // What is not there may be created by whoever may create everything.
            if asked.method == "PUT" && missing.decision.permits() {
                return Ok(());
            }
            prop_assert_eq!(
                (there.status, &there.headers, &there.body),
                (missing.status, &missing.headers, &missing.body)
            );
            Ok(())
        },
    );
}

#[test]
fn property_5_neither_verdict_nor_answer_depends_on_how_lenient_the_upstream_is() {
    in_worlds(
        |world| (world.callers(), request::asks(&world.records)),
        |world, (who, asked)| {
            let texts = || world.records.iter().map(|one| one.text.as_str());
            let of = |mind: Mind| {
                let mut server = Server::new(texts(), ehr::UPSTREAM, mind);
                asked_with(
                    &who,
                    &asked,
                    |request, grants| drive(&world.engine, grants, request, &mut server),
                    &world.engine,
                )
            };
            let (honest, hostile) = (of(Mind::HONEST), of(Mind::HOSTILE));
            prop_assert_eq!(&honest.decision, &hostile.decision);
            let (honest, hostile) = (resources(&honest.body), resources(&hostile.body));
            // A hostile server gives more; what of it is released, an honest one would have been let give.
            let reader = reading(&who);
            for (kind, id) in hostile.difference(&honest) {
                let beside = is_shared(world, kind);
                prop_assert!(
                    beside || !who.roles.is_empty() || who.basic.is_some() || may_read(world, &reader, kind, id),
                    "{kind}/{id}"
                );
            }
            Ok(())
        },
    );
}

/// What cannot be shared between threads, or be written to, could not be behind a shared reference.
fn is_free_of_locks<T: Send + Sync>(_: &T) {}

#[test]
fn property_8_a_decision_needs_nothing_but_its_arguments() {
    let world = World::of(seed());
    is_free_of_locks(&world.engine);
    let decided = |who: &Who, asked: &Asked| -> Decision<'static> {
        asked_with(
            who,
            asked,
            |request, grants| {
                let arena = decision::Arena::new();
                decision::decide(&world.engine, request, grants, &arena).into_owned()
            },
            &world.engine,
        )
    };
    let strategy = (world.callers(), world.requests());
    let slot = std::sync::Mutex::new(());
    runner(seed(), 200)
        .run(&strategy, |(who, asked)| {
            let first = decided(&who, &asked);
            // While somebody holds the lock that a swap of bundles takes, in another thread, and after other decisions.
            let held = slot.lock().unwrap();
            let again = std::thread::scope(|scope| scope.spawn(|| decided(&who, &asked)).join().unwrap());
            drop(held);
            prop_assert_eq!(first, again);
            Ok(())
        })
        .unwrap();
}

#[test]
fn property_8_the_source_names_no_lock_no_clock_and_no_input() {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            for word in [
                "std::fs",
                "std::net",
                "std::io",
                "std::env",
                "std::thread",
                "std::process",
                "std::time",
                "Mutex",
                "RwLock",
                "Condvar",
                "static mut",
            ] {
                assert!(!text.contains(word), "{} names {word}", path.display());
            }
        }
    }
    assert!(files > 40, "only {files} files were read");
}
