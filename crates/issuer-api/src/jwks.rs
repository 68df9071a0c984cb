//! `GET /s/{slug}/jwks.json`: the public keys that verify a Service's tokens.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use domain::Slug;
use web::state::State;
use web::{Failed, Problem, read, request};

use crate::refusal::Refusal;

/// Read the public keys of a Service's tokens.
///
/// A JWK Set (RFC 7517). A key stands here before it signs and as long as anything counts that it signed.
#[utoipa::path(tag = "tokens", security(()), params(("slug" = String, Path, description = "The Service's slug")), responses(
    (status = 200, description = "A JWK Set", body = Value),
    (status = 404, description = "No such Service", body = Problem, content_type = "application/problem+json")))]
#[get("/s/{slug}/jwks.json")]
pub(crate) async fn token_keys(
    request: HttpRequest,
    state: Data<State>,
    slug: Path<String>,
) -> Result<HttpResponse, Problem> {
    let slug = Slug::try_from(slug.into_inner()).map_err(|_| Problem::not_found())?;
    let call = state.platform_call(request::id(&request));
    let set = read(&state, call, move |tx, _| issuer::jwks::published(tx, &slug)).await;
    match set {
        Ok(Some(set)) => Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(set)),
        Ok(None) => Err(Problem::not_found()),
        Err(Failed::Door(problem)) => Err(problem),
        Err(failed) => Err(match Refusal::from(failed) {
            Refusal::Unavailable => Problem::unavailable(),
            _ => Problem::internal(),
        }),
    }
}
