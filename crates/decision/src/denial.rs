//! A denial on its way out: the phase it was found in, its status and its reason.

use policy::decision::Phase;
use policy::reason::Reason;

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) phase: Phase,
    pub(crate) status: u16,
    pub(crate) reason: Reason,
    /// How far inside its phase it was found: of several, the one that got furthest counts.
    pub(crate) step: u8,
}

impl Denial {
    /// A denial with the status that its reason usually has.
    ///
    /// Cold, so that the code of denials stands apart from that of permits: all of a decision has to fit into the
    /// processor's memory of instructions, and denials are most of its text. One that is made in any case is a constant.
    #[cold]
    #[inline(never)]
    pub(crate) const fn new(phase: Phase, reason: Reason) -> Self {
        Self { phase, status: status(reason), reason, step: 0 }
    }

    /// The same, with another status.
    pub(crate) const fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same, found further on in its phase.
    pub(crate) const fn at(self, step: u8) -> Self {
        Self { step, ..self }
    }
}

const fn status(reason: Reason) -> u16 {
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
        R::TooLarge => 413,
        R::UnsupportedMediaType => 415,
        R::Internal => 500,
        R::ResponseUnreadable => 502,
        R::BundleStale => 503,
        _ => 403,
    }
}
