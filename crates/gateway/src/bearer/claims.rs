//! The claims of a token, read strictly: a claim of the wrong JSON type is a fault of the whole token.

use policy::Reason;
use policy::bundle::Issuer;
use policy::claims::{Actor, Claims, TokenKind};
use policy::id::RoleId;
use policy::settings::ServiceKind;
use policy::text::FhirId;
use serde_json::{Map, Value};
use std::str::FromStr;

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
    json::object(payload).and_then(|object| Object(object).read(patient_claim, service)).ok_or(Reason::MalformedToken)
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

/// A JSON object whose members are read as `Some(None)` when they are absent, and `None` when they have the wrong type.
struct Object(Map<String, Value>);

impl Object {
    fn read(&self, patient_claim: &str, service: ServiceKind) -> Option<Read> {
        let exp = self.integer("exp")??;
        let nbf = self.integer("nbf")?;
        let iat = self.integer("iat")?;
        let iss = self.text("iss")??;
        let sub = self.text("sub")??;
        let patient = self.text(patient_claim)?;
        let is_id = |patient: &String| service == ServiceKind::Plain || FhirId::accepts(patient);
        if iss.is_empty() || sub.is_empty() || !patient.iter().all(is_id) {
            return None;
        }
        Some(Read {
            exp,
            nbf,
            iss: iss.clone(),
            audience: self.audience()?,
            patient,
            scope: self.text("scope")?,
            scp: self.scp()?,
            kind: self.text("token_kind")?,
            claims: Claims {
                iss,
                sub,
                aud: String::new(),
                exp,
                nbf: nbf.unwrap_or(0),
                iat: iat.unwrap_or(0),
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

    fn integer(&self, name: &str) -> Option<Option<i64>> {
        self.0.get(name).map(Value::as_i64).map_or(Some(None), |read| read.map(Some))
    }

    fn text(&self, name: &str) -> Option<Option<String>> {
        self.0.get(name).map(Value::as_str).map_or(Some(None), |read| read.map(|text| Some(text.to_owned())))
    }

    fn id<T: FromStr>(&self, name: &str) -> Option<Option<T>> {
        self.text(name)?.map_or(Some(None), |text| text.parse().ok().map(Some))
    }

    fn texts(&self, name: &str) -> Option<Option<Vec<String>>> {
        let Some(value) = self.0.get(name) else { return Some(None) };
        let texts = value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>().map(Some)
    }

    /// One string, or a list of strings; it must be there.
    fn audience(&self) -> Option<Vec<String>> {
        match self.0.get("aud")? {
            Value::String(one) => Some(vec![one.clone()]),
            _ => self.texts("aud")?,
        }
    }

    /// Issuers that say `scp` write it as one string, or as a list.
    fn scp(&self) -> Option<Option<String>> {
        match self.0.get("scp") {
            Some(Value::String(one)) => Some(Some(one.clone())),
            _ => Some(self.texts("scp")?.map(|scopes| scopes.join(" "))),
        }
    }

    /// An id that is not one of ours gives nothing, as one that the bundle does not know.
    fn role_ids(&self) -> Option<Vec<RoleId>> {
        let ids = self.texts("role_ids")?.unwrap_or_default();
        Some(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    fn actor(&self) -> Option<Option<Actor>> {
        let Some(value) = self.0.get("act") else { return Some(None) };
        let actor = Self(value.as_object()?.clone());
        Some(Some(Actor { sub: actor.text("sub")??, account_id: actor.id("account_id")?? }))
    }
}
