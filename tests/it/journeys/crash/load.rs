//! `kill -9` in the middle of many writers: every write that was acknowledged is there once, and every other one can be
//! sent again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::base::{World, fresh_key, owner_story, partner_story, play, ship};
use crate::process::{Ask, Server, send};

const WRITERS: usize = 4;
const ROUNDS: usize = 3;
/// Writes that are acknowledged before the kill.
const BEFORE_KILL: usize = 20;

/// What one writer knows: what was acknowledged, and the request that was not.
struct Written {
    acknowledged: Vec<(String, String)>,
    lost: Ask,
}

fn role(world: &World, name: &str) -> Ask {
    let new = json!({ "name": name, "operations": ["GET:/Patient"] });
    let path = format!("/v1/services/{}/roles", world["service"]);
    Ask::post(path, &new).bearer(&world["owner"]).once(&fresh_key())
}

/// Writes roles until nobody answers.
fn write(address: SocketAddr, world: &World, writer: &str, count: &AtomicUsize) -> Written {
    let mut acknowledged = Vec::new();
    loop {
        let name = format!("{writer}-{}", acknowledged.len());
        let ask = role(world, &name);
        match send(address, &ask) {
            Some(reply) => {
                acknowledged.push((name, reply.expect(201)["id"].as_str().unwrap().to_owned()));
                count.fetch_add(1, Ordering::Relaxed);
            }
            None => return Written { acknowledged, lost: ask },
        }
    }
}

/// Every item of a list, page by page.
fn all(server: &Server, token: &str, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = server.send(&Ask::get(format!("{path}limit=200{cursor}")).bearer(token)).expect(200);
        items.append(page["data"].as_array_mut().unwrap());
        match page["next_cursor"].as_str() {
            None => return items,
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
}

#[test]
fn what_was_acknowledged_under_load_is_there_after_kill_9() {
    let base = play(None, owner_story);
    let world = &base.world;
    let copy = base.copy();
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        let server = copy.start(None);
        let (address, count) = (server.address(), &AtomicUsize::new(0));
        let lost: Vec<Ask> = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| scope.spawn(move || write(address, world, &format!("{round}-{writer}"), count)))
                .collect();
            while count.load(Ordering::Relaxed) < BEFORE_KILL {
                thread::sleep(Duration::from_millis(1));
            }
            server.kill();
            let written = writers.into_iter().map(|writer| writer.join().unwrap());
            written
                .map(|written| {
                    acknowledged.extend(written.acknowledged);
                    written.lost
                })
                .collect()
        });
        let server = copy.start(None);
        for ask in &lost {
            let again = server.send(ask).expect(201);
            acknowledged.insert(again["name"].as_str().unwrap().to_owned(), again["id"].as_str().unwrap().to_owned());
        }
    }
    let server = copy.start(None);
    let roles = all(&server, &world["owner"], &format!("/v1/services/{}/roles?kind=custom&", world["service"]));
    let told = |item: &Value, member: &str| item[member].as_str().unwrap().to_owned();
    let mut found: BTreeMap<String, String> = roles.iter().map(|role| (told(role, "name"), told(role, "id"))).collect();
    found.retain(|_, id| *id != world["role"] && *id != world["spare_role"]);
    assert_eq!(found, acknowledged);
    assert_eq!(roles.len(), acknowledged.len() + 2, "each once");

    let events = all(&server, &world["owner"], "/v1/events?");
    let mut targets: Vec<String> =
        events.iter().filter(|event| event["action"] == "role.create").map(|event| told(event, "target")).collect();
    targets.sort();
    let mut ids: Vec<String> = roles.iter().map(|role| told(role, "id")).collect();
    ids.sort();
    assert_eq!(targets, ids, "each role has its event, and no event is without its role");
}

#[test]
fn an_audit_batch_that_was_acknowledged_is_there_after_kill_9_and_any_other_is_kept_once_when_sent_again() {
    const BATCH: u32 = 20;
    let base = play(None, partner_story);
    let world = &base.world;
    let batch = |first: u32| ship(world, first..first + BATCH).bearer(&world["gateway_key"]);
    let copy = base.copy();
    let mut next = 1;
    for _ in 0..ROUNDS {
        let server = copy.start(None);
        let (address, count) = (server.address(), &AtomicUsize::new(0));
        next = thread::scope(|scope| {
            let gateway = scope.spawn(move || {
                let mut next = next;
                while let Some(reply) = send(address, &batch(next)) {
                    let last = reply.expect(200);
                    next += BATCH;
                    assert_eq!(last["seq"], next - 1, "the last one that is kept");
                    count.fetch_add(1, Ordering::Relaxed);
                }
                next
            });
            while count.load(Ordering::Relaxed) < BEFORE_KILL {
                thread::sleep(Duration::from_millis(1));
            }
            server.kill();
            gateway.join().unwrap()
        });
    }
    // What is sent again starts before what was acknowledged, as after a crash of the gateway itself.
    let server = copy.start(None);
    let last = server.send(&batch(next - BATCH)).expect(200);
    assert_eq!(last["seq"], next - 1);
    server.send(&batch(next)).expect(200);
    let kept = all(&server, &world["owner"], &format!("/v1/services/{}/audit-events?", world["service"]));
    let mut seqs: Vec<u64> = kept.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..u64::from(next + BATCH)).collect::<Vec<_>>(), "all of them, each once");
}
