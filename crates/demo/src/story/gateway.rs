//! The gateway: enrolled by the owner, started with its file, ready once it holds the bundle.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Member, Ports, Programs, Service};
use crate::client::{Answer, Call, Named};
use crate::failure::Failure;
use crate::people::Who;
use crate::processes::Program;
use crate::stage::Stage;
use crate::upstream::Upstream;

/// A gateway that has no bundle by then has a fault.
const READY_SECONDS: u64 = 40;
/// A bundle is polled for, so it takes a moment.
const ARRIVAL_SECONDS: u64 = 90;

/// Oftener than the default, so that nobody waits for a change of policy.
const POLL_INTERVAL: &str = "500ms";

/// Enrols a gateway, starts it in front of the upstream, and waits until it is ready.
pub(crate) async fn enrol(
    stage: &mut Stage,
    (owner, service): (&Member, &Service),
    ports: Ports,
    (programs, upstream): (&mut Programs, &Upstream),
) -> Result<(), Failure> {
    stage.chapter("A gateway is enrolled and pulls the signed bundle");
    let path = format!("/v1/services/{}/gateways", service.id);
    let call = stage.to_control(Who::Owner, Method::POST, &path).bearer(&owner.session);
    let answer = stage
        .call(call.json(json!({"name": "demo"})), 201, "arc.json: the gateway's key, and whose bundles it takes")
        .await?;
    let file = stage.folder.join("arc.json");
    write_secret(&file, &answer.bytes)?;
    programs.gateway = Some(start(stage, ports, &upstream.url).await?);
    let means = format!("{} in front of {}", stage.gateway.value, upstream.url);
    stage.tell(Who::Gateway, "arc proxy", &means, true);
    let call = Call::new(Who::Gateway, Method::GET, &status(ports), "/readyz");
    stage.wait_until(&call, ("the gateway's first bundle", READY_SECONDS), |answer| answer.status == 200).await?;
    stage.call(call, 200, "the bundle's signature, version and Service are as they should be").await?;
    let call = list(stage, (owner, service));
    let active = |answer: &Answer| answer.text("/data/0/state") == Some("active");
    stage.wait_until(&call, ("the gateway's report", READY_SECONDS), active).await?;
    let answer = stage.call(call, 200, "the owner sees which bundle it runs").await?;
    stage.note(&format!(
        "version {}, {}",
        version(&answer).unwrap_or_default(),
        answer.text("/data/0/state").unwrap_or("no state")
    ));
    Ok(())
}

/// The version of the bundle that the gateway says it runs.
pub(crate) async fn bundle_version(
    stage: &Stage,
    (owner, service): (&Member, &Service),
) -> Result<Option<u64>, Failure> {
    Ok(version(&stage.client.send(&list(stage, (owner, service))).await?))
}

/// Waits until the gateway runs a newer bundle, and tells how long that took.
pub(crate) async fn wait_for_newer(
    stage: &mut Stage,
    (owner, service): (&Member, &Service),
    running: Option<u64>,
) -> Result<(), Failure> {
    let started = std::time::Instant::now();
    let call = list(stage, (owner, service));
    let newer = |answer: &Answer| version(answer) > running;
    let answer = stage.wait_until(&call, ("the new bundle at the gateway", ARRIVAL_SECONDS), newer).await?;
    let number = version(&answer).unwrap_or_default();
    let means = format!("bundle {number} is active, {} ms after the answer", started.elapsed().as_millis());
    stage.tell(Who::Gateway, "pulls the new bundle", &means, true);
    Ok(())
}

fn list(stage: &Stage, (owner, service): (&Member, &Service)) -> Call {
    let path = format!("/v1/services/{}/gateways", service.id);
    stage.to_control(Who::Owner, Method::GET, path).bearer(&owner.session)
}

fn version(answer: &Answer) -> Option<u64> {
    answer.body.pointer("/data/0/bundle_version").and_then(Value::as_u64)
}

/// Starts the gateway on its folder, new or existing.
pub(crate) async fn start(stage: &Stage, ports: Ports, upstream: &str) -> Result<Program, Failure> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (enrolment, kept) = (text(&stage.folder.join("arc.json")), text(&stage.folder.join("arc-state")));
    let listen = format!("127.0.0.1:{}", ports.gateway);
    let status = format!("127.0.0.1:{}", ports.status);
    let arguments = [
        "arc",
        "proxy",
        "--enrolment",
        &enrolment,
        "--upstream",
        upstream,
        "--listen",
        &listen,
        "--status-listen",
        &status,
        "--state-dir",
        &kept,
        "--poll-interval",
        POLL_INTERVAL,
    ];
    Program::start("gateway", &arguments, &stage.folder.join("logs")).await
}

/// The gateway's listener for its operator.
pub(crate) fn status(ports: Ports) -> Named {
    Named::new("$STATUS", format!("http://127.0.0.1:{}", ports.status))
}

/// Writes a file that only this user can read.
pub(crate) fn write_secret(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write;
    let failed = |error| Failure::File(file.to_owned(), error);
    let mut options = std::fs::File::options();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).and_then(|mut open| open.write_all(bytes)).map_err(failed)
}
