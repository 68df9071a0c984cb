//! How resources of each type belong to a patient.
//!
//! Invariant: a type is named in one list at most, and each list wins over the compartment table, so a
//! type that is named nowhere and is not in the table can be reached by no patient rule.

use policy::facts::Standing;

/// Definitions and directories that name no patient; a Service may change this list.
const SHARED: &[&str] = &[
    "ActivityDefinition",
    "CapabilityStatement",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "Endpoint",
    "GraphDefinition",
    "HealthcareService",
    "ImplementationGuide",
    "Library",
    "Location",
    "Measure",
    "Medication",
    "MedicationKnowledge",
    "MessageDefinition",
    "NamingSystem",
    "OperationDefinition",
    "Organization",
    "OrganizationAffiliation",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "Substance",
    "TerminologyCapabilities",
    "ValueSet",
];

/// Outside the compartment, yet with an element for their patient.
const PATIENT_ELEMENT: &[&str] = &["Contract", "Device", "GuidanceResponse", "Task"];

/// In the compartment by any one member; that would let one patient's caller see the others.
const NAMES_PATIENTS: &[&str] = &["Group", "List", "Person"];

/// The standing of a type that is known to the version.
pub(crate) fn of(type_name: &str, in_compartment: bool) -> Standing {
    match type_name {
        "Patient" => Standing::Patient,
        "Binary" => Standing::Binary,
        "Provenance" => Standing::Provenance,
        name if NAMES_PATIENTS.contains(&name) => Standing::NamesPatients,
        name if PATIENT_ELEMENT.contains(&name) => Standing::PatientElement,
        name if SHARED.contains(&name) => Standing::Shared,
        _ if in_compartment => Standing::Compartment,
        _ => Standing::Undecidable,
    }
}
