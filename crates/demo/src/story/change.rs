//! A policy change: the owner adds to a role, and one answer turns under a token that was there before.

use reqwest::Method;
use serde_json::{Value, json};

use super::owner::CustomRole;
use super::play::Play;
use super::rows::Tokens;
use super::{Member, Service, requests};
use crate::client::Answer;
use crate::failure::Failure;
use crate::people::Who;
use crate::stage::Stage;
use crate::upstream::Upstream;

/// How long a bundle may take to the gateway, which polls.
const ARRIVAL_SECONDS: u64 = 90;
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
    let running = version(&gateways(stage, (owner, service)).await?);
    let call = stage.to_control(Who::Owner, Method::PATCH, format!("/v1/roles/{}", role.id)).bearer(&owner.session);
    let call = call.if_match(role.etag.clone()).json(json!({"operations": operations}));
    let answer = stage.call(call, 200, &format!("adds {ADDED}; a new bundle is signed")).await?;
    let etag = answer.header("etag").map(str::to_owned);

    let started = std::time::Instant::now();
    let path = format!("/v1/services/{}/gateways", service.id);
    let call = stage.to_control(Who::Owner, Method::GET, path).bearer(&owner.session);
    let newer = |answer: &Answer| version(answer) > running;
    let answer = stage.wait_until(&call, ("the new bundle at the gateway", ARRIVAL_SECONDS), newer).await?;
    let means =
        format!("bundle {} is active after {} ms", version(&answer).unwrap_or_default(), started.elapsed().as_millis());
    stage.tell(Who::Gateway, "pulled", &means, true);
    play.table(stage, (owner, service), (upstream, tokens), requests::after_change()).await?;
    Ok(CustomRole { etag, ..role })
}

async fn gateways(stage: &Stage, (owner, service): (&Member, &Service)) -> Result<Answer, Failure> {
    let path = format!("/v1/services/{}/gateways", service.id);
    stage.client.send(&stage.to_control(Who::Owner, Method::GET, path).bearer(&owner.session)).await
}

fn version(answer: &Answer) -> Option<u64> {
    answer.body.pointer("/data/0/bundle_version").and_then(Value::as_u64)
}
