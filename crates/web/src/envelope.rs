//! What every answer has: its request's id, the security headers, one log line, its place in the metrics; and
//! every error without a body of its own becomes a problem.

use std::time::Instant;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::problem::Problem;
use crate::request::{self, request_id};
use crate::state::State;

/// Wraps every answer; it stands inside the tracing middleware, outside all else.
pub async fn envelope(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = request_id(request.request());
    let method = request::method(&request);
    let route = request.match_pattern().unwrap_or_else(|| request::UNMATCHED.to_owned());
    let https = request.app_data::<Data<State>>().is_some_and(|state| state.public_url.starts_with("https://"));

    let response = next.call(request).await?.map_into_boxed_body();
    let mut response = as_problem(response, &id);
    secure(response.headers_mut(), https);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }

    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    metrics::counter!("http_requests_total", "method" => method, "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("http_request_duration_seconds", "method" => method, "route" => route)
        .record(elapsed.as_secs_f64());
    let duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    match (response.response().error(), status) {
        (Some(error), 500..) => tracing::error!(status, duration_us, %error, "answered"),
        (Some(error), _) => tracing::info!(status, duration_us, %error, "answered"),
        (None, _) => tracing::info!(status, duration_us, "answered"),
    }
    Ok(response)
}

/// Writes the request's id into a problem; a bare error becomes one.
fn as_problem(response: ServiceResponse<BoxBody>, id: &str) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let problem = response.response().extensions().get::<Problem>().cloned();
    let content = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let bare = content.is_none_or(|kind| kind.starts_with("text/plain"));
    let Some(problem) = problem.or_else(|| bare.then(|| Problem::of_status(status))) else { return response };
    let kept: Vec<_> = response
        .headers()
        .iter()
        .filter(|(name, _)| **name == ALLOW || name.as_str().starts_with("ratelimit"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut response = response.into_response(problem.response(id));
    for (name, value) in kept {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Headers that keep a browser from reading an answer as anything else; a page that needs more sets its own.
fn secure(headers: &mut HeaderMap, https: bool) {
    let mut default = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    default(X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(X_FRAME_OPTIONS, "DENY");
    default(REFERRER_POLICY, "no-referrer");
    default(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    default(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    default(CACHE_CONTROL, "no-store");
    if https {
        default(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}
