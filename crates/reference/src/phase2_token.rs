//! Phase 2, Token: what needs none ends here; else credentials that verified.

use policy::Reason as R;
use policy::decision::Phase::Token;
use policy::request::Caller;

use crate::Interpreter;
use crate::call::Call;
use crate::denial::{Denial, deny};

/// How phase 2 ends, if not in a denial.
pub(crate) enum Passed {
    /// The gateway answers `OPTIONS` by itself.
    Options,
    /// Permitted without a token: what is left of the query.
    Open(Vec<(String, String)>),
    /// Permitted without credentials, for development.
    DevMode,
    /// On to phase 3.
    On,
}

/// The upstream's own paging parameters: links are handed out sealed.
pub(crate) fn is_paging(name: &str) -> bool {
    name.starts_with("_getpages") || name == "ct"
}

impl Interpreter {
    /// Goes through phase 2.
    pub(crate) fn token(&self, call: &Call<'_>, caller: &Caller<'_>, now: i64) -> Result<Passed, Denial> {
        if call.method == "OPTIONS" {
            return Ok(Passed::Options);
        }
        if let Some(query) = self.open(call)? {
            return Ok(Passed::Open(query));
        }
        match caller {
            // A page is another's search, whoever may come in.
            Caller::Missing if self.is_dev_mode(now) && call.query.iter().any(|(name, _)| is_paging(name)) => {
                Err(deny(Token, R::ParameterDenied))
            }
            Caller::Missing if self.is_dev_mode(now) && call.path.is_some() && call.method != "TRACE" => {
                Ok(Passed::DevMode)
            }
            Caller::Missing => Err(deny(Token, R::NoToken)),
            Caller::Refused(reason) => Err(Denial { phase: Token, status: 401, reason: *reason }),
            Caller::Basic(_) | Caller::Both(..) if self.service.settings.basic.is_none() => {
                Err(deny(Token, R::MalformedToken))
            }
            Caller::Verified(..) | Caller::Basic(_) | Caller::Both(..) => Ok(Passed::On),
        }
    }

    fn is_dev_mode(&self, now: i64) -> bool {
        let settings = &self.service.settings;
        !settings.production && settings.unauthenticated_until.is_some_and(|until| now < until)
    }

    /// The query of a path that needs no token; none for every other path.
    fn open(&self, call: &Call<'_>) -> Result<Option<Vec<(String, String)>>, Denial> {
        let Some(path) = &call.path else { return Ok(None) };
        let gets = call.method == "GET";
        let known = matches!(call.method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE");
        let keep: Option<&dyn Fn(&str) -> bool> = if gets && self.is_fhir() && path.as_slice() == ["metadata"] {
            Some(&|name| matches!(name, "mode" | "_format" | "_pretty"))
        } else if gets && path.len() > 1 && path.first().is_some_and(|first| first == ".well-known") {
            Some(&|_| false)
        } else if known && self.service.settings.excluded_paths.iter().any(|one| covers(one, path)) {
            Some(&|_| true)
        } else {
            None
        };
        let Some(keep) = keep else { return Ok(None) };
        if call.query.iter().any(|(name, _)| is_paging(name)) {
            return Err(deny(Token, R::ParameterDenied));
        }
        Ok(Some(call.query.iter().filter(|(name, _)| keep(name)).cloned().collect()))
    }
}

/// Whether an excluded path covers these segments; a last `*` means one or more of them.
fn covers(excluded: &str, path: &[String]) -> bool {
    let own: Vec<&str> = excluded.split('/').filter(|segment| !segment.is_empty()).collect();
    match own.split_last() {
        Some((&"*", above)) => path.len() > above.len() && above.iter().zip(path).all(|(one, other)| one == other),
        _ => own.len() == path.len() && own.iter().zip(path).all(|(one, other)| one == other),
    }
}
