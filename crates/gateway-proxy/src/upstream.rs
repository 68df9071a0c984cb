//! The way to the protected API: exactly the request that was decided, and a bounded answer; or a lookup of the
//! decision point, as the gateway's own `GET`.

use std::fmt;
use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::StreamExt;
use gateway::enforce::{Failure, Permitted};
use policy::decision::{self, Lookup};
use policy::operation::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};

/// The default bound of an answer: a full `$everything` of one patient has some megabytes.
pub const DEFAULT_MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long all of a file of an export may take; its bytes have to go on coming.
const FILE_TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);

/// The protected API.
pub struct Upstream {
    client: Client,
    base: Url,
    /// Its base as text, without a trailing slash.
    base_text: String,
    credentials: HeaderMap,
    bounds: Bounds,
}

/// How much of an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long it may take, its body included.
    pub timeout: Duration,
    /// How long its body may be.
    pub max_response_bytes: usize,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Upstream").field("base", &self.base_text).finish_non_exhaustive()
    }
}

/// Why an upstream cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUpstream {
    /// Not the base of an HTTP API.
    #[error(
        "`{0}` is not the base URL of an upstream: expected https://host/path, without query, fragment or credentials"
    )]
    Url(String),
    /// The file of headers cannot be used.
    #[error("line {line} of the upstream's header file is not `Name: value`")]
    Header {
        /// Counted from 1.
        line: usize,
    },
    /// TLS could not be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(reqwest::Error),
}

/// An answer of the upstream, whole.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
}

impl Upstream {
    /// An upstream at this base; `headers` (lines of `Name: value`) go with every request, in place of the client's.
    pub fn new(base: &str, headers: &str, bounds: Bounds) -> Result<Self, InvalidUpstream> {
        let invalid = || InvalidUpstream::Url(base.to_owned());
        let url = Url::parse(base).map_err(|_| invalid())?;
        let plain = url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain || !anonymous {
            return Err(invalid());
        }
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(bounds.timeout)
            .build()
            .map_err(InvalidUpstream::Client)?;
        let base_text = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { client, base: url, base_text, credentials: credentials(headers)?, bounds })
    }

    /// Its base as text, without a trailing slash.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base_text
    }

    /// Sends a permitted request; `authorization` is the client's own, for a Service that passes it on.
    pub(crate) async fn send(
        &self,
        permitted: &Permitted<decision::Upstream<'static>>,
        body: Bytes,
        authorization: Option<&[u8]>,
    ) -> Result<Fetched, Failure> {
        let request = permitted.inner();
        let url = self.url(&request.path, &request.query).ok_or(Failure::NoAnswer)?;
        let body = match &request.body {
            Some(body) => body.as_bytes().to_vec(),
            // Nothing that was decided has a body with it; what came is not sent unread.
            None if request.method == Method::Get => Vec::new(),
            None => body.to_vec(),
        };
        let sent = self.client.request(method(request.method), url).headers(self.headers(request, authorization));
        let answer = sent.body(body).send().await.map_err(|fault| no_answer(permitted, fault))?;
        self.read(answer).await
    }

    /// Sends a permitted request for a file of an export, whose body is left to be read while it comes.
    pub(crate) async fn open(
        &self,
        permitted: &Permitted<decision::Upstream<'static>>,
        authorization: Option<&[u8]>,
    ) -> Result<reqwest::Response, Failure> {
        let request = permitted.inner();
        let url = self.url(&request.path, &request.query).ok_or(Failure::NoAnswer)?;
        let sent = self.client.request(method(request.method), url).headers(self.headers(request, authorization));
        let answer = tokio::time::timeout(self.bounds.timeout, sent.timeout(FILE_TIMEOUT).send()).await;
        answer.map_err(|_| Failure::NoAnswer)?.map_err(|fault| no_answer(permitted, fault))
    }

    /// Asks what is stored, for the decision point; none when there is no answer.
    pub(crate) async fn look_up(&self, lookup: &Lookup, authorization: Option<&[u8]>) -> Option<reqwest::Response> {
        let url = self.url(&lookup.path, &lookup.query)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/fhir+json"));
        // Some servers answer a search from their memory of an earlier one.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        self.add_credentials(&mut headers, authorization);
        let sent = self.client.get(url).headers(headers).send().await;
        sent.inspect_err(|fault| {
            tracing::warn!(timeout = fault.is_timeout(), "the upstream gave no answer to a lookup");
        })
        .ok()
    }

    /// How much of an answer is waited for.
    pub(crate) const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The URL of what was decided; none if writing it as a URL would change it.
    fn url(&self, path: &str, query: &str) -> Option<Url> {
        let mut text = format!("{}{path}", self.base_text);
        if !query.is_empty() {
            text.push('?');
            text.push_str(query);
        }
        let url = Url::parse(&text).ok()?;
        let path = format!("{}{path}", self.base.path().trim_end_matches('/'));
        let same_path = url.path() == path || (path.is_empty() && url.path() == "/");
        let same = same_path && url.query().unwrap_or("") == query && url.origin() == self.base.origin();
        if !same {
            tracing::error!("a decided request cannot be written as a URL without changing it; it was not sent");
        }
        same.then_some(url)
    }

    fn headers(&self, request: &decision::Upstream<'_>, authorization: Option<&[u8]>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let decided = request.headers.iter().map(|(name, value)| (name.as_bytes(), &**value));
        for (name, value) in decided {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
                && ![AUTHORIZATION, CONTENT_LENGTH, HOST].contains(&name)
            {
                headers.append(name, value);
            }
        }
        self.add_credentials(&mut headers, authorization);
        headers
    }

    /// The client's own credential where it is passed on, and those of the upstream in its place.
    fn add_credentials(&self, headers: &mut HeaderMap, authorization: Option<&[u8]>) {
        if let Some(Ok(value)) = authorization.map(HeaderValue::from_bytes) {
            headers.insert(AUTHORIZATION, value);
        }
        for name in self.credentials.keys() {
            headers.remove(name);
        }
        headers.extend(self.credentials.clone());
    }

    async fn read(&self, answer: reqwest::Response) -> Result<Fetched, Failure> {
        let status = answer.status().as_u16();
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned())).collect();
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Failure::BrokenAnswer(status))?;
            if body.len() + chunk.len() > self.bounds.max_response_bytes {
                tracing::warn!(limit = self.bounds.max_response_bytes, "the upstream's answer is too long");
                return Err(Failure::BrokenAnswer(status));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { status, headers, body: body.into() })
    }
}

fn no_answer(permitted: &Permitted<decision::Upstream<'static>>, fault: reqwest::Error) -> Failure {
    tracing::warn!(request_id = %permitted.judged().request_id(), fault = %fault.without_url(), "the upstream gave no answer");
    Failure::NoAnswer
}

fn credentials(text: &str) -> Result<HeaderMap, InvalidUpstream> {
    let mut headers = HeaderMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let invalid = InvalidUpstream::Header { line: index + 1 };
        let pair = line.split_once(':').and_then(|(name, value)| {
            let mut value = HeaderValue::from_str(value.trim()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
        });
        let (name, value) = pair.ok_or(invalid)?;
        headers.append(name, value);
    }
    Ok(headers)
}

const fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
        Method::Options => reqwest::Method::OPTIONS,
        Method::Trace => reqwest::Method::TRACE,
    }
}
