//! What an import came to, as the control plane keeps it.
//!
//! Invariant: `operations` are sorted by shape, then method, none twice, so an index names an operation for good.

use minicbor::{Decode, Encode};
use policy::operation::{Interaction, Operation};
use policy::settings::ServiceKind;
use policy::text::TypeName;
use serde::Serialize;

use crate::finding::Finding;

/// The version of the encoded form; any other is refused.
const FORMAT: u8 = 1;

/// An API, as its document describes it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Imported {
    /// Its name, from `info.title`.
    #[n(0)]
    pub title: String,
    /// Its description.
    #[n(1)]
    pub description: Option<String>,
    /// The version of OpenAPI that the document is written in: `3.0.3`.
    #[n(2)]
    pub openapi: String,
    /// Plain, or FHIR by the document's extension.
    #[n(3)]
    pub kind: ServiceKind,
    /// Whether it looks like FHIR, whatever its kind.
    #[n(4)]
    pub fhir_like: bool,
    /// Its base, absolute and without a trailing slash, where the document names one.
    #[n(5)]
    pub base_url: Option<String>,
    /// Its operations, sorted by the template's shape, then method.
    #[n(6)]
    pub operations: Vec<Operation>,
    /// Its resource types, sorted by name; empty when it does not look like FHIR.
    #[n(7)]
    pub types: Vec<ImportedType>,
    /// All that was found, the worst first; no errors among them.
    #[n(8)]
    pub findings: Vec<Finding>,
    /// How many paths the document has.
    #[n(9)]
    pub paths: usize,
    /// How many operations the document declares, those that are not part of the Service among them.
    #[n(10)]
    pub documented_operations: usize,
}

/// A resource type of the document.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ImportedType {
    /// Its name.
    #[n(0)]
    pub name: TypeName,
    /// What the document lets be done with it, in the order of [`Interaction::ALL`].
    #[n(1)]
    pub interactions: Vec<Interaction>,
    /// The query parameters that the document declares for its searches, sorted.
    #[n(2)]
    pub search_parameters: Vec<String>,
    /// Whether FHIR R4 defines it.
    #[n(3)]
    pub in_r4: bool,
}

impl Serialize for ImportedType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            name: &'a TypeName,
            interactions: Vec<&'static str>,
            search_parameters: &'a [String],
            in_r4: bool,
        }
        let interactions = self.interactions.iter().map(|interaction| interaction.as_str()).collect();
        View { name: &self.name, interactions, search_parameters: &self.search_parameters, in_r4: self.in_r4 }
            .serialize(serializer)
    }
}

/// The bytes are not an [`Imported`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the imported document cannot be read: {0}")]
pub struct Unreadable(String);

impl Imported {
    /// CBOR, for the database: the same value always gives the same bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Unreadable> {
        minicbor::to_vec((FORMAT, self)).map_err(|fault| Unreadable(fault.to_string()))
    }

    /// Reads what [`Self::encode`] wrote, and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut decoder = minicbor::Decoder::new(bytes);
        let (format, imported): (u8, Self) = decoder.decode().map_err(|fault| Unreadable(fault.to_string()))?;
        if format != FORMAT || decoder.position() != bytes.len() {
            return Err(Unreadable("it is of another form".to_owned()));
        }
        if !imported.operations.is_sorted_by(|one, next| order(one) < order(next)) {
            return Err(Unreadable("its operations are not sorted".to_owned()));
        }
        Ok(imported)
    }

    /// The type of that name.
    pub(crate) fn type_named(&self, name: &str) -> Option<&ImportedType> {
        self.types.binary_search_by(|found| found.name.as_str().cmp(name)).ok().and_then(|index| self.types.get(index))
    }
}

/// What operations are sorted by.
pub(crate) fn order(operation: &Operation) -> (String, policy::operation::Method) {
    (operation.template.shape(), operation.method)
}
