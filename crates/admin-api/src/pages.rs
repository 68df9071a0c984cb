//! The two pages that people open from their mail. Static: nothing of a request is in them, and reading one uses no link.
//!
//! Invariant: the token stands in the fragment of the address, which browsers never send; it leaves only in the POST that
//! the reader's own click makes.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, get};

/// Nothing from elsewhere, nothing inline, no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

fn page(content_type: &'static str, body: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(body)
}

#[get("/signup/confirm")]
async fn confirm() -> HttpResponse {
    page("text/html; charset=utf-8", include_str!("pages/confirm.html"))
}

#[get("/invitations/accept")]
async fn accept() -> HttpResponse {
    page("text/html; charset=utf-8", include_str!("pages/accept.html"))
}

#[get("/pages/page.css")]
async fn style() -> HttpResponse {
    page("text/css; charset=utf-8", include_str!("pages/page.css"))
}

#[get("/pages/page.js")]
async fn script() -> HttpResponse {
    page("text/javascript; charset=utf-8", include_str!("pages/page.js"))
}

/// Adds the pages.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(confirm).service(accept).service(style).service(script);
}
