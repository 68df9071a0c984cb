//! The status of every refusal: the one place of this door that turns an error into an answer.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use admin::Error;
use store::StoreError;
use web::{Failed, Fault, Problem};

/// An answer that is not what was asked for.
#[derive(Debug)]
pub struct Failure(Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Failed<Error>> for Failure {
    fn from(failed: Failed<Error>) -> Self {
        match failed {
            Failed::Door(problem) => Self(problem),
            Failed::UseCase(error) => error.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(match error {
            Error::NotFound => Problem::not_found(),
            Error::Conflict { code, detail, faults } => Problem::conflict(code, detail).errors(shown(faults)),
            Error::Invalid(faults) => Problem::invalid(shown(faults)),
            Error::Forbidden { code, detail } => Problem::forbidden(code, detail),
            Error::Unauthenticated { code, detail } => {
                Problem::new(StatusCode::UNAUTHORIZED, code, "Authentication is needed").detail(detail)
            }
            Error::Gone(detail) => Problem::new(StatusCode::GONE, "gone", "No longer there").detail(detail),
            Error::Changed => Problem::changed(),
            Error::Internal(cause) => {
                tracing::error!(cause, "a fault of the server");
                Problem::internal()
            }
            Error::Store(error) => of_store(&error),
        })
    }
}

impl From<Failed<StoreError>> for Failure {
    fn from(failed: Failed<StoreError>) -> Self {
        match failed {
            Failed::Door(problem) => Self(problem),
            Failed::UseCase(error) => Error::from(error).into(),
        }
    }
}

fn of_store(error: &StoreError) -> Problem {
    match error {
        StoreError::Busy | StoreError::Unavailable => {
            tracing::warn!(%error, "the store did not answer");
            Problem::unavailable()
        }
        _ => {
            tracing::error!(%error, "the store failed");
            Problem::internal()
        }
    }
}

fn shown(faults: Vec<admin::Fault>) -> Vec<Fault> {
    faults
        .into_iter()
        .map(|fault| Fault { pointer: fault.pointer, code: fault.code, message: fault.message, fix: fault.fix })
        .collect()
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

impl std::error::Error for Failure {}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.0.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        self.0.error_response()
    }
}
