//! The claims of an access token: the issuer writes them, the gateway reads them.
//!
//! Invariant: a claim of the wrong JSON type is a fault of the whole token, never a claim that is not there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, KeyId, RoleId, RoleSessionId};

/// The longest access token that is read.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// How far the clocks of issuer and gateway may be apart.
pub const LEEWAY_SECONDS: i64 = 30;

/// What kind of caller a token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// A machine with a key.
    Key,
    /// A session of an assumed role.
    AssumedRole,
    /// A person, through an app.
    User,
    /// An issuer that does not say.
    Foreign,
}

impl TokenKind {
    /// Its word in claims and audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::AssumedRole => "assumed_role",
            Self::User => "user",
            Self::Foreign => "foreign",
        }
    }
}

/// Who really calls, when a role was assumed (RFC 8693 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The caller's own `sub`.
    pub sub: String,
    /// The caller's Account.
    pub account_id: AccountId,
}

/// The claims of an access token, as verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The subject: a key's id, a role session's id, a user.
    pub sub: String,
    /// The audience: the Service's base URL.
    pub aud: String,
    /// Expiry, in seconds since 1970.
    pub exp: i64,
    /// Not before.
    pub nbf: i64,
    /// Issued at.
    pub iat: i64,
    /// The token's own id.
    pub jti: String,
    /// What kind of caller this is.
    #[serde(rename = "token_kind")]
    pub kind: TokenKind,
    /// The Account that the caller belongs to; of an assumed role, the role's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// The key or app that asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The key behind the token, so that deleting it ends the token too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// The session of an assumed role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_session_id: Option<RoleSessionId>,
    /// The SMART scopes, space-separated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Custom roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub role_ids: Vec<RoleId>,
    /// The patient context: a logical id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// The person behind the token.
    #[serde(rename = "fhirUser", skip_serializing_if = "Option::is_none")]
    pub fhir_user: Option<String>,
    /// Who really calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// The caller's tags: `{"dept": ["cardio"]}`. They count only from an issuer that is trusted for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Vec<String>>,
    /// The highest Confidentiality that the caller may see, as its code (`R`); none is `U`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clearance: Option<String>,
}
