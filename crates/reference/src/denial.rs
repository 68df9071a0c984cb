//! A denial, and the statuses of its reasons.

use policy::Reason;
use policy::decision::{Lookup, Phase};

/// Why a request, or one rule, ended in a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Denied.
    Deny(Denial),
    /// Not yet: only what is stored can tell.
    Ask(Phase, Vec<Lookup>),
}

/// A denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) phase: Phase,
    pub(crate) status: u16,
    pub(crate) reason: Reason,
}

/// A denial with the status that its reason has.
pub(crate) const fn deny(phase: Phase, reason: Reason) -> Denial {
    Denial { phase, status: status(reason), reason }
}

/// The same, as the end of a phase.
pub(crate) const fn stop(phase: Phase, reason: Reason) -> Stop {
    Stop::Deny(deny(phase, reason))
}

impl From<Denial> for Stop {
    fn from(denial: Denial) -> Self {
        Self::Deny(denial)
    }
}

/// The table "status of a deny".
pub(crate) const fn status(reason: Reason) -> u16 {
    use Reason as R;
    match reason {
        R::MalformedUrl | R::MalformedQuery | R::MalformedBody | R::TwoCredentials | R::UnknownParameter => 400,
        R::NoToken
        | R::MalformedToken
        | R::Expired
        | R::NotYetValid
        | R::WrongIssuer
        | R::WrongAudience
        | R::UnknownKey
        | R::BadSignature
        | R::Algorithm
        | R::Revoked => 401,
        R::NotInService | R::NotFound => 404,
        R::MethodOverride | R::MethodNotAllowed => 405,
        R::NotAcceptable => 406,
        R::ExistingNotCovered => 409,
        R::ChangedMeanwhile => 412,
        R::TooLarge => 413,
        R::UnsupportedMediaType => 415,
        R::Internal => 500,
        R::ResponseUnreadable => 502,
        R::BundleStale => 503,
        R::NoPermission
        | R::NoRule
        | R::NoPatientContext
        | R::OtherPatient
        | R::ParameterDenied
        | R::ChainDenied
        | R::IncludeDenied
        | R::OperationDenied
        | R::ConditionalDenied
        | R::NoOwner
        | R::OtherOwner
        | R::FieldDenied
        | R::EntryDenied
        | R::TagMismatch
        | R::WhereFalse
        | R::Label
        | R::ResponseNotCovered
        | R::ObligationUnsupported
        | R::DevMode
        | R::NotBuilt => 403,
    }
}
