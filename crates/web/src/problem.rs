//! Problem details (RFC 9457): the one shape of every error of the administration API.
//!
//! Invariant: a problem says what is wrong, where, and how to mend it; it never carries the text of an
//! error from below (a database's, a library's), and never a secret.

use std::borrow::Cow;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// More faults than this are not listed: the reader mends the first ones first.
const MAX_FAULTS: usize = 500;

/// One thing that is wrong, at one place of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901) into the body, or the name of a query parameter or header.
    pub pointer: String,
    /// Stable, for programs (`unknown_field`).
    pub code: Cow<'static, str>,
    /// What is wrong, for people.
    pub message: String,
    /// How to mend it; empty where the message says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

impl Fault {
    /// A fault whose message says how to mend it.
    #[must_use]
    pub fn new(pointer: impl Into<String>, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), message: message.into(), fix: String::new() }
    }

    /// With the way to mend it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }
}

/// An error of the API, as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI that names the kind of problem: `urn:firewarden:problem:{code}`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind, for people; the same for every problem of it.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// Stable, snake_case, for programs.
    pub code: Cow<'static, str>,
    /// What is wrong this time, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The id of the request (`req_…`), as in the log and in `X-Request-Id`.
    #[serde(default)]
    pub request_id: String,
    /// Everything that is wrong, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<Fault>,
    #[serde(skip)]
    #[schema(ignore)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this status, code and title.
    #[must_use]
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, title: impl Into<Cow<'static, str>>) -> Self {
        let code = code.into();
        Self {
            kind: format!("urn:firewarden:problem:{code}"),
            title: title.into(),
            status: status.as_u16(),
            code,
            detail: String::new(),
            request_id: String::new(),
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// What is wrong this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// All that is wrong; the first 500 are sent, and the detail says how many there are.
    #[must_use]
    pub fn errors(mut self, mut errors: Vec<Fault>) -> Self {
        if errors.len() > MAX_FAULTS {
            self.detail = format!("{} things are wrong; the first {MAX_FAULTS} are listed", errors.len());
            errors.truncate(MAX_FAULTS);
        }
        self.errors = errors;
        self
    }

    /// With a header of its own.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// 400: the request cannot be read.
    #[must_use]
    pub fn unreadable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "The request cannot be read").detail(detail)
    }

    /// 400 with the place.
    #[must_use]
    pub fn unreadable_at(fault: Fault) -> Self {
        Self::unreadable("bad_request", fault.message.clone()).errors(vec![fault])
    }

    /// 401 without a credential (RFC 6750 section 3: no error code).
    #[must_use]
    pub fn no_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "no_token", "Authentication is needed")
            .detail("send `Authorization: Bearer …`; a session token comes from POST /v1/login")
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 401 for a credential that is unknown, expired, ended or of another kind: the answer tells none of it.
    #[must_use]
    pub fn invalid_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", "Authentication is needed")
            .detail("the token is not valid here, or no longer")
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))
    }

    /// 403: known, but not allowed to.
    #[must_use]
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, "Not allowed").detail(detail)
    }

    /// 404, the same for what is missing and for what is another Account's.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found").detail("there is nothing by that id in your account")
    }

    /// 409.
    #[must_use]
    pub fn conflict(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, "Conflict").detail(detail)
    }

    /// 412: somebody changed it since it was read.
    #[must_use]
    pub fn changed() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "changed", "It has changed")
            .detail("it has changed since you read it: read it again, and send its ETag as If-Match")
    }

    /// 422: read, but wrong.
    #[must_use]
    pub fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [one] => one.message.clone(),
            many => format!("{} things are wrong", many.len()),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Invalid").detail(detail).errors(errors)
    }

    /// 429, and when to come back.
    #[must_use]
    pub fn too_many(retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests")
            .detail(format!("try again in {retry_after_seconds} s"))
            .header(RETRY_AFTER, HeaderValue::from(retry_after_seconds))
    }

    /// 503: try again soon.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable for a moment")
            .detail("the server is busy; try again")
            .header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// 500: a fault of ours; the log has it under the request's id.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error")
            .detail("a fault of the server; tell its operator the request id")
    }

    /// What a bare status says, for answers that no handler made.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let (code, title, detail) = match status {
            StatusCode::NOT_FOUND => ("not_found", "Not found", "there is no such path; /docs lists them all"),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "Method not allowed", "this path takes other methods; see `Allow` and /docs")
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "Too large", "the body is over its limit"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "Unsupported media type", "send application/json")
            }
            StatusCode::REQUEST_TIMEOUT => ("timeout", "Timeout", "the request took too long to arrive"),
            status if status.is_client_error() => ("bad_request", "The request cannot be read", ""),
            StatusCode::SERVICE_UNAVAILABLE => return Self::unavailable(),
            _ => return Self { status: status.as_u16(), ..Self::internal() },
        };
        Self::new(status, code, title).detail(detail)
    }

    /// The status, as a type.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer for a request of this id.
    #[must_use]
    pub fn response(&self, request_id: &str) -> HttpResponse {
        let body = Self { request_id: request_id.to_owned(), ..self.clone() };
        let mut response = HttpResponse::build(self.status());
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        response.insert_header((CONTENT_TYPE, MEDIA_TYPE));
        response.body(serde_json::to_vec(&body).unwrap_or_default())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.status, self.code)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    /// The answer, with the problem beside it, so that the envelope can write the request's id into it.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = self.response("");
        response.extensions_mut().insert(self.clone());
        response
    }
}
