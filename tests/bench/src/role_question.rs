//! The bare role question (method, path, three roles), asked of this project's engine and of its peers.
//!
//! Invariant: before anything is timed, everybody has given the expected answer to the same sampled questions; who gives
//! another one stops the benchmark, because a faster wrong answer is worth nothing.

use std::hint::black_box;
use std::time::Duration;

use policy::id::RoleId;

use crate::ours::{KIND, Ours};
use crate::peers::{Make, Peer, casbin, cedar, rego};
use crate::questions::Sample;
use crate::report::{Figure, Rounds, clock_cost};
use crate::service;

const SIZES: [u32; 4] = [10, 100, 1_000, 10_000];
/// Questions on which all have to agree.
const QUESTIONS: usize = 10_000;
/// Questions that are timed, in turn: few enough to lie in the caches of everybody.
const TIMED: usize = 256;
/// All are timed in turn, so often.
const ROUNDS: usize = 10;
/// The most samples of one round, and its longest time.
const SAMPLES: usize = 5_000;
const LONGEST: Duration = Duration::from_millis(50);
/// The size that the targets are about.
const TARGET_SIZE: u32 = 1_000;
/// The median of this project's own, in microseconds.
const TARGET_MICROS: f64 = 0.3;

/// A peer, on how many questions it is compared, and how many times faster than it this project's own has to be.
struct Row {
    make: Make,
    compared: usize,
    faster: Option<f64>,
}

/// Who is asked at a size. Casbin with everything loaded goes through every policy of every role, which at 1,000 roles
/// takes milliseconds: it is compared on fewer questions, and left out at 10,000.
fn rows(roles: u32) -> Vec<Row> {
    let row = |make: Make, faster: Option<f64>| Row { make, compared: QUESTIONS, faster };
    let mut rows = vec![
        row(rego::indexed, Some(8.0)),
        row(rego::idiomatic, None),
        row(rego::routed, None),
        row(cedar::listed_slicing, None),
        row(cedar::listed_sliced, None),
        row(cedar::grouped_slicing, Some(50.0)),
        row(cedar::grouped_sliced, None),
        row(casbin::filtered, None),
    ];
    match roles {
        ..=100 => rows.push(Row { make: casbin::whole, compared: QUESTIONS / 10, faster: None }),
        ..=1_000 => rows.push(Row { make: casbin::whole, compared: QUESTIONS / 100, faster: None }),
        _ => {}
    }
    rows
}

/// Every engine at 10 to 10,000 roles, and how many times as long as ours each takes.
pub fn figures() -> Vec<Figure> {
    let mut figures: Vec<Figure> = SIZES.into_iter().flat_map(at_size).collect();
    figures.push(Figure::one("the machine: reading the clock (taken off above)", "µs", clock_cost(), None));
    figures
}

fn at_size(roles: u32) -> Vec<Figure> {
    let bundle = service::bundle(KIND, roles);
    let sample = Sample::of(&bundle, QUESTIONS);
    let tokens: Vec<Vec<RoleId>> =
        sample.tokens.iter().map(|of| of.map(|role| sample.grants[role].id).to_vec()).collect();
    let engine = Ours::new(bundle, &tokens);
    let ask = |number: usize| {
        let question = &sample.questions[number];
        engine.permits(question.method, &question.target, question.token)
    };
    agree("this engine", &sample, QUESTIONS, ask);
    let mut peers: Vec<(Row, Box<dyn Peer>)> = rows(roles)
        .into_iter()
        .map(|row| {
            let peer = (row.make)(&sample, row.compared);
            (row, peer)
        })
        .collect();
    for (row, peer) in &mut peers {
        agree(peer.name(), &sample, row.compared, |number| peer.permits(number));
    }

    let mut own = Rounds::new();
    let mut others: Vec<Rounds> = peers.iter().map(|_| Rounds::new()).collect();
    for _ in 0..ROUNDS {
        own.run(TIMED, SAMPLES, LONGEST, |number| {
            black_box(ask(black_box(number)));
        });
        for ((row, peer), rounds) in peers.iter_mut().zip(&mut others) {
            rounds.run(TIMED.min(row.compared), SAMPLES, LONGEST, |number| {
                black_box(peer.permits(black_box(number)));
            });
        }
    }
    table(roles, own, peers.iter().zip(others).map(|((row, peer), rounds)| (row.faster, peer.name(), rounds)))
}

/// This engine's figure; then each peer's, and how many times as long it took, round by round.
fn table(roles: u32, own: Rounds, peers: impl Iterator<Item = (Option<f64>, &'static str, Rounds)>) -> Vec<Figure> {
    let target = roles == TARGET_SIZE;
    let medians = own.medians.clone();
    let ours = own.figure(format!("role question, {roles} roles: this engine, method and path"));
    let mut figures = vec![if target { ours.median_at_most(TARGET_MICROS) } else { ours }];
    for (faster, name, rounds) in peers {
        let ratios = rounds.medians.iter().zip(&medians).map(|(theirs, ours)| theirs / ours).collect();
        figures.push(rounds.figure(format!("role question, {roles} roles: {name}")));
        let ratio = Figure::of(format!("  times as long as this engine: {name}"), "×", ratios, None);
        figures.push(ratio.median_at_least(faster.filter(|_| target)));
    }
    figures
}

fn agree(name: &str, sample: &Sample, count: usize, mut ask: impl FnMut(usize) -> bool) {
    let mut permitted = 0;
    for (number, question) in sample.questions.iter().take(count).enumerate() {
        let given = ask(number);
        assert_eq!(given, question.permit, "{name}: {} {}", question.method, question.target);
        permitted += usize::from(given);
    }
    assert!(permitted * 10 > count * 3 && permitted * 10 < count * 8, "{permitted} of {count} questions are permitted");
}
