//! What a reason means to a person, and what would have to change for another answer.

use crate::reason::Reason;

/// A reason in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What happened, as a sentence without a full stop.
    pub says: &'static str,
    /// What would have to change, as a sentence without a full stop.
    pub mend: &'static str,
}

const fn remedy(says: &'static str, mend: &'static str) -> Remedy {
    Remedy { says, mend }
}

impl Reason {
    /// The reason in words. They speak of the request and its rules, never of stored data.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "one arm for each reason of the closed list")]
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::MalformedUrl => remedy(
                "the path is not well formed",
                "send each segment percent-encoded once, without dot segments, `//`, `;` or `\\`",
            ),
            Self::MalformedQuery => {
                remedy("the query is not well formed", "send `name=value` pairs joined by `&`, encoded once")
            }
            Self::MalformedBody => remedy(
                "the body is not well formed",
                "send one JSON resource of the type in the path, without duplicate keys",
            ),
            Self::TooLarge => {
                remedy("something is over a limit", "send a shorter URL, fewer parameters or a smaller body")
            }
            Self::MethodOverride => remedy("a header or parameter would change the method", "send the method itself"),
            Self::NotAcceptable => remedy("only JSON can be checked", "send `Accept: application/fhir+json`, or none"),
            Self::UnsupportedMediaType => {
                remedy("a body of that type cannot be checked", "send JSON (a search: a form), without content coding")
            }
            Self::TwoCredentials => remedy(
                "there is more than one credential, or one outside `Authorization`",
                "send one `Authorization: Bearer` field",
            ),
            Self::NoToken => {
                remedy("there is no token", "send `Authorization: Bearer` with a token from `POST /v1/token`")
            }
            Self::MalformedToken => {
                remedy("the token, or a claim in it, is not well formed", "get a new token and send it as it came")
            }
            Self::Expired => remedy("the token has expired", "get a new token"),
            Self::NotYetValid => remedy("the token is not valid yet", "set the clocks of issuer and gateway right"),
            Self::WrongIssuer => {
                remedy("the token's issuer is not one of this Service's", "get a token from this Service's issuer")
            }
            Self::WrongAudience => remedy("the token is for another audience", "ask for a token of this Service"),
            Self::UnknownKey => remedy("the token names a key that its issuer has not", "get a new token"),
            Self::BadSignature => {
                remedy("the token's signature does not verify", "get a new token and send it as it came")
            }
            Self::Algorithm => {
                remedy("the token's algorithm is not the one of its key", "get a token from this Service's issuer")
            }
            Self::Revoked => remedy(
                "the token, its key, role or partner was revoked",
                "the one who revoked it has to allow it again",
            ),
            Self::NotInService => {
                remedy("the Service's document has no such path", "the EHR adds the path to its OpenAPI document")
            }
            Self::MethodNotAllowed => {
                remedy("the path has not that method", "the EHR adds the method to its OpenAPI document")
            }
            Self::NoPermission => {
                remedy("the token carries no permission at all", "ask for a token with a scope or a role")
            }
            Self::NoRule => remedy(
                "no rule of the token fits this type and interaction",
                "the key needs a role for it, inside the partner's ceiling",
            ),
            Self::NoPatientContext => remedy(
                "only `patient/` rules would fit, and the token names no patient",
                "ask for the token with `patient`",
            ),
            Self::OtherPatient => remedy(
                "the request names another patient than the token",
                "use a token of that patient, or one with a `system/` role",
            ),
            Self::UnknownParameter => remedy(
                "nobody defines that parameter for this type",
                "leave it out, or the EHR adds it to its OpenAPI document",
            ),
            Self::ParameterDenied => remedy("the parameter is known and refused", "leave it out"),
            Self::ChainDenied => remedy(
                "a chained search leads to a type that no rule covers",
                "a role with `s` on every type of the chain",
            ),
            Self::IncludeDenied => {
                remedy("an include leads to a type that no rule covers", "a role with `r` on the included type")
            }
            Self::OperationDenied => remedy("no role names this operation", "a custom role that lists it"),
            Self::ConditionalDenied => {
                remedy("the target cannot be checked before it is written", "name the instance by its id")
            }
            Self::NoOwner => {
                remedy("the resource names no patient as its owner", "set the subject to the token's patient")
            }
            Self::OtherOwner => {
                remedy("the resource belongs to another patient", "set the subject to the token's patient")
            }
            Self::FieldDenied => remedy("a field is outside the role's list", "leave it out, or the role lists it"),
            Self::ExistingNotCovered => remedy("what is stored is not covered", "a rule that covers it"),
            Self::ChangedMeanwhile => remedy("what is stored changed meanwhile", "read it again and repeat"),
            Self::EntryDenied => remedy("an entry of the transaction was denied", "mend or leave out that entry"),
            Self::TagMismatch => remedy("the tags of caller and resource do not match", "a matching tag on the caller"),
            Self::WhereFalse => remedy("the role's condition is false", "meet the condition, or change the role"),
            Self::Label => remedy("the security label is above the caller's clearance", "a higher clearance"),
            Self::NotFound => remedy(
                "the instance is not there, or not to be seen",
                "a rule that covers the instance, if it is there",
            ),
            Self::ResponseNotCovered => {
                remedy("the answer holds what no rule covers", "a narrower request, or a role that covers it")
            }
            Self::ResponseUnreadable => {
                remedy("the answer cannot be checked", "the upstream has to answer with FHIR JSON")
            }
            Self::ObligationUnsupported => remedy(
                "this kind of gateway cannot carry out what the decision needs",
                "use `arc proxy`, or a rule without context",
            ),
            Self::BundleStale => {
                remedy("the gateway has had no fresh policy for too long", "bring the control plane back")
            }
            Self::DevMode => remedy("permitted without credentials, for development", "end the development mode"),
            Self::NotBuilt => {
                remedy("this version recognises it and does not decide it yet", "wait for a version that does")
            }
            Self::Internal => remedy("a fault of the gateway, which is always a denial", "look into the gateway's log"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_what_happened_and_what_would_have_to_change() {
        for reason in Reason::ALL {
            let Remedy { says, mend } = reason.remedy();
            assert!(says.len() > 10 && mend.len() > 5, "{reason}");
            assert!(!says.ends_with('.') && !mend.ends_with('.'), "{reason}");
        }
    }
}
