//! Which names are resource types: those of R4, and those of other versions of FHIR that R4 has not.

/// Whether R4 defines the type, and a path can name it.
pub(crate) fn is_r4(name: &str) -> bool {
    fhir::r4().has_type(name)
}

/// The types of R4 that a path can name, sorted.
pub(crate) fn r4() -> impl Iterator<Item = &'static str> {
    fhir::r4().types()
}

/// The version of FHIR that defines a type which R4 has not.
pub(crate) fn other_version(name: &str) -> Option<&'static str> {
    OTHER_VERSIONS.iter().find(|(_, names)| names.contains(&name)).map(|(version, _)| *version)
}

const OTHER_VERSIONS: &[(&str, &[&str])] = &[
    (
        "DSTU2",
        &[
            "BodySite",
            "Conformance",
            "DataElement",
            "DeviceComponent",
            "DeviceUseRequest",
            "DiagnosticOrder",
            "EligibilityRequest",
            "EligibilityResponse",
            "ImagingObjectSelection",
            "MedicationOrder",
            "Order",
            "OrderResponse",
            "ProcedureRequest",
            "ProcessRequest",
            "ProcessResponse",
            "ReferralRequest",
        ],
    ),
    ("STU3", &["ExpansionProfile", "ImagingManifest", "Sequence", "ServiceDefinition"]),
    (
        "R4B",
        &[
            "AdministrableProductDefinition",
            "Citation",
            "ClinicalUseDefinition",
            "EvidenceReport",
            "Ingredient",
            "ManufacturedItemDefinition",
            "MedicinalProductDefinition",
            "NutritionProduct",
            "PackagedProductDefinition",
            "RegulatedAuthorization",
            "SubscriptionStatus",
            "SubscriptionTopic",
            "SubstanceDefinition",
        ],
    ),
    (
        "R5",
        &[
            "ActorDefinition",
            "ArtifactAssessment",
            "BiologicallyDerivedProductDispense",
            "ConditionDefinition",
            "DeviceAssociation",
            "DeviceDispense",
            "DeviceUsage",
            "EncounterHistory",
            "FormularyItem",
            "GenomicStudy",
            "ImagingSelection",
            "InventoryItem",
            "InventoryReport",
            "NutritionIntake",
            "Permission",
            "RequestOrchestration",
            "Requirements",
            "TestPlan",
            "Transport",
        ],
    ),
];
