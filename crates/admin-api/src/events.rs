//! What was changed in an account, over HTTP.

use actix_web::web::{Data, Query};
use actix_web::{HttpResponse, get};
use chrono::{DateTime, Utc};
use domain::AdminEvent;
use policy::id::EventId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use web::state::State;
use web::{AnyMember, Page, PageQuery, Problem, read};

use crate::Failure;

/// A change.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventView {
    /// Its id.
    #[schema(example = "evt_01jbst8pvcfp79y0938nkrkayd")]
    id: String,
    /// When.
    at: DateTime<Utc>,
    /// Who: the id of a member, key or gateway, or `system`.
    actor: String,
    /// What was done.
    #[schema(example = "service.create")]
    action: String,
    /// To what: an id.
    target: String,
    /// What it was; null if there was nothing.
    #[schema(value_type = Option<Object>, required = true)]
    before: Option<Value>,
    /// What it became; null if nothing is left.
    #[schema(value_type = Option<Object>, required = true)]
    after: Option<Value>,
    /// The request that asked for it.
    request_id: String,
}

impl From<AdminEvent> for EventView {
    fn from(event: AdminEvent) -> Self {
        Self {
            id: event.id.to_string(),
            at: event.at,
            actor: event.actor.to_string(),
            action: event.action,
            target: event.target,
            before: event.before,
            after: event.after,
            request_id: event.request_id.to_string(),
        }
    }
}

/// List what was changed in the account, newest first.
#[utoipa::path(tag = "events", params(PageQuery), responses(
    (status = 200, description = "A page of events", body = Page<EventView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/events")]
pub(crate) async fn list_events(
    caller: AnyMember,
    state: Data<State>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Failure> {
    const LIST: &str = "/v1/events";
    let account = caller.call.account_id.to_string();
    let page = query.page::<EventId>(&state.cursors, &account, LIST)?;
    let listed = read(&state, caller.call, move |tx, _| admin::events::list(tx, page)).await?;
    let seal = |last: &EventId| state.cursors.seal(&account, LIST, last);
    Ok(HttpResponse::Ok().json(Page::new(listed, seal, |event| event.id, EventView::from)?))
}
