//! Scopes: what is read is printed and read again, and the set algebra holds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::scope::{Scope, Word, words};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let scopes: Vec<Scope> = words(text)
        .filter_map(|word| match word {
            Word::Resource(scope) => Some(scope),
            Word::Extension(_) | Word::Other(_) | Word::Invalid(..) => None,
        })
        .take(20)
        .collect();
    for scope in &scopes {
        let printed = scope.to_string();
        assert_eq!(printed.parse::<Scope>().as_ref(), Ok(scope), "{printed}");
        assert!(scope.contains(scope) && !scope.letters().is_empty());
        assert_eq!(words(&printed).collect::<Vec<_>>(), [Word::Resource(scope.clone())], "{printed} is one word");
        for other in &scopes {
            let met = scope.meet(other);
            assert_eq!(met, other.meet(scope));
            if let Some(met) = met {
                assert!(scope.contains(&met) && other.contains(&met), "{scope} {other} {met}");
            }
            if scope.contains(other) && other.contains(scope) {
                assert_eq!(scope, other);
            }
            assert!(!scope.contains(other) || scope.narrows_to(other));
        }
    }
});
