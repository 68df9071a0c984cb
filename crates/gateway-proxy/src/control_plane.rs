//! The gateway's side of the control plane's API: head, bundle, audit, reports. The gateway always calls, and is never called.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use gateway::enrolment::Enrolment;
use policy::bundle::MAX_CONTENT_BYTES;
use policy::manifest::{BUNDLE_MEDIA_TYPE, HEAD_MEDIA_TYPE, MAX_MANIFEST_BYTES, Manifest};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a head, a report or a shipment may take; all are small.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a bundle may take, which has at most 64 MiB.
const BUNDLE_TIMEOUT: Duration = Duration::from_mins(2);
/// What an acknowledgement or a problem has at most.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The control plane, as this gateway speaks to it.
pub struct ControlPlane {
    client: Client,
    url: String,
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ControlPlane").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// No answer.
    #[error("the control plane cannot be reached: {0}")]
    Unreachable(reqwest::Error),
    /// Another answer than hoped for.
    #[error("the control plane answered {0}")]
    Status(StatusCode),
    /// An answer of the wrong form, or too long.
    #[error("the control plane's answer is not {0}")]
    Answer(&'static str),
}

/// Up to where the control plane has stored the audit.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Stored {
    pub(crate) boot: u64,
    pub(crate) seq: u64,
}

impl ControlPlane {
    /// Speaks with the enrolment's key.
    pub fn new(enrolment: &Enrolment) -> Result<Self, reqwest::Error> {
        let mut headers = HeaderMap::new();
        // The enrolment holds printable ASCII only, which every header value may be.
        if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", enrolment.key)) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = Client::builder()
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()?;
        Ok(Self { client, url: format!("{}/v1/gateway", enrolment.control_plane_url) })
    }

    pub(crate) async fn head(&self) -> Result<String, Failed> {
        let request = self.client.get(format!("{}/head", self.url)).header(ACCEPT, HEAD_MEDIA_TYPE);
        let body = body(ok(request).await?, MAX_MANIFEST_BYTES).await?;
        String::from_utf8(body).map_err(|_| Failed::Answer("a signed head"))
    }

    /// The current bundle; none when it is still the one that is in force.
    pub(crate) async fn bundle(&self, held: Option<&Manifest>) -> Result<Option<Vec<u8>>, Failed> {
        let mut request = self.client.get(format!("{}/bundle", self.url)).header(ACCEPT, BUNDLE_MEDIA_TYPE);
        request = request.timeout(BUNDLE_TIMEOUT);
        if let Some(held) = held {
            request = request.header(IF_NONE_MATCH, format!("\"{}-{}\"", held.digest, held.version));
        }
        let answer = request.send().await.map_err(unreachable)?;
        match answer.status() {
            StatusCode::OK => body(answer, MAX_CONTENT_BYTES + MAX_MANIFEST_BYTES).await.map(Some),
            StatusCode::NOT_MODIFIED => Ok(None),
            other => Err(Failed::Status(other)),
        }
    }

    pub(crate) async fn audit(&self, batch: Vec<u8>) -> Result<Stored, Failed> {
        let request = self.client.post(format!("{}/audit", self.url)).header(CONTENT_TYPE, "application/json");
        let body = body(ok(request.body(batch)).await?, MAX_ANSWER_BYTES).await?;
        serde_json::from_slice(&body).map_err(|_| Failed::Answer("an acknowledgement"))
    }

    pub(crate) async fn report(&self, report: Vec<u8>) -> Result<(), Failed> {
        let request = self.client.post(format!("{}/reports", self.url)).header(CONTENT_TYPE, "application/json");
        ok(request.body(report)).await.map(drop)
    }
}

fn unreachable(fault: reqwest::Error) -> Failed {
    Failed::Unreachable(fault.without_url())
}

async fn ok(request: RequestBuilder) -> Result<Response, Failed> {
    let answer = request.send().await.map_err(unreachable)?;
    if answer.status().is_success() { Ok(answer) } else { Err(Failed::Status(answer.status())) }
}

async fn body(answer: Response, max_bytes: usize) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(unreachable)?;
        if body.len() + chunk.len() > max_bytes {
            return Err(Failed::Answer("short enough"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
