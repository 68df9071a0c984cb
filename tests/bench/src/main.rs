//! `scripts/bench NAME [--json]`: what it costs, beside what it must not cost.

mod allocations;
mod bearer;
mod decide;
mod draws;
mod http;
mod import;
mod machine;
mod memory;
mod ours;
mod peers;
mod questions;
mod report;
mod respond;
mod role_question;
mod service;
mod swap;
mod tokens;

use std::process::ExitCode;

const NAMES: &[(&str, &str)] = &[
    ("decide", "a decision in this process, from raw request to answer (K38); the bare role question, with peers"),
    ("bearer", "a token at a gateway: seen before among 50,000, and not seen before"),
    ("import", "a document, from bytes to operations, types and findings"),
    ("memory", "an engine with 10,000 roles: its bytes"),
    ("respond", "the filter of a searchset, beside a tree of serde_json: speed, and memory beside the body"),
    ("swap", "a bundle of 10,000 roles: verify, decode, swap; and decisions meanwhile"),
    ("tokens", "POST /v1/token at a real control plane: latency, CPU time, rate"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let as_json = arguments.iter().any(|one| one == "--json");
    let name = arguments.iter().find(|one| !one.starts_with("--")).map(String::as_str);
    let mut figures = match name {
        Some("decide") => decide::figures().into_iter().chain(role_question::figures()).collect(),
        Some("bearer") => bearer::figures(),
        Some("import") => import::figures(),
        Some("memory") => memory::figures(),
        Some("respond") => respond::figures(),
        Some("swap") => swap::figures(),
        Some("tokens") => tokens::figures(),
        Some(other) => {
            eprintln!("no benchmark is called `{other}`; scripts/bench lists the names");
            return ExitCode::from(2);
        }
        None => {
            NAMES.iter().for_each(|(name, what)| println!("{name:<10} {what}"));
            return ExitCode::SUCCESS;
        }
    };
    figures.push(machine::verification());
    let met = report::show(name.unwrap_or_default(), &figures, as_json);
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
