//! Services: every setting, tags, labels, Basic keys, roles with `where` and lists of fields, extension scopes, ceilings,
//! and documents that serve all, some types by name, or the types of a list.

use policy::id::RoleId;
use policy::settings::ServiceKind;
use policy::tag::{AccessTag, Tag, TaggedResource};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use reference::{Role, Service};
use serde_json::Value;
use testkit::ehr;
use uuid::Uuid;

/// What a Service is made of, as a person could say it.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) kind: ServiceKind,
    pub(crate) settings: Vec<&'static str>,
    pub(crate) features: &'static str,
    pub(crate) document: Document,
    pub(crate) roles: Vec<RoleSpec>,
    /// Scopes and roles that the ceiling of `partner` has more.
    pub(crate) ceiling: Vec<&'static str>,
    pub(crate) tagged: Vec<(usize, &'static str, &'static str, Option<&'static str>)>,
    pub(crate) access: Vec<(usize, bool, &'static str)>,
}

/// Which of the fixture's paths a document has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Document {
    /// Every type, by `/{type}`.
    All,
    /// A few types, each by its own paths.
    Named,
    /// The types of an `enum`.
    Listed,
}

/// The types of a document that has not all.
const FEW: [&str; 12] = [
    "Binary",
    "Condition",
    "DocumentReference",
    "Encounter",
    "Group",
    "List",
    "MedicationRequest",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "Provenance",
];

/// A role to be: some of the document's operations by their place, with lists of fields, and a `where`.
#[derive(Clone, Debug)]
pub(crate) struct RoleSpec {
    operations: Vec<(prop::sample::Index, usize)>,
    condition: Option<String>,
}

const BODY_FIELDS: &[&str] =
    &["[status,code]", "[status,code.text,subject,category]", "[meta,status,code,st*,note,valueQuantity]"];
const QUERY_FIELDS: &[&str] = &["[patient,subject,_count,code]", "[code,st*,_include,_id]"];

fn settings(kind: ServiceKind) -> impl Strategy<Value = Vec<&'static str>> {
    let fhir: &[&[&str]] = &[
        &["search_without_context=check", "search_without_context=deny"],
        &["related=reject"],
        &["results=reject"],
        &["everything=filter"],
        &["chains=context"],
        &["shared=scope", "shared=referenced"],
        &["compartment=subject_only"],
        &["labels=enforce"],
        &["default_label=R", "default_label=U"],
        &["untagged_resources=deny", "untagged_resources=owner"],
        &["hide_existence=false"],
        &["legacy_400=true"],
        &["default_user_role=get_all"],
        &["shared_types=Organization;Practitioner;Vehicle"],
        &["unauthenticated_until=9"],
    ];
    let plain: &[&[&str]] = &[
        &["untagged_resources=deny", "untagged_resources=by_role"],
        &["default_user_role=nothing"],
        &["legacy_400=true"],
        &["hide_existence=false"],
        &["excluded_paths=/patient"],
        &["unauthenticated_until=9"],
    ];
    let of = if kind == ServiceKind::Fhirv4 { fhir } else { plain };
    let one = |choices: &[&'static str]| prop::option::weighted(0.15, select(choices.to_vec())).boxed();
    of.iter().map(|choices| one(choices)).collect::<Vec<_>>().prop_map(|all| all.into_iter().flatten().collect())
}

fn condition() -> impl Strategy<Value = Option<String>> {
    let atom = select(vec![
        "$principalTags:dept = cardio",
        "$principalTags:function != doctor",
        "$resourceTags:dept = cardio",
        "$resourceTags:team IN (red, blue)",
        "$request:status = final",
        "$request:status IN (final, 'amended')",
        "$request:code.text != asthma",
        "$request:_count = 5",
        "$request:subject.reference = \"Patient/ME\"",
    ]);
    let not =
        (atom.clone(), any::<bool>()).prop_map(|(one, not)| if not { format!("NOT ({one})") } else { one.to_owned() });
    let all =
        vec(not, 1..4).prop_flat_map(|parts| select(vec![" AND ", " OR "]).prop_map(move |word| parts.join(word)));
    prop::option::weighted(0.4, all)
}

fn role() -> impl Strategy<Value = RoleSpec> {
    // Mostly none.
    let fields = 0..7_usize;
    (vec((any::<prop::sample::Index>(), fields), 1..12), condition())
        .prop_map(|(operations, condition)| RoleSpec { operations, condition })
}

/// A Service of that kind.
pub(crate) fn spec(kind: ServiceKind) -> impl Strategy<Value = Spec> {
    let features = select(vec![
        "",
        "",
        "",
        "scopes",
        "scopes",
        "scopes",
        "tags",
        "tags registry access scopes",
        "basic scopes",
        "tags registry access scopes basic clinic",
        "clinic basic",
    ]);
    let document = prop_oneof![
        30 => Just(Document::All),
        1 => select(vec![Document::Named, Document::Listed]),
    ];
    let ceiling = vec(
        select(vec![
            "system/*.rs",
            "system/*.cruds",
            "user/*.cruds",
            "patient/*.rs",
            "patient/Observation.cruds",
            "system/Condition.rs",
            "user/Observation.r",
        ]),
        0..3,
    );
    let tagged = vec(
        (
            0..60_usize,
            select(vec!["dept", "team"]),
            select(vec!["cardio", "red"]),
            select(vec![None, None, Some("partner")]),
        ),
        0..8,
    );
    let access = vec((0..60_usize, any::<bool>(), select(vec!["partner", "owner"])), 0..4);
    (settings(kind), features, document, vec(role(), 0..5), ceiling, tagged, access).prop_map(
        move |(settings, features, document, roles, ceiling, tagged, access)| {
            let document = if kind == ServiceKind::Plain { Document::All } else { document };
            Spec { kind, settings, features, document, roles, ceiling, tagged, access }
        },
    )
}

/// The id of a generated role.
pub(crate) fn role_id(index: usize) -> RoleId {
    RoleId::new(Uuid::from_u128(5_000 + index as u128))
}

impl Spec {
    /// The Service, as its owner writes it; `ids` are those of what is stored.
    pub(crate) fn service(&self, ids: &[(String, String)]) -> Service {
        let settings = ehr::settings(self.kind, &self.settings.join(" "));
        let mut service = match self.kind {
            ServiceKind::Fhirv4 => ehr::service(settings, self.features),
            ServiceKind::Plain => ehr::plain_service(settings, self.features),
        };
        self.narrow(&mut service);
        let lines = lines(&service.document);
        for role in &mut service.roles {
            role.operations.retain(|line| lines.contains(&line.split(":[").next().unwrap().to_owned()));
        }
        service.roles.retain(|role| !role.operations.is_empty());
        for (_, operations) in &mut service.extension_scopes {
            operations.retain(|line| lines.contains(line));
        }
        service.extension_scopes.retain(|(_, operations)| !operations.is_empty());
        let tags = !service.tag_keys.is_empty();
        for (index, role) in self.roles.iter().enumerate() {
            service.roles.push(Self::role(index, role, &lines, tags));
        }
        if let Some(partner) = service.subscriptions.first_mut() {
            partner.scopes.extend(self.ceiling.iter().map(|one| (*one).to_owned()));
            partner.roles.extend((0..self.roles.len().min(2)).map(role_id));
        }
        let known: Vec<RoleId> = service.roles.iter().map(|role| role.id).collect();
        for partner in &mut service.subscriptions {
            partner.roles.retain(|id| known.contains(id));
        }
        if tags {
            self.tag(&mut service, ids);
        }
        service
    }

    fn role(index: usize, role: &RoleSpec, lines: &[String], tags: bool) -> Role {
        let mut operations: Vec<String> = Vec::new();
        for (place, fields) in &role.operations {
            let line = place.get(lines);
            let lists = match line.split_once(':').unwrap() {
                ("POST" | "PUT" | "PATCH", path) if !path.contains(['$', '_']) && path != "/" => BODY_FIELDS,
                ("GET", "/Observation") | ("POST", "/Observation/_search") => QUERY_FIELDS,
                ("GET", "/accounts") => &["[page]"],
                ("GET", "/patient") => &["[email,w*]"],
                _ => &[],
            };
            let fields = lists.get(*fields);
            if !operations.iter().any(|one| one.split(":[").next() == Some(line)) {
                operations.push(fields.map_or_else(|| line.clone(), |fields| format!("{line}:{fields}")));
            }
        }
        let condition = role.condition.clone().filter(|text| tags || !text.contains("Tags:"));
        Role { id: role_id(index), name: format!("generated-{index}"), operations, condition }
    }

    fn tag(&self, service: &mut Service, ids: &[(String, String)]) {
        for (index, key, value, account) in &self.tagged {
            let (kind, id) = &ids[index % ids.len()];
            if service.tagged.iter().any(|one| *one.resource_type == **kind && *one.id == **id) {
                continue;
            }
            let tag = Tag { key: (*key).into(), values: vec![(*value).into()] };
            let created_by = account.map(ehr::account);
            let tags = vec![tag];
            service.tagged.push(TaggedResource {
                resource_type: kind.as_str().into(),
                id: id.as_str().into(),
                tags,
                created_by,
            });
        }
        for (index, one, account) in &self.access {
            let (kind, id) = &ids[index % ids.len()];
            let accounts = Some(vec![ehr::account(account)]);
            let id = one.then(|| id.as_str().into());
            let tag = AccessTag { method: None, resource_type: Some(kind.as_str().into()), id, accounts };
            if !service.access_tags.contains(&tag) {
                service.access_tags.push(tag);
            }
        }
    }

    /// The Service with a path to read every type, and roles that read what they search: what may be read of a type is no
    /// question of which paths a document has, or which of them a ceiling of operations lists.
    pub(crate) fn with_every_read(&self, service: &Service) -> Service {
        let mut service = service.clone();
        let whole = ehr::service(service.settings.clone(), self.features).document;
        let paths = service.document["paths"].as_object_mut().unwrap();
        if self.document != Document::All {
            paths.extend(whole["paths"].as_object().unwrap().clone());
        }
        let any = "/{type}/{id}";
        let general = paths[any].clone();
        let mut named: Vec<String> = Vec::new();
        for line in service.roles.iter().flat_map(|role| &role.operations) {
            let path = line.split(":[").next().unwrap().split_once(':').unwrap().1;
            named.extend(read_of(path).filter(|path| path != any && !paths.contains_key(path)));
        }
        for path in &named {
            let mut item = general.clone();
            for operation in item.as_object_mut().unwrap().values_mut() {
                operation["parameters"].as_array_mut().unwrap().retain(|parameter| parameter["name"] != "type");
            }
            paths.insert(path.clone(), item);
        }
        for role in &mut service.roles {
            let searched = role.operations.iter().filter_map(|line| {
                let (_, path) = line.split(":[").next().unwrap().split_once(':').unwrap();
                read_of(path)
            });
            let mut more: Vec<String> = searched.collect();
            // What is read by the template is read by the paths that stand before it now.
            if more.iter().any(|path| path == any) || role.operations.iter().any(|line| *line == format!("GET:{any}")) {
                more.extend(named.iter().cloned());
            }
            for line in more.iter().map(|path| format!("GET:{path}")) {
                if !role.operations.contains(&line) {
                    role.operations.push(line);
                }
            }
        }
        service
    }

    /// Leaves of the document what it shall serve.
    fn narrow(&self, service: &mut Service) {
        if self.document == Document::All {
            return;
        }
        let paths = service.document["paths"].as_object_mut().unwrap();
        let general: Vec<(String, Value)> = paths
            .iter()
            .filter(|(path, _)| path.starts_with("/{type}"))
            .map(|(path, item)| (path.clone(), item.clone()))
            .collect();
        for (path, mut item) in general {
            if self.document == Document::Listed {
                for operation in item.as_object_mut().unwrap().values_mut() {
                    for parameter in operation["parameters"].as_array_mut().unwrap() {
                        if parameter["name"] == "type" {
                            parameter["schema"]["enum"] = FEW.to_vec().into();
                        }
                    }
                }
                paths.insert(path, item);
                continue;
            }
            paths.remove(&path);
            for operation in item.as_object_mut().unwrap().values_mut() {
                operation["parameters"].as_array_mut().unwrap().retain(|parameter| parameter["name"] != "type");
            }
            for name in FEW {
                paths.entry(path.replacen("{type}", name, 1)).or_insert_with(|| item.clone());
            }
        }
    }
}

/// `METHOD:/path` of every operation of a document.
fn lines(document: &Value) -> Vec<String> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let methods: Vec<String> = item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        methods.into_iter().map(|method| format!("{method}:{path}")).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

/// The path that reads what a path searches; none for one that searches nothing.
fn read_of(path: &str) -> Option<String> {
    let mut segments: Vec<&str> = path.split('/').filter(|one| !one.is_empty()).collect();
    if matches!(segments.last(), Some(&"_search" | &"_history")) {
        segments.pop();
    }
    match segments.as_slice() {
        [] | ["Patient", "{id}", "*"] => Some("/{type}/{id}".to_owned()),
        [kind] | ["Patient", "{id}", kind]
            if *kind == "{type}" || kind.starts_with(|one: char| one.is_ascii_uppercase()) =>
        {
            Some(format!("/{kind}/{{id}}"))
        }
        _ => None,
    }
}
