//! How long a document takes from bytes to a Service: the generated one of every R4 type, and real ones where they are at hand.

use std::path::{Path, PathBuf};
use std::time::Instant;

use policy_compiler::{Limits, import};

use crate::report::{Figure, micros};
use crate::service::document;

/// Each document, in milliseconds: "in under a second".
const MUST_MILLIS: f64 = 1_000.0;
/// Runs of each document, after one that warms up.
const RUNS: usize = 7;

/// Every document in `FIREWARDEN_SHARED`/data/openapi, else in the folder `shared` beside the project, else the generated one alone.
pub fn figures() -> Vec<Figure> {
    let mut figures = vec![measure("every type of R4 (generated)", document().as_bytes())];
    let root = std::env::var_os("FIREWARDEN_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let Ok(folder) = std::fs::read_dir(root.join("data/openapi")) else {
        eprintln!("no real documents beside the project: the generated one only");
        return figures;
    };
    let mut files: Vec<PathBuf> = folder.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json" || ending == "yaml"));
    files.sort();
    for path in files {
        let bytes = std::fs::read(&path).expect("the document can be read");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        figures.push(measure(&format!("{name} ({} kB)", bytes.len() / 1_000), &bytes));
    }
    figures
}

fn measure(what: &str, bytes: &[u8]) -> Figure {
    let once = || {
        let from = Instant::now();
        std::hint::black_box(import(bytes, &Limits::default())).expect("the document imports");
        micros(from.elapsed()) / 1_000.0
    };
    once();
    Figure::of(what, "ms", (0..RUNS).map(|_| once()).collect(), Some(MUST_MILLIS))
}
