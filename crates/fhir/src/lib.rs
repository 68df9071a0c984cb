//! Facts of FHIR: resource types, search parameters with their elements, and the Patient compartment.
//!
//! Invariant: whatever a table says, HL7's definitions say. An expression that cannot be said as
//! element paths gives no path at all, never a wrong one. A further FHIR version is a further table.

mod standing;
mod tables;

#[rustfmt::skip]
mod r4;

pub use tables::PathDef;
pub use tables::SearchParameterDef;
pub use tables::Tables;

/// The tables of FHIR R4 (4.0.1).
#[must_use]
pub fn r4() -> &'static Tables {
    &r4::TABLES
}
