//! Property 6: the engine equals the slow reference interpreter on every input, reason included.

use std::time::{Duration, Instant};

use policy::request::Capabilities;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestError;

use crate::compare::{Case, Store, settle};
use crate::generated::answer::given;
use crate::generated::world::{World, factor, runner, seed};

/// Services and cases of each in a usual run; `FIREWARDEN_TEST_FACTOR` multiplies the Services.
const SERVICES: u64 = 6;
/// See [`SERVICES`].
const CASES: u32 = 250;

/// A case in that world.
pub(crate) fn case(world: &World) -> impl Strategy<Value = Case> + use<> {
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

#[test]
fn the_engine_decides_as_the_reference_does() {
    let mut faults = Vec::new();
    let started = Instant::now();
    for number in 0..SERVICES * u64::from(factor()) {
        let seed = seed().wrapping_add(number);
        let world = World::of(seed);
        let found = runner(seed, CASES).run(&case(&world), |case| {
            settle(&world, &case).map(|_| ()).map_err(TestCaseError::fail)
        });
        if let Err(fault) = found {
            let text = match fault {
                TestError::Fail(reason, case) => format!("{}\n  {reason}\n  {case:?}", world.told(&case.who)),
                TestError::Abort(reason) => reason.to_string(),
            };
            faults.push(format!("FIREWARDEN_TEST_SEED={seed} {text}"));
        }
    }
    let _ = (started, Duration::ZERO);
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults.join("\n\n"));
}

#[test]
#[ignore = "one case by hand"]
fn one_case_by_hand() {
    use testkit::{call::Call, ehr, token::Token};
    let text = std::env::var("PROPS_CASE").unwrap();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [settings, features, token, call] = parts.as_slice() else { panic!("{parts:?}") };
        let service = ehr::service(ehr::settings(policy::settings::ServiceKind::Fhirv4, settings), features);
        let engine = decision::Engine::new(ehr::compile(&service));
        let reference = reference::Interpreter::new(service);
        let (call, token) = (Call::parse(call), Token::parse(token));
        let headers = call.borrowed();
        let request = call.request(&headers, &token);
        let grants = decision::Grants::new(&engine, &request.caller);
        let arena = decision::Arena::new();
        println!("{line}\n  E {:?}\n  R {:?}", decision::decide(&engine, &request, &grants, &arena), reference.decide(&request));
    }
}

/// Not a property: all kinds of differences that there are, with the shortest case of each.
#[test]
#[ignore = "a list for whoever looks for what differs, not a check"]
fn a_list_of_the_differences() {
    use std::collections::BTreeMap;
    let mut kinds: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut all = 0;
    for number in 0..SERVICES * u64::from(factor()) {
        let world = World::of(seed().wrapping_add(number));
        let kinds = std::cell::RefCell::new(&mut kinds);
        let count = std::cell::Cell::new(0);
        let _ = runner(number, CASES).run(&case(&world), |case| {
            count.set(count.get() + 1);
            if let Err(fault) = settle(&world, &case) {
                let key: String = fault.split("\n  upstream").next().unwrap().chars().take(170).collect();
                let text = format!("{}\n  {fault}\n  {case:?}", world.told(&case.who));
                let mut kinds = kinds.borrow_mut();
                let known = kinds.entry(key).or_insert_with(|| (0, text.clone()));
                known.0 += 1;
                if text.len() < known.1.len() {
                    known.1 = text;
                }
            }
            Ok(())
        });
        all += count.get();
    }
    let mut list: Vec<_> = kinds.into_values().collect();
    list.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    println!("{} kinds in {all} cases", list.len());
    for (count, text) in list.iter().take(60) {
        let text: String = text.chars().take(2_600).collect();
        println!("\n== {count} times: {text}");
    }
}
