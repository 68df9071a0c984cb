//! What is stored, fetched from the upstream for the decision point alone.
//!
//! Invariant: nothing of these answers is ever released, and one request can neither take more time
//! with them than one answer of the upstream may take, nor hold more memory than its bounds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use gateway::Fetched;
use policy::decision::Lookup;
use tokio::time::Instant;

use crate::upstream::Upstream;

/// How many are under way at a time, of one request.
const AT_A_TIME: usize = 8;
/// The longest answer to one.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// What is left of the bounds of one request, over all its rounds of lookups.
#[derive(Debug)]
pub(crate) struct Budget {
    time: Duration,
    bytes: AtomicUsize,
    count: usize,
    took: Duration,
}

impl Budget {
    /// All of it; time passes only while something is looked up.
    pub(crate) fn new(upstream: &Upstream) -> Self {
        let bounds = upstream.bounds();
        let bytes = AtomicUsize::new(bounds.max_response_bytes);
        Self { time: bounds.timeout, bytes, count: 0, took: Duration::ZERO }
    }

    /// How many lookups there were, and how long they took.
    pub(crate) const fn spent(&self) -> (usize, Duration) {
        (self.count, self.took)
    }

    /// Takes so many bytes from what is left; false when that is too much.
    fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// Fetches all of these; one that fails, takes too long or is too large is left out.
pub(crate) async fn fetch(
    upstream: &Upstream,
    lookups: &[Lookup],
    authorization: Option<&[u8]>,
    budget: &mut Budget,
) -> Vec<Fetched> {
    let started = Instant::now();
    let (shared, until) = (&*budget, started + budget.time);
    let one = |lookup: &Lookup| {
        let lookup = lookup.clone();
        async move { tokio::time::timeout_at(until, single(upstream, lookup, authorization, shared)).await.ok()? }
    };
    let all = futures_util::stream::iter(lookups.iter().map(one)).buffer_unordered(AT_A_TIME);
    let fetched: Vec<Fetched> = all.filter_map(std::future::ready).collect().await;
    budget.count += lookups.len();
    let took = started.elapsed();
    budget.time = budget.time.saturating_sub(took);
    budget.took += took;
    fetched
}

async fn single(upstream: &Upstream, lookup: Lookup, authorization: Option<&[u8]>, budget: &Budget) -> Option<Fetched> {
    let answer = upstream.look_up(&lookup, authorization).await?;
    let status = answer.status().as_u16();
    let etag = answer.headers().get("etag").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    // Of another answer the status says it all.
    if status == 200 {
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.ok()?;
            if body.len() + chunk.len() > MAX_BODY_BYTES || !budget.take(chunk.len()) {
                tracing::warn!("what is stored is too large to be looked up");
                return None;
            }
            body.extend_from_slice(&chunk);
        }
    }
    Some(Fetched { lookup, status, etag, body })
}

#[cfg(test)]
mod tests;
