//! People, their places in Accounts, and what they are signed in with.

use chrono::{DateTime, Utc};
use policy::id::{MemberId, PersonId, SessionId};

use crate::{EmailAddress, PasswordHash, Revision, SecretHash, words};

words! {
    /// What a member may do; the order is from most to least.
    MemberRole {
        /// Everything, also to name other owners. The last one cannot leave.
        Owner = "owner",
        /// Everything but what concerns owners.
        Admin = "admin",
        /// Keys, apps and trying things.
        Developer = "developer",
        /// Reading only.
        Auditor = "auditor",
    }
}

/// A human being, known by a confirmed address; of no Account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub id: PersonId,
    /// The confirmed address; no two people have the same.
    pub email: EmailAddress,
    /// The Argon2id hash of the password.
    pub password_hash: PasswordHash,
    /// When the address was confirmed.
    pub created_at: DateTime<Utc>,
}

/// A person in an Account.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Who it is.
    pub person_id: PersonId,
    /// What it may do.
    pub role: MemberRole,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Counts up with every change.
    pub revision: Revision,
}

/// What a member signed in with: one opaque token, kept as its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub member_id: MemberId,
    /// The hash of its token.
    pub hash: SecretHash,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// From when on it counts no longer.
    pub expires_at: DateTime<Utc>,
}
