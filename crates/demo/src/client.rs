//! The demo's HTTP client: a call that can be sent, and shown as the curl line that does the same.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::failure::Failure;
use crate::people::Who;

/// A call that takes longer has failed; passwords are hashed in debug builds too.
const TIMEOUT: Duration = Duration::from_mins(1);
/// A longer answer is not read to its end.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Something that stands for itself in a shell and for its value in a request.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// `$OWNER`, `$(token patient-a)`.
    pub(crate) shown: String,
    pub(crate) value: String,
}

impl Named {
    pub(crate) fn new(shown: &str, value: impl Into<String>) -> Self {
        Self { shown: shown.to_owned(), value: value.into() }
    }
}

/// The body of a call.
#[derive(Clone, Debug, Default)]
pub(crate) enum Body {
    #[default]
    None,
    Json(Value),
    Fhir(Value),
    /// A resource as it was written, decimals and all.
    FhirText(String),
    Form(String),
    /// A document, with the file that holds it.
    Document(Vec<u8>, String),
}

impl Body {
    const fn media_type(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Json(_) => Some("application/json"),
            Self::Fhir(_) | Self::FhirText(_) => Some("application/fhir+json"),
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
            Self::Document(..) => Some("application/octet-stream"),
        }
    }
}

/// One HTTP request of the story.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) who: Who,
    pub(crate) method: Method,
    pub(crate) base: Named,
    /// Path and query, beginning with `/`, as they are sent.
    pub(crate) path: String,
    pub(crate) bearer: Option<Named>,
    pub(crate) if_match: Option<String>,
    pub(crate) body: Body,
}

impl Call {
    /// A call without credential and body.
    pub(crate) fn new(who: Who, method: Method, base: &Named, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { who, method, base: base.clone(), path, bearer: None, if_match: None, body: Body::None }
    }

    pub(crate) fn bearer(mut self, token: &Named) -> Self {
        self.bearer = Some(token.clone());
        self
    }

    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn if_match(mut self, tag: Option<String>) -> Self {
        self.if_match = tag;
        self
    }

    /// The URL that it goes to.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.base.value, self.path)
    }

    /// The curl line that does the same, in the words of the demo's shell file.
    pub(crate) fn curl(&self) -> String {
        let mut words = vec!["curl -i".to_owned()];
        if !(self.method == Method::GET || (self.method == Method::POST && self.body.media_type().is_some())) {
            words.push(format!("-X {}", self.method));
        }
        words.push(format!("\"{}{}\"", self.base.shown, self.path.replace('$', "\\$")));
        if let Some(token) = &self.bearer {
            words.push(format!("-H \"Authorization: Bearer {}\"", token.shown));
        }
        if let Some(tag) = &self.if_match {
            words.push(format!("-H 'If-Match: {tag}'"));
        }
        if let Some(media_type) = self.body.media_type().filter(|_| !matches!(self.body, Body::Form(_))) {
            words.push(format!("-H 'Content-Type: {media_type}'"));
        }
        match &self.body {
            Body::None => {}
            Body::Json(body) | Body::Fhir(body) => words.push(format!("-d {}", quoted(&body.to_string()))),
            Body::Form(text) | Body::FhirText(text) => words.push(format!("-d {}", quoted(text))),
            Body::Document(_, file) => words.push(format!("--data-binary @{file}")),
        }
        words.join(" ")
    }
}

/// In single quotes, as a shell reads them.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Value,
}

impl Answer {
    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// A text of the JSON body, by its pointer.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer).and_then(Value::as_str)
    }

    /// What went wrong, in the server's words.
    pub(crate) fn complaint(&self) -> String {
        let said =
            ["/detail", "/error_description", "/title", "/message", "/issue/0/diagnostics", "/issue/0/details/text"];
        said.iter().find_map(|pointer| self.text(pointer)).unwrap_or("no detail").to_owned()
    }
}

/// Sends calls, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Client(reqwest::Client);

impl Client {
    pub(crate) fn new() -> Result<Self, Failure> {
        let builder =
            reqwest::Client::builder().timeout(TIMEOUT).no_proxy().redirect(reqwest::redirect::Policy::none());
        builder.build().map(Self).map_err(|error| unreachable("the HTTP client".to_owned(), &error))
    }

    /// Sends a call and reads its answer.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, Failure> {
        let url = call.url();
        let failed = |error: reqwest::Error| unreachable(url.clone(), &error);
        let mut request = self.0.request(call.method.clone(), &url);
        if let Some(token) = &call.bearer {
            request = request.bearer_auth(&token.value);
        }
        if let Some(tag) = &call.if_match {
            request = request.header("If-Match", tag);
        }
        if let Some(media_type) = call.body.media_type() {
            request = request.header("Content-Type", media_type);
        }
        request = match &call.body {
            Body::None => request,
            Body::Json(body) | Body::Fhir(body) => request.body(body.to_string()),
            Body::Form(text) | Body::FhirText(text) => request.body(text.clone()),
            Body::Document(bytes, _) => request.body(bytes.clone()),
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                break;
            }
            bytes.extend_from_slice(&chunk);
        }
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, headers, bytes, body })
    }
}

fn unreachable(url: String, error: &reqwest::Error) -> Failure {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        why = deeper.to_string();
        cause = deeper.source();
    }
    Failure::Unreachable { url, why }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_shows_as_the_curl_line_that_does_the_same() {
        let fhir = Named::new("$FHIR", "http://127.0.0.1:1/fhir");
        let token = Named::new("$(token patient-a)", "secret");
        let call = Call::new(Who::PatientA, Method::GET, &fhir, "/Patient/amara/$everything").bearer(&token);
        assert_eq!(
            call.curl(),
            r#"curl -i "$FHIR/Patient/amara/\$everything" -H "Authorization: Bearer $(token patient-a)""#
        );
        let call = Call::new(Who::Owner, Method::PATCH, &fhir, "/v1/x").json(json!({"name": "it's"}));
        let call = call.if_match(Some("\"3\"".to_owned()));
        assert_eq!(
            call.curl(),
            r#"curl -i -X PATCH "$FHIR/v1/x" -H 'If-Match: "3"' -H 'Content-Type: application/json' -d '{"name":"it'\''s"}'"#
        );
    }
}
