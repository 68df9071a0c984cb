//! A gateway and its bundles: nothing bad is taken, nothing is lost in a swap, and silence ends in a denial (E23).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use testkit::jws::SigningKey;

use super::gateway_kit::*;

#[test]
fn without_a_bundle_everything_is_denied_and_the_gateway_is_not_ready() {
    let world = World::new();
    let gateway = ArcProxy::start(&world, &[]);
    assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 503);
    assert_eq!(gateway.ready().0, 503);
    assert_eq!(
        send(gateway.status_address, b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap().status,
        200
    );
    world.plane.publish(world.parts());
    gateway.runs(1);
    assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 200);
    assert_eq!(gateway.ready().0, 200);
    eventually("the denial is stored, too", || world.plane.decisions().len() == 2);
    assert_eq!(world.plane.decisions()[0].reason.unwrap().as_str(), "bundle_stale");
}

#[test]
fn a_new_bundle_changes_the_next_decision() {
    let (world, gateway) = World::running(&[]);
    assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 200);
    let mut parts = world.parts();
    parts.operations.retain(|one| one.template.to_string() != "/Patient/{id}");
    world.plane.publish(parts);
    gateway.runs(2);
    assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 404);
    eventually("it is reported", || {
        world.plane.lock().reports.iter().any(|one| one["bundle_version"] == json!(2) && one["state"] == "active")
    });
    assert!(world.plane.lock().reports.iter().all(|one| one["arc_version"].is_string()));
}

#[test]
fn e23_a_bad_bundle_leaves_the_last_good_one_in_force_and_is_reported() {
    let (world, gateway) = World::running(&[]);
    let good = world.plane.publish(world.parts());
    gateway.runs(2);
    let stranger = SigningKey::ed25519("b1");
    let next = |previous| testkit::bundles::Published::new(world.parts(), 3, Some(previous), now());
    let third = next(&good);
    let mut expired = third.clone();
    expired.manifest.expires_at = now() - 1;
    let wire = third.wire(&world.plane.lock().key);
    let expired = expired.wire(&world.plane.lock().key);
    let older = good.wire(&world.plane.lock().key);
    let mut flipped = wire.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cases = [
        ("tampered", flipped, "digest"),
        ("cut", wire[..wire.len() - 1].to_vec(), "length"),
        ("signed by a stranger", third.wire(&stranger), "signature"),
        ("expired", expired, "expired"),
        ("older", older, "older"),
    ];
    world.plane.lock().published = Some(third.clone());
    for (what, bytes, word) in cases {
        world.plane.lock().reports.clear();
        world.plane.lock().bundle = Some(("\"x\"".to_owned(), bytes));
        eventually(&format!("a bundle that is {what} is reported"), || {
            let reports = world.plane.lock().reports.clone();
            reports.iter().any(|one| {
                one["state"] == "refused"
                    && one["bundle_version"] == json!(2)
                    && one["error"].as_str().unwrap().contains(word)
            })
        });
        assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 200, "{what}");
        assert_eq!(gateway.ready().1["bundle_version"], json!(2), "{what}");
    }
    assert!(!gateway.metrics().contains("arc_bundle_refused_total 0"));
    world.plane.lock().bundle = Some(("\"y\"".to_owned(), wire));
    gateway.runs(3);
}

#[test]
fn the_gateway_goes_on_without_its_control_plane_and_after_a_restart() {
    let (world, gateway) = World::running(&[]);
    world.plane.lock().down = true;
    assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 200);
    gateway.kill();
    let gateway = ArcProxy::start(&world, &[]);
    assert_eq!(gateway.ready(), (200, json!({"state": "active", "bundle_version": 1})), "from disk, at once");
    assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 200);
    assert_eq!(get(&gateway, "/fhir/Patient/p2", &world.p1()).status, 403);
}

#[test]
fn e23_kill_and_restart_keep_the_high_water_mark() {
    let (world, gateway) = World::running(&[]);
    let first = world.plane.lock().published.clone().unwrap();
    world.plane.publish(world.parts());
    gateway.runs(2);
    gateway.kill();
    // The control plane, or whoever stands in its place, offers the first version again; so does the disk.
    let wire = first.wire(&world.plane.lock().key);
    std::fs::remove_file(world.state().join("bundles/bundle-2")).unwrap();
    std::fs::write(world.state().join("bundles/bundle-1"), &wire).unwrap();
    {
        let mut plane = world.plane.lock();
        plane.published = Some(first);
        plane.bundle = Some(("\"x\"".to_owned(), wire));
        plane.reports.clear();
    }
    let gateway = ArcProxy::start(&world, &[]);
    eventually("it is refused", || world.plane.lock().reports.iter().any(|one| one["state"] == "refused"));
    assert_eq!(gateway.ready().0, 503);
    assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 503);
}

#[test]
fn silence_past_max_staleness_ends_in_a_denial_and_one_head_mends_it() {
    let world = World::new();
    let mut parts = world.parts();
    parts.settings.max_staleness_seconds = 2;
    world.plane.publish(parts);
    let gateway = ArcProxy::start(&world, &[]);
    gateway.runs(1);
    assert_eq!(get(&gateway, "/fhir/Patient/p1", &world.p1()).status, 200);
    world.plane.lock().down = true;
    eventually("it denies", || get(&gateway, "/fhir/Patient/p1", &world.p1()).status == 503);
    assert_eq!(gateway.ready().1["state"], "stale");
    assert_eq!(ask(gateway.address, "GET", "/fhir/metadata", None, "").status, 503, "everything, also what is open");
    world.plane.lock().down = false;
    eventually("it decides again", || get(&gateway, "/fhir/Patient/p1", &world.p1()).status == 200);
    eventually("the denial is stored", || {
        world.plane.decisions().iter().any(|one| one.reason.is_some_and(|reason| reason.as_str() == "bundle_stale"))
    });
}

#[test]
fn a_swap_under_load_drops_no_request() {
    let (world, gateway) = World::running(&[]);
    let (token, done, served) = (world.p1(), AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(get(&gateway, "/fhir/Patient/p1", &token).status, 200);
                    assert_eq!(get(&gateway, "/fhir/Patient/p2", &token).status, 403);
                    served.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        for version in 2..=6 {
            world.plane.publish(world.parts());
            gateway.runs(version);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(served.load(Ordering::Relaxed) > 50);
    let entries = || world.plane.entries();
    eventually("every request is in the audit", || decisions(&entries()).len() == served.load(Ordering::Relaxed));
    let versions: std::collections::BTreeSet<_> = entries().iter().map(|entry| entry.bundle_version).collect();
    assert!(versions.len() >= 5, "each under the bundle that decided it: {versions:?}");
}

#[test]
fn the_bundle_is_pulled_once_for_each_version() {
    let (world, gateway) = World::running(&[]);
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert_eq!(world.plane.lock().bundle_pulls, 1, "heads are enough while nothing changes");
    world.plane.publish(world.parts());
    gateway.runs(2);
    assert_eq!(world.plane.lock().bundle_pulls, 2);
}

#[test]
fn a_start_that_cannot_be_says_why() {
    let world = World::new();
    let folder = world.folder.path();
    let bad = folder.join("bad.json");
    std::fs::write(&bad, "{}").unwrap();
    let says = |arguments: &[&str]| {
        let output = arc(arguments).current_dir(folder).stderr(std::process::Stdio::piped()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(says(&["proxy"]).contains("--enrolment"));
    assert!(says(&["proxy", "--enrolment", "none.json", "--upstream", "http://127.0.0.1:1"]).contains("none.json"));
    assert!(says(&["proxy", "--enrolment", "bad.json", "--upstream", "http://127.0.0.1:1"]).contains("gateway_id"));
    let good = folder.join("good.json");
    std::fs::write(&good, world.enrolment().to_string()).unwrap();
    assert!(says(&["proxy", "--enrolment", "good.json", "--upstream", "ftp://x"]).contains("ftp://x"));
    assert!(
        says(&["proxy", "--enrolment", "good.json", "--upstream", "http://127.0.0.1:1", "--poll-interval", "0s"])
            .contains("500ms")
    );
    world.plane.publish(world.parts());
    let _running = ArcProxy::start(&world, &[]);
    let state = world.state().display().to_string();
    let second =
        says(&["proxy", "--enrolment", "good.json", "--upstream", "http://127.0.0.1:1", "--state-dir", &state]);
    assert!(second.contains("another gateway"), "{second}");
}
