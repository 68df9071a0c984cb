//! A request as a person writes it, made into what the decision point is asked.

use std::io;
use std::path::{Path, PathBuf};

use gateway::trial::Trial;
use policy::decision::{Action, Decision, Lookup};
use policy::explanation::Explanation;
use policy::request::{Caller, Capabilities, Header, Request, Stored};

use super::Fault;

/// The largest file that is read as a body or as something stored: what the gateway itself would look at.
const MAX_FILE_BYTES: u64 = 10 * 1024 * 1024;
/// How often a decision may ask for what is stored, as at the gateway.
const MAX_ROUNDS: usize = 4;

/// One call.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What is stored at a path, as a person says.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) lookup: Lookup,
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Call {
    /// A call of this URL: a path below the Service's base, or all of it.
    pub(super) fn new(
        trial: &Trial,
        method: &str,
        url: &str,
        headers: &[String],
        body: Vec<u8>,
    ) -> Result<Self, Fault> {
        let base = &trial.bundle().parts().service.base_url;
        let mut call = Self { method: method.to_owned(), body, ..Self::default() };
        call.target =
            if url.starts_with('/') { format!("{}{url}", gateway::links::base_path(base)) } else { url.to_owned() };
        for header in headers {
            let expected = "a header: expected `Name: value`";
            let pair = header.split_once(':').filter(|(name, _)| !name.trim().is_empty());
            let (name, value) = pair.ok_or_else(|| Fault::Form { text: header.clone(), expected })?;
            call.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        let authority = base.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
        if !call.has("host") {
            call.headers.insert(0, ("host".to_owned(), authority.to_owned()));
        }
        if !call.body.is_empty() && !call.has("content-type") {
            call.headers.push(("content-type".to_owned(), "application/fhir+json".to_owned()));
        }
        Ok(call)
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known == name)
    }

    /// Decides it, with what is stored as far as the decision asks for it and a person has said it.
    pub(super) fn decide(&self, trial: &Trial, caller: Caller<'_>, now: i64, given: &[Given]) -> Decision<'static> {
        self.settled(trial, caller, now, given, |_, decision| decision)
    }

    /// The same, with why.
    pub(super) fn explain(
        &self,
        trial: &Trial,
        caller: Caller<'_>,
        now: i64,
        given: &[Given],
    ) -> (Decision<'static>, Explanation) {
        self.settled(trial, caller, now, given, |request, decision| (decision, trial.explain(request)))
    }

    /// Gives what is stored until it is decided, or asks for what nobody has said; `end` sees the last request.
    fn settled<T>(
        &self,
        trial: &Trial,
        caller: Caller<'_>,
        now: i64,
        given: &[Given],
        end: impl FnOnce(&Request<'_>, Decision<'static>) -> T,
    ) -> T {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        let mut stored: Vec<Stored<'_>> = Vec::new();
        let mut decision = trial.decide(&self.request(&headers, caller, now, &stored));
        for _ in 0..MAX_ROUNDS {
            let Action::Lookup(lookups) = &decision.action else { break };
            let wanted =
                |one: &&Given| lookups.contains(&one.lookup) && !stored.iter().any(|known| *known.lookup == one.lookup);
            let more: Vec<&Given> = given.iter().filter(wanted).collect();
            if more.is_empty() {
                break;
            }
            stored.extend(more.into_iter().map(|one| Stored {
                lookup: &one.lookup,
                status: one.status,
                etag: None,
                body: &one.body,
            }));
            // One that is still missing would be asked for again: the answer is what is needed.
            decision = trial.decide(&self.request(&headers, caller, now, &stored));
        }
        end(&self.request(&headers, caller, now, &stored), decision)
    }

    fn request<'a>(
        &'a self,
        headers: &'a [Header<'a>],
        caller: Caller<'a>,
        now: i64,
        stored: &'a [Stored<'a>],
    ) -> Request<'a> {
        Request {
            method: &self.method,
            target: &self.target,
            headers,
            body: &self.body,
            caller,
            capabilities: Capabilities::ALL,
            stale: false,
            now,
            stored,
            upstream_base: "",
        }
    }
}

/// The text itself, or the file after an `@`; relative to this folder.
pub(super) fn text_or_file(text: &str, folder: &Path) -> Result<Vec<u8>, Fault> {
    match text.strip_prefix('@') {
        Some(path) => read(&folder.join(path)),
        None => Ok(text.as_bytes().to_vec()),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    gateway::files::read(path, MAX_FILE_BYTES).map_err(|fault| Fault::File { path: path.to_owned(), fault })
}

/// The same, of a text.
pub(super) fn read_text(path: &Path) -> Result<String, Fault> {
    let utf8 =
        |_| Fault::File { path: path.to_owned(), fault: io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8") };
    String::from_utf8(read(path)?).map_err(utf8)
}

/// `Observation/1=@file`, `Observation?code=x=@file`, or `Observation/1=404`.
pub(super) fn given(text: &str) -> Result<Given, Fault> {
    let expected = "something stored: expected `Observation/1=@FILE` or `Observation/1=404`";
    let wrong = || Fault::Form { text: text.to_owned(), expected };
    let (asked, status, file) = if let Some((asked, file)) = text.rsplit_once("=@") {
        (asked, 200, Some(PathBuf::from(file)))
    } else {
        let (asked, status) = text.rsplit_once('=').ok_or_else(wrong)?;
        (asked, status.parse().ok().filter(|status| (100..600).contains(status)).ok_or_else(wrong)?, None)
    };
    let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
    let lookup = Lookup { path: format!("/{}", path.trim_start_matches('/')), query: query.to_owned() };
    let body = file.map_or(Ok(Vec::new()), |file| read(&file))?;
    Ok(Given { lookup, status, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_a_file_or_a_status() {
        let one = given("Observation/1=404").unwrap();
        assert_eq!((&*one.lookup.path, one.status, one.body.len()), ("/Observation/1", 404, 0));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{}").unwrap();
        let one = given(&format!("/DocumentReference?patient=1&location=x=@{}", file.path().display())).unwrap();
        assert_eq!((&*one.lookup.path, &*one.lookup.query), ("/DocumentReference", "patient=1&location=x"));
        assert_eq!((one.status, &*one.body), (200, &b"{}"[..]));
        for wrong in ["Observation/1", "Observation/1=x", "Observation/1=@/nowhere/at/all", "Observation/1=9"] {
            assert!(given(wrong).is_err(), "{wrong}");
        }
    }
}
