//! What a bundle knows of FHIR: the types of its Service, their search parameters and owners.
//!
//! The compiler copies these facts from the `fhir` tables and from the Service's own document, so
//! the decision point needs no tables of its own, and a bundle says which ones are in force.

use minicbor::{Decode, Encode};

use crate::text::TypeName;

/// How resources of a type belong to a patient ("Compartment and shared types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Standing {
    /// `Patient`: a member by its own id only.
    #[n(0)]
    Patient,
    /// A type of the Patient compartment: a member by any of its ownership parameters.
    #[n(1)]
    Compartment,
    /// On the Service's shared list: read only, when referenced or by a scope of its own.
    #[n(2)]
    Shared,
    /// Decided by its patient element (Device, Task, Contract, GuidanceResponse).
    #[n(3)]
    PatientElement,
    /// Never bridges to co-members: covered only if every Patient it names is the context (Group, List, Person).
    #[n(4)]
    NamesPatients,
    /// By `securityContext` (Binary).
    #[n(5)]
    Binary,
    /// By all of its targets (Provenance).
    #[n(6)]
    Provenance,
    /// No patient rule reaches it.
    #[n(7)]
    Undecidable,
}

/// The facts of one resource type.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TypeFacts {
    /// The type.
    #[n(0)]
    pub name: TypeName,
    /// How its resources belong to a patient.
    #[n(1)]
    pub standing: Standing,
    /// Its search parameters, sorted by name; those of `Resource` and `DomainResource` are not among them.
    #[n(2)]
    pub parameters: Vec<SearchParameter>,
    /// The elements that make a resource a member of a patient's compartment, as paths; empty
    /// unless the standing is `Compartment` or `PatientElement`.
    #[n(3)]
    pub owners: Vec<ElementPath>,
}

/// The type of a search parameter (R4, SearchParamType).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
#[allow(missing_docs, reason = "the names are FHIR's own")]
pub enum ParameterKind {
    #[n(0)]
    Number,
    #[n(1)]
    Date,
    #[n(2)]
    String,
    #[n(3)]
    Token,
    #[n(4)]
    Reference,
    #[n(5)]
    Composite,
    #[n(6)]
    Quantity,
    #[n(7)]
    Uri,
    #[n(8)]
    Special,
}

/// One search parameter of a type.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SearchParameter {
    /// Its code, as in a query.
    #[n(0)]
    pub name: Box<str>,
    /// Its type.
    #[n(1)]
    pub kind: ParameterKind,
    /// For a reference: the types it may point at, sorted; empty means any type.
    #[n(2)]
    pub targets: Vec<TypeName>,
    /// The elements it reads; empty when they cannot be said as paths.
    #[n(3)]
    pub paths: Vec<ElementPath>,
    /// Whether it is an ownership parameter: a compartment parameter of its type, or an alias of one
    /// by element path (`patient` and `subject` of Observation both are).
    #[n(4)]
    pub owner: bool,
}

/// Where an element stands in a resource, from the resource down.
///
/// Lists on the way are walked through: `participant`, `individual` means every individual of every participant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ElementPath {
    /// JSON property names, outermost first; a choice element bears its type (`valueReference`).
    #[n(0)]
    pub elements: Vec<Box<str>>,
    /// Only references that resolve to this type count (`where(resolve() is Patient)`).
    #[n(1)]
    pub only: Option<TypeName>,
}
