//! The claims of a token, read strictly: a claim of the wrong JSON type is a fault of the whole token.

use std::collections::BTreeMap;
use std::str::FromStr;

use policy::Reason;
use policy::bundle::Issuer;
use policy::claims::{Actor, Claims, TokenKind};
use policy::id::RoleId;
use policy::settings::ServiceKind;
use policy::text::FhirId;
use serde_json::{Map, Value};

use crate::json;

/// The claims of one token, each of its right type; not verified yet.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) exp: i64,
    pub(super) nbf: Option<i64>,
    pub(super) iss: String,
    pub(super) audience: Vec<String>,
    patient: Option<String>,
    scope: Option<String>,
    scp: Option<String>,
    kind: Option<String>,
    /// All others, as far as they have been looked at: their types are right.
    claims: Claims,
}

/// Reads a payload; every fault is `malformed_token`.
pub(super) fn read(payload: &[u8], patient_claim: &str, service: ServiceKind) -> Result<Read, Reason> {
    let object = json::object(payload).map(Object).ok_or(Reason::MalformedToken)?;
    object.read(patient_claim, service).map_err(|Wrong| Reason::MalformedToken)
}

impl Read {
    /// The claims as this issuer may make them.
    pub(super) fn under(self, issuer: &Issuer, audience: &str) -> Result<Claims, Reason> {
        let kind = match self.kind.as_deref() {
            Some(kind) if issuer.trusted_for_roles => own_kind(kind).ok_or(Reason::MalformedToken)?,
            _ => TokenKind::Foreign,
        };
        let scope = self.scope.or(self.scp.filter(|_| issuer.scp_is_scope));
        Ok(Claims { aud: audience.to_owned(), kind, scope, patient: self.patient, ..self.claims })
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
struct Object(Map<String, Value>);

impl Object {
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
            exp,
            nbf,
            iss: iss.clone(),
            audience: self.audience()?,
            patient,
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
                patient: None,
                fhir_user: self.text("fhirUser")?,
                act: self.actor()?,
            },
        })
    }

    fn integer(&self, name: &str) -> Result<Option<i64>, Wrong> {
        self.0.get(name).map(|value| value.as_i64().ok_or(Wrong)).transpose()
    }

    fn text(&self, name: &str) -> Result<Option<String>, Wrong> {
        self.0.get(name).map(text).transpose()
    }

    fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>, Wrong> {
        self.text(name)?.map(|text| text.parse().map_err(|_| Wrong)).transpose()
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Wrong> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        value.as_array().ok_or(Wrong)?.iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// One string, or a list of strings; it must be there.
    fn audience(&self) -> Result<Vec<String>, Wrong> {
        match self.0.get("aud") {
            Some(Value::String(one)) => Ok(vec![one.clone()]),
            _ => self.texts("aud")?.ok_or(Wrong),
        }
    }

    /// Issuers that say `scp` write it as one string, or as a list.
    fn scp(&self) -> Result<Option<String>, Wrong> {
        match self.0.get("scp") {
            Some(Value::String(one)) => Ok(Some(one.clone())),
            _ => Ok(self.texts("scp")?.map(|scopes| scopes.join(" "))),
        }
    }

    /// An id that is not one of ours gives nothing, as one that the bundle does not know.
    fn role_ids(&self) -> Result<Vec<RoleId>, Wrong> {
        let ids = self.texts("role_ids")?.unwrap_or_default();
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// `{key: [values]}`.
    fn tags(&self) -> Result<BTreeMap<String, Vec<String>>, Wrong> {
        let Some(value) = self.0.get("tags") else { return Ok(BTreeMap::new()) };
        let texts = |value: &Value| value.as_array().ok_or(Wrong)?.iter().map(text).collect::<Result<_, _>>();
        value.as_object().ok_or(Wrong)?.iter().map(|(key, values)| Ok((key.clone(), texts(values)?))).collect()
    }

    fn actor(&self) -> Result<Option<Actor>, Wrong> {
        let Some(value) = self.0.get("act") else { return Ok(None) };
        let actor = Self(value.as_object().ok_or(Wrong)?.clone());
        let sub = actor.text("sub")?.ok_or(Wrong)?;
        Ok(Some(Actor { sub, account_id: actor.id("account_id")?.ok_or(Wrong)? }))
    }
}

fn text(value: &Value) -> Result<String, Wrong> {
    value.as_str().map(str::to_owned).ok_or(Wrong)
}
