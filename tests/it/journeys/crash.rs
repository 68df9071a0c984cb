//! The control plane is killed at named points inside each use case and started again: nothing that it acknowledged is
//! lost, and nothing is half done.
//!
//! A use case that dies before its commit has left nothing, and the same request (the same link, the same
//! `Idempotency-Key`) then does all of it; one that dies after it has left all of it once, as if it had answered.

mod base;
mod load;
mod owner;
mod partner;
mod postgresql;
mod view;

use std::time::{Duration, Instant};

use base::{Base, World};
use view::{anonymous, mails, view};

use crate::process::Ask;

/// The signal of `abort`, by which a process ends at a point.
const SIGABRT: i32 = 6;

/// One use case, and what its request comes to.
struct Case {
    /// The action of its last event, or the name that its transaction gives itself.
    action: &'static str,
    /// The point inside of it, with the action as it is there; none when it writes to one place only.
    half: Option<&'static str>,
    /// The same each time.
    ask: fn(&World) -> Ask,
    /// The status when it is done.
    done: u16,
    /// The status when it was done before: a kept answer, a used link, a revision that has passed.
    again: Option<u16>,
    /// How many letters it sends.
    mails: usize,
}

/// Kills the server at each point of the case, each time on a fresh copy of the base.
#[track_caller]
fn survives(base: &Base, case: &Case) {
    if !cfg!(debug_assertions) {
        eprintln!("skipped: a release build has no points");
        return;
    }
    let ask = (case.ask)(&base.world);
    let whole = format!("{}:before_commit", case.action);
    let mut done = None;
    for point in [Some(whole.as_str()), case.half].into_iter().flatten() {
        let copy = base.copy();
        copy.die(&ask, point);
        let server = copy.start(None);
        assert_eq!(view(&server, base, &copy), base.view, "{point}: something of it is there");
        server.send(&ask).expect(case.done);
        settle(&copy, base.mails + case.mails);
        let now = anonymous(view(&server, base, &copy));
        let before = done.get_or_insert_with(|| now.clone());
        assert_eq!(now, *before, "{point}: the same request does not do the same");
    }
    let done = done.unwrap();
    assert!(
        case.again.is_none() || done != anonymous(base.view.clone()),
        "{}: the view shows nothing of it",
        case.action
    );

    let point = format!("{}:after_commit", case.action);
    let copy = base.copy();
    copy.die(&ask, &point);
    let server = copy.start(None);
    settle(&copy, base.mails + case.mails);
    assert_eq!(anonymous(view(&server, base, &copy)), done, "{point}: it is not all there, or not once");
    if let Some(again) = case.again {
        server.send(&ask).expect(again);
        assert_eq!(anonymous(view(&server, base, &copy)), done, "{point}: it was done twice");
    }
}

/// Operations that write nothing, whatever their method.
const READS: &[&str] = &["POST /v1/services/{id}/audit-events/search"];

#[test]
fn every_operation_that_writes_is_killed_at_its_points() {
    let base = partner::base();
    let cases: Vec<Ask> = [owner::ALL, partner::ALL].concat().into_iter().map(|case| (case.ask)(&base.world)).collect();
    let document = base.copy().start(None).send(&Ask::get("/openapi.json")).expect(200);
    let mut missing = Vec::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        for method in ["post", "put", "patch", "delete"].into_iter().filter(|method| methods.get(method).is_some()) {
            let operation = format!("{} {template}", method.to_uppercase());
            if !READS.contains(&operation.as_str()) && !cases.iter().any(|ask| ask.is_of(&operation)) {
                missing.push(operation);
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "a case is missing in `crash/owner.rs` or `crash/partner.rs`");
}

/// Waits until so many letters were delivered, if they ever are.
fn settle(copy: &base::Copy, letters: usize) {
    let started = Instant::now();
    while mails(copy.folder()).len() < letters && started.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
}
