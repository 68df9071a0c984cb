//! A file of an export, passed on while it comes.
//!
//! Invariant: the client gets what [`Streaming`] hands out and nothing else, and a file that does not end well is cut off,
//! so that nobody takes what came of it for all of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use gateway::enforce::{Cut, Streaming};
use policy::decision::Released;
use reqwest::header::HeaderMap;

use crate::inbound::Received;
use crate::log::Line;
use crate::metrics;
use crate::proxy::{LARGE_BODY_BYTES, failed, head, on_a_fitting_thread};

/// The status in the log of a file whose client went away.
const CLIENT_LEFT: u16 = 499;

/// The file broke off.
#[derive(Debug, thiserror::Error)]
#[error("the file cannot be passed on any further")]
struct BrokeOff;

/// A file on its way.
struct Passing {
    streaming: Streaming,
    chunks: BoxStream<'static, reqwest::Result<Bytes>>,
    received: Arc<Received>,
    /// How long the upstream may take for the next bytes.
    patience: Duration,
    said: Said,
}

/// The line in the log, which is written however the file ends.
struct Said {
    line: Line,
    started: Instant,
    written: bool,
}

/// Whether what comes may be lines of JSON: not packed, and of a type that says so, or nothing.
pub(crate) fn is_lines(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase());
    let packed = text("content-encoding").is_some_and(|coding| coding.trim() != "identity");
    let fits = |media: String| ["json", "octet-stream", "text/plain"].iter().any(|one| media.contains(one));
    !packed && text("content-type").is_none_or(fits)
}

/// Passes a file on.
pub(crate) fn respond(
    streaming: Streaming,
    answer: reqwest::Response,
    received: Arc<Received>,
    patience: Duration,
    (line, started): (Line, Instant),
) -> HttpResponse {
    let Some(mut response) = head(&Streaming::head()) else { return failed() };
    let said = Said { line, started, written: false };
    let passing = Passing { streaming, chunks: answer.bytes_stream().boxed(), received, patience, said };
    response.streaming(stream::unfold(Some(passing), next))
}

/// The next bytes for the client.
async fn next(passing: Option<Passing>) -> Option<(Result<Bytes, BrokeOff>, Option<Passing>)> {
    let mut passing = passing?;
    loop {
        match tokio::time::timeout(passing.patience, passing.chunks.next()).await {
            Ok(Some(Ok(chunk))) => {
                let Some((released, rest)) = passing.take(chunk).await else { return Some((Err(BrokeOff), None)) };
                if !released.is_empty() {
                    return Some((Ok(released.into()), Some(rest)));
                }
                passing = rest;
            }
            Ok(None) => return passing.finish().map(|last| (last, None)),
            Ok(Some(Err(_))) | Err(_) => {
                tracing::warn!("the upstream broke a file off");
                passing.break_off();
                return Some((Err(BrokeOff), None));
            }
        }
    }
}

impl Passing {
    /// Checks a chunk; none when the file cannot go on.
    async fn take(self, chunk: Bytes) -> Option<(Vec<u8>, Self)> {
        let Self { mut streaming, received, chunks, patience, said } = self;
        let large = streaming.waiting_bytes() + chunk.len() >= LARGE_BODY_BYTES;
        let work = move || {
            let released = received.lend(|inbound| streaming.take(inbound, &chunk));
            (released, streaming, received)
        };
        let (released, streaming, received) = on_a_fitting_thread(large, work).await?;
        match released {
            Ok(released) => Some((released, Self { streaming, chunks, received, patience, said })),
            Err(Cut) => None,
        }
    }

    /// The last bytes, once the outcome is in the audit; none if there are none.
    fn finish(self) -> Option<Result<Bytes, BrokeOff>> {
        let Self { streaming, received, mut said, .. } = self;
        match received.lend(|inbound| streaming.finish(inbound)) {
            Ok((last, released)) => {
                said.write(&released);
                (!last.is_empty()).then(|| Ok(last.into()))
            }
            Err(Cut) => Some(Err(BrokeOff)),
        }
    }

    fn break_off(self) {
        let Self { streaming, mut said, .. } = self;
        said.write(&streaming.break_off());
    }
}

impl Said {
    fn write(&mut self, released: &Released) {
        self.written = true;
        self.line.write(released, self.started.elapsed());
        metrics::answered(released);
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        if !self.written {
            self.line.write(&Released { status: CLIENT_LEFT, ..Streaming::head() }, self.started.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_are_not_packed_are_a_file() {
        let check = |headers: &[(&'static str, &'static str)]| {
            let pair = |(name, value): &(&'static str, &'static str)| (name.parse().unwrap(), value.parse().unwrap());
            is_lines(&headers.iter().map(pair).collect())
        };
        for media in ["application/fhir+ndjson", "application/ndjson; charset=utf-8", "binary/octet-stream"] {
            assert!(check(&[("content-type", media)]), "{media}");
        }
        assert!(check(&[]) && check(&[("content-encoding", "identity")]));
        assert!(!check(&[("content-type", "text/html")]));
        assert!(!check(&[("content-type", "application/fhir+ndjson"), ("content-encoding", "gzip")]));
    }
}
