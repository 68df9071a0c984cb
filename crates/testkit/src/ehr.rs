//! The fixture Services: an EHR with every resource type of R4, and a plain API of accounts.

use policy::Bundle;
use policy::bundle::{FORMAT, Issuer, Parts, Service, Subscription};
use policy::facts::{ElementPath, ParameterKind, SearchParameter, Standing, TypeFacts};
use policy::id::{AccountId, RoleId, ServiceId};
use policy::operation::{FhirOperation, Interaction, Method, Operation};
use policy::role::Role;
use policy::settings::{ServiceKind, Settings};
use policy::text::TypeName;
use uuid::Uuid;

/// The base URL of both fixtures.
pub const BASE: &str = "https://gw.example/fhir";
/// Its authority.
pub const HOST: &str = "gw.example";
/// Its path.
pub const BASE_PATH: &str = "/fhir";
/// The upstream's base URL.
pub const UPSTREAM: &str = "http://upstream.internal:8080/r4";
/// The issuer of its tokens.
pub const ISSUER: &str = "https://as.example/s/ehr";

/// The types whose paths the document writes out; all others come through `/{type}`.
const WRITTEN_OUT: &[&str] = &["Observation", "Organization"];

/// The roles, with the keys of their operations.
const ROLES: &[(&str, &[&str])] = &[
    ("observation-reader", &["GET:/Observation", "POST:/Observation/_search", "GET:/Observation/{id}"]),
    ("observation-searcher", &["GET:/Observation"]),
    ("observation-writer", &["POST:/Observation"]),
    ("organization-reader", &["GET:/Organization", "GET:/Organization/{id}"]),
    ("admin", &["GET:/admin/{name}", "POST:/$process-message", "GET:/Observation/{id}"]),
    ("account-reader", &["GET:/accounts/{id}", "GET:/accounts"]),
    ("account-writer", &["POST:/accounts"]),
];

/// The partners, with the scopes and roles of their ceilings; `stranger` has no Subscription.
const PARTNERS: &[(&str, &[&str], &[&str])] = &[
    ("partner", &["system/Observation.rs", "system/Patient.r"], &["observation-reader", "account-reader"]),
    ("lab", &["system/Observation.rs?category=laboratory"], &[]),
    ("writer", &["system/*.cruds"], &[]),
    ("searcher", &[], &["observation-searcher"]),
];

/// An Account of the fixture: `owner`, a partner, or `stranger`.
///
/// # Panics
/// When there is no such Account.
#[must_use]
pub fn account(name: &str) -> AccountId {
    let partner = PARTNERS.iter().position(|(known, ..)| *known == name);
    let number = match (name, partner) {
        ("owner", _) => 1,
        ("stranger", _) => 2,
        (_, Some(index)) => 10 + index as u128,
        _ => panic!("there is no account {name}"),
    };
    AccountId::new(Uuid::from_u128(number))
}

/// A role of the fixture; `unknown` is one that no bundle has.
///
/// # Panics
/// When there is no such role.
#[must_use]
pub fn role(name: &str) -> RoleId {
    let index = ROLES.iter().position(|(known, _)| *known == name);
    match (name, index) {
        ("unknown", _) => RoleId::new(Uuid::from_u128(999)),
        (_, Some(index)) => RoleId::new(Uuid::from_u128(100 + index as u128)),
        _ => panic!("there is no role {name}"),
    }
}

/// The issuer that the fixture trusts, also for roles.
#[must_use]
pub fn issuer() -> Issuer {
    Issuer { issuer: ISSUER.into(), trusted_for_roles: true, scp_is_scope: false, keys: Vec::new() }
}

/// The settings of a fixture of this kind, changed by `name=value` words (`compartment=subject_only`).
///
/// # Panics
/// When a word is not a setting.
#[must_use]
pub fn settings(kind: ServiceKind, words: &str) -> Settings {
    let mut json = serde_json::to_value(Settings::for_kind(kind)).expect("settings are JSON");
    for word in words.split([' ', ',']).filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').expect("a setting is name=value");
        json[name] = match value {
            "true" | "false" => (value == "true").into(),
            path if path.starts_with('/') => path.split(';').collect::<Vec<_>>().into(),
            text => text.into(),
        };
    }
    serde_json::from_value(json).unwrap_or_else(|fault| panic!("`{words}` are no settings: {fault}"))
}

/// The EHR.
#[must_use]
pub fn fhir(settings: Settings) -> Bundle {
    bundle(ServiceKind::Fhirv4, settings, fhir_operations(), facts(), common())
}

/// The plain API.
#[must_use]
pub fn plain(settings: Settings) -> Bundle {
    let operations = vec![
        plain_operation(Method::Get, "/accounts", &["page", "size"], &["x-trace"]),
        plain_operation(Method::Post, "/accounts", &[], &[]),
        plain_operation(Method::Get, "/accounts/{id}", &[], &[]),
        plain_operation(Method::Delete, "/accounts/{id}", &[], &[]),
    ];
    bundle(ServiceKind::Plain, settings, operations, Vec::new(), Vec::new())
}

fn bundle(
    kind: ServiceKind,
    settings: Settings,
    mut operations: Vec<Operation>,
    types: Vec<TypeFacts>,
    common: Vec<SearchParameter>,
) -> Bundle {
    operations.sort_by_key(|operation| (operation.template.shape(), operation.method));
    let place = |key: &&str| operations.iter().position(|operation| operation.key() == **key);
    let roles = ROLES.iter().map(|(name, keys)| {
        let mut places: Vec<u32> =
            keys.iter().filter_map(place).filter_map(|index| u32::try_from(index).ok()).collect();
        places.sort_unstable();
        Role { id: role(name), name: (*name).into(), operations: places, fields: Vec::new(), condition: None }
    });
    let subscriptions = PARTNERS.iter().map(|(name, scopes, roles)| Subscription {
        account_id: account(name),
        scopes: scopes.iter().map(|scope| scope.parse().expect("a scope")).collect(),
        roles: roles.iter().map(|name| role(name)).collect(),
    });
    let parts = Parts {
        format: FORMAT,
        service: Service {
            id: ServiceId::new(Uuid::from_u128(3)),
            account_id: account("owner"),
            kind,
            base_url: BASE.into(),
        },
        settings,
        roles: roles.collect(),
        operations,
        types,
        common,
        issuers: vec![issuer()],
        subscriptions: subscriptions.collect(),
        revocations: Vec::new(),
        extension_scopes: Vec::new(),
        tag_keys: Vec::new(),
        tagged: Vec::new(),
        access_tags: Vec::new(),
        basic_keys: Vec::new(),
        security_resources: Vec::new(),
    };
    Bundle::new(parts).expect("the fixture is a bundle")
}

fn plain_operation(method: Method, template: &str, query: &[&str], headers: &[&str]) -> Operation {
    Operation {
        method,
        template: template.parse().expect("a template"),
        fhir: None,
        query: query.iter().map(|name| (*name).into()).collect(),
        headers: headers.iter().map(|name| (*name).into()).collect(),
    }
}

/// One FHIR operation; `kind` is the type, or none for one that the path names in its first segment.
fn operation(method: Method, template: &str, interaction: Interaction, kind: Option<&str>) -> Operation {
    let segments = template.split('/').skip(1).collect::<Vec<_>>();
    let place = |name: &str| segments.iter().position(|one| *one == name).and_then(|index| u32::try_from(index).ok());
    let code = segments.last().and_then(|last| last.strip_prefix('$'));
    let fhir = FhirOperation {
        interaction,
        resource_type: kind.and_then(|name| TypeName::try_from(name).ok()),
        code: code.map(Into::into),
        type_segment: place("{type}"),
        id_segment: place("{id}"),
    };
    Operation { fhir: Some(fhir), ..plain_operation(method, template, &[], &["x-declared", "x-security-context"]) }
}

fn fhir_operations() -> Vec<Operation> {
    use Interaction as I;
    use Method::{Delete, Get, Patch, Post, Put};
    let mut all = vec![
        operation(Get, "/", I::SearchSystem, None),
        operation(Post, "/", I::Batch, None),
        operation(Post, "/_search", I::SearchSystem, None),
        operation(Get, "/_history", I::HistorySystem, None),
        operation(Get, "/metadata", I::Capabilities, None),
        operation(Get, "/$export", I::Operation, None),
        operation(Post, "/$graphql", I::Operation, None),
        operation(Post, "/$process-message", I::Operation, None),
        operation(Get, "/Patient/$export", I::Operation, Some("Patient")),
        operation(Get, "/Patient/$everything", I::Operation, Some("Patient")),
        operation(Post, "/Patient/$match", I::Operation, Some("Patient")),
        operation(Post, "/Patient/$member-match", I::Operation, Some("Patient")),
        operation(Post, "/Patient/$validate", I::Operation, Some("Patient")),
        operation(Get, "/Patient/{id}/$everything", I::Operation, Some("Patient")),
        operation(Get, "/Patient/{id}/$graphql", I::Operation, Some("Patient")),
        operation(Get, "/Encounter/{id}/$everything", I::Operation, Some("Encounter")),
        operation(Get, "/Group/{id}/$export", I::Operation, Some("Group")),
        operation(Get, "/Observation/$lastn", I::Operation, Some("Observation")),
        operation(Get, "/Measure/{id}/$evaluate-measure", I::Operation, Some("Measure")),
        operation(Post, "/Composition/{id}/$document", I::Operation, Some("Composition")),
        operation(Get, "/ValueSet/$expand", I::Operation, Some("ValueSet")),
        operation(Get, "/Patient/{id}/*", I::SearchCompartment, None),
        operation(Get, "/Patient/{id}/{type}", I::SearchCompartment, None),
        operation(Post, "/Patient/{id}/{type}/_search", I::SearchCompartment, None),
        plain_operation(Get, "/admin/{name}", &["verbose"], &[]),
    ];
    for kind in WRITTEN_OUT.iter().copied().map(Some).chain([None]) {
        let name = kind.unwrap_or("{type}");
        let mut add = |method, rest: &str, interaction| {
            all.push(operation(method, &format!("/{name}{rest}"), interaction, kind));
        };
        add(Get, "", I::SearchType);
        add(Post, "", I::Create);
        add(Put, "", I::Conditional);
        add(Patch, "", I::Conditional);
        add(Delete, "", I::Conditional);
        add(Post, "/_search", I::SearchType);
        add(Get, "/_history", I::HistoryType);
        add(Get, "/{id}", I::Read);
        add(Put, "/{id}", I::Update);
        add(Patch, "/{id}", I::Patch);
        add(Delete, "/{id}", I::Delete);
        add(Get, "/{id}/_history", I::HistoryInstance);
        add(Get, "/{id}/_history/{version}", I::Vread);
    }
    all
}

/// The facts of every R4 type, and of one of the EHR's own: `Vehicle`, found by `plate`.
fn facts() -> Vec<TypeFacts> {
    let tables = fhir::r4();
    let own = SearchParameter {
        name: "plate".into(),
        kind: ParameterKind::Special,
        targets: Vec::new(),
        paths: Vec::new(),
        owner: false,
    };
    let vehicle = TypeFacts {
        name: type_name("Vehicle"),
        standing: Standing::Undecidable,
        parameters: vec![own],
        owners: Vec::new(),
    };
    let mut all: Vec<TypeFacts> = tables
        .types()
        .map(|name| TypeFacts {
            name: type_name(name),
            standing: tables.standing(name),
            parameters: tables.parameters(name).map(|one| parameter(one, tables.is_owner(name, one.name))).collect(),
            owners: tables.owner_paths(name).iter().map(path).collect(),
        })
        .chain([vehicle])
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

fn common() -> Vec<SearchParameter> {
    fhir::r4().common_parameters().map(|one| parameter(one, false)).collect()
}

fn parameter(one: &fhir::SearchParameterDef, owner: bool) -> SearchParameter {
    SearchParameter {
        name: one.name.into(),
        kind: one.kind,
        targets: one.targets.iter().map(|name| type_name(name)).collect(),
        paths: one.paths.iter().map(path).collect(),
        owner,
    }
}

fn path(def: &fhir::PathDef) -> ElementPath {
    ElementPath { elements: def.elements.iter().map(|name| (*name).into()).collect(), only: def.only.map(type_name) }
}

fn type_name(text: &str) -> TypeName {
    TypeName::try_from(text).expect("a type's name")
}
