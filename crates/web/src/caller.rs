//! Who asks, as a type: a handler that takes an [`Administrator`] cannot be reached by anybody else.
//!
//! Invariant: the Account of a caller comes from the credential, never from the path or the body.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use domain::{Actor, Call, Member, MemberRole, SecretHash, Session};
use policy::id::AccountId;
use store::directory::Lookup;
use store::{Pool, StoreError};

use crate::bearer::Bearer;
use crate::problem::Problem;
use crate::request;
use crate::state::State;
use crate::transact::{Failed, blocking};

/// What the token of a session starts with.
const SESSION_PREFIX: &str = "fws_";

/// A signed-in member of an Account, whatever their role.
#[derive(Clone, Debug)]
pub struct AnyMember {
    /// The member.
    pub member: Member,
    /// What they are signed in with.
    pub session: Session,
    /// Their call: their Account, themselves, now.
    pub call: Call,
}

/// A signed-in owner or admin of an Account: may change what it owns.
#[derive(Clone, Debug)]
pub struct Administrator(AnyMember);

impl Deref for Administrator {
    type Target = AnyMember;

    fn deref(&self) -> &AnyMember {
        &self.0
    }
}

impl Administrator {
    /// Their call: their Account, themselves, now.
    #[must_use]
    pub fn into_call(self) -> Call {
        self.0.call
    }
}

impl AnyMember {
    /// Finds the member behind a session's token; a 401 tells nothing of why there is none.
    async fn of(request: HttpRequest) -> Result<Self, Problem> {
        let token = Bearer::of(request.headers())?.ok_or_else(Problem::no_token)?;
        if !token.expose().starts_with(SESSION_PREFIX) {
            return Err(Problem::invalid_token());
        }
        let state = request.app_data::<Data<State>>().cloned().ok_or_else(Problem::internal)?;
        let hash = SecretHash::new(token.hash());
        let now = state.clock.now();
        let (account_id, session, member) =
            blocking(&state, move |pool| session(pool, &hash, now)).await.map_err(|failed| match failed {
                Failed::UseCase(StoreError::NotFound) => Problem::invalid_token(),
                Failed::UseCase(_) => Problem::unavailable(),
                Failed::Door(problem) => problem,
            })?;
        let call = state.call(account_id, Actor::Member(member.id), request::id(&request));
        Ok(Self { member, session, call })
    }
}

fn session(
    pool: &Pool,
    hash: &SecretHash,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(AccountId, Session, Member), StoreError> {
    let found = pool.directory(Lookup::Session(hash))?.ok_or(StoreError::NotFound)?;
    pool.read(found.account_id, |tx| {
        let session = store::sessions::find_by_hash(tx, hash, now)?;
        let member = store::members::find(tx, session.member_id)?;
        Ok((found.account_id, session, member))
    })
}

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl FromRequest for AnyMember {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(Self::of(request.clone()))
    }
}

impl FromRequest for Administrator {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let member = AnyMember::of(request.clone());
        Box::pin(async move {
            let member = member.await?;
            match member.member.role {
                MemberRole::Owner | MemberRole::Admin => Ok(Self(member)),
                MemberRole::Developer | MemberRole::Auditor => {
                    Err(Problem::forbidden("not_administrator", "this needs an owner or admin of the account"))
                }
            }
        })
    }
}
