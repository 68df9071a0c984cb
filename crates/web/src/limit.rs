//! Rate limits: separate budgets for signing in, tokens, administration and imports.
//!
//! Invariant: the key of a budget is the credential or the peer's address, never a header that a client
//! can choose (`X-Forwarded-For` is not read); the memory for keys is bounded.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::bearer::{Bearer, sha256};
use crate::problem::Problem;
use crate::request::request_id;
use crate::state::State;

/// The window of every budget but [`Budget::Mail`].
const WINDOW: Duration = Duration::from_mins(1);
/// The window of mail: nobody's mailbox is to be filled from here.
const MAIL_WINDOW: Duration = Duration::from_hours(1);
/// At this many keys the idle ones are dropped; 64 bytes each.
const SWEEP_AT_KEYS: usize = 50_000;
/// Past this many busy keys all new ones share one bucket.
const MAX_KEYS: usize = 200_000;

/// What a request draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Budget {
    /// Sign-up, signing in, links: per peer.
    Login,
    /// Signing in with one mail address, from wherever; also one that is unknown.
    Address,
    /// Mail to one address, in an hour.
    Mail,
    /// Tokens and assumed roles.
    Token,
    /// The administration API.
    Admin,
    /// Documents, which cost much to read.
    Import,
    /// Gateways: they ask every second, and ship audit in batches.
    Gateway,
    /// Requests with a credential that is not valid, per peer.
    Failures,
}

impl Budget {
    /// Every budget.
    pub const ALL: [Self; 8] =
        [Self::Login, Self::Address, Self::Mail, Self::Token, Self::Admin, Self::Import, Self::Gateway, Self::Failures];

    /// Its name in `RateLimit`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Address => "address",
            Self::Mail => "mail",
            Self::Token => "token",
            Self::Admin => "admin",
            Self::Import => "import",
            Self::Gateway => "gateway",
            Self::Failures => "failures",
        }
    }

    /// Which budget a route draws from; health, pages and public keys are free.
    #[must_use]
    pub fn of(method: &Method, route: &str) -> Option<Self> {
        match route {
            "/v1/signup" | "/v1/signup/confirm" | "/v1/login" | "/v1/invitations/accept" => Some(Self::Login),
            "/v1/token" | "/v1/assume-role" => Some(Self::Token),
            "/v1/services" | "/v1/services/{id}/versions" if *method == Method::POST => Some(Self::Import),
            route if route.starts_with("/v1/gateway/") => Some(Self::Gateway),
            route if route.starts_with("/v1/") => Some(Self::Admin),
            _ => None,
        }
    }
}

/// Requests a minute, for each budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// See [`Budget::Login`].
    pub login: u32,
    /// See [`Budget::Address`].
    pub address: u32,
    /// See [`Budget::Mail`]; an hour.
    pub mail: u32,
    /// See [`Budget::Token`].
    pub token: u32,
    /// See [`Budget::Admin`].
    pub admin: u32,
    /// See [`Budget::Import`].
    pub import: u32,
    /// See [`Budget::Gateway`].
    pub gateway: u32,
    /// See [`Budget::Failures`].
    pub failures: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { login: 30, address: 10, mail: 10, token: 1_200, admin: 1_200, import: 60, gateway: 6_000, failures: 120 }
    }
}

impl Quotas {
    const fn of(&self, budget: Budget) -> u32 {
        match budget {
            Budget::Login => self.login,
            Budget::Address => self.address,
            Budget::Mail => self.mail,
            Budget::Token => self.token,
            Budget::Admin => self.admin,
            Budget::Import => self.import,
            Budget::Gateway => self.gateway,
            Budget::Failures => self.failures,
        }
    }
}

/// Whose budget: a digest, so that no credential stays in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bucket([u8; 16]);

impl Bucket {
    /// The bucket of a text (an address, a credential).
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut bucket = [0; 16];
        bucket.iter_mut().zip(sha256(text)).for_each(|(byte, digest)| *byte = digest);
        Self(bucket)
    }

    /// The bucket of a peer: one IPv4 address, or the /64 that an IPv6 host has to itself.
    #[must_use]
    pub fn peer(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::of(b"peer unknown"),
            Some(IpAddr::V4(address)) => Self::of(&address.octets()),
            Some(IpAddr::V6(address)) => Self::of(&(address.to_bits() >> 64).to_be_bytes()),
        }
    }
}

/// What is left of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    budget: Budget,
    limit: u32,
    remaining: u32,
}

type Limiter = RateLimiter<Bucket, DashMapStateStore<Bucket>, DefaultClock, StateInformationMiddleware>;

/// The budgets of one server.
pub struct Limits {
    quotas: Quotas,
    limiters: Vec<(Budget, Limiter)>,
}

impl fmt::Debug for Limits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Limits").field("quotas", &self.quotas).finish_non_exhaustive()
    }
}

impl Limits {
    /// Full budgets.
    #[must_use]
    pub fn new(quotas: Quotas) -> Self {
        let limiters = Budget::ALL.into_iter().map(|budget| {
            let burst = NonZeroU32::new(quotas.of(budget)).unwrap_or(NonZeroU32::MIN);
            let window = if budget == Budget::Mail { MAIL_WINDOW } else { WINDOW };
            let per_cell = window / burst.get();
            let quota = Quota::with_period(per_cell).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
            (budget, RateLimiter::dashmap(quota).with_middleware())
        });
        Self { quotas, limiters: limiters.collect() }
    }

    /// Draws one; the error is the seconds to wait.
    pub fn draw(&self, budget: Budget, bucket: Bucket) -> Result<Left, u64> {
        let limit = self.quotas.of(budget);
        let Some((_, limiter)) = self.limiters.iter().find(|(one, _)| *one == budget) else {
            return Ok(Left { budget, limit, remaining: limit });
        };
        if limiter.len() > SWEEP_AT_KEYS {
            limiter.retain_recent();
        }
        let bucket = if limiter.len() > MAX_KEYS { Bucket::of(b"crowd") } else { bucket };
        match limiter.check_key(&bucket) {
            Ok(state) => Ok(Left { budget, limit, remaining: state.remaining_burst_capacity() }),
            Err(until) => Err(until.wait_time_from(DefaultClock::default().now()).as_secs().saturating_add(1)),
        }
    }
}

impl State {
    /// Draws from a budget of this name (an address), whether the name is known or not; 429 once it is used up.
    pub fn draw(&self, budget: Budget, name: &str) -> Result<(), Problem> {
        self.limits.draw(budget, Bucket::of(name.as_bytes())).map(drop).map_err(Problem::too_many)
    }
}

/// Draws from the budget of the route before the request is answered, and says in `RateLimit` what is left.
///
/// A 401 draws from the peer's failures too, and becomes a 429 once they are used up: guessing shows, and an
/// honest client at the same address goes on.
pub async fn limited(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let route = request.match_pattern().unwrap_or_default();
    let Some(budget) = Budget::of(request.method(), &route) else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let peer = Bucket::peer(request.peer_addr().map(|address| address.ip()));
    let bucket = match Bearer::of(request.headers()) {
        Ok(Some(token)) => Bucket::of(token.expose().as_bytes()),
        _ => peer,
    };
    let left = match state.limits.draw(budget, bucket) {
        Ok(left) => left,
        Err(wait) => return Ok(refused(request, wait)),
    };
    let mut response = next.call(request).await?.map_into_boxed_body();
    if response.status() == StatusCode::UNAUTHORIZED
        && let Err(wait) = state.limits.draw(Budget::Failures, peer)
    {
        let id = request_id(response.request());
        return Ok(response.into_response(Problem::too_many(wait).response(&id)));
    }
    for (name, value) in left.headers() {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn refused(request: ServiceRequest, wait: u64) -> ServiceResponse<BoxBody> {
    metrics::counter!("rate_limited_total").increment(1);
    let id = request_id(request.request());
    request.into_response(Problem::too_many(wait).response(&id))
}

impl Left {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    fn headers(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let Self { budget, limit, remaining } = self;
        let name = budget.as_str();
        let window = WINDOW.as_secs();
        // One request comes back after this long.
        let reset = if remaining == limit { 0 } else { window.div_ceil(u64::from(limit.max(1))) };
        [
            ("ratelimit-policy", format!("\"{name}\";q={limit};w={window}")),
            ("ratelimit", format!("\"{name}\";r={remaining};t={reset}")),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_for_one_bucket_and_one_use_only() {
        let limits = Limits::new(Quotas { login: 2, ..Quotas::default() });
        let (ann, bob) = (Bucket::of(b"ann"), Bucket::of(b"bob"));
        assert_eq!(limits.draw(Budget::Login, ann).unwrap().remaining, 1);
        assert_eq!(limits.draw(Budget::Login, ann).unwrap().remaining, 0);
        let wait = limits.draw(Budget::Login, ann).unwrap_err();
        assert!((1..=31).contains(&wait), "{wait}");
        assert!(limits.draw(Budget::Login, bob).is_ok());
        assert!(limits.draw(Budget::Admin, ann).is_ok());
    }

    #[test]
    fn e11_a_host_of_ipv6_has_one_bucket() {
        let peer = |text: &str| Bucket::peer(Some(text.parse().unwrap()));
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::2:3:4:5"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }
}
