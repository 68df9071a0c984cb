//! Writes that may be retried: the same `Idempotency-Key` gives the same answer for 24 hours, and is done once.
//!
//! Invariant: claim, effect and answer are kept in one transaction, so a crash leaves all or none, and the retry works at
//! once. A refusal is not kept: nothing was done, so doing it again does no harm. An answer that holds a secret is kept
//! without its content, so that a replay shows nothing and makes nothing.

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse};
use chrono::TimeDelta;
use domain::{Call, SecretHash};
use policy::id::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::idempotency::{self, Attempt, Begun};
use store::{StoreError, Tx};

use crate::bearer::sha256;
use crate::problem::{Fault, Problem};
use crate::state::State;
use crate::transact::{Failed, transact};

/// How long an answer is kept.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// A longer key is refused: UUIDs have 36 characters.
const MAX_KEY_BYTES: usize = 255;
/// A larger answer is not kept but for its status: it can be read back with GET.
const MAX_KEPT_BYTES: usize = 256 * 1024;

/// The SHA-256 of the body that was read, left in the request for [`Retry`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyHash(pub(crate) [u8; 32]);

/// How a client retries: its `Idempotency-Key`, if it sent one.
#[derive(Debug)]
pub struct Retry {
    key: Option<String>,
    request: HttpRequest,
}

impl FromRequest for Retry {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(key(request).map(|key| Self { key, request: request.clone() }))
    }
}

fn key(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > MAX_KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("`Idempotency-Key` is 1 to {MAX_KEY_BYTES} visible ASCII characters, such as a UUID");
        return Err(Problem::unreadable_at(Fault::new("Idempotency-Key", "wrong_value", message)));
    }
    Ok(Some(text.to_owned()))
}

impl Retry {
    /// Binds the key to method, path and body.
    fn request_hash(&self) -> SecretHash {
        let body = self.request.extensions().get::<BodyHash>().map_or([0; 32], |hash| hash.0);
        let line = format!("{} {}\n", self.request.method(), self.request.uri());
        SecretHash::new(sha256(&[line.as_bytes(), &body].concat()))
    }
}

/// What a write answers, in a form that can be kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// JSON, as it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    secret: bool,
}

impl Answer {
    /// 201 with this body.
    pub fn created(body: &impl Serialize) -> Result<Self, Problem> {
        Self::of(StatusCode::CREATED, body)
    }

    /// This status with this body.
    pub fn of(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|_| Problem::internal())?;
        Ok(Self { status: status.as_u16(), etag: None, location: None, body: Some(body), secret: false })
    }

    /// With the ETag of this revision.
    #[must_use]
    pub fn etag(mut self, revision: u64) -> Self {
        self.etag = Some(format!("\"{revision}\""));
        self
    }

    /// With the path of what was made.
    #[must_use]
    pub fn location(mut self, path: String) -> Self {
        self.location = Some(path);
        self
    }

    /// It holds a secret: it is sent once and kept nowhere.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// What is kept: of a secret, or of what is very large, only that it was done.
    fn kept(&self) -> Result<Value, Problem> {
        let large = self.body.as_ref().is_some_and(|body| body.len() > MAX_KEPT_BYTES);
        let kept = if self.secret || large { Self { body: None, ..self.clone() } } else { self.clone() };
        serde_json::to_value(kept).map_err(|_| Problem::internal())
    }

    fn replay(self) -> Result<HttpResponse, Problem> {
        if self.secret {
            return Err(Problem::conflict(
                "secret_not_repeated",
                "this was done, and its answer held a secret that is shown once; remove what it made, and make another",
            ));
        }
        let mut response = self.response();
        response.headers_mut().insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
        Ok(response)
    }

    fn response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        for (name, value) in [(ETAG, self.etag), (LOCATION, self.location)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                response.insert_header((name, value));
            }
        }
        match self.body {
            None => response.finish(),
            Some(body) => response.insert_header((CONTENT_TYPE, "application/json")).body(body),
        }
    }
}

/// Runs a use case in one transaction and shows its answer; a retry under the same key gets the answer again.
pub async fn once<T, E, F, S>(
    state: &Data<State>,
    call: Call,
    retry: Retry,
    work: F,
    show: S,
) -> Result<HttpResponse, Failed<E>>
where
    T: 'static,
    E: From<StoreError> + Send + 'static,
    F: FnOnce(&mut Tx<'_>, &Call) -> Result<T, E> + Send + 'static,
    S: FnOnce(T) -> Result<Answer, Problem> + Send + 'static,
{
    let answer = move |tx: &mut Tx<'_>, call: &Call| {
        let made = work(tx, call).map_err(Undone::UseCase)?;
        show(made).map_err(Undone::Door)
    };
    let done = match retry.key.clone() {
        None => transact(state, call, |tx, call| answer(tx, call).map(Done::Now)).await,
        Some(key) => {
            let bound = Bound { principal: call.actor.to_string(), key, hash: retry.request_hash() };
            let place = state.in_flight.enter(&call, &bound).ok_or_else(|| Failed::Door(in_flight()))?;
            transact(state, call, move |tx, call| {
                let _place = place;
                keyed(tx, call, &bound, answer)
            })
            .await
        }
    };
    match done {
        Ok(Done::Now(answer)) => Ok(answer.response()),
        Ok(Done::Before(answer)) => answer.replay().map_err(Failed::Door),
        Err(Failed::Door(problem) | Failed::UseCase(Undone::Door(problem))) => Err(Failed::Door(problem)),
        Err(Failed::UseCase(Undone::UseCase(error))) => Err(Failed::UseCase(error)),
    }
}

/// Claims the key, does the work and keeps its answer, all in this transaction; or finds what was answered before.
fn keyed<E: From<StoreError>>(
    tx: &mut Tx<'_>,
    call: &Call,
    bound: &Bound,
    answer: impl FnOnce(&mut Tx<'_>, &Call) -> Result<Answer, Undone<E>>,
) -> Result<Done, Undone<E>> {
    match idempotency::begin(tx, &bound.attempt(), call.now, call.now + KEPT)? {
        Begun::Fresh => {}
        Begun::Replay(kept) => {
            let kept = serde_json::from_value(kept).map_err(|_| Undone::Door(Problem::internal()))?;
            return Ok(Done::Before(kept));
        }
        Begun::InFlight => return Err(Undone::Door(in_flight())),
        Begun::Mismatch => return Err(Undone::Door(mismatch())),
    }
    let answer = answer(tx, call)?;
    let kept = answer.kept().map_err(Undone::Door)?;
    idempotency::finish(tx, &bound.attempt(), &kept, call.now + KEPT)?;
    idempotency::sweep(tx, call.now)?;
    Ok(Done::Now(answer))
}

/// What a call came to.
enum Done {
    /// It was done now.
    Now(Answer),
    /// It was done before, under this key.
    Before(Answer),
}

/// Why nothing is kept of a call; each undoes its transaction.
enum Undone<E> {
    UseCase(E),
    Door(Problem),
}

impl<E: From<StoreError>> From<StoreError> for Undone<E> {
    fn from(error: StoreError) -> Self {
        Self::UseCase(error.into())
    }
}

/// A key with what it is bound to.
struct Bound {
    principal: String,
    key: String,
    hash: SecretHash,
}

impl Bound {
    fn attempt(&self) -> Attempt<'_> {
        Attempt { principal: &self.principal, key: &self.key, request_hash: &self.hash }
    }
}

/// The keys whose calls this process is answering now. It is no part of the database, so that a crash claims no key; of
/// two replicas the later one waits for the row of the first. As many as there are requests at one time.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashSet<Flight>>);

type Flight = (AccountId, String, String);

impl InFlight {
    /// None when a call under the same key is being answered.
    fn enter(self: &Arc<Self>, call: &Call, bound: &Bound) -> Option<Place> {
        let flight = (call.account_id, bound.principal.clone(), bound.key.clone());
        let entered = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(flight.clone());
        entered.then(|| Place { all: Arc::clone(self), flight })
    }
}

/// A call that is being answered, until this is dropped.
struct Place {
    all: Arc<InFlight>,
    flight: Flight,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.flight);
    }
}

fn in_flight() -> Problem {
    Problem::conflict("in_flight", "a request with this Idempotency-Key is being answered; try again in a moment")
        .header(actix_web::http::header::RETRY_AFTER, HeaderValue::from_static("1"))
}

fn mismatch() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", "Invalid")
        .detail("this Idempotency-Key was sent with another request; use a new one for each request")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn e25_what_is_kept_of_a_secret_is_that_it_was_done() {
        let answer = Answer::created(&json!({"secret": "fw_live_x"})).unwrap().secret();
        let kept = answer.kept().unwrap();
        assert!(!kept.to_string().contains("fw_live"));
        let replayed: Answer = serde_json::from_value(kept).unwrap();
        assert_eq!(replayed.replay().unwrap_err().code, "secret_not_repeated");
    }

    #[test]
    fn a_kept_answer_comes_back_with_its_headers() {
        let answer = Answer::created(&json!({"id": "x"})).unwrap().etag(1).location("/v1/x".into());
        let replayed: Answer = serde_json::from_value(answer.kept().unwrap()).unwrap();
        let response = replayed.replay().unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers().get(ETAG).unwrap(), "\"1\"");
        assert_eq!(response.headers().get("idempotent-replayed").unwrap(), "true");
    }

    #[test]
    fn a_key_is_claimed_while_its_call_is_answered_and_no_longer() {
        let (account, other) = (AccountId::new(uuid::Uuid::from_u128(1)), AccountId::new(uuid::Uuid::from_u128(2)));
        let now = chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        let request_id = policy::id::RequestId::new(uuid::Uuid::from_u128(3));
        let call = Call::new(account, domain::Actor::System, now, request_id, domain::Random::seeded(1));
        let bound = Bound { principal: "member".into(), key: "k".into(), hash: SecretHash::new([0; 32]) };
        let all = Arc::new(InFlight::default());
        let place = all.enter(&call, &bound).unwrap();
        assert!(all.enter(&call, &bound).is_none());
        assert!(all.enter(&call.within(other), &bound).is_some(), "another account's key is another one");
        drop(place);
        assert!(all.enter(&call, &bound).is_some());
    }
}
