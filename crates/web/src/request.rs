//! What a request is called: its id, drawn here and nowhere else, in the log, in problems and in `X-Request-Id`.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use policy::id::RequestId;
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

use crate::state::State;

/// The id of this request, as text; empty before it has one.
#[must_use]
pub fn request_id(request: &HttpRequest) -> String {
    id(request).map(|id| id.to_string()).unwrap_or_default()
}

/// The id of this request.
#[must_use]
pub fn id(request: &HttpRequest) -> Option<RequestId> {
    request.extensions().get::<RequestId>().copied()
}

/// Opens the span of a request: its id, method and route. No query, no header, no address of a person.
#[derive(Clone, Copy, Debug)]
pub struct RootSpan;

impl RootSpanBuilder for RootSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let Some(state) = request.app_data::<web::Data<State>>() else { return Span::none() };
        let id = RequestId::new(state.random.uuid(state.clock.now()));
        request.extensions_mut().insert(id);
        tracing::info_span!(
            "request",
            request_id = %id,
            http.method = method(request),
            http.route = request.match_pattern().as_deref().unwrap_or(UNMATCHED),
        )
    }

    fn on_request_end<B: MessageBody>(_: Span, _: &Result<ServiceResponse<B>, Error>) {}
}

/// What stands for a route where there is none: a path that a client makes up is never a label.
pub(crate) const UNMATCHED: &str = "unmatched";

/// The method as a label: one of HTTP's own, or `OTHER`.
pub(crate) fn method(request: &ServiceRequest) -> &'static str {
    policy::operation::Method::parse(request.method().as_str()).map_or("OTHER", policy::operation::Method::as_str)
}
