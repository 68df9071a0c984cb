//! Who acts in the story; each is told apart by name and colour in every line.

/// An actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The first owner of the EHR's Account.
    Owner,
    /// The first owner of the partner's Account.
    Partner,
    /// The partner's key, at work without a person.
    Machine,
    /// An app with a token for one patient.
    PatientA,
    /// The same for another.
    PatientB,
    /// A machine in a role that the EHR's Account lends.
    Assumed,
    /// The gateway.
    Gateway,
    /// Somebody without a token that counts.
    Stranger,
}

impl Who {
    /// The name in front of each line.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Owner => "EHR owner",
            Self::Partner => "partner admin",
            Self::Machine => "partner machine",
            Self::PatientA => "patient A's app",
            Self::PatientB => "patient B's app",
            Self::Assumed => "assumed role",
            Self::Gateway => "gateway",
            Self::Stranger => "stranger",
        }
    }

    /// The number of its colour among the 16 of a terminal.
    pub(crate) const fn colour(self) -> u8 {
        match self {
            Self::Owner => 34,
            Self::Partner => 35,
            Self::Machine => 36,
            Self::PatientA => 32,
            Self::PatientB => 33,
            Self::Assumed => 96,
            Self::Gateway => 94,
            Self::Stranger => 31,
        }
    }
}

/// The width of the longest label.
pub(crate) const LABEL_WIDTH: usize = 15;
