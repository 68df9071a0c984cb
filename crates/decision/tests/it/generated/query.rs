//! Queries: what FHIR defines for the type, ownership in all its forms, joins, includes, shape, and what nobody defines.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Values of a reference parameter; ME is the patient of most tokens.
fn owner_value() -> impl Strategy<Value = &'static str> {
    let own = select(vec!["ME", "Patient/ME", "https://gw.example/fhir/Patient/ME", "Patient%2FME"]);
    let odd = select(vec![
        "OTHER",
        "Patient/OTHER",
        "ME,OTHER",
        "ME%2COTHER",
        "Patient/ME,Patient/ME",
        "",
        "https://evil.example/fhir/Patient/ME",
        "http://upstream.internal:8080/r4/Patient/ME",
        "Patient/ME/_history/1",
        "Group/ME",
        "Patient/ME%5C,x",
        ",ME",
        "me",
        "Practitioner/Practitioner-1",
    ]);
    prop_oneof![3 => own, 1 => odd]
}

/// A predicate that FHIR defines for the type.
fn predicate(kind: &'static str) -> BoxedStrategy<String> {
    let own: Vec<(&str, String)> =
        fhir::r4().parameters(kind).map(|one| (one.name, format!("{:?}", one.kind))).collect();
    let common = select(vec![
        "_id=OBS-ME",
        "_id=ME",
        "_lastUpdated=ge2020-01-01",
        "_sort=_id",
        "_sort=-_lastUpdated",
        "_tag=a",
        "_tag:not=a",
        "_security=N",
        "_profile=x",
        "_source=x",
        "_language=en",
    ])
    .prop_map(str::to_owned);
    if own.is_empty() {
        return common.boxed();
    }
    let of_it = select(own).prop_flat_map(|(name, kind)| {
        let values: &[&str] = match kind.as_str() {
            "Date" => &["2020-01-01", "ge2020", "sa2020-01-01T00:00:00Z"],
            "Number" => &["5", "lt5"],
            "Quantity" => &["5", "ge5|http://unitsofmeasure.org|kg", "5%7C%7C%25"],
            "Token" => &["final", "laboratory", "urn:mrn|ME", "|x", "a,b", "true"],
            "Reference" => {
                &["Organization/ORG1", "Encounter/E-ME", "ME", "Patient/ME", "OTHER", "Practitioner/Practitioner-1"]
            }
            _ => &["x", "Doe", "a b", "a+b", "a\\,b"],
        };
        let modifiers: &[&str] = match kind.as_str() {
            "String" => &["", "", "", ":exact", ":contains", ":missing", ":not"],
            "Token" => &["", "", "", ":not", ":text", ":of-type", ":in", ":missing", ":above"],
            "Reference" => &["", "", "", ":Patient", ":Organization", ":identifier", ":missing", ":not", ":above"],
            "Uri" => &["", "", ":below", ":above"],
            _ => &["", "", "", ":missing", ":exact"],
        };
        (select(modifiers.to_vec()), select(values.to_vec()))
            .prop_map(move |(modifier, value)| format!("{name}{modifier}={value}"))
    });
    prop_oneof![3 => of_it, 1 => common].boxed()
}

/// An ownership parameter of the type, or what looks like one.
fn owner(kind: &'static str) -> BoxedStrategy<String> {
    let mut names = fhir::r4().patient_compartment(kind).map(<[_]>::to_vec).unwrap_or_default();
    names.retain(|name| !name.contains('{'));
    names.extend(["patient", "patient", "subject"]);
    let modifiers = select(vec!["", "", "", "", "", "", ":Patient", ":Group", ":not", ":missing", ":identifier"]);
    (select(names), modifiers, owner_value())
        .prop_map(|(name, modifier, value)| format!("{name}{modifier}={value}"))
        .boxed()
}

fn join() -> impl Strategy<Value = String> {
    select(vec![
        "patient.name=Doe",
        "subject:Patient.name=Doe",
        "subject.name=Doe",
        "encounter.status=finished",
        "encounter.patient=Patient/ME",
        "encounter:Encounter.patient.name=Doe",
        "performer:Practitioner.name=Joy",
        "performer.name=Joy",
        "performer:Patient.name=x",
        "general-practitioner:Practitioner.name=Joy",
        "general-practitioner.name=Joy",
        "organization.name=Acme",
        "organization.partof.name=Acme",
        "organization:Organization.name=Acme",
        "_has:Observation:patient:code=x",
        "_has:Observation:subject:status=final",
        "_has:Observation:performer:code=x",
        "_has:Observation:encounter:code=x",
        "_has:Condition:patient:code=x",
        "_has:Observation:patient:_has:Provenance:target:agent=x",
        "_has:Spaceship:patient:code=x",
        "_has:Observation:nothing:code=x",
        "has-member.code=x",
        "has-member:Observation.patient=Patient/OTHER",
        "subject:Group.code=x",
        "patient._id=ME",
        "patient.organization.name=Acme",
        "patient:Patient.link.name=x",
        "a.b.c.d.e.f.g=x",
        "target:Patient.name=x",
    ])
    .prop_map(str::to_owned)
}

fn expander(kind: &'static str) -> impl Strategy<Value = String> {
    let own: Vec<String> = fhir::r4()
        .parameters(kind)
        .filter(|one| format!("{:?}", one.kind) == "Reference")
        .map(|one| format!("_include={kind}:{}", one.name))
        .chain([format!("_include={kind}:*"), "_include=*".to_owned()])
        .collect();
    let fixed = select(vec![
        "_include=Observation:subject",
        "_include=Observation:subject:Patient",
        "_include=Observation:performer:Practitioner",
        "_include:iterate=Observation:encounter",
        "_include:iterate=Patient:organization",
        "_include:recurse=Patient:organization",
        "_include=Encounter:service-provider",
        "_include=Observation:has-member",
        "_include=Observation:code",
        "_include=Spaceship:x",
        "_include=Observation",
        "_include=",
        "_revinclude=Provenance:target",
        "_revinclude=Observation:subject",
        "_revinclude=Observation:encounter",
        "_revinclude=Condition:encounter",
        "_revinclude=Observation:patient",
        "_revinclude=Observation:performer",
        "_revinclude=Group:member",
        "_revinclude=List:item",
        "_revinclude=*",
        "_revinclude:iterate=Observation:has-member",
        "_revinclude=Observation:subject:Patient",
    ])
    .prop_map(str::to_owned);
    prop_oneof![2 => select(own), 2 => fixed]
}

fn shape() -> impl Strategy<Value = String> {
    select(vec![
        "_count=5",
        "_count=50",
        "_count=0",
        "_count=-1",
        "_count=x",
        "_elements=code",
        "_elements=code,status",
        "_elements=id,meta,subject",
        "_elements=subject.reference",
        "_elements=",
        "_summary=true",
        "_summary=data",
        "_summary=false",
        "_summary=count",
        "_summary=text",
        "_summary=x",
        "_total=accurate",
        "_total=none",
        "_format=json",
        "_format=application/fhir%2Bjson",
        "_format=xml",
        "_pretty=true",
        "_contained=true",
        "_containedType=container",
    ])
    .prop_map(str::to_owned)
}

fn odd() -> impl Strategy<Value = String> {
    select(vec![
        "bogus=1",
        "_bogus=1",
        "PATIENT=ME",
        "Code=x",
        "_ID=ME",
        "%70atient=OTHER",
        "_filter=x",
        "_query=x",
        "_list=x",
        "_content=x",
        "_text=x",
        "code:in=x",
        "code:not-in=x",
        "code:bogus=x",
        "_cascade=delete",
        "_graph=x",
        "_getpages=1",
        "_page=x",
        "ct=x",
        "_type=Observation",
        "_since=2020-01-01",
        "_at=2020",
        "=x",
        "x",
        "&",
        "code=%FF",
        "code=%2525",
        "code=%zz",
        "co;de=x",
        "code[]=x",
        "c%C3%B6de=x",
        "code=%00",
        "_method=DELETE",
        "access_token=x",
        "plate=X",
        "code=a%24b",
        "code=a$b",
        "email=x",
        "page=1",
        "code-value-quantity=a$5",
        "_id:not=ME",
        "_id:missing=true",
        "_has=x",
        "_include:bogus=Observation:subject",
        "_sort=code,-date",
        "_sort=bogus",
        "_sort=-patient",
        "_sort=_content",
        "_sort=",
    ])
    .prop_map(str::to_owned)
}

/// Parameters of a search on that type; none at all, often.
pub(crate) fn parameters(kind: &'static str) -> impl Strategy<Value = Vec<String>> {
    let one = prop_oneof![
        8 => predicate(kind),
        6 => owner(kind),
        3 => join(),
        4 => expander(kind),
        4 => shape(),
        3 => odd(),
    ];
    let good = prop_oneof![
        4 => predicate(kind),
        2 => Just("patient=Patient/ME".to_owned()),
        1 => expander(kind),
        1 => Just("_count=5".to_owned()),
        1 => select(vec!["_elements=code,status".to_owned(), "_summary=true".to_owned(), "_total=accurate".to_owned()]),
    ];
    prop_oneof![8 => Just(Vec::new()), 8 => vec(good, 1..3), 2 => vec(one, 1..4)]
}

/// Parameters of what is no search: mostly none.
pub(crate) fn few() -> impl Strategy<Value = Vec<String>> {
    let read = select(vec![
        "_format=json",
        "_pretty=true",
        "_elements=code",
        "_summary=true",
        "_summary=text",
        "_summary=count",
        "_count=5",
        "_since=2020-01-01",
        "_at=2020",
        "_sort=_id",
        "_total=none",
        "start=2020",
        "end=2021",
        "_type=Observation",
        "_type=Observation,Condition",
        "_type=Patient",
        "_type=",
        "_type=Spaceship",
        "max=2",
        "patient=ME",
        "patient=OTHER",
        "subject=Patient/OTHER",
        "url=http://x",
        "mode=full",
        "code=x",
        "verbose=1",
        "bogus=1",
        "_bogus=1",
    ])
    .prop_map(str::to_owned);
    prop_oneof![24 => Just(Vec::new()), 2 => vec(read, 1..3), 1 => vec(odd(), 1..2)]
}
