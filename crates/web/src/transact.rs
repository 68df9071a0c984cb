//! The one bridge from the async world to use cases: one transaction, its clock, ids and randomness drawn once.

use actix_web::web::Data;
use domain::account::PLATFORM;
use domain::{Actor, Call};
use policy::id::{AccountId, RequestId};
use store::{Pool, StoreError, Tx};
use tracing::Span;

use crate::problem::Problem;
use crate::state::State;

/// Why a transaction gave no value.
#[derive(Debug)]
pub enum Failed<E> {
    /// It never ran, or did not end.
    Door(Problem),
    /// The use case refused; its transaction was undone.
    UseCase(E),
}

/// Runs a use case in one transaction of the call's Account, off the async threads.
///
/// When no connection is free for three seconds the answer is a 503 with `Retry-After`. A client that hangs up does not
/// stop a transaction that has begun.
pub async fn transact<T, E, F>(state: &Data<State>, call: Call, work: F) -> Result<T, Failed<E>>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: FnOnce(&mut Tx<'_>, &Call) -> Result<T, E> + Send + 'static,
{
    blocking(state, move |pool| pool.transact(call.account_id, |tx| work(tx, &call))).await
}

/// Reads over one snapshot of the call's Account; it cannot write, and waits for no writer.
pub async fn read<T, E, F>(state: &Data<State>, call: Call, work: F) -> Result<T, Failed<E>>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: FnOnce(&mut Tx<'_>, &Call) -> Result<T, E> + Send + 'static,
{
    blocking(state, move |pool| pool.read(call.account_id, |tx| work(tx, &call))).await
}

/// Runs what works on the pool itself (looking an account up), off the async threads.
pub async fn blocking<T, E, F>(state: &Data<State>, work: F) -> Result<T, Failed<E>>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce(&Pool) -> Result<T, E> + Send + 'static,
{
    let permit = state.database_permit().await.map_err(Failed::Door)?;
    let state = Data::clone(state);
    let span = Span::current();
    let worked = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        span.in_scope(|| work(&state.pool))
    });
    match worked.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failed::UseCase(error)),
        Err(_) => Err(Failed::Door(Problem::internal())),
    }
}

impl State {
    /// The call of somebody in an Account, now.
    #[must_use]
    pub fn call(&self, account_id: AccountId, actor: Actor, request_id: Option<RequestId>) -> Call {
        let now = self.clock.now();
        let request_id = request_id.unwrap_or_else(|| RequestId::new(self.random.uuid(now)));
        Call::new(account_id, actor, now, request_id, self.random.clone())
    }

    /// The call of nobody yet (sign-up, signing in): the platform's own.
    #[must_use]
    pub fn platform_call(&self, request_id: Option<RequestId>) -> Call {
        self.call(PLATFORM, Actor::System, request_id)
    }
}
