//! The owner suspends the partner: tokens that are still fresh are refused at the gateway, and no new one is given.

use reqwest::Method;
use serde_json::json;

use super::owner::Roles;
use super::play::Play;
use super::rows::Tokens;
use super::{Key, Member, Service, gateway, partner, requests};
use crate::client::{Answer, Call};
use crate::failure::Failure;
use crate::people::Who;
use crate::stage::Stage;
use crate::upstream::Upstream;

/// Suspends the partner's Subscription, shows what that does, and takes it back; the partner's tokens are new then.
pub(crate) async fn suspend(
    stage: &mut Stage,
    (owner, service): (&Member, &Service),
    (upstream, tokens): (&Upstream, &mut Tokens),
    (play, key, roles): (&mut Play, &Key, &Roles),
) -> Result<(), Failure> {
    if !service.fhir {
        return Ok(());
    }
    stage.chapter("The owner suspends the partner, and takes it back");
    set(stage, (owner, service), "suspended", "the partner is suspended").await?;
    play.table(stage, (owner, service), (upstream, tokens), requests::suspended()).await?;
    let body = partner::token_body(service, (requests::SYSTEM_SCOPES, None));
    let call = stage.to_control(Who::Machine, Method::POST, "/v1/token").bearer(&key.secret).json(body);
    stage.call(call, 400, "and its key gets no new token").await?;
    set(stage, (owner, service), "active", "the partner may go on").await?;
    partner::refresh(stage, (key, service), (roles, upstream), tokens).await?;
    play.table(stage, (owner, service), (upstream, tokens), requests::resumed()).await
}

/// Sets the state of the only Subscription, and waits until the gateway knows.
async fn set(
    stage: &mut Stage,
    (owner, service): (&Member, &Service),
    wanted: &str,
    means: &str,
) -> Result<(), Failure> {
    let path = format!("/v1/services/{}/subscriptions", service.id);
    let list: Call = stage.to_control(Who::Owner, Method::GET, &path).bearer(&owner.session);
    let listed = stage.client.send(&list).await?;
    let id = super::text(stage, &listed, "/data/0/id")?;
    let one = stage.to_control(Who::Owner, Method::GET, format!("{path}/{id}")).bearer(&owner.session);
    let found: Answer = stage.client.send(&one).await?;
    let running = gateway::bundle_version(stage, (owner, service)).await?;
    let call = stage.to_control(Who::Owner, Method::PATCH, format!("{path}/{id}")).bearer(&owner.session);
    let call = call.if_match(found.header("etag").map(str::to_owned)).json(json!({"state": wanted}));
    stage.call(call, 200, means).await?;
    gateway::wait_for_newer(stage, (owner, service), running).await
}
