//! A policy change: the owner adds to a role, and one answer turns under a token that was there before.

use reqwest::Method;
use serde_json::json;

use super::owner::CustomRole;
use super::play::Play;
use super::rows::Tokens;
use super::{Member, Service, gateway, requests};
use crate::failure::Failure;
use crate::people::Who;
use crate::stage::Stage;
use crate::upstream::Upstream;

/// What the role gets.
pub(crate) const ADDED: &str = "GET:/Encounter";

/// Adds an operation to the role; the role as it was comes back, with its new ETag.
pub(crate) async fn role(
    stage: &mut Stage,
    (owner, service): (&Member, &Service),
    (upstream, tokens): (&Upstream, &Tokens),
    (play, role): (&mut Play, CustomRole),
) -> Result<CustomRole, Failure> {
    if !service.fhir {
        return Ok(role);
    }
    stage.chapter("The owner changes a role, and one answer turns");
    play.table(stage, (owner, service), (upstream, tokens), requests::before_change()).await?;
    let operations: Vec<&str> = role.operations.iter().map(String::as_str).chain([ADDED]).collect();
    let running = gateway::bundle_version(stage, (owner, service)).await?;
    let call = stage.to_control(Who::Owner, Method::PATCH, format!("/v1/roles/{}", role.id)).bearer(&owner.session);
    let call = call.if_match(role.etag.clone()).json(json!({"operations": operations}));
    let answer = stage.call(call, 200, &format!("adds {ADDED}; a new bundle is signed")).await?;
    let etag = answer.header("etag").map(str::to_owned);

    gateway::wait_for_newer(stage, (owner, service), running).await?;
    play.table(stage, (owner, service), (upstream, tokens), requests::after_change()).await?;
    Ok(CustomRole { etag, ..role })
}
