//! The audit: stored once, found by what it is searched by, newest first.

use policy::Reason;
use policy::audit::{Effect, Entry, Record};
use policy::id::{AccountId, ServiceId};
use store::audit::{Filter, Kept, Place, Position, insert, position, search};
use store::{Page, StoreError};

use crate::harness::{Database, later, now, on_both};
use crate::world::{self, World};

/// The world with ten more decisions, each a second after the one before, and the outcome of the last.
fn shipped(database: &Database) -> (World, Vec<Entry>) {
    let world = World::new(database);
    let mut entries: Vec<Entry> = (2..12).map(|seq| world::decision(database, &world.gateway, seq)).collect();
    entries.push(world::outcome(database, &entries[9]));
    keep(database, &world, &entries).unwrap();
    entries.insert(0, world.entry.clone());
    (world, entries)
}

fn keep(database: &Database, world: &World, entries: &[Entry]) -> Result<Option<Position>, StoreError> {
    database.within(world.account, |tx| insert(tx, world.service.id, world.gateway.id, entries, later(100)))
}

fn found(database: &Database, world: &World, filter: &Filter) -> Vec<u64> {
    let kept = database.pool.read(world.account, |tx| search(tx, world.service.id, filter, Page::first(200))).unwrap();
    kept.items.into_iter().map(|kept| kept.entry.seq).collect()
}

fn change(entry: &mut Entry, change: impl FnOnce(&mut policy::audit::DecisionRecord)) {
    let Record::Decision(decision) = &mut entry.record else { panic!("no decision") };
    change(decision);
}

#[test]
fn an_entry_reads_back_as_the_gateway_wrote_it() {
    on_both(|database| {
        let (world, entries) = shipped(database);
        let kept = database
            .pool
            .read(world.account, |tx| search(tx, world.service.id, &Filter::default(), Page::first(1)))
            .unwrap();
        let last = Kept { entry: entries[11].clone(), received_at: later(100) };
        assert_eq!(kept.items, [last], "{}", database.kind);
        assert!(kept.more);
    });
}

#[test]
fn a_batch_that_is_shipped_twice_is_stored_once() {
    on_both(|database| {
        let (world, entries) = shipped(database);
        let last = Some(Position { boot: 1, seq: 12 });
        assert_eq!(keep(database, &world, &entries), Ok(last), "{}", database.kind);
        assert_eq!(keep(database, &world, &[]), Ok(last));
        assert_eq!(found(database, &world, &Filter::default()).len(), 12, "{}", database.kind);
        // The gateway started again: its place is the boot first, then the entry.
        let again = Entry { boot: 2, ..world::decision(database, &world.gateway, 1) };
        assert_eq!(keep(database, &world, &[again]), Ok(Some(Position { boot: 2, seq: 1 })));
        let other = database.pool.read(world.account, |tx| position(tx, world::gateway(database, world.service.id).id));
        assert_eq!(other, Ok(None));
    });
}

#[test]
fn a_batch_with_a_foreign_entry_is_not_stored_at_all() {
    on_both(|database| {
        let (world, _) = shipped(database);
        let good = world::decision(database, &world.gateway, 20);
        let next = world::decision(database, &world.gateway, 21);
        for foreign in [
            Entry { service_id: ServiceId::new(database.uuid()), ..next.clone() },
            Entry { gateway_id: world::gateway(database, world.service.id).id, ..next.clone() },
            Entry { id: world.entry.id, ..next.clone() },
            Entry { seq: u64::MAX, ..next.clone() },
        ] {
            let outcome = keep(database, &world, &[good.clone(), foreign]);
            assert_eq!(outcome, Err(StoreError::Conflict("audit entry")), "{}", database.kind);
        }
        assert_eq!(found(database, &world, &Filter::default()).len(), 12, "{}", database.kind);
    });
}

#[test]
fn the_audit_is_found_by_each_part_of_the_filter() {
    on_both(|database| {
        let world = World::new(database);
        let mut permit = world::decision(database, &world.gateway, 2);
        change(&mut permit, |decision| (decision.effect, decision.reason) = (Effect::Permit, None));
        let mut other = world::decision(database, &world.gateway, 3);
        let (caller, assumed) = (AccountId::new(database.uuid()), AccountId::new(database.uuid()));
        change(&mut other, |decision| {
            decision.principal.id = Some("rses_\u{0}y".into());
            decision.principal.account_id = Some(assumed);
            decision.principal.act_account_id = Some(caller);
            decision.resource_type = Some("Observation".into());
            decision.patient = Some("p2".into());
            decision.reason = Some(Reason::NoRule);
        });
        let outcome = world::outcome(database, &other);
        keep(database, &world, &[permit, other.clone(), outcome]).unwrap();

        let all = Filter::default;
        for (what, filter, expected) in [
            ("everything", all(), &[4, 3, 2, 1][..]),
            ("from", Filter { from: Some(later(2)), ..all() }, &[4, 3, 2]),
            ("to", Filter { to: Some(later(2)), ..all() }, &[1]),
            ("principal", Filter { principal: Some("key_x".into()), ..all() }, &[2, 1]),
            ("a principal with a NUL", Filter { principal: Some("rses_\u{0}y".into()), ..all() }, &[3]),
            ("no such principal", Filter { principal: Some("key_".into()), ..all() }, &[]),
            ("the account of the role", Filter { account: Some(assumed), ..all() }, &[3]),
            ("the account that assumed it", Filter { account: Some(caller), ..all() }, &[3]),
            ("permits", Filter { decision: Some(Effect::Permit), ..all() }, &[2]),
            ("denials", Filter { decision: Some(Effect::Deny), ..all() }, &[3, 1]),
            ("reason", Filter { reason: Some(Reason::OtherPatient), ..all() }, &[1]),
            ("type", Filter { resource_type: Some("Observation".into()), ..all() }, &[3]),
            ("patient", Filter { patient: Some("p1".into()), ..all() }, &[2, 1]),
            ("request", Filter { request_id: Some(other.request_id), ..all() }, &[4, 3]),
            ("two parts", Filter { patient: Some("p1".into()), decision: Some(Effect::Deny), ..all() }, &[1]),
        ] {
            assert_eq!(found(database, &world, &filter), expected, "{} {what}", database.kind);
        }
    });
}

#[test]
fn e07_what_is_searched_for_is_never_part_of_the_statement() {
    on_both(|database| {
        let world = World::new(database);
        for text in ["' OR 1=1 --", "key_x' OR 'a'='a", "%", "key__", "\\", "$1", "?"] {
            let filter =
                Filter { principal: Some(text.into()), ..Filter { patient: Some(text.into()), ..Filter::default() } };
            assert!(found(database, &world, &filter).is_empty(), "{} {text}", database.kind);
        }
        assert_eq!(found(database, &world, &Filter::default()), [1]);
    });
}

#[test]
fn pages_of_the_audit_neither_lose_nor_double_an_entry_though_times_are_equal() {
    on_both(|database| {
        let world = World::new(database);
        let entries: Vec<Entry> = (2..20)
            .map(|seq| Entry {
                at: later(i64::try_from(seq).unwrap() / 6),
                ..world::decision(database, &world.gateway, seq)
            })
            .collect();
        keep(database, &world, &entries).unwrap();
        let (mut seen, mut page) = (Vec::new(), Page::first(4));
        loop {
            let read = database.pool.read(world.account, |tx| search(tx, world.service.id, &Filter::default(), page));
            let listed = read.unwrap();
            seen.extend(listed.items.iter().map(|kept| Place { at: kept.entry.at, id: kept.entry.id }));
            if !listed.more {
                break;
            }
            page = Page::after(*seen.last().unwrap(), 4);
        }
        assert_eq!(seen.len(), 19, "{}", database.kind);
        assert!(seen.is_sorted_by(|newer, older| (newer.at, newer.id) > (older.at, older.id)), "{}", database.kind);
        assert!(seen.iter().all(|place| place.at >= now()));
    });
}
