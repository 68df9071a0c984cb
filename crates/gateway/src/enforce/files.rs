//! A file of an export on its way to the client, line by line.
//!
//! Invariant: only whole lines are checked, only what the decision point releases of them goes on, and the last of it
//! goes only after the outcome is in the audit. No more is held than a line and a chunk of the upstream's.

use std::fmt;

use policy::Reason;
use policy::decision::{Body, Released, Upstream};

use super::{Open, Permitted};
use crate::engine::{self, ExportFile};
use crate::judge::Inbound;
use crate::links::Kind;

/// The longest line; a longer one is dropped without being held.
const MAX_LINE_BYTES: usize = 10 * 1024 * 1024;

/// The rest of a file cannot be released: the connection has to be cut, so that nobody takes what came for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

/// A file whose lines are being released. One that is given up writes its outcome itself.
pub struct Streaming {
    open: Open,
    file: ExportFile,
    lines: Lines,
    /// What is released, and waits for what follows it.
    held: Vec<u8>,
}

impl fmt::Debug for Streaming {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Streaming").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Permitted<Upstream<'static>> {
    /// Whether an answer with status 200 is released by [`Permitted::stream`].
    #[must_use]
    pub fn is_file(&self) -> bool {
        file(&self.open.judged.kind).is_some()
    }

    /// Begins to release a file whose answer has status 200; none if it is none.
    #[must_use]
    pub fn stream(self) -> Option<Streaming> {
        let Self { mut open, .. } = self;
        let file = file(&open.judged.kind)?;
        open.so_far.upstream_status = Some(200);
        Some(Streaming { open, file, lines: Lines::default(), held: Vec::new() })
    }
}

/// What a link's file holds; none for a link to something else.
fn file(kind: &Kind) -> Option<ExportFile> {
    match kind {
        Kind::Page | Kind::Job => None,
        Kind::Resources(name) => Some(ExportFile::Resources(name.clone())),
        Kind::Errors => Some(ExportFile::Errors),
        Kind::Deleted => Some(ExportFile::Deleted),
    }
}

impl Streaming {
    /// Status and headers for the client, without a body.
    #[must_use]
    pub fn head() -> Released {
        let media = ("content-type", "application/fhir+ndjson");
        let headers = [media, super::NOT_STORED, super::BY_TOKEN];
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        super::own(200, headers, Body::default())
    }

    /// How many bytes wait for the end of their line.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.lines.rest.len()
    }

    /// Takes the next bytes of the upstream, and hands out what may go to the client before them.
    pub fn take(&mut self, inbound: &Inbound<'_>, chunk: &[u8]) -> Result<Vec<u8>, Cut> {
        let (whole, lost) = self.lines.take(chunk);
        self.drop_lines(lost);
        let released = self.filter(inbound, &whole)?;
        Ok(std::mem::replace(&mut self.held, released))
    }

    /// The upstream is done: writes the outcome, and hands out the rest.
    pub fn finish(mut self, inbound: &Inbound<'_>) -> Result<(Vec<u8>, Released), Cut> {
        let (whole, lost) = self.lines.rest();
        self.drop_lines(lost);
        let last = self.filter(inbound, &whole)?;
        self.held.extend_from_slice(&last);
        let (so_far, status) = (self.open.so_far, Self::head().status);
        let head = Released { released: so_far.released, dropped: so_far.dropped, ..Self::head() };
        let settled = self.open.settle(Some(200), head);
        if settled.status == status { Ok((std::mem::take(&mut self.held), settled)) } else { Err(Cut) }
    }

    /// The upstream broke off: what came is all that there is.
    #[must_use]
    pub fn break_off(mut self) -> Released {
        let so_far = self.open.so_far;
        let refused = super::refuse(Some(&self.open.snapshot), 502);
        let refused = Released { headers: Vec::new(), body: Body::default(), ..refused };
        self.open.settle(Some(200), Released { released: so_far.released, dropped: so_far.dropped, ..refused })
    }

    fn filter(&mut self, inbound: &Inbound<'_>, lines: &[u8]) -> Result<Vec<u8>, Cut> {
        let mut released = Vec::new();
        if lines.is_empty() {
            return Ok(released);
        }
        let filtered = self.open.again(inbound, |engine, request, grants| {
            engine::filter_lines(engine, request, grants, &self.file, lines, &mut released)
        });
        let filtered = filtered.ok_or(Cut)?;
        let so_far = &mut self.open.so_far;
        so_far.released = so_far.released.saturating_add(filtered.released);
        so_far.dropped = so_far.dropped.saturating_add(filtered.dropped);
        so_far.bytes = so_far.bytes.saturating_add(u64::try_from(released.len()).unwrap_or(u64::MAX));
        Ok(released)
    }

    fn drop_lines(&mut self, count: u32) {
        self.open.so_far.dropped = self.open.so_far.dropped.saturating_add(count);
    }
}

/// Bytes on their way to whole lines.
#[derive(Debug, Default)]
struct Lines {
    /// The line that is not whole yet.
    rest: Vec<u8>,
    /// Whether that line is too long, and so left out up to its end.
    skips: bool,
}

impl Lines {
    /// Takes a chunk; the lines that are whole now, and how many were too long.
    fn take(&mut self, chunk: &[u8]) -> (Vec<u8>, u32) {
        let mut chunk = chunk;
        if self.skips {
            let Some(end) = chunk.iter().position(|byte| *byte == b'\n') else { return (Vec::new(), 0) };
            chunk = chunk.get(end + 1..).unwrap_or_default();
            self.skips = false;
        }
        let whole = match chunk.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                let (before, after) = chunk.split_at_checked(end + 1).unwrap_or((chunk, &[]));
                self.rest.extend_from_slice(before);
                std::mem::replace(&mut self.rest, after.to_vec())
            }
            None => {
                self.rest.extend_from_slice(chunk);
                Vec::new()
            }
        };
        if self.rest.len() <= MAX_LINE_BYTES {
            return (whole, 0);
        }
        self.rest = Vec::new();
        self.skips = true;
        (whole, 1)
    }

    /// The last line, which need not end.
    fn rest(&mut self) -> (Vec<u8>, u32) {
        (std::mem::take(&mut self.rest), 0)
    }
}

impl Open {
    /// The answer to what a link to an export leads to, but for a file with status 200.
    pub(super) fn respond_to_link(&self, inbound: &Inbound<'_>, answer: &engine::Answer<'_>) -> Released {
        let judged = &self.judged;
        match (&judged.kind, judged.method.as_str()) {
            (Kind::Job, "GET") => self.again(inbound, |engine, request, grants| {
                let mut seal = |url: &str, file: &ExportFile| {
                    let kind = match file {
                        ExportFile::Resources(name) => Kind::Resources(name.clone()),
                        ExportFile::Errors => Kind::Errors,
                        ExportFile::Deleted => Kind::Deleted,
                    };
                    self.seal(url, &kind, answer.upstream_base, judged.origin.as_ref()?)
                };
                engine::respond_to_status(engine, request, grants, answer, &mut seal)
            }),
            (Kind::Job, _) => self
                .again(inbound, |engine, request, grants| engine::respond_to_cancel(engine, request, grants, answer)),
            _ if matches!(answer.status, 400..=599) => self
                .again(inbound, |engine, request, grants| engine::respond_to_cancel(engine, request, grants, answer)),
            // A file that is neither there nor refused.
            _ => Released { reason: Some(Reason::ResponseUnreadable), ..super::refuse(Some(&self.snapshot), 502) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, u32) {
        let mut lines = Lines::default();
        let mut lost = 0;
        let mut whole: Vec<Vec<u8>> = Vec::new();
        for chunk in chunks {
            let (these, dropped) = lines.take(chunk);
            whole.push(these);
            lost += dropped;
        }
        whole.push(lines.rest().0);
        (whole, lost)
    }

    #[test]
    fn lines_are_whole_however_the_upstream_cuts_them() {
        let (whole, lost) = lines(&[b"{\"a\"", b":1}\n{\"b\":", b"2}\n\n{", b"}"]);
        let expected: [&[u8]; 5] = [b"", b"{\"a\":1}\n", b"{\"b\":2}\n\n", b"", b"{}"];
        assert_eq!((whole.concat(), lost), (expected.concat(), 0));
        assert_eq!(whole, expected);
        assert_eq!(lines(&[]).0.concat(), b"");
    }

    #[test]
    fn a_line_without_end_is_dropped_and_never_held() {
        let long = vec![b'x'; MAX_LINE_BYTES + 1];
        let (whole, lost) = lines(&[b"1\n", &long, &long, b"x\n2\n3", b"\n4"]);
        assert_eq!((whole.concat(), lost), (b"1\n2\n3\n4".to_vec(), 1));
        let mut held = Lines::default();
        let _ = held.take(&long);
        assert_eq!((held.rest.capacity(), held.skips), (0, true));
    }
}
