//! The corpus of tables at the top of the workspace, run on the engine.

use std::path::Path;

use testkit::markdown::Document;

use crate::check;

/// Every requirement row that a decision can show; each is named in some document's `Requirements` line. The others of their
/// ranges are about forms of the gateway (K17, K23), the audit (K22), the authorization server (K26, K29, K31, I17), speed
/// (K38), and the administration of keys (I12, I40).
const REQUIREMENTS: &[&str] = &[
    "I01", "I02", "I03", "I04", "I05", "I06", "I07", "I08", "I09", "I10", "I11", "I13", "I14", "I15", "I16", "I18",
    "I19", "I20", "I21", "I22", "I23", "I24", "I25", "I26", "I27", "I28", "I29", "I30", "I31", "I32", "I33", "I34",
    "I35", "I36", "I37", "I38", "I39", "I41", "K16", "K18", "K19", "K20", "K21", "K24", "K25", "K27", "K28", "K30",
    "K32", "K33", "K34", "K35", "K36", "K37", "K39", "K40", "K41", "K42", "O11", "S01", "S02", "S03", "S04", "S05",
    "S18", "S21", "S26", "V12", "V21", "V22", "V24",
];

pub(crate) fn documents() -> Vec<(String, Document)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/decisions");
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.display().to_string(), Document::parse(&std::fs::read_to_string(&path).unwrap())))
        .collect()
}

#[test]
fn the_engine_behaves_as_the_corpus_says() {
    let mut faults = Vec::new();
    let mut rows = 0;
    for (path, document) in documents() {
        let engine = check::engine(&document);
        assert!(!document.rows.is_empty(), "{path} has no rows");
        for row in document.rows.iter().filter(|row| row.has("call")) {
            rows += 1;
            if let Err(fault) = check::row(&engine, row) {
                faults.push(format!("{path} {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {rows} rows:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_corpus_names_every_requirement_it_covers() {
    let named: Vec<String> = documents()
        .iter()
        .filter_map(|(_, document)| document.header.get("requirements").cloned())
        .flat_map(|line| line.split([' ', ',']).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let missing: Vec<_> = REQUIREMENTS.iter().filter(|id| !named.iter().any(|known| known == *id)).collect();
    assert!(missing.is_empty(), "no document names {missing:?}");
}
