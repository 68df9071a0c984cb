//! A Service with what is stored behind it: engine and reference made from the same words.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use decision::Engine;
use policy::bundle::Bundle;
use policy::decision::Lookup;
use policy::settings::ServiceKind;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use reference::{Interpreter, Service};
use testkit::ehr;

use super::caller::{Who, caller};
use super::records::{Record, stored, types};
use super::request::{self, Asked};
use super::service::{Spec, spec};

/// One Service and its records.
pub(crate) struct World {
    pub(crate) spec: Spec,
    pub(crate) engine: Engine,
    pub(crate) reference: Interpreter,
    pub(crate) records: Vec<Record>,
    pub(crate) service: Service,
    /// The same Service, with a path to read whatever may be searched; made when it is asked.
    readable: OnceLock<Interpreter>,
    /// The types that the Service has.
    types: BTreeSet<String>,
}

/// A runner of that seed, for so many cases.
pub(crate) fn runner(seed: u64, cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 4_000,
        ..Config::default()
    })
}

/// The seed: `FIREWARDEN_TEST_SEED`, else always the same, so that what fails in one run fails in the next.
pub(crate) fn seed() -> u64 {
    std::env::var("FIREWARDEN_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// How often more than usual: `FIREWARDEN_TEST_FACTOR`, else once.
pub(crate) fn factor() -> u32 {
    std::env::var("FIREWARDEN_TEST_FACTOR").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

impl World {
    /// The world of that seed.
    pub(crate) fn of(seed: u64) -> Self {
        let kind = prop_oneof![12 => Just(ServiceKind::Fhirv4), 1 => Just(ServiceKind::Plain)];
        let strategy = (kind.prop_flat_map(spec), stored(3));
        let (spec, records) = strategy.new_tree(&mut runner(seed, 1)).unwrap().current();
        Self::new(spec, records)
    }

    pub(crate) fn new(spec: Spec, records: Vec<Record>) -> Self {
        let ids: Vec<(String, String)> = records.iter().map(|one| (one.kind.clone(), one.id.clone())).collect();
        let service = spec.service(&ids);
        let reference = Interpreter::new(service.clone());
        let parts = ehr::compile(&service).into_parts();
        let types = parts.types.iter().map(|one| one.name.to_string()).collect();
        let engine = Engine::new(Bundle::new(parts).unwrap());
        Self { engine, reference, spec, records, service, readable: OnceLock::new(), types }
    }

    /// What decides whether an instance of that type may be read; none for a type that the Service does not have.
    pub(crate) fn reader(&self, kind: &str) -> Option<&Interpreter> {
        let readable = || Interpreter::new(self.spec.with_every_read(&self.service));
        self.types.contains(kind).then(|| self.readable.get_or_init(readable))
    }

    pub(crate) fn callers(&self) -> impl Strategy<Value = Who> + use<> {
        let roles = self.service.roles.iter().map(|role| role.id).collect();
        caller(types(), roles, self.spec.features.contains("basic"))
    }

    pub(crate) fn requests(&self) -> BoxedStrategy<Asked> {
        match self.spec.kind {
            ServiceKind::Fhirv4 => request::fhir(&self.records),
            ServiceKind::Plain => request::plain(),
        }
    }

    /// The Service in words, as far as it concerns this caller.
    pub(crate) fn told(&self, who: &Who) -> String {
        let Spec { kind, settings, features, document, ceiling, .. } = &self.spec;
        let mut text = format!("{kind:?} [{}] features [{features}] document {document:?}", settings.join(" "));
        if who.account == "partner" {
            text.push_str(&format!(" ceiling {ceiling:?}"));
        }
        for role in self.service.roles.iter().filter(|role| who.roles.contains(&role.id)) {
            let condition = role.condition.as_ref().map(|text| format!(" where {text}")).unwrap_or_default();
            text.push_str(&format!("\n  role {} {}: {:?}{condition}", role.id, role.name, role.operations));
        }
        text
    }

    /// What is stored, as the gateway would find it: status and body.
    pub(crate) fn stored(&self, lookup: &Lookup) -> (u16, String) {
        let segments: Vec<&str> = lookup.path.trim_start_matches('/').split('/').collect();
        match &*segments {
            [kind, id] => {
                let found = self.records.iter().find(|one| one.kind == *kind && one.id == *id);
                found.map_or((404, String::new()), |one| (200, one.text.clone()))
            }
            [kind] => {
                let entries: Vec<String> = self
                    .records
                    .iter()
                    .filter(|one| one.kind == *kind)
                    .map(|one| format!(r#"{{"resource":{}}}"#, one.text))
                    .collect();
                (200, format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{}]}}"#, entries.join(",")))
            }
            other => panic!("no lookup looks like {other:?}"),
        }
    }
}
