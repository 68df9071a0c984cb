//! The control plane as one application: its doors, its kit, and its own OpenAPI document, in one place.

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, Error, HttpResponse, get};
use tracing_actix_web::TracingLogger;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, SecurityRequirement,
};
use utoipa_actix_web::AppExt as _;
use utoipa_actix_web::service_config::ServiceConfig as Operations;
use web::envelope::envelope;
use web::limit::limited;
use web::problem::Problem;
use web::request::RootSpan;
use web::state::State;

use crate::docs;

/// Every operation of the administration API.
fn operations(config: &mut Operations<'_>) {
    admin_api::operations(config);
    issuer_api::operations(config);
}

/// What stands beside the API: pages, health, documentation.
fn pages(config: &mut ServiceConfig) {
    web::health::routes(config);
    admin_api::pages(config);
    docs::routes(config);
    config.service(openapi_json);
}

/// The administration API's own document, OpenAPI 3.1.
#[must_use]
pub fn openapi() -> OpenApi {
    let (_, mut document) = App::new().into_utoipa_app().openapi(base()).configure(operations).split_for_parts();
    say_open(&mut document);
    document
}

/// Says `security: []` of the open operations, which the macro says as one empty alternative.
fn say_open(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            if operation.security.as_deref() == Some(&[SecurityRequirement::default()]) {
                operation.security = Some(Vec::new());
            }
        }
    }
}

/// The same as text, as it is committed.
#[must_use]
pub fn openapi_text() -> String {
    openapi().to_pretty_json().map(|text| text + "\n").unwrap_or_default()
}

fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Firewarden")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The administration API of Firewarden: accounts, Services, roles, partners, keys, gateways, audit. \
             Send `Authorization: Bearer …` with a session token (POST /v1/login) or a key.",
        ))
        .contact(Some(ContactBuilder::new().name(Some("Firewarden")).build()))
        .license(Some(License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    OpenApiBuilder::new()
        .info(info)
        .components(Some(ComponentsBuilder::new().security_scheme("bearer", bearer).build()))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>("bearer", [])]))
        .build()
}

/// The document, for programs and for the page at `/docs`.
#[get("/openapi.json")]
async fn openapi_json() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi_text())
}

async fn nothing_here() -> Result<HttpResponse, Problem> {
    Err(Problem::of_status(StatusCode::NOT_FOUND))
}

/// The application of one server.
pub fn app(
    state: Data<State>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl actix_web::body::MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let (app, _) = App::new().app_data(state).into_utoipa_app().openapi(base()).configure(operations).split_for_parts();
    // The last one registered is the outermost.
    app.configure(pages)
        .default_service(actix_web::web::to(nothing_here))
        .wrap(Compress::default())
        .wrap(from_fn(limited))
        .wrap(from_fn(envelope))
        .wrap(TracingLogger::<RootSpan>::new())
}
