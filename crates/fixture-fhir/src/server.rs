//! The server: its records, its mind, and what it hands out for later (pages, export jobs).
//!
//! Invariant: what is handed out is held in a bounded number, oldest forgotten first.

use std::collections::VecDeque;

use crate::answer::{Fault, Served};
use crate::export::Job;
use crate::json::MAX_BODY;
use crate::mind::Mind;
use crate::request::Request;
use crate::resource::{Record, Resource};
use crate::routes;
use crate::search::World;
use crate::search::pages::Page;
use crate::store::Store;

/// So many searches can be paged through, and so many jobs fetched, at a time.
const MAX_HELD: usize = 256;

/// A FHIR R4 server in memory; a clone is a server of its own.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) base: String,
    pub(crate) mind: Mind,
    pub(crate) store: Store,
    pub(crate) pages: VecDeque<Page>,
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) drawn: u64,
}

impl Server {
    /// A server at `base` (without a slash at its end) with these records, each served byte for byte; of two
    /// with one type and id the later is the next version.
    ///
    /// # Panics
    /// When a record is no resource with a type and an id, so that no test runs on less than it says.
    #[must_use]
    pub fn new<R: Into<Record>>(records: impl IntoIterator<Item = R>, base: &str, mind: Mind) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        let store = Store::default();
        let mut server = Self { base, mind, store, pages: VecDeque::new(), jobs: VecDeque::new(), drawn: 0 };
        for record in records {
            let record = record.into();
            assert!(server.load(record.clone()), "this record cannot be loaded: {record:?}");
        }
        server
    }

    /// Takes one more record, byte for byte, as the next version of its type and id; whether it has both.
    pub fn load(&mut self, record: impl Into<Record>) -> bool {
        let Record(text) = record.into();
        Resource::of(&text).is_some_and(|resource| self.store.seed(resource).is_ok())
    }

    /// Answers one request; `path_and_query` stands below the base (`/Patient/1`), or is a URL of the base.
    pub fn serve(&mut self, method: &str, path_and_query: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Served {
        if body.len() > MAX_BODY {
            return Fault::too_large().served();
        }
        let request = match Request::read(self.mind, &self.base, (method, path_and_query), headers, body) {
            Ok(request) => request,
            Err(fault) => return fault.served(),
        };
        let mut served = self.answer(request);
        if method == "HEAD" {
            served.body.clear();
        }
        served
    }

    /// The text of a resource as it is stored now.
    #[must_use]
    pub fn stored(&self, kind: &str, id: &str) -> Option<&str> {
        self.store.current(&(kind.to_owned(), id.to_owned())).map(|resource| resource.text.get())
    }

    /// Every resource that is stored now, by type and id.
    #[must_use]
    pub fn all(&self) -> Vec<&str> {
        let kinds = self.store.kinds();
        kinds.iter().flat_map(|kind| self.store.of_kind(kind)).map(|resource| resource.text.get()).collect()
    }

    pub(crate) fn answer(&mut self, request: Request) -> Served {
        routes::route(self, request).unwrap_or_else(|fault| fault.served())
    }

    pub(crate) fn world(&self) -> World<'_> {
        World::new(&self.store, &self.base, self.mind)
    }

    /// A number that was never drawn.
    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    pub(crate) fn hold_page(&mut self, page: Page) {
        self.pages.push_back(page);
        while self.pages.len() > MAX_HELD {
            self.pages.pop_front();
        }
    }

    pub(crate) fn hold_job(&mut self, job: Job) {
        self.jobs.push_back(job);
        while self.jobs.len() > MAX_HELD {
            self.jobs.pop_front();
        }
    }
}
