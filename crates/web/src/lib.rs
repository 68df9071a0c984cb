//! The kit of the control plane's doors: what every handler needs and no use case knows.
//!
//! Invariant: the clock is read, and ids and randomness are drawn, here only; and a database is reached from async code
//! through [`transact()`], [`read`] and [`blocking`] only.

pub mod bearer;
pub mod caller;
pub mod clock;
pub mod cursor;
pub mod envelope;
pub mod etag;
pub mod health;
pub mod json;
pub mod limit;
pub mod metrics;
pub mod once;
pub mod pointer;
pub mod problem;
pub mod request;
pub mod state;
pub mod transact;

pub use bearer::Bearer;
pub use caller::{Administrator, AnyMember};
pub use clock::Clock;
pub use cursor::{Page, PageQuery};
pub use etag::{IfMatch, etag};
pub use json::{Document, Json, Patch};
pub use once::{Answer, Retry, once};
pub use problem::{Fault, Problem};
pub use state::State;
pub use store::seal::Sealer;
pub use transact::{Failed, blocking, read, transact};
