//! Whatever bytes come, the reader answers.

use policy_compiler::{Limits, compile, custom_role, import, report::Report, smart_roles};
use proptest::prelude::*;

use crate::real_documents::folder;

/// The smaller real documents, with and without FHIR; something to change where they are absent.
fn documents() -> Vec<Vec<u8>> {
    let mut all = vec![crate::api(true, &["GET /Patient/{id}", "POST /Patient"]).into_bytes()];
    for file in ["petstore.yaml", "gematik-vsdm2.yaml", "va-facilities.json", "nhs-nrlf-consumer.yaml"] {
        all.extend(folder().and_then(|folder| std::fs::read(folder.join(file)).ok()));
    }
    all
}

/// Takes out, repeats or overwrites a piece.
fn mutated(document: &[u8], edits: &[(u32, u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = document.to_vec();
    for (at, kind, piece) in edits {
        let at = *at as usize % bytes.len().max(1);
        let end = (at + piece.len() * 3).min(bytes.len());
        match kind % 3 {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => drop(bytes.splice(at..end.min(at + piece.len()), piece.iter().copied())),
        }
    }
    bytes
}

/// How many cases a property is tried with: `usual`, times `FIREWARDEN_TEST_FACTOR` (`scripts/test --long` sets 50).
fn cases(usual: u32) -> u32 {
    let factor = std::env::var("FIREWARDEN_TEST_FACTOR").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    usual.saturating_mul(factor)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(150), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn import_answers_on_mutated_real_documents(
        choice in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<u32>(), any::<u8>(), prop::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'*'), Just(b'&'), Just(b'$'), Just(b'\n'), Just(b' '), any::<u8>()], 0..12)), 1..6),
    ) {
        let documents = documents();
        let bytes = mutated(&documents[choice.index(documents.len())], &edits);
        let result = import(&bytes, &Limits::default());
        let _ = Report::new(&result).text(true).to_string();
        if let Ok(imported) = result {
            prop_assert!(policy_compiler::Imported::decode(&imported.encode().unwrap()).is_ok());
            prop_assert!(smart_roles(&imported).iter().all(|role| role.operations.iter().all(|index| (*index as usize) < imported.operations.len())));
            let keys: Vec<_> = imported.operations.iter().map(policy::operation::Operation::key).collect();
            prop_assert!(keys.is_empty() || custom_role(&imported, &keys).is_ok());
            prop_assert!(compile(crate::bundles::source(&imported)).is_ok());
        }
    }

    #[test]
    fn import_answers_on_any_text(text in "[{}\\[\\]:,&*!|>#a \n\"'-]{0,200}") {
        let _ = import(text.as_bytes(), &Limits::default());
    }
}
