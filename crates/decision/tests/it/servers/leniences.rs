//! How often each lenience of a server matters: to a client without a gateway, and to one behind it.
//!
//! A case that no server reads in a wrong way proves nothing of the gateway, so each lenience has to matter to some
//! row when nothing stands in between.

use std::collections::BTreeMap;

use fixture_fhir::{Mind, Served, Server};
use testkit::markdown::Row;

use super::world::CANARY;
use super::{TABLES, Table, WORLD, bound, run, with};
use crate::drive::{self, holds};

/// A server that has one lenience.
macro_rules! leniences {
    ($($name:ident),* $(,)?) => {
        pub(super) const LENIENCES: &[(&str, Mind)] = &[$((stringify!($name), Mind { $name: true, ..Mind::HONEST })),*];
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

/// What a client without a gateway comes to, and the server afterwards.
fn without((table, row): (&Table, &Row), mind: Mind) -> (Served, Server) {
    let mut server = WORLD.server(mind);
    let served = with(&table.engine, row, |request, _| drive::bypass(request, &mut server));
    (served, server)
}

/// What the server answers to what the gateway forwards.
fn behind((table, row): (&Table, &Row), mind: Mind) -> Option<Served> {
    let driven = run(&table.engine, row, &mut WORLD.server(mind)).swap_remove(0);
    driven.forwarded().map(|sent| sent.answer.clone())
}

#[test]
fn each_lenience_matters_to_a_client_without_a_gateway() {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in rows() {
        let ((answer, server), forwarded) = (without(case, Mind::HONEST), behind(case, Mind::HONEST));
        for (name, mind) in LENIENCES {
            let count = counts.entry(name).or_default();
            let (other, after) = without(case, *mind);
            count.0 += usize::from(other != answer || after.all() != server.all());
            count.1 += usize::from(forwarded.is_some() && behind(case, *mind) != forwarded);
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
    let before = WORLD.server(Mind::HOSTILE);
    for case in rows().filter(|(_, row)| bound(row.cell("token"))) {
        let (served, after) = without(case, Mind::HOSTILE);
        direct += usize::from(holds(&served.body, CANARY.as_bytes()));
        written += usize::from(before.all() != after.all());
        let answer = behind(case, Mind::HOSTILE);
        unfiltered += usize::from(answer.is_some_and(|answer| holds(&answer.body, CANARY.as_bytes())));
    }
    println!(
        "the canary arrives in {direct} rows without a gateway, {unfiltered} without phase 9; {written} change what is stored"
    );
    assert!(direct >= 40 && unfiltered >= 10 && written >= 10, "{direct} {unfiltered} {written}");
}
