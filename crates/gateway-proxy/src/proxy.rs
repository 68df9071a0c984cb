//! One request on its way: read, judge, enforce, forward, release.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use gateway::enforce::{Enforced, Permitted, Releasing, Streaming};
use gateway::{Answer, Gateway, Judged, Judging};
use policy::decision::{Released, Upstream as Decided};
use policy::request::Header;

use crate::files;
use crate::inbound::Received;
use crate::log::Line;
use crate::lookups::{self, Budget};
use crate::metrics;
use crate::pieces::Pieces;
use crate::upstream::{Fetched, Upstream};

/// Bodies from here on are looked at on a thread of their own, so that other requests of the worker go on.
pub(crate) const LARGE_BODY_BYTES: usize = 128 * 1024;
/// Batches with so many entries are written to the audit on a thread of their own.
const LARGE_BATCH: usize = 32;

/// What every request is served with.
pub(crate) struct Proxy {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) upstream: Upstream,
}

/// Serves one request.
pub(crate) async fn handle(proxy: Data<Proxy>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let started = Instant::now();
    let received = Arc::new(Received::read(&request, payload, proxy.upstream.base()).await);
    let mut budget = Budget::new(&proxy.upstream);
    let Some(judged) = judge(&proxy, &received, &mut budget).await else { return failed() };
    metrics::decided(&judged);
    let mut line = Line::of(&judged);
    let Some(enforced) = enforce(&proxy.gateway, judged).await else { return failed() };
    let answering = match enforced {
        Enforced::Answer(released) => Some(Answering::Whole(released, Bytes::new())),
        Enforced::Forward(permitted) if permitted.is_file() => pass_on(&proxy, &received, permitted, &mut line).await,
        Enforced::Forward(permitted) => forward(&proxy, &received, permitted, &mut line, &mut budget).await,
    };
    let (looked_up, took) = budget.spent();
    metrics::looked_up(looked_up, took);
    line.lookups(looked_up, took);
    match answering {
        None => failed(),
        Some(Answering::Whole(released, upstream_body)) => {
            line.write(&released, started.elapsed());
            metrics::answered(&released);
            respond(&released, &upstream_body)
        }
        Some(Answering::File(streaming, answer)) => {
            let patience = proxy.upstream.bounds().timeout;
            files::respond(*streaming, answer, received, patience, (line, started))
        }
    }
}

/// The status that stands for an answer that cannot be read.
const UNREADABLE: u16 = 502;

/// What the client is answered with.
enum Answering {
    /// This, with places in this body of the upstream's.
    Whole(Released, Bytes),
    /// A file of an export, which is passed on while it comes.
    File(Box<Streaming>, reqwest::Response),
}

/// Asks for a file of an export; whatever is none is answered like any other failure.
async fn pass_on(proxy: &Proxy, received: &Arc<Received>, permitted: Forwarded, line: &mut Line) -> Option<Answering> {
    let passed_on = permitted.settings().pass_authorization;
    let authorization = received.authorization().filter(|_| passed_on);
    let sent = Instant::now();
    let opened = proxy.upstream.open(&permitted, authorization).await;
    line.upstream(opened.as_ref().ok().map(|answer| answer.status().as_u16()), sent.elapsed());
    match opened {
        Err(failure) => Some(Answering::Whole(permitted.fail(failure), Bytes::new())),
        Ok(answer) if answer.status() == reqwest::StatusCode::OK && files::is_lines(answer.headers()) => {
            permitted.stream().map(|streaming| Answering::File(Box::new(streaming), answer))
        }
        Ok(answer) => {
            // A page of a login, or what is packed: each of its lines would be dropped, and the file look whole and empty.
            let is_file = answer.status() == reqwest::StatusCode::OK;
            let status = if is_file { UNREADABLE } else { answer.status().as_u16() };
            let fetched = Arc::new(Fetched { status, headers: Vec::new(), body: Bytes::new() });
            match release(proxy, received, permitted, &fetched).await? {
                Releasing::Done(released) => Some(Answering::Whole(released, Bytes::new())),
                // A file needs no lookup, and has no next page.
                Releasing::Needs(..) | Releasing::ReadOn(_) => None,
            }
        }
    }
}

/// Decides, in as many steps as there are lookups to do in between.
async fn judge(proxy: &Proxy, received: &Arc<Received>, budget: &mut Budget) -> Option<Judged> {
    let large = received.body_bytes() >= LARGE_BODY_BYTES;
    let (gateway, request) = (Arc::clone(&proxy.gateway), Arc::clone(received));
    let mut judging = on_a_fitting_thread(large, move || request.lend(|inbound| gateway.judge(inbound))).await?;
    loop {
        let pending = match judging {
            Judging::Decided(judged) => return Some(judged),
            Judging::Needs(pending) => pending,
        };
        let passed_on = pending.settings().is_some_and(|settings| settings.pass_authorization);
        let authorization = received.authorization().filter(|_| passed_on);
        let fetched = lookups::fetch(&proxy.upstream, pending.lookups(), authorization, budget).await;
        let large = large || bytes(&fetched) >= LARGE_BODY_BYTES;
        let (gateway, request) = (Arc::clone(&proxy.gateway), Arc::clone(received));
        let go_on = move || request.lend(|inbound| gateway.judge_on(pending, inbound, fetched));
        judging = on_a_fitting_thread(large, go_on).await?;
    }
}

fn bytes(fetched: &[gateway::Fetched]) -> usize {
    fetched.iter().map(|one| one.body.len()).sum()
}

/// A batch writes one entry of the audit for each of its own, which can be hundreds.
async fn enforce(gateway: &Arc<Gateway>, judged: Judged) -> Option<Enforced> {
    let large = judged.decision().entries.len() >= LARGE_BATCH;
    let gateway = Arc::clone(gateway);
    on_a_fitting_thread(large, move || gateway.enforce(judged)).await
}

type Forwarded = Box<Permitted<Decided<'static>>>;

/// Sends what was permitted, and what phase 9 asks for, until there is something for the client.
async fn forward(
    proxy: &Proxy,
    received: &Arc<Received>,
    mut permitted: Forwarded,
    line: &mut Line,
    budget: &mut Budget,
) -> Option<Answering> {
    let passed_on = permitted.settings().pass_authorization;
    let authorization = received.authorization().filter(|_| passed_on);
    let sent = Instant::now();
    loop {
        let fetched = proxy.upstream.send(&permitted, received.body(), authorization).await;
        line.upstream(fetched.as_ref().ok().map(|fetched| fetched.status), sent.elapsed());
        let fetched = match fetched {
            Ok(fetched) => Arc::new(fetched),
            Err(failure) => return Some(Answering::Whole(permitted.fail(failure), Bytes::new())),
        };
        let mut releasing = release(proxy, received, permitted, &fetched).await?;
        loop {
            match releasing {
                Releasing::Done(released) => return Some(Answering::Whole(released, fetched.body.clone())),
                Releasing::ReadOn(next) => {
                    metrics::read_on();
                    permitted = next;
                    break;
                }
                Releasing::Needs(mut waiting, wanted) => {
                    let came = lookups::fetch(&proxy.upstream, &wanted, authorization, budget).await;
                    waiting.looked_up(wanted, came);
                    releasing = release(proxy, received, waiting, &fetched).await?;
                }
            }
        }
    }
}

async fn release(
    proxy: &Proxy,
    received: &Arc<Received>,
    permitted: Forwarded,
    fetched: &Arc<Fetched>,
) -> Option<Releasing> {
    let (received, fetched) = (Arc::clone(received), Arc::clone(fetched));
    let upstream_base = proxy.upstream.base().to_owned();
    on_a_fitting_thread(fetched.body.len() >= LARGE_BODY_BYTES, move || {
        let headers: Vec<_> = fetched.headers.iter().map(|(name, value)| Header { name, value }).collect();
        let (status, body) = (fetched.status, &*fetched.body);
        let answer = Answer { status, headers: &headers, body, upstream_base: &upstream_base };
        received.lend(|inbound| permitted.release(inbound, &answer))
    })
    .await
}

/// None when the work was lost to a panic: then nothing is released.
pub(crate) async fn on_a_fitting_thread<T: Send + 'static>(
    large: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if large { actix_web::web::block(work).await.ok() } else { Some(work()) }
}

/// Status and headers of an answer; none for a status that HTTP does not have.
pub(crate) fn head(released: &Released) -> Option<HttpResponseBuilder> {
    let mut response = HttpResponse::build(StatusCode::from_u16(released.status).ok()?);
    for (name, value) in &released.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
            response.append_header((name, value));
        }
    }
    Some(response)
}

fn respond(released: &Released, upstream_body: &Bytes) -> HttpResponse {
    let Some(mut response) = head(released) else { return failed() };
    let status = released.status;
    if matches!(status, 204 | 304) {
        return response.finish();
    }
    Pieces::of(&released.body, upstream_body).map_or_else(failed, |pieces| response.body(pieces))
}

/// A fault of our own, which tells nothing.
pub(crate) fn failed() -> HttpResponse {
    tracing::error!("a request was given up because of a fault in the gateway");
    HttpResponse::InternalServerError().finish()
}
