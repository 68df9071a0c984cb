//! The audit of gateways, over HTTP: searched by the Service's owner, and by each partner for what it did itself.
//!
//! Invariant: a patient's id is health data, so it is never part of a URL: it is searched for in a body.

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get, post};
use admin::audit::{Filter, Kept, Place};
use chrono::{DateTime, Utc};
use policy::audit::{Effect, Entry};
use policy::id::{AuditId, ServiceId, SubscriptionId};
use policy::reason::Reason;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::state::State;
use web::{AnyMember, Fault, Json, Page, PageQuery, Problem, read};

use crate::Failure;
use crate::forms::path_id;

/// An entry of the audit: a decision, its outcome, or a gap.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntryView {
    /// The entry as the gateway wrote it; names only, no token, no value.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    entry: Entry,
    /// When the control plane took it.
    received_at: DateTime<Utc>,
}

impl From<Kept> for EntryView {
    fn from(kept: Kept) -> Self {
        Self { entry: kept.entry, received_at: kept.received_at }
    }
}

/// What is searched for; all of it must fit.
#[derive(Clone, Debug, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// At this moment or later.
    #[serde(default)]
    from: Option<DateTime<Utc>>,
    /// Before this moment.
    #[serde(default)]
    to: Option<DateTime<Utc>>,
    /// The `sub` of the caller: a key, a session, a user.
    #[serde(default)]
    #[param(max_length = 256)]
    principal: Option<String>,
    /// The account that called, or whose caller assumed the role.
    #[serde(default)]
    #[param(example = "acct_01jbst8pvcfp79y0938nkrkayd")]
    account: Option<String>,
    /// `permit` or `deny`.
    #[serde(default)]
    #[param(example = "deny")]
    decision: Option<String>,
    /// Why: `other_patient`.
    #[serde(default)]
    #[param(example = "other_patient")]
    reason: Option<String>,
    /// The resource type.
    #[serde(default, rename = "type")]
    #[param(example = "Observation")]
    resource_type: Option<String>,
    /// How many entries at most; 50 if left out, 200 at most.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// What is searched for, with a patient.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditSearch {
    /// The logical id of the Patient that the caller's token named.
    #[serde(default)]
    patient: Option<String>,
    /// See the query of the same name, as with all that follow.
    #[serde(default)]
    from: Option<DateTime<Utc>>,
    #[serde(default)]
    to: Option<DateTime<Utc>>,
    #[serde(default)]
    principal: Option<String>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    decision: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default, rename = "type")]
    resource_type: Option<String>,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    cursor: Option<String>,
}

impl AuditSearch {
    fn split(self) -> (AuditQuery, Option<String>) {
        let Self { patient, from, to, principal, account, decision, reason, resource_type, limit, cursor } = self;
        (AuditQuery { from, to, principal, account, decision, reason, resource_type, limit, cursor }, patient)
    }
}

fn wrong(name: &str, expected: &str) -> Problem {
    Problem::unreadable_at(Fault::new(name, "wrong_value", format!("`{name}` is {expected}")))
}

impl AuditQuery {
    fn filter(&self, patient: Option<String>) -> Result<Filter, Problem> {
        let decision = self.decision.as_deref().map(|word| match word {
            "permit" => Ok(Effect::Permit),
            "deny" => Ok(Effect::Deny),
            _ => Err(wrong("decision", "`permit` or `deny`")),
        });
        let reason = self.reason.as_deref().map(|word| {
            Reason::parse(word)
                .ok_or_else(|| wrong("reason", "one of the reasons of a decision, such as `other_patient`"))
        });
        let account =
            self.account.as_deref().map(|text| text.parse().map_err(|_| wrong("account", "an id such as `acct_…`")));
        Ok(Filter {
            from: self.from,
            to: self.to,
            principal: self.principal.clone(),
            account: account.transpose()?,
            decision: decision.transpose()?,
            reason: reason.transpose()?,
            resource_type: self.resource_type.clone(),
            patient,
            request_id: None,
        })
    }

    /// The page that is asked for; its cursor opens for this list and reader only.
    fn page(&self, state: &State, account: &str, list: &str) -> Result<store::Page<Place>, Problem> {
        let query = PageQuery { limit: self.limit, cursor: self.cursor.clone() };
        let after: Option<(DateTime<Utc>, AuditId)> = query.after(&state.cursors, account, list)?;
        Ok(store::Page { after: after.map(|(at, id)| Place { at, id }), limit: query.limit()? })
    }
}

/// Runs one search and shows its page.
async fn search<F>(
    caller: AnyMember,
    state: &Data<State>,
    (list, query, patient): (String, AuditQuery, Option<String>),
    run: F,
) -> Result<HttpResponse, Failure>
where
    F: FnOnce(&mut store::Tx<'_>, Filter, store::Page<Place>) -> Result<store::Listed<Kept>, admin::Error>
        + Send
        + 'static,
{
    let account = caller.call.account_id.to_string();
    let filter = query.filter(patient)?;
    let page = query.page(state, &account, &list)?;
    let listed = read(state, caller.call, move |tx, _| run(tx, filter, page)).await?;
    let seal = |last: &(DateTime<Utc>, AuditId)| state.cursors.seal(&account, &list, last);
    let position = |kept: &Kept| (kept.entry.at, kept.entry.id);
    Ok(HttpResponse::Ok().json(Page::new(listed, seal, position, EntryView::from)?))
}

/// Search the audit of a Service, newest first.
#[utoipa::path(tag = "audit", params(("id" = String, Path, description = "`svc_…`"), AuditQuery), responses(
    (status = 200, description = "A page of entries", body = Page<EntryView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/services/{id}/audit-events")]
pub(crate) async fn list_audit(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
    query: Query<AuditQuery>,
) -> Result<HttpResponse, Failure> {
    let id: ServiceId = path_id(&id)?;
    let asked = (format!("/v1/services/{id}/audit-events"), query.into_inner(), None);
    search(caller, &state, asked, move |tx, filter, page| admin::audit::search(tx, id, &filter, page)).await
}

/// Search the audit of a Service, newest first; also by patient, whose id is never part of a URL.
#[utoipa::path(tag = "audit", params(("id" = String, Path, description = "`svc_…`")), request_body = AuditSearch, responses(
    (status = 200, description = "A page of entries", body = Page<EntryView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[post("/v1/services/{id}/audit-events/search")]
pub(crate) async fn search_audit(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
    Json(form): Json<AuditSearch>,
) -> Result<HttpResponse, Failure> {
    let id: ServiceId = path_id(&id)?;
    let (query, patient) = form.split();
    let asked = (format!("/v1/services/{id}/audit-events/search"), query, patient);
    search(caller, &state, asked, move |tx, filter, page| admin::audit::search(tx, id, &filter, page)).await
}

/// Search what the account itself did at a Service that it subscribes to, newest first.
#[utoipa::path(tag = "audit", params(("id" = String, Path, description = "`sub_…`"), AuditQuery), responses(
    (status = 200, description = "A page of entries", body = Page<EntryView>),
    (status = "4XX", description = "See `code`", body = Problem, content_type = "application/problem+json")))]
#[get("/v1/subscriptions/{id}/audit-events")]
pub(crate) async fn list_own_audit(
    caller: AnyMember,
    state: Data<State>,
    id: Path<String>,
    query: Query<AuditQuery>,
) -> Result<HttpResponse, Failure> {
    let id: SubscriptionId = path_id(&id)?;
    let asked = (format!("/v1/subscriptions/{id}/audit-events"), query.into_inner(), None);
    search(caller, &state, asked, move |tx, filter, page| admin::audit::search_own(tx, id, filter, page)).await
}
