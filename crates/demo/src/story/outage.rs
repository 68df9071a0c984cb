//! The control plane goes away and comes back; the gateway decides all the while, and nothing is lost.

use std::time::Instant;

use reqwest::Method;

use super::play::Play;
use super::rows::Tokens;
use super::{Member, Ports, Programs, Service, gateway, requests, start_control};
use crate::client::Call;
use crate::failure::Failure;
use crate::people::Who;
use crate::stage::Stage;
use crate::upstream::Upstream;

/// The control plane and the gateway are ready long before.
const READY_SECONDS: u64 = 40;

/// Kills the control plane, asks the gateway, kills and starts the gateway too, starts the control plane again.
pub(crate) async fn survive(
    stage: &mut Stage,
    (owner, service): (&Member, &Service),
    (upstream, tokens): (&Upstream, &Tokens),
    (programs, play, ports): (&mut Programs, &mut Play, Ports),
) -> Result<(), Failure> {
    if !service.fhir {
        return Ok(());
    }
    stage.chapter("The control plane is killed; the gateway goes on deciding");
    if let Some(control) = programs.control.take() {
        control.kill();
    }
    let gone = stage.client.send(&stage.to_control(Who::Owner, Method::GET, "/livez")).await.is_err();
    stage.tell(Who::Owner, "kill -9 of `serve`", "nobody answers at the control plane", gone);
    play.send(stage, (upstream, tokens), requests::alone()).await?;
    stage.tell(Who::Gateway, "3 requests", "answered meanwhile; the table below has them", true);

    if let Some(running) = programs.gateway.take() {
        running.kill();
    }
    programs.gateway = Some(gateway::start(stage, ports, &upstream.url).await?);
    let ready = Call::new(Who::Gateway, Method::GET, &gateway::status(ports), "/readyz");
    stage.wait_until(&ready, ("the gateway from its disk", READY_SECONDS), |answer| answer.status == 200).await?;
    stage.tell(Who::Gateway, "kill -9 of `arc`, started again", "ready with the last good bundle from its disk", true);
    play.send(stage, (upstream, tokens), requests::alone_from_disk()).await?;

    let started = Instant::now();
    programs.control = Some(start_control(stage, ports).await?);
    let ready = stage.to_control(Who::Owner, Method::GET, "/readyz");
    stage.wait_until(&ready, ("the control plane", READY_SECONDS), |answer| answer.status == 200).await?;
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    stage.report.measured.serve_ready_milliseconds = Some(milliseconds);
    stage.tell(Who::Owner, "`serve` again", &format!("ready after {milliseconds} ms on its database"), true);
    stage.screen.line("");
    play.settle(stage, (owner, service)).await?;
    stage.tell(Who::Gateway, "the audit", "what was decided meanwhile is in it, in its order", true);
    Ok(())
}
