//! The facts of FHIR that one Service needs, copied into its bundle.

use policy::facts::{SearchParameter, TypeFacts};

use crate::imported::Imported;

/// The types that the Service serves, and those that their reference parameters lead to.
pub(crate) fn types(_imported: &Imported) -> Vec<TypeFacts> {
    Vec::new()
}

/// The search parameters of every type.
pub(crate) fn common() -> Vec<SearchParameter> {
    Vec::new()
}
