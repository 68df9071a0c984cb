//! A request as the server reads it: method, path, parameters, header fields and body.
//!
//! Invariant: what is read depends on the mind alone; a body is not looked at before its route is known.

use percent_encoding::percent_decode_str;

use crate::answer::Fault;
use crate::mind::Mind;

/// A longer path and query is refused.
const MAX_TARGET: usize = 64 * 1024;
/// More parameters are refused.
const MAX_PARAMETERS: usize = 512;

/// A parameter: its name and value, decoded.
pub(crate) type Pair = (String, String);

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<Pair>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// Whether it is an entry of a batch or transaction.
    pub(crate) nested: bool,
    /// The id that a create gets, in a transaction.
    pub(crate) forced_id: Option<String>,
}

impl Request {
    pub(crate) fn read(
        mind: Mind,
        base: &str,
        (method, target): (&str, &str),
        headers: &[(&str, &[u8])],
        body: &[u8],
    ) -> Result<Self, Fault> {
        if target.len() > MAX_TARGET {
            return Err(Fault::too_large());
        }
        let target = target.split('#').next().unwrap_or_default();
        let target = within_base(base, target);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: segments(mind, path)?,
            query: pairs(mind, query)?,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
            body: body.to_vec(),
            nested: false,
            forced_id: None,
        };
        if mind.follows_overrides {
            request.follow_override();
        }
        Ok(request)
    }

    /// The first header field of that name, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok().map(str::trim)
    }

    /// The media type of the body, without parameters, in lower case.
    pub(crate) fn content_type(&self) -> String {
        let text = self.header("Content-Type").unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Whether `Prefer` says this.
    pub(crate) fn prefers(&self, what: &str) -> bool {
        let all = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Prefer"));
        all.filter_map(|(_, value)| std::str::from_utf8(value).ok())
            .flat_map(|text| text.split([',', ';']))
            .any(|word| word.trim() == what)
    }

    /// The last parameter of that name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn follow_override(&mut self) {
        let fields = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"];
        let said = fields.iter().find_map(|name| self.header(name)).or_else(|| self.parameter("_method"));
        if let Some(said) = said.map(str::to_ascii_uppercase) {
            self.method = said;
        }
        self.query.retain(|(name, _)| name != "_method");
    }
}

/// The part of a target below the base: an absolute URL of the base, or a path that stands for itself.
fn within_base<'a>(base: &str, target: &'a str) -> &'a str {
    match target.strip_prefix(base) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => rest,
        _ => target,
    }
}

fn segments(mind: Mind, path: &str) -> Result<Vec<String>, Fault> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let path = if mind.double_decodes { decode(&decode(path)?)? } else { path.to_owned() };
    let mut all: Vec<String> = Vec::new();
    for segment in path.split('/') {
        let segment = decode(segment)?;
        match segment.as_str() {
            "" | "." | ".." if !mind.resolves_dot_segments => return Err(Fault::invalid("the path is malformed")),
            "" | "." => {}
            ".." => drop(all.pop()),
            _ => all.push(segment),
        }
    }
    Ok(all)
}

/// The parameters of a query or of a form.
pub(crate) fn pairs(mind: Mind, text: &str) -> Result<Vec<Pair>, Fault> {
    let separators: &[char] = if mind.semicolons { &['&', ';'] } else { &['&'] };
    let parts: Vec<&str> = text.split(separators).filter(|part| !part.is_empty()).collect();
    if parts.len() > MAX_PARAMETERS {
        return Err(Fault::too_large());
    }
    parts.into_iter().map(|part| pair(mind, part)).collect()
}

fn pair(mind: Mind, part: &str) -> Result<Pair, Fault> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    let decoded = |text: &str| {
        let once = decode(&text.replace('+', " "))?;
        if mind.double_decodes { decode(&once) } else { Ok(once) }
    };
    Ok((decoded(name)?, decoded(value)?))
}

fn decode(text: &str) -> Result<String, Fault> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| Fault::invalid("the URL is not UTF-8"))?;
    Ok(decoded.into_owned())
}
