//! A request as it came over the wire, with nothing decoded.
//!
//! What actix refuses before this (with an empty 400, and closing the connection): a target that is no
//! URI or not UTF-8, `Content-Length` twice or beside `Transfer-Encoding`, two `Host` fields or none,
//! more than 96 header fields, header names that are no tokens. A fragment is cut off the target.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::{Method, header};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use gateway::{BrokenBody, Inbound};
use policy::request::Header;

/// The largest body that is read, and one byte: the decision point's own limits lie below, and it must see that one is broken.
const MAX_BODY_BYTES: usize = gateway::MAX_BUNDLE_BYTES + 1;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A request that was read.
#[derive(Debug)]
pub(crate) struct Received {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Result<Bytes, BrokenBody>,
    ip: Option<String>,
    /// The upstream's own base URL.
    upstream_base: String,
}

impl Received {
    pub(crate) async fn read(request: &HttpRequest, payload: Payload, upstream_base: &str) -> Self {
        let headers = request.headers().iter();
        Self {
            method: request.method().as_str().to_owned(),
            target: request.head().uri.to_string(),
            headers: headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned())).collect(),
            body: if has_no_end(request) { Err(BrokenBody) } else { body(payload).await },
            ip: request.peer_addr().map(|peer| peer.ip().to_string()),
            upstream_base: upstream_base.to_owned(),
        }
    }

    /// How much there is to look at.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body.as_ref().map_or(0, Bytes::len)
    }

    pub(crate) fn body(&self) -> Bytes {
        self.body.clone().unwrap_or_default()
    }

    /// The client's own credential, for Services that pass it on.
    pub(crate) fn authorization(&self) -> Option<&[u8]> {
        self.headers.iter().find(|(name, _)| name == header::AUTHORIZATION.as_str()).map(|(_, value)| &**value)
    }

    /// Lends the request to the gateway.
    pub(crate) fn lend<T>(&self, with: impl FnOnce(&Inbound<'_>) -> T) -> T {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| Header { name, value }).collect();
        with(&Inbound {
            method: &self.method,
            target: &self.target,
            headers: &headers,
            body: self.body.as_deref().map_err(|broken| *broken),
            ip: self.ip.as_deref(),
            upstream_base: &self.upstream_base,
        })
    }
}

/// What follows is no body: a tunnel, or a WebSocket.
fn has_no_end(request: &HttpRequest) -> bool {
    let websocket = |value: &header::HeaderValue| value.as_bytes().to_ascii_lowercase().starts_with(b"websocket");
    request.method() == Method::CONNECT || request.headers().get_all(header::UPGRADE).any(websocket)
}

/// Reads up to the limit; what lies beyond is not read.
async fn body(payload: Payload) -> Result<Bytes, BrokenBody> {
    tokio::time::timeout(BODY_TIMEOUT, collect(payload)).await.map_err(|_| BrokenBody)?
}

async fn collect(mut payload: Payload) -> Result<Bytes, BrokenBody> {
    let mut read = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| BrokenBody)?;
        let room = MAX_BODY_BYTES.saturating_sub(read.len());
        read.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if read.len() >= MAX_BODY_BYTES {
            break;
        }
    }
    Ok(read.freeze())
}
