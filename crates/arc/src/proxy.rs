//! `arc proxy`: opens everything, says where it is, and serves.

use std::io::Write;

use gateway::enrolment::{Enrolment, MAX_ENROLMENT_BYTES};
use gateway::{Found, Gateway};
use gateway_proxy::control_plane::ControlPlane;
use gateway_proxy::upstream::{Bounds, Upstream};
use gateway_proxy::{Options, Running, metrics};

use crate::settings::{Fault, Settings};

/// Serves until SIGINT or SIGTERM.
pub(crate) fn run(settings: &Settings) -> Result<(), Fault> {
    // An error says that a provider is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let enrolment = enrolment(settings)?;
    let bounds = Bounds { timeout: settings.upstream_timeout, max_response_bytes: settings.max_response_bytes };
    let upstream = Upstream::new(&settings.upstream, &settings.upstream_credentials, bounds)?;
    let control_plane = ControlPlane::new(&enrolment).map_err(|fault| Fault::ControlPlane(fault.to_string()))?;
    let (gateway, found) = Gateway::open(&enrolment, &settings.state_dir, settings.audit_max_bytes)
        .map_err(|fault| Fault::State { path: settings.state_dir.clone(), fault })?;
    say_what_was_found(settings, &found);
    let recorder = metrics::install().map_err(|fault| Fault::Run(fault.to_string()))?;
    let options = Options {
        listen: settings.listen,
        status_listen: settings.status_listen,
        poll_interval: settings.poll_interval,
        version: env!("CARGO_PKG_VERSION"),
    };
    actix_web::rt::System::new().block_on(async {
        let running =
            gateway_proxy::start(gateway, upstream, control_plane, recorder, &options).map_err(Fault::Listen)?;
        announce(&running);
        running.until_stopped().await.map_err(|fault| Fault::Run(fault.to_string()))
    })
}

fn enrolment(settings: &Settings) -> Result<Enrolment, Fault> {
    let path = &settings.enrolment;
    let text =
        gateway::files::read(path, MAX_ENROLMENT_BYTES).map_err(|fault| Fault::File { path: path.clone(), fault })?;
    warn_if_others_can_read(path);
    Enrolment::parse(&text).map_err(|fault| Fault::Enrolment { path: path.clone(), fault })
}

#[cfg(unix)]
fn warn_if_others_can_read(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!(path = %path.display(), "others can read the enrolment, which holds this gateway's key: chmod 600 it");
    }
}

#[cfg(not(unix))]
fn warn_if_others_can_read(_: &std::path::Path) {}

fn say_what_was_found(settings: &Settings, found: &Found) {
    let folder = std::path::absolute(&settings.state_dir).unwrap_or_else(|_| settings.state_dir.clone());
    tracing::info!("state is in {}", folder.display());
    for (file, reason) in &found.bundles.refused {
        tracing::warn!(%file, %reason, "a bundle on disk was refused");
    }
    if let Some(version) = found.bundles.version {
        tracing::info!(bundle_version = version, "runs bundle {version} from disk");
    } else {
        tracing::info!("no bundle on disk: everything is denied until the control plane hands one out");
    }
    if found.audit.waiting > 0 {
        tracing::info!(entries = found.audit.waiting, "the audit of an earlier run waits to be shipped");
    }
    if found.audit.torn > 0 {
        tracing::warn!(
            lines = found.audit.torn,
            "the end of the audit was torn by a crash; it was cut off and noted as a gap"
        );
    }
}

/// Tells whoever started this program where it is; they read it from standard output.
fn announce(running: &Running) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "listening on http://{}", running.address);
    let _ = writeln!(out, "status on http://{}", running.status_address);
    let _ = out.flush();
}
