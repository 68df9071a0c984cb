//! The closed list of reasons for a decision ("Reasons" in the semantics of decisions).

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $index:literal;)*) => {
        /// Why a request was denied, or permitted past the rules; a stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
        #[cbor(index_only)]
        pub enum Reason {
            $($(#[$doc])* #[n($index)] $name,)*
        }

        impl Reason {
            /// Every reason, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code: `other_patient`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

reasons! {
    /// The path or the target is not well formed.
    MalformedUrl = "malformed_url", 0;
    /// The query or the search form is not well formed.
    MalformedQuery = "malformed_query", 1;
    /// The body is not well formed.
    MalformedBody = "malformed_body", 2;
    /// Something is over a limit.
    TooLarge = "too_large", 3;
    /// A header or parameter would change the method.
    MethodOverride = "method_override", 4;
    /// The client asks for a form that cannot be checked.
    NotAcceptable = "not_acceptable", 5;
    /// The body has a form that cannot be checked.
    UnsupportedMediaType = "unsupported_media_type", 6;
    /// More than one credential.
    TwoCredentials = "two_credentials", 7;
    /// No credential.
    NoToken = "no_token", 8;
    /// The token, or a claim in it, is not well formed.
    MalformedToken = "malformed_token", 9;
    /// The token has expired.
    Expired = "expired", 10;
    /// The token is not valid yet.
    NotYetValid = "not_yet_valid", 11;
    /// The token's issuer is not one of the Service's.
    WrongIssuer = "wrong_issuer", 12;
    /// The token is for another audience.
    WrongAudience = "wrong_audience", 13;
    /// The token names a key that its issuer has not.
    UnknownKey = "unknown_key", 14;
    /// The token's signature does not verify.
    BadSignature = "bad_signature", 15;
    /// The token's algorithm is not the one pinned for its key.
    Algorithm = "algorithm", 16;
    /// The token, its key, session or consent was revoked.
    Revoked = "revoked", 17;
    /// The Service's document has no such path.
    NotInService = "not_in_service", 18;
    /// The path has not that method.
    MethodNotAllowed = "method_not_allowed", 19;
    /// The token carries no FHIR or operation permission at all.
    NoPermission = "no_permission", 20;
    /// No rule of the token fits type and interaction.
    NoRule = "no_rule", 21;
    /// Only `patient/` rules would fit, and the token names no patient.
    NoPatientContext = "no_patient_context", 22;
    /// The request names another patient than the token.
    OtherPatient = "other_patient", 23;
    /// Nobody defines that parameter.
    UnknownParameter = "unknown_parameter", 24;
    /// The parameter is known and refused.
    ParameterDenied = "parameter_denied", 25;
    /// A chained search leads where no rule reaches.
    ChainDenied = "chain_denied", 26;
    /// An include leads where no rule reaches.
    IncludeDenied = "include_denied", 27;
    /// The FHIR operation is not named by a role.
    OperationDenied = "operation_denied", 28;
    /// The conditional interaction cannot be checked first.
    ConditionalDenied = "conditional_denied", 29;
    /// What is written belongs to nobody.
    NoOwner = "no_owner", 30;
    /// What is written belongs to another patient.
    OtherOwner = "other_owner", 31;
    /// A field outside the list.
    FieldDenied = "field_denied", 32;
    /// What is stored is not covered.
    ExistingNotCovered = "existing_not_covered", 33;
    /// What is stored changed meanwhile.
    ChangedMeanwhile = "changed_meanwhile", 34;
    /// An entry of a transaction was denied.
    EntryDenied = "entry_denied", 35;
    /// The tags do not match.
    TagMismatch = "tag_mismatch", 36;
    /// The role's `where` is false.
    WhereFalse = "where_false", 37;
    /// The security label is too high.
    Label = "label", 38;
    /// The instance is not there, or must look so.
    NotFound = "not_found", 39;
    /// The answer holds what no rule covers.
    ResponseNotCovered = "response_not_covered", 40;
    /// The answer cannot be checked.
    ResponseUnreadable = "response_unreadable", 41;
    /// The decision needs an obligation that this gateway cannot carry out.
    ObligationUnsupported = "obligation_unsupported", 42;
    /// The bundle is older than the Service allows.
    BundleStale = "bundle_stale", 43;
    /// Permitted without credentials, for development.
    DevMode = "dev_mode", 44;
    /// The semantics define it; this version does not decide it yet.
    NotBuilt = "not_built", 45;
    /// A fault of our own; always a denial.
    Internal = "internal", 46;
}

impl Reason {
    /// The reason with that code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&code).ok_or_else(|| serde::de::Error::custom("expected one of the reasons of a decision"))
    }
}
