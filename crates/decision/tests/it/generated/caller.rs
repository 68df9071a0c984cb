//! Callers: scopes good and bad, roles, context, tags, clearance, Basic, both kinds at once.

use std::collections::BTreeMap;

use policy::basic::BasicKey;
use policy::bundle::Issuer;
use policy::claims::{Claims, TokenKind};
use policy::id::RoleId;
use policy::reason::Reason;
use policy::request::Caller;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use testkit::ehr;

/// A caller, before it is what verification makes of one.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::option_option, reason = "refused or not; and if so, for nothing or for a reason")]
pub(crate) struct Who {
    pub(crate) scopes: Vec<String>,
    pub(crate) roles: Vec<RoleId>,
    pub(crate) account: &'static str,
    pub(crate) patient: Option<String>,
    pub(crate) kind: TokenKind,
    pub(crate) is_person: bool,
    pub(crate) is_trusted: bool,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) clearance: Option<String>,
    pub(crate) basic: Option<&'static str>,
    /// No token at all, or one that does not count.
    pub(crate) refused: Option<Option<Reason>>,
}

/// What verification made of it, owned.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    claims: Option<(Claims, Issuer)>,
    basic: Option<BasicKey>,
    refused: Option<Reason>,
}

impl Who {
    pub(crate) fn credentials(&self) -> Credentials {
        let basic = self.basic.map(ehr::basic_key);
        if let Some(reason) = self.refused {
            let basic = if reason.is_none() { basic } else { None };
            return Credentials { claims: None, basic, refused: reason };
        }
        let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in &self.tags {
            tags.entry(key.clone()).or_default().push(value.clone());
        }
        let claims = Claims {
            kind: self.kind,
            account_id: (self.account != "-").then(|| ehr::account(self.account)),
            scope: (!self.scopes.is_empty()).then(|| self.scopes.join(" ")),
            role_ids: self.roles.clone(),
            patient: self.patient.clone(),
            fhir_user: self.is_person.then(|| "Practitioner/P1".to_owned()),
            tags,
            clearance: self.clearance.clone(),
            ..testkit::token::claims()
        };
        let issuer = Issuer { trusted_for_roles: self.is_trusted, ..ehr::issuer() };
        Credentials { claims: Some((claims, issuer)), basic, refused: None }
    }
}

impl Credentials {
    pub(crate) fn caller(&self) -> Caller<'_> {
        match (&self.claims, &self.basic, self.refused) {
            (_, _, Some(reason)) => Caller::Refused(reason),
            (Some((claims, issuer)), None, _) => Caller::Verified(claims, issuer),
            (Some((claims, issuer)), Some(key), _) => Caller::Both(claims, issuer, key),
            (None, Some(key), _) => Caller::Basic(key),
            (None, None, _) => Caller::Missing,
        }
    }
}

const CONTEXTS: [&str; 6] = ["patient", "patient", "patient", "user", "user", "system"];

fn letters() -> impl Strategy<Value = &'static str> {
    select(vec![
        "rs", "rs", "rs", "cruds", "cruds", "cruds", "r", "s", "cu", "ruds", "c", "u", "d", "us", "read", "write", "*",
    ])
}

/// A scope that counts for something.
fn scope(kinds: Vec<&'static str>) -> impl Strategy<Value = String> {
    let broad = (select(CONTEXTS.to_vec()), letters()).prop_map(|(context, letters)| format!("{context}/*.{letters}"));
    let granular = select(vec![
        "?category=laboratory",
        "?category=laboratory",
        "?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
        "?status=final",
        "?status=final&category=vital-signs",
        "?subject=Patient/ME",
        "?performer=Practitioner/Practitioner-1",
        "?encounter=Encounter/E-ME",
        "?category=laboratory,vital-signs",
    ]);
    let of_one = (select(CONTEXTS.to_vec()), select(kinds), letters())
        .prop_map(|(context, kind, letters)| format!("{context}/{kind}.{letters}"));
    let with_part =
        (select(CONTEXTS.to_vec()), select(vec!["Observation", "Observation", "Condition"]), letters(), granular)
            .prop_map(|(context, kind, letters, part)| format!("{context}/{kind}.{letters}{part}"));
    prop_oneof![5 => broad, 5 => of_one, 2 => with_part]
}

/// Words that give nothing, less or something of their own.
fn word() -> impl Strategy<Value = String> {
    select(vec![
        "openid",
        "launch/patient",
        "__lastn",
        "__billing.read",
        "__nothing",
        "patient/Observation.sr",
        "patient/Observation.rr",
        "patient/Spaceship.rs",
        "patient/*",
        "patient/Observation",
        "patient/.rs",
        "PATIENT/*.rs",
        "patient/observation.rs",
        "patient/*.rs?category=laboratory",
        "patient/Observation.rs?bogus=1",
        "patient/Observation.rs?category",
        "patient/Observation.rs?category=",
        "patient/Observation.rs?category:not=laboratory",
        "patient/Observation.rs?category=laboratory&",
        "patient/Observation.rs?subject.name=x",
        "user/Observation.rs?value-quantity=5",
        "user/Observation.rs?date=2020",
        "user/Observation.rs?category=a%26b",
        "patient/Vehicle.rs",
        "user/Vehicle.rs",
        "system/Group.rs",
    ])
    .prop_map(str::to_owned)
}

fn roles(known: Vec<RoleId>) -> impl Strategy<Value = Vec<RoleId>> {
    prop_oneof![
        1 => Just(Vec::new()),
        8 => vec(prop_oneof![12 => select(known), 1 => Just(ehr::role("unknown"))], 1..4),
    ]
}

fn patient() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        50 => Just(Some("ME".to_owned())),
        2 => select(vec!["OTHER", "THIRD", "GONE"]).prop_map(|id| Some(id.to_owned())),
        2 => Just(None),
        1 => select(vec!["", "a b", "Patient/ME", "ME,OTHER"]).prop_map(|id| Some(id.to_owned())),
    ]
}

fn tags() -> impl Strategy<Value = Vec<(String, String)>> {
    let keys = select(vec!["dept", "dept", "team", "function", "ward"]);
    let values = select(vec!["cardio", "cardio", "icu", "onc", "red", "blue", "doctor", "chief", "*"]);
    vec((keys, values).prop_map(|(key, value)| (key.to_owned(), value.to_owned())), 0..4)
}

fn clearance() -> impl Strategy<Value = Option<String>> {
    select(vec![None, Some("N"), Some("R"), Some("V"), Some("V"), Some("V"), Some("V"), Some("L"), Some("X")])
        .prop_map(|code| code.map(str::to_owned))
}

/// A caller of a Service with these types and roles.
pub(crate) fn caller(kinds: Vec<&'static str>, known: Vec<RoleId>, basic: bool) -> impl Strategy<Value = Who> {
    // Mostly one that gives something to most requests, and what narrows or widens it beside.
    let broad = select(vec![
        "patient/*.cruds",
        "patient/*.cruds",
        "patient/*.rs",
        "user/*.cruds",
        "user/*.cruds",
        "user/*.cruds",
        "system/*.cruds",
        "user/*.cruds",
        "user/*.cruds",
        "user/*.cruds",
        "system/*.cruds",
        "system/*.cruds",
        "system/*.cruds",
        "user/*.rs",
    ]);
    let beside = vec(prop_oneof![12 => scope(kinds.clone()), 1 => word()], 0..2);
    let wide = (broad, beside).prop_map(|(broad, mut beside)| {
        beside.insert(0, broad.to_owned());
        beside
    });
    let any = vec(prop_oneof![12 => scope(kinds), 2 => word()], 0..4);
    let scopes = prop_oneof![12 => wide, 1 => any];
    // Scopes or roles: beside scopes roles only bound.
    let sources = prop_oneof![12 => Just((true, false)), 2 => Just((false, true)), 1 => Just((true, true))];
    let accounts = prop_oneof![30 => Just("owner"), 1 => select(vec!["partner", "partner", "lab", "writer", "searcher", "stranger", "-"])];
    let kind =
        select(vec![TokenKind::Key, TokenKind::Key, TokenKind::User, TokenKind::AssumedRole, TokenKind::Foreign]);
    let person = prop::bool::weighted(0.08);
    let trusted = prop::bool::weighted(0.97);
    let weight = if basic { 0.12 } else { 0.004 };
    let basic = prop::option::weighted(weight, select(vec!["reader", "writer", "both", "both", "nobody"]));
    let refused = prop_oneof![
        90 => Just(None),
        1 => Just(Some(None)),
        1 => select(vec![Reason::Expired, Reason::MalformedToken, Reason::Revoked]).prop_map(|one| Some(Some(one))),
    ];
    let alone = prop::bool::weighted(0.5);
    (
        (scopes, roles(known), accounts, patient(), kind),
        (person, trusted, tags(), clearance(), basic, refused, alone, sources),
    )
        .prop_map(
            |(
                (scopes, roles, account, patient, kind),
                (is_person, is_trusted, tags, clearance, basic, refused, alone, (by_scope, by_role)),
            )| {
                let scopes = if by_scope { scopes } else { Vec::new() };
                let roles = if by_role { roles } else { Vec::new() };
                // Basic credentials by themselves: no token beside them.
                let refused = if basic.is_some() && alone && refused.is_none() { Some(None) } else { refused };
                Who { scopes, roles, account, patient, kind, is_person, is_trusted, tags, clearance, basic, refused }
            },
        )
}
