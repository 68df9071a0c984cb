//! The claims of a token, read strictly: a claim of the wrong JSON type is a fault of the whole token.
//!
//! `role_ids`, `tags` and `clearance` are read whoever issued the token; that they count only from an issuer trusted for
//! roles is for the decision point to say, which is given the issuer with the claims, and for it alone.

use std::collections::BTreeMap;
use std::str::FromStr;

use policy::Reason;
use policy::bundle::Issuer;
use policy::claims::{Actor, Claims, TokenKind};
use policy::id::RoleId;
use policy::settings::ServiceKind;
use policy::tag::{MAX_KEY_BYTES, MAX_KEYS, MAX_VALUE_BYTES};
use policy::text::FhirId;

use crate::json::{self, Json, Object};

/// The most values of one key in `tags`; what a caller holds is no larger than what resources carry.
const MAX_TAG_VALUES: usize = 200;

/// The claims of one token, each of its right type; not verified yet.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) nbf: Option<i64>,
    pub(super) audience: Vec<String>,
    scope: Option<String>,
    scp: Option<String>,
    kind: Option<String>,
    /// All others; what the issuer may say in several ways is not in them yet.
    pub(super) claims: Claims,
}

/// Reads a payload; every fault is `malformed_token`.
pub(super) fn read(payload: &[u8], patient_claim: &str, service: ServiceKind) -> Result<Read, Reason> {
    let object = json::object(payload).ok_or(Reason::MalformedToken)?;
    Claimed(&object).read(patient_claim, service).map_err(|Wrong| Reason::MalformedToken)
}

impl Read {
    /// The claims as this issuer may make them.
    pub(super) fn under(self, issuer: &Issuer, audience: &str) -> Result<Claims, Reason> {
        let kind = match self.kind.as_deref() {
            Some(kind) if issuer.trusted_for_roles => own_kind(kind).ok_or(Reason::MalformedToken)?,
            _ => TokenKind::Foreign,
        };
        let scope = self.scope.or(self.scp.filter(|_| issuer.scp_is_scope));
        Ok(Claims { aud: audience.to_owned(), kind, scope, ..self.claims })
    }
}

fn own_kind(kind: &str) -> Option<TokenKind> {
    [TokenKind::Key, TokenKind::AssumedRole, TokenKind::User, TokenKind::Foreign]
        .into_iter()
        .find(|one| one.as_str() == kind)
}

/// A claim has another JSON type than its own, or breaks the rule of its text.
struct Wrong;

/// The claims as JSON; one that is absent is `Ok(None)`.
struct Claimed<'j>(&'j Object<'j>);

impl Claimed<'_> {
    fn read(&self, patient_claim: &str, service: ServiceKind) -> Result<Read, Wrong> {
        let exp = self.integer("exp")?.ok_or(Wrong)?;
        let nbf = self.integer("nbf")?;
        let iss = self.text("iss")?.ok_or(Wrong)?;
        let sub = self.text("sub")?.ok_or(Wrong)?;
        let patient = self.text(patient_claim)?;
        let is_id = |patient: &String| service == ServiceKind::Plain || FhirId::accepts(patient);
        if iss.is_empty() || sub.is_empty() || !patient.iter().all(is_id) {
            return Err(Wrong);
        }
        Ok(Read {
            nbf,
            audience: self.audience()?,
            scope: self.text("scope")?,
            scp: self.scp()?,
            kind: self.text("token_kind")?,
            claims: Claims {
                tags: self.tags()?,
                clearance: self.text("clearance")?,
                iss,
                sub,
                aud: String::new(),
                exp,
                nbf: nbf.unwrap_or(0),
                iat: self.integer("iat")?.unwrap_or(0),
                jti: self.text("jti")?.unwrap_or_default(),
                kind: TokenKind::Foreign,
                account_id: self.id("account_id")?,
                client_id: self.text("client_id")?,
                key_id: self.id("key_id")?,
                role_session_id: self.id("role_session_id")?,
                scope: None,
                role_ids: self.role_ids()?,
                patient,
                fhir_user: self.text("fhirUser")?,
                act: self.actor()?,
            },
        })
    }

    fn integer(&self, name: &str) -> Result<Option<i64>, Wrong> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::Integer(value)) => Ok(Some(*value)),
            Some(_) => Err(Wrong),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, Wrong> {
        self.0.get(name).map(text).transpose()
    }

    fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>, Wrong> {
        self.text(name)?.map(|text| text.parse().map_err(|_| Wrong)).transpose()
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Wrong> {
        self.0.get(name).map(texts).transpose()
    }

    /// One string, or a list of strings; it must be there.
    fn audience(&self) -> Result<Vec<String>, Wrong> {
        match self.0.get("aud") {
            Some(Json::Text(one)) => Ok(vec![one.clone().into_owned()]),
            Some(list) => texts(list),
            None => Err(Wrong),
        }
    }

    /// Issuers that say `scp` write it as one string, or as a list.
    fn scp(&self) -> Result<Option<String>, Wrong> {
        match self.0.get("scp") {
            Some(Json::Text(one)) => Ok(Some(one.clone().into_owned())),
            Some(list) => Ok(Some(texts(list)?.join(" "))),
            None => Ok(None),
        }
    }

    /// An id that is not one of ours gives nothing, as one that the bundle does not know.
    fn role_ids(&self) -> Result<Vec<RoleId>, Wrong> {
        let ids = self.texts("role_ids")?.unwrap_or_default();
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// `{key: [values]}`, within the limits of tags. A key without a value is one that is not there, so that a
    /// `where` that names it is false.
    fn tags(&self) -> Result<BTreeMap<String, Vec<String>>, Wrong> {
        let tags = match self.0.get("tags") {
            None => return Ok(BTreeMap::new()),
            Some(Json::Object(tags)) if tags.len() <= MAX_KEYS => tags,
            Some(_) => return Err(Wrong),
        };
        let mut read = BTreeMap::new();
        for (key, values) in tags.members() {
            let values = texts(values)?;
            let fits = (1..=MAX_KEY_BYTES).contains(&key.len())
                && values.len() <= MAX_TAG_VALUES
                && values.iter().all(|value| value.len() <= MAX_VALUE_BYTES);
            if !fits {
                return Err(Wrong);
            }
            if !values.is_empty() {
                read.insert(key.to_owned(), values);
            }
        }
        Ok(read)
    }

    fn actor(&self) -> Result<Option<Actor>, Wrong> {
        let actor = match self.0.get("act") {
            None => return Ok(None),
            Some(Json::Object(actor)) => Claimed(actor),
            Some(_) => return Err(Wrong),
        };
        let sub = actor.text("sub")?.ok_or(Wrong)?;
        Ok(Some(Actor { sub, account_id: actor.id("account_id")?.ok_or(Wrong)? }))
    }
}

fn text(value: &Json<'_>) -> Result<String, Wrong> {
    match value {
        Json::Text(text) => Ok(text.clone().into_owned()),
        _ => Err(Wrong),
    }
}

fn texts(value: &Json<'_>) -> Result<Vec<String>, Wrong> {
    match value {
        Json::List(list) => list.iter().map(text).collect(),
        _ => Err(Wrong),
    }
}
