//! `scripts/bench NAME [--json]`: what it costs, beside what it must not cost.

mod bearer;
mod decide;
mod http;
mod import;
mod machine;
mod report;
mod tokens;

use std::process::ExitCode;

const NAMES: &[(&str, &str)] = &[
    ("bearer", "a token at a gateway: seen before among 50,000, and not seen before"),
    ("decide", "a decision in this process, from raw request to answer (K38)"),
    ("import", "a document, from bytes to operations, types and findings"),
    ("tokens", "POST /v1/token at a real control plane: latency, CPU time, rate"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let as_json = arguments.iter().any(|one| one == "--json");
    let name = arguments.iter().find(|one| !one.starts_with("--")).map(String::as_str);
    let mut figures = match name {
        Some("bearer") => bearer::figures(),
        Some("decide") => decide::figures(),
        Some("import") => import::figures(),
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
