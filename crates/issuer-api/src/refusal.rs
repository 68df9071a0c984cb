//! Errors of the token endpoints (RFC 6749 section 5.2): the only statuses of this door.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use issuer::{Error, ErrorCode, TokenError};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;
use web::{Failed, Problem};

/// An error, as it is sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct OauthError {
    /// The code, for programs.
    #[schema(example = "invalid_scope")]
    error: &'static str,
    /// What is wrong and what would help, for people.
    error_description: String,
}

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No credential came at all: then no error code is due (RFC 6750 section 3).
    NoCredential,
    /// The caller is told why.
    Told(TokenError),
    /// The server cannot answer now.
    Unavailable,
    /// A fault of the server.
    Internal,
}

impl Refusal {
    /// A request that cannot be read.
    pub(crate) fn malformed(description: &str) -> Self {
        Self::Told(TokenError::new(ErrorCode::InvalidRequest, description))
    }

    /// A bearer token that is none.
    pub(crate) fn invalid_token() -> Self {
        Self::Told(TokenError::new(ErrorCode::InvalidToken, "send one access token, as `Authorization: Bearer ...`"))
    }

    /// What a problem of the kit is in the words of OAuth.
    pub(crate) fn of(problem: &Problem) -> Self {
        match problem.status {
            503 => Self::Unavailable,
            500.. => Self::Internal,
            _ if problem.detail.is_empty() => Self::malformed(&problem.title),
            _ => Self::malformed(&problem.detail),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoCredential => ErrorCode::InvalidClient.as_str(),
            Self::Told(error) => error.code().as_str(),
            Self::Unavailable => "temporarily_unavailable",
            Self::Internal => "server_error",
        }
    }

    fn description(&self) -> String {
        match self {
            Self::NoCredential => "send the credential as `Authorization: Bearer ...`".to_owned(),
            Self::Told(error) => error.description().to_owned(),
            Self::Unavailable => "the server is busy; try again in a moment".to_owned(),
            Self::Internal => "a fault of the server; its log has it under the request's id".to_owned(),
        }
    }
}

/// An answer that nobody keeps (RFC 6749 section 5.1).
pub(crate) fn unkept(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache"));
    response
}

impl From<Failed<Error>> for Refusal {
    fn from(failed: Failed<Error>) -> Self {
        match failed {
            Failed::Door(problem) => Self::of(&problem),
            Failed::UseCase(Error::Refused(error)) => Self::Told(error),
            Failed::UseCase(Error::Store(StoreError::Busy | StoreError::Unavailable)) => Self::Unavailable,
            Failed::UseCase(error) => {
                tracing::error!(%error, "no token could be made");
                Self::Internal
            }
        }
    }
}

impl From<Failed<StoreError>> for Refusal {
    fn from(failed: Failed<StoreError>) -> Self {
        match failed {
            Failed::Door(problem) => Self::of(&problem),
            Failed::UseCase(error) => Failed::UseCase(Error::Store(error)).into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

impl std::error::Error for Refusal {}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoCredential => StatusCode::UNAUTHORIZED,
            Self::Told(error) => match error.code() {
                ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
                ErrorCode::AccessDenied => StatusCode::FORBIDDEN,
                ErrorCode::InvalidRequest | ErrorCode::InvalidGrant | ErrorCode::InvalidScope => {
                    StatusCode::BAD_REQUEST
                }
            },
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = unkept(self.status_code());
        match self {
            Self::NoCredential => {
                response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            Self::Told(error) if matches!(error.code(), ErrorCode::InvalidClient | ErrorCode::InvalidToken) => {
                let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.insert_header((WWW_AUTHENTICATE, value));
            }
            Self::Told(_) | Self::Internal => {}
            Self::Unavailable => {
                response.insert_header((RETRY_AFTER, HeaderValue::from_static("1")));
            }
        }
        response.json(OauthError { error: self.code(), error_description: self.description() })
    }
}
