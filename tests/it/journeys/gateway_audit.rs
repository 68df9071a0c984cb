//! The audit: written before anything is forwarded, kept across crashes, stored once, and never a reason to go on without it.

use std::sync::{Arc, Mutex};

use policy::audit::{Effect, Record};
use policy::settings::AuditPolicy;

use super::gateway_kit::*;

#[test]
fn k22_the_upstream_sees_a_request_only_after_its_entry_is_on_disk() {
    let (world, gateway) = World::running(&[]);
    world.plane.lock().takes_audit = false;
    let (state, early) = (world.state(), Arc::new(Mutex::new(0)));
    let (seen, missing) = (Mutex::new(0_usize), Arc::clone(&early));
    world.upstream.answers(move |_| {
        *seen.lock().unwrap() += 1;
        let permits = decisions(&spooled(&state)).iter().filter(|one| one.effect == Effect::Permit).count();
        if permits < *seen.lock().unwrap() {
            *missing.lock().unwrap() += 1;
        }
        actix_web::HttpResponse::Ok().content_type("application/fhir+json").body(patient("p1").to_string())
    });
    for count in 1..=20 {
        assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 200);
        assert_eq!(outcomes(&world.spooled()).len(), count, "the outcome is there when the client has the answer");
    }
    assert_eq!(*early.lock().unwrap(), 0);
}

#[test]
fn kill_9_loses_no_entry_and_stores_none_twice() {
    let (world, gateway) = World::running(&[]);
    world.plane.lock().takes_audit = false;
    for _ in 0..10 {
        get(&gateway, "/fhir/Patient/p1", &world.p1());
    }
    gateway.kill();
    assert!(world.plane.entries().is_empty());
    world.plane.lock().takes_audit = true;
    let gateway = ArcProxy::start(&world, &[]);
    eventually("all are stored", || world.plane.entries().len() == 20);
    get(&gateway, "/fhir/Patient/p1", &world.p1());
    eventually("the next ones, too", || world.plane.entries().len() == 22);
    let entries = world.plane.entries();
    assert_eq!(entries[19].seq, 20);
    assert!(entries[20].boot > entries[19].boot && entries[20].seq == 1);
    eventually("the spool is empty", || gateway.metrics().contains("arc_audit_waiting_entries 0"));
    gateway.kill();
    let gateway = ArcProxy::start(&world, &[]);
    get(&gateway, "/fhir/Patient/p1", &world.p1());
    eventually("and goes on", || world.plane.entries().len() == 24);
}

#[test]
fn what_a_crash_tore_is_cut_and_noted() {
    let (world, gateway) = World::running(&[]);
    world.plane.lock().takes_audit = false;
    get(&gateway, "/fhir/Patient/p1", &world.p1());
    get(&gateway, "/fhir/Patient/p1", &world.p1());
    gateway.kill();
    let segment = std::fs::read_dir(world.state().join("audit")).unwrap().map(|one| one.unwrap().path());
    let segment = segment.filter(|path| path.extension().is_some_and(|one| one == "log")).max().unwrap();
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() - 20]).unwrap();
    world.plane.lock().takes_audit = true;
    let gateway = ArcProxy::start(&world, &[]);
    get(&gateway, "/fhir/Patient/p1", &world.p1());
    eventually("the rest is stored", || world.plane.entries().len() == 3 + 1 + 2);
    let gaps = world.plane.entries().iter().filter(|entry| entry.record == Record::Gap { lost: 1 }).count();
    assert_eq!(gaps, 1);
}

#[test]
fn a_full_spool_denies_until_there_is_room_again() {
    let (world, gateway) = World::running(&["--audit-max-bytes", "65536"]);
    world.plane.lock().takes_audit = false;
    let ask = || get(&gateway, "/fhir/Patient/p1", &world.p1()).status;
    let served = (0..1_000).take_while(|_| ask() == 200).count();
    assert!((10..1_000).contains(&served), "{served}");
    assert_eq!(ask(), 503);
    assert_eq!(world.upstream.saw().len(), served, "what was denied was not forwarded");
    assert_eq!(outcomes(&world.spooled()).len(), served, "each that was forwarded has its outcome");
    world.plane.lock().takes_audit = true;
    eventually("it serves again", || ask() == 200);
}

#[test]
fn a_service_that_may_lose_entries_goes_on_and_says_how_many() {
    let world = World::new();
    let mut parts = world.parts();
    parts.settings.audit = AuditPolicy::BestEffort;
    world.plane.publish(parts);
    let gateway = ArcProxy::start(&world, &["--audit-max-bytes", "65536"]);
    gateway.runs(1);
    world.plane.lock().takes_audit = false;
    for _ in 0..150 {
        assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 200);
    }
    world.plane.lock().takes_audit = true;
    eventually("a gap record comes", || {
        get(&gateway, "/fhir/Patient/p1", &world.p1());
        let entries = world.plane.entries();
        entries.iter().any(|entry| matches!(entry.record, Record::Gap { lost } if lost > 50))
    });
}

#[test]
fn an_orderly_end_ships_what_is_left() {
    let (world, gateway) = World::running(&[]);
    get(&gateway, "/fhir/Patient/p1", &world.p1());
    get(&gateway, "/fhir/Patient/p2", &world.p1());
    assert!(gateway.stop());
    assert_eq!(world.plane.entries().len(), 3);
}

#[test]
fn e14_no_secret_value_or_path_reaches_audit_or_disk() {
    let (world, gateway) = World::running(&[]);
    let token = world.p1();
    get(&gateway, "/fhir/Observation?code=canary-value", &token);
    get(&gateway, "/fhir/Canary-path/canary-id", &token);
    ask(gateway.address, "GET", "/fhir/Patient/p1", Some("canary-token"), "");
    eventually("all are stored", || world.plane.decisions().len() == 3);
    let stored = serde_json::to_string(&world.plane.entries()).unwrap();
    assert!(!stored.to_lowercase().contains("canary") && !stored.contains(&token), "{stored}");
    let signature = token.rsplit('.').next().unwrap();
    assert!(!gateway.metrics().contains(signature));
}
