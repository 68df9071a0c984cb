//! A gateway, as a caller: whoever sends the key that it was enrolled with.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use admin::credential::{Credential, parse};
use domain::account::PLATFORM;
use domain::{Actor, Call, Gateway};
use policy::id::{AccountId, GatewayId};
use store::directory::Lookup;
use store::{Pool, StoreError};
use web::state::State;
use web::{Bearer, Failed, Problem, blocking, request};

/// An enrolled gateway of one Service.
#[derive(Clone, Debug)]
pub(crate) struct GatewayKey {
    /// The gateway.
    pub(crate) gateway: Gateway,
    /// Its call: the Service's Account, itself, now.
    pub(crate) call: Call,
}

impl GatewayKey {
    async fn of(request: HttpRequest) -> Result<Self, Problem> {
        let token = Bearer::of(request.headers())?.ok_or_else(Problem::no_token)?;
        let credential = parse::<GatewayId>(token.expose()).ok_or_else(Problem::invalid_token)?;
        let state = request.app_data::<Data<State>>().cloned().ok_or_else(Problem::internal)?;
        let found = blocking(&state, move |pool| authenticate(pool, &credential)).await;
        let (account_id, gateway) = match found {
            Ok(Some(found)) => found,
            Ok(None) => return Err(Problem::invalid_token()),
            Err(Failed::Door(problem)) => return Err(problem),
            Err(Failed::UseCase(_)) => return Err(Problem::unavailable()),
        };
        let call = state.call(account_id, Actor::Gateway(gateway.id), request::id(&request));
        Ok(Self { gateway, call })
    }
}

/// The same two look-ups, whether the gateway is known or not.
fn authenticate(pool: &Pool, credential: &Credential<GatewayId>) -> Result<Option<(AccountId, Gateway)>, StoreError> {
    let found = pool.directory(Lookup::Gateway(credential.id))?;
    let account_id = found.map_or(PLATFORM, |found| found.account_id);
    let gateway = pool.read(account_id, |tx| admin::gateways::authenticate(tx, credential))?;
    Ok(gateway.map(|gateway| (account_id, gateway)))
}

impl FromRequest for GatewayKey {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(Self::of(request.clone()))
    }
}
