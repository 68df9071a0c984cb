//! Property 6: the engine equals the slow reference interpreter on every input, reason included; and 7: no input makes
//! either of them panic, and none is permitted after an internal error.
//!
//! What the cases reach is counted in the same run, so that they cannot come to be denials only.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::LazyLock;

use policy::decision::Verdict;
use policy::operation::Interaction;
use policy::request::Capabilities;
use policy::settings::ServiceKind;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestError;

use crate::compare::{Case, Settled, Store, settle};
use crate::generated::answer::given;
use crate::generated::world::{World, factor, runner, seed};

/// Services of one run, which `FIREWARDEN_TEST_FACTOR` multiplies where there are many.
const SERVICES: u64 = 10;
/// So often more in a usual run, in some ten seconds; where a mutant waits for it (`FIREWARDEN_TEST_FACTOR=0`) once is enough.
const USUAL: u64 = 3;
/// Cases of each.
const CASES: u32 = 250;

/// What a run came to.
#[derive(Default)]
struct Run {
    faults: Vec<String>,
    cases: usize,
    permits: usize,
    /// Permits by interaction, of requests and of entries.
    interactions: BTreeMap<String, usize>,
    /// Denials by reason.
    reasons: BTreeMap<&'static str, usize>,
    /// Answers that were released, by status.
    released: BTreeMap<u16, usize>,
    /// Cases in which something was looked up.
    looked_up: usize,
}

/// One run, for all tests that look at it.
static RUN: LazyLock<Run> = LazyLock::new(|| run(if factor() == 0 { SERVICES } else { SERVICES * USUAL }));

/// A case in that world.
fn case(world: &World) -> impl Strategy<Value = Case> + use<> {
    let store = prop_oneof![
        12 => Just(Store::Honest),
        1 => select(vec![Store::Gone, Store::Failing, Store::Broken, Store::Unversioned]),
    ];
    let capabilities = prop_oneof![
        15 => Just(Capabilities::ALL),
        1 => (any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(rewrite, check_response, lookup)| Capabilities { rewrite, check_response, lookup }),
    ];
    (world.callers(), world.requests(), given(), store, capabilities)
        .prop_map(|(who, asked, given, store, capabilities)| Case { who, asked, given, store, capabilities })
}

fn run(services: u64) -> Run {
    let ran = RefCell::new(Run::default());
    for number in 0..services {
        let seed = seed().wrapping_add(number);
        let world = World::of(seed);
        let failed = Cell::new(false);
        let found = runner(seed, CASES).run(&case(&world), |case| {
            let settled = settle(&world, &case).map_err(|fault| {
                failed.set(true);
                TestCaseError::fail(fault)
            })?;
            // What is tried to shrink a failure is none of the cases.
            if !failed.get() {
                ran.borrow_mut().count(&world, &settled);
            }
            Ok(())
        });
        let text = match found {
            Ok(()) => continue,
            Err(TestError::Fail(reason, case)) => format!("{}\n  {reason}\n  {case:?}", world.told(&case.who)),
            Err(TestError::Abort(reason)) => reason.to_string(),
        };
        ran.borrow_mut().faults.push(format!("FIREWARDEN_TEST_SEED={seed} {text}"));
    }
    ran.into_inner()
}

impl Run {
    fn count(&mut self, world: &World, settled: &Settled) {
        self.cases += 1;
        self.looked_up += usize::from(settled.lookups > 0);
        match settled.decision.verdict {
            Verdict::Deny { reason, .. } => *self.reasons.entry(reason.as_str()).or_default() += 1,
            Verdict::Permit | Verdict::Undecided => self.permits += 1,
        }
        if let Some(released) = &settled.released {
            *self.released.entry(released.status).or_default() += 1;
        }
        for one in std::iter::once(&settled.decision).chain(settled.decision.entries.iter()) {
            let name = match one.interaction {
                Some(interaction) => interaction.as_str().to_owned(),
                None if world.spec.kind == ServiceKind::Plain => "plain".to_owned(),
                None => continue,
            };
            *self.interactions.entry(name).or_default() += usize::from(one.permits());
        }
    }

    /// As a report has it.
    fn told(&self) -> String {
        format!(
            "{} cases, {} permitted, {} with lookups\npermits: {:?}\ndenials: {:?}\nreleased: {:?}",
            self.cases, self.permits, self.looked_up, self.interactions, self.reasons, self.released
        )
    }
}

#[test]
fn property_6_the_engine_decides_as_the_reference_does() {
    assert!(RUN.faults.is_empty(), "{} Services:\n{}", RUN.faults.len(), RUN.faults.join("\n\n"));
}

/// A hundred thousand cases with `FIREWARDEN_TEST_FACTOR=40`; `FIREWARDEN_TEST_SEED` for others.
#[test]
#[ignore = "takes minutes: `scripts/test --long` runs it"]
fn property_6_in_many_more_services() {
    let ran = run(SERVICES * u64::from(factor()));
    println!("{}", ran.told());
    assert!(ran.faults.is_empty(), "{} Services:\n{}", ran.faults.len(), ran.faults.join("\n\n"));
}

#[test]
fn the_cases_permit_deny_and_reach_every_interaction() {
    println!("{}", RUN.told());
    assert!(RUN.permits * 100 >= RUN.cases * 38, "too few permits: {}", RUN.told());
    assert!(RUN.permits * 100 <= RUN.cases * 75, "too few denials: {}", RUN.told());
    for interaction in Interaction::ALL {
        let permits = RUN.interactions.get(interaction.as_str()).copied().unwrap_or_default();
        // What is open to everybody is no interaction of a caller's.
        let open = interaction == Interaction::Capabilities;
        assert!(open || permits > 0, "no {interaction} was permitted: {}", RUN.told());
    }
    for reason in [
        "malformed_url",
        "malformed_query",
        "malformed_body",
        "no_token",
        "not_in_service",
        "method_not_allowed",
        "no_permission",
        "no_rule",
        "no_patient_context",
        "other_patient",
        "unknown_parameter",
        "parameter_denied",
        "conditional_denied",
        "operation_denied",
        "entry_denied",
        "not_found",
        "obligation_unsupported",
    ] {
        assert!(RUN.reasons.contains_key(reason), "nothing was denied as {reason}: {}", RUN.told());
    }
    assert!(RUN.looked_up * 100 >= RUN.cases * 3, "too few lookups: {}", RUN.told());
    assert!(!RUN.reasons.contains_key("internal"), "an internal error: {}", RUN.told());
}
