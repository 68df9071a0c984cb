//! The settings: flag, then environment variable, then `arc.toml`, then default.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::audit::spool::{DEFAULT_MAX_BYTES, MIN_MAX_BYTES};
use gateway_proxy::upstream::DEFAULT_MAX_RESPONSE_BYTES;
use serde::Deserialize;

use crate::command::Flags;

const DEFAULT_FILE: &str = "arc.toml";
const DEFAULT_STATE_DIR: &str = "arc-state";
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(5);
/// How long the upstream may take for an answer, its body included.
const DEFAULT_UPSTREAM_TIMEOUT: Duration = Duration::from_secs(30);
/// A request that waits longer than this only holds its connection.
const UPSTREAM_TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(10);
/// Oftener only burdens the control plane, and a head lives for a minute: asking more seldom would make a gateway that is in order look stale.
const POLL_INTERVALS: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_mins(1);
/// The largest file of settings or headers that is read.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// All that `arc proxy` needs, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) enrolment: PathBuf,
    pub(crate) upstream: String,
    pub(crate) upstream_credentials: String,
    pub(crate) listen: SocketAddr,
    pub(crate) status_listen: SocketAddr,
    pub(crate) state_dir: PathBuf,
    pub(crate) poll_interval: Duration,
    pub(crate) upstream_timeout: Duration,
    pub(crate) audit_max_bytes: u64,
    pub(crate) max_response_bytes: usize,
}

/// Why `arc` does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("`{flag}` is missing: give {flag}, {variable}, or `{key}` in arc.toml")]
    Missing { flag: &'static str, variable: &'static str, key: &'static str },
    #[error("`{}` cannot be read: {fault}", path.display())]
    File { path: PathBuf, fault: std::io::Error },
    #[error("`{}` is not a file of settings: {fault}", path.display())]
    Settings { path: PathBuf, fault: String },
    #[error("`{text}` is not a time for {flag}: expected {expected}, such as `5s`")]
    Time { flag: &'static str, text: String, expected: &'static str },
    #[error("--audit-max-bytes must be at least {MIN_MAX_BYTES}")]
    AuditMaxBytes,
    #[error("others can read `{}`, which holds a secret: chmod 600 it", .0.display())]
    Mode(PathBuf),
    #[error("`{}`: {fault}", path.display())]
    Enrolment { path: PathBuf, fault: gateway::enrolment::InvalidEnrolment },
    #[error(transparent)]
    Upstream(#[from] gateway_proxy::upstream::InvalidUpstream),
    #[error("the HTTP client for the control plane cannot be set up: {0}")]
    ControlPlane(String),
    #[error("the folder `{}` cannot be used: {fault}", path.display())]
    State { path: PathBuf, fault: std::io::Error },
    #[error("cannot listen: {0}")]
    Listen(std::io::Error),
    #[error("{0}")]
    Run(String),
}

/// The same settings as the flags, in a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Toml {
    enrolment: Option<PathBuf>,
    upstream: Option<String>,
    upstream_header_file: Option<PathBuf>,
    listen: Option<SocketAddr>,
    status_listen: Option<SocketAddr>,
    state_dir: Option<PathBuf>,
    poll_interval: Option<String>,
    upstream_timeout: Option<String>,
    audit_max_bytes: Option<u64>,
    max_response_bytes: Option<usize>,
}

/// Puts flags, file and defaults together.
pub(crate) fn resolve(flags: Flags) -> Result<Settings, Fault> {
    let file = read_file(flags.config.as_deref())?;
    let header_file = flags.upstream_header_file.or(file.upstream_header_file);
    let audit_max_bytes = flags.audit_max_bytes.or(file.audit_max_bytes).unwrap_or(DEFAULT_MAX_BYTES);
    if audit_max_bytes < MIN_MAX_BYTES {
        return Err(Fault::AuditMaxBytes);
    }
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok(Settings {
        enrolment: flags.enrolment.or(file.enrolment).ok_or(Fault::Missing {
            flag: "--enrolment",
            variable: "ARC_ENROLMENT",
            key: "enrolment",
        })?,
        upstream: flags.upstream.or(file.upstream).ok_or(Fault::Missing {
            flag: "--upstream",
            variable: "ARC_UPSTREAM",
            key: "upstream",
        })?,
        upstream_credentials: header_file.as_deref().map_or(Ok(String::new()), secret)?,
        listen: flags.listen.or(file.listen).unwrap_or_else(|| local(8090)),
        status_listen: flags.status_listen.or(file.status_listen).unwrap_or_else(|| local(8091)),
        state_dir: flags.state_dir.or(file.state_dir).unwrap_or_else(|| DEFAULT_STATE_DIR.into()),
        poll_interval: flags.poll_interval.or(file.poll_interval).map_or(Ok(DEFAULT_POLL_INTERVAL), poll_interval)?,
        upstream_timeout: flags
            .upstream_timeout
            .or(file.upstream_timeout)
            .map_or(Ok(DEFAULT_UPSTREAM_TIMEOUT), upstream_timeout)?,
        audit_max_bytes,
        max_response_bytes: flags.max_response_bytes.or(file.max_response_bytes).unwrap_or(DEFAULT_MAX_RESPONSE_BYTES),
    })
}

fn read_file(path: Option<&Path>) -> Result<Toml, Fault> {
    let named = path.unwrap_or(Path::new(DEFAULT_FILE));
    let text = match read(named) {
        Ok(text) => text,
        Err(Fault::File { fault, .. }) if path.is_none() && fault.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Toml::default());
        }
        Err(fault) => return Err(fault),
    };
    toml::from_str(&text).map_err(|fault| Fault::Settings { path: named.to_owned(), fault: fault.to_string() })
}

fn read(path: &Path) -> Result<String, Fault> {
    let fault = |fault| Fault::File { path: path.to_owned(), fault };
    let bytes = gateway::files::read(path, MAX_FILE_BYTES).map_err(fault)?;
    String::from_utf8(bytes).map_err(|_| fault(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8")))
}

/// Reads a file that nobody but its owner may read.
pub(crate) fn secret(path: &Path) -> Result<String, Fault> {
    let text = read(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(path).map_err(|fault| Fault::File { path: path.to_owned(), fault })?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Fault::Mode(path.to_owned()));
        }
    }
    Ok(text)
}

fn poll_interval(text: String) -> Result<Duration, Fault> {
    time(text, "--poll-interval", &POLL_INTERVALS, "500ms to 60s")
}

fn upstream_timeout(text: String) -> Result<Duration, Fault> {
    time(text, "--upstream-timeout", &UPSTREAM_TIMEOUTS, "100ms to 600s")
}

fn time(
    text: String,
    flag: &'static str,
    range: &RangeInclusive<Duration>,
    expected: &'static str,
) -> Result<Duration, Fault> {
    let parsed = if let Some(millis) = text.strip_suffix("ms") {
        millis.parse().map(Duration::from_millis)
    } else {
        text.strip_suffix('s').unwrap_or(&text).parse().map(Duration::from_secs)
    };
    match parsed {
        Ok(time) if range.contains(&time) => Ok(time),
        _ => Err(Fault::Time { flag, text, expected }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_stands_before_the_file_and_the_file_before_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("arc.toml");
        std::fs::write(&config, "enrolment = \"e.json\"\nupstream = \"http://file\"\npoll_interval = \"900ms\"\n")
            .unwrap();
        let flags = Flags { config: Some(config), upstream: Some("http://flag".to_owned()), ..Flags::default() };
        let settings = resolve(flags).unwrap();
        assert_eq!(settings.upstream, "http://flag");
        assert_eq!(settings.poll_interval, Duration::from_millis(900));
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8090");
        assert_eq!(settings.state_dir, Path::new("arc-state"));
    }

    #[test]
    fn a_setting_that_is_not_known_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("arc.toml");
        std::fs::write(&config, "upstraem = \"http://x\"\n").unwrap();
        let fault = resolve(Flags { config: Some(config), ..Flags::default() }).unwrap_err();
        assert!(fault.to_string().contains("upstraem"), "{fault}");
    }

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(poll_interval("5s".to_owned()).unwrap(), Duration::from_secs(5));
        assert_eq!(poll_interval("500ms".to_owned()).unwrap(), Duration::from_millis(500));
        for text in ["", "s", "0s", "499ms", "61s", "1m", "-1s"] {
            assert!(poll_interval(text.to_owned()).is_err(), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headers");
        std::fs::write(&file, "X-Key: 1\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(secret(&file), Err(Fault::Mode(_))));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(secret(&file).unwrap(), "X-Key: 1\n");
    }
}
