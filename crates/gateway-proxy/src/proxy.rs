//! One request on its way: read, judge, enforce, forward, release.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use decision::Answer;
use gateway::enforce::{Enforced, Permitted};
use gateway::{Gateway, Judged};
use policy::decision::{Released, Upstream as Decided};
use policy::request::Header;

use crate::inbound::Received;
use crate::log::Line;
use crate::metrics;
use crate::upstream::{Fetched, Upstream};

/// Bodies from here on are looked at on a thread of their own, so that other requests of the worker go on.
const LARGE_BODY_BYTES: usize = 128 * 1024;

/// What every request is served with.
pub(crate) struct Proxy {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) upstream: Upstream,
}

/// Serves one request.
pub(crate) async fn handle(proxy: Data<Proxy>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let started = Instant::now();
    let received = Received::read(&request, payload).await;
    let Some((received, judged)) = judge(&proxy.gateway, received).await else { return failed() };
    metrics::decided(&judged);
    let mut line = Line::of(&judged);
    let released = match proxy.gateway.enforce(judged) {
        Enforced::Answer(released) => Some((released, Bytes::new())),
        Enforced::Forward(permitted) => forward(&proxy, received, permitted, &mut line).await,
    };
    let Some((released, upstream_body)) = released else { return failed() };
    line.write(&released, started.elapsed());
    metrics::answered(&released);
    respond(&released, &upstream_body)
}

async fn judge(gateway: &Arc<Gateway>, received: Received) -> Option<(Received, Judged)> {
    let gateway = Arc::clone(gateway);
    let large = received.body_bytes() >= LARGE_BODY_BYTES;
    on_a_fitting_thread(large, move || {
        let judged = received.lend(|inbound| gateway.judge(inbound));
        (received, judged)
    })
    .await
}

async fn forward(
    proxy: &Proxy,
    received: Received,
    permitted: Box<Permitted<Decided<'static>>>,
    line: &mut Line,
) -> Option<(Released, Bytes)> {
    let authorization = received.authorization().filter(|_| permitted.settings().pass_authorization);
    let sent = Instant::now();
    let fetched = proxy.upstream.send(&permitted, received.body(), authorization).await;
    line.upstream(fetched.as_ref().ok().map(|fetched| fetched.status), sent.elapsed());
    let fetched = match fetched {
        Ok(fetched) => fetched,
        Err(failure) => return Some((permitted.fail(failure), Bytes::new())),
    };
    let upstream_base = proxy.upstream.base().to_owned();
    let large = fetched.body.len() >= LARGE_BODY_BYTES;
    on_a_fitting_thread(large, move || {
        let released = release(&received, *permitted, &fetched, &upstream_base);
        (released, Bytes::from(fetched.body))
    })
    .await
}

fn release(received: &Received, permitted: Permitted<Decided<'static>>, fetched: &Fetched, upstream_base: &str) -> Released {
    let headers: Vec<_> = fetched.headers.iter().map(|(name, value)| Header { name, value }).collect();
    let answer = Answer { status: fetched.status, headers: &headers, body: &fetched.body, upstream_base };
    received.lend(|inbound| permitted.release(inbound, &answer))
}

/// None when the work was lost to a panic: then nothing is released.
async fn on_a_fitting_thread<T: Send + 'static>(large: bool, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if large { actix_web::web::block(work).await.ok() } else { Some(work()) }
}

fn respond(released: &Released, upstream_body: &[u8]) -> HttpResponse {
    let Ok(status) = StatusCode::from_u16(released.status) else { return failed() };
    let mut response = HttpResponse::build(status);
    for (name, value) in &released.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
            response.append_header((name, value));
        }
    }
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return response.finish();
    }
    response.body(Bytes::from(released.body.bytes(upstream_body)))
}

/// A fault of our own, which tells nothing.
fn failed() -> HttpResponse {
    tracing::error!("a request was given up because of a fault in the gateway");
    HttpResponse::InternalServerError().finish()
}
