//! The grid of ARCHITECTURE.md, checked against what Cargo resolves: who may use whom.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Each crate with the crates of ours that it may use. A crate that is not here fails the test, and so does
/// a dependency that is not here.
const GRID: &[(&str, &[&str])] = &[
    // words
    ("policy", &[]),
    ("fhir", &["policy"]),
    ("domain", &["policy"]),
    // engines: words only
    ("policy-compiler", &["policy", "fhir", "domain"]),
    ("oauth", &["policy", "domain"]),
    ("decision", &["policy"]),
    // state
    ("store", &["policy", "domain"]),
    // use cases
    ("admin", &["policy", "fhir", "domain", "policy-compiler", "oauth", "store"]),
    ("issuer", &["policy", "domain", "oauth", "store", "admin"]),
    ("gateway", &["policy", "decision"]),
    // doors and their kit
    ("web", &["policy", "domain", "store"]),
    ("admin-api", &["policy", "domain", "store", "admin", "web"]),
    ("issuer-api", &["policy", "domain", "store", "issuer", "admin", "web"]),
    ("gateway-proxy", &["policy", "decision", "gateway"]),
    // programs
    ("arc", &["policy", "gateway", "gateway-proxy"]),
    ("demo", &["policy", "arc"]),
    (
        "firewarden",
        &[
            "policy",
            "policy-compiler",
            "domain",
            "store",
            "admin",
            "issuer",
            "web",
            "admin-api",
            "issuer-api",
            "demo",
            "arc",
        ],
    ),
    // development only
    ("reference", &["policy", "fhir"]),
    ("fixture-fhir", &["policy", "fhir"]),
    ("testkit", &["policy", "policy-compiler", "fhir", "reference"]),
    // its program is `firewarden` itself, as a process to kill
    ("tests", &["firewarden"]),
];

/// The outside crates that pure crates may use; `diesel` in `decision` fails here.
const PURE: &[(&str, &[&str])] = &[
    ("policy", &["chrono", "minicbor", "percent-encoding", "serde", "serde_json", "thiserror", "uuid"]),
    ("fhir", &[]),
    ("domain", &["chrono", "serde", "serde_json", "thiserror", "uuid"]),
    ("policy-compiler", &["minicbor", "percent-encoding", "serde", "serde-saphyr", "serde_json", "thiserror"]),
    ("oauth", &["chrono", "serde", "subtle", "thiserror"]),
    ("decision", &["bumpalo", "percent-encoding", "rustc-hash"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().expect("cargo metadata answers")
}

fn normal_dependencies(package: &Package) -> BTreeSet<&str> {
    package.dependencies.iter().filter(|one| one.kind == DependencyKind::Normal).map(|one| one.name.as_str()).collect()
}

#[test]
fn a_crate_uses_only_crates_in_rows_below_its_own() {
    let metadata = metadata();
    let grid: BTreeMap<&str, &[&str]> = GRID.iter().copied().collect();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(ours, grid.keys().copied().collect(), "the table lists every crate, and no other");
    for package in &metadata.packages {
        let used: BTreeSet<&str> = normal_dependencies(package).intersection(&ours).copied().collect();
        let allowed: BTreeSet<&str> = grid[package.name.as_str()].iter().copied().collect();
        let forbidden: Vec<_> = used.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{} may not use {forbidden:?}", package.name);
    }
}

#[test]
fn the_table_itself_has_no_cycle() {
    let order: Vec<&str> = GRID.iter().map(|(name, _)| *name).collect();
    for (name, uses) in GRID {
        for used in *uses {
            let place = |crate_name: &str| order.iter().position(|one| *one == crate_name);
            assert!(place(used) < place(name), "{name} uses {used}, which stands above it");
        }
    }
}

#[test]
fn pure_crates_use_no_other_outside_crate() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    for (name, allowed) in PURE {
        let package = metadata.packages.iter().find(|package| package.name == *name).expect("a crate of the table");
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let outside: BTreeSet<&str> = normal_dependencies(package).difference(&ours).copied().collect();
        let forbidden: Vec<_> = outside.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{name} is pure and may not use {forbidden:?}");
    }
}
