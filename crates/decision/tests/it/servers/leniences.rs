//! How often each lenience of a server matters: to a client without a gateway, and to one behind it.
//!
//! A case that no server reads in a wrong way proves nothing of the gateway, so each lenience has to matter to some
//! row when nothing stands in between.

use std::collections::BTreeMap;

use fixture_fhir::{Mind, Server};
use testkit::markdown::Row;

use super::world::CANARY;
use super::{Table, TABLES, WORLD, bound, run, with};
use crate::drive::{self, Purpose, holds};

/// A server that has one lenience.
macro_rules! leniences {
    ($($name:ident),* $(,)?) => {
        const LENIENCES: &[(&str, Mind)] = &[$((stringify!($name), Mind { $name: true, ..Mind::HONEST })),*];
        // A lenience that is not in the list does not compile.
        const _: Mind = Mind { $($name: true),* };
    };
}

leniences! {
    last_wins, case_insensitive_names, semicolons, ignores_unknown, ignores_elements_in_batch, follows_overrides,
    merges_duplicate_json_keys_last, case_insensitive_json, double_decodes, resolves_dot_segments, any_base,
    filter_widens, pages_take_parameters, ignores_preconditions, resolves_conditional_references,
    runs_posted_bundles, cascades,
}

fn rows() -> impl Iterator<Item = (&'static Table, &'static Row)> {
    TABLES.iter().flat_map(|table| table.rows().map(move |row| (table, row)))
}

/// What a client without a gateway comes to: the answer, and all that is stored afterwards.
fn without((table, row): (&Table, &Row), mut server: Server) -> (u16, Vec<u8>, Vec<String>) {
    let served = with(&table.engine, row, |request, _| drive::bypass(request, &mut server));
    (served.status, served.body, stored(&server))
}

/// The same behind the gateway; the answer of the server comes last.
fn behind((table, row): (&Table, &Row), mut server: Server) -> (u16, Vec<u8>, Vec<String>, Vec<u8>) {
    let driven = run(&table.engine, row, &mut server).swap_remove(0);
    let answer = driven.forwarded().map(|sent| sent.answer.body.clone()).unwrap_or_default();
    (driven.status, driven.body, stored(&server), answer)
}

fn stored(server: &Server) -> Vec<String> {
    server.all().into_iter().map(str::to_owned).collect()
}

#[test]
fn each_lenience_matters_to_a_client_without_a_gateway() {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in rows() {
        let (honest, checked) = (without(case, WORLD.server(Mind::HONEST)), behind(case, WORLD.server(Mind::HONEST)));
        for (name, mind) in LENIENCES {
            let count = counts.entry(name).or_default();
            count.0 += usize::from(without(case, WORLD.server(*mind)) != honest);
            count.1 += usize::from(behind(case, WORLD.server(*mind)).3 != checked.3);
        }
    }
    for (name, (without, behind)) in &counts {
        println!("{name}: {without} rows without a gateway, {behind} of what it forwards");
    }
    let idle: Vec<_> = counts.iter().filter(|(_, (without, _))| *without == 0).map(|(name, _)| name).collect();
    assert!(idle.is_empty(), "no row shows {idle:?}");
}

#[test]
fn without_the_filter_the_canary_arrives() {
    let (mut direct, mut unfiltered, mut written) = (0, 0, 0);
    for case in rows().filter(|(_, row)| bound(row.cell("token"))) {
        let before = stored(&WORLD.server(Mind::HOSTILE));
        let (_, body, after) = without(case, WORLD.server(Mind::HOSTILE));
        direct += usize::from(holds(&body, CANARY.as_bytes()));
        written += usize::from(before != after);
        let driven = run(&case.0.engine, case.1, &mut WORLD.server(Mind::HOSTILE)).swap_remove(0);
        let raw = driven.sent.iter().filter(|sent| sent.purpose != Purpose::Lookup);
        let shown = raw.map(|sent| &sent.answer.body).any(|body| holds(body, CANARY.as_bytes()));
        unfiltered += usize::from(shown);
    }
    println!("the canary arrives in {direct} rows without a gateway, {unfiltered} without phase 9; {written} change what is stored");
    assert!(direct >= 40 && unfiltered >= 10 && written >= 10, "{direct} {unfiltered} {written}");
}
