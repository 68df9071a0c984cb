//! Pages of a list: a sealed cursor that decodes to typed values, and never more than 200 entries.
//!
//! Invariant: a cursor that was not made here, or for another list, is a 400; nothing of it reaches a query.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::Listed;
use store::seal::{Place, Sealer};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{Fault, Problem};

/// The most entries of one page.
pub const MAX_LIMIT: u32 = 200;
/// The entries of a page whose size the reader left open.
pub const DEFAULT_LIMIT: u32 = 50;
/// A longer cursor is not one of ours.
const MAX_CURSOR_BYTES: usize = 1_024;

/// How the reader asks for a page.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How many entries at most; 50 if left out, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Where the next page starts; null on the last one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// Seals and opens the cursors of this server.
#[derive(Debug)]
pub struct Cursors(Sealer);

impl Cursors {
    /// Cursors under a key derived from the server's.
    pub fn new(sealer: &Sealer) -> Result<Self, store::seal::SealError> {
        sealer.derived("cursor").map(Self)
    }

    /// The cursor for this list (its path, with the Account that reads it) after this position.
    pub fn seal<T: Serialize>(&self, account: &str, list: &str, position: &T) -> Result<String, Problem> {
        let plain = serde_json::to_vec(position).map_err(|_| Problem::internal())?;
        let sealed = self.0.seal(place(account, list), &plain).map_err(|_| Problem::internal())?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The position in a cursor; 400 for anything that [`Cursors::seal`] did not make for this Account and list.
    pub fn open<T: DeserializeOwned>(&self, account: &str, list: &str, cursor: &str) -> Result<T, Problem> {
        let fault = || {
            Problem::unreadable_at(
                Fault::new("cursor", "invalid_cursor", "this cursor was not made for this list")
                    .fix("start without a cursor, then send `next_cursor` as it is"),
            )
        };
        if cursor.len() > MAX_CURSOR_BYTES {
            return Err(fault());
        }
        let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| fault())?;
        let plain = self.0.open(place(account, list), &sealed).map_err(|_| fault())?;
        serde_json::from_slice(&plain).map_err(|_| fault())
    }
}

fn place<'a>(account: &'a str, list: &'a str) -> Place<'a> {
    Place { account, purpose: "cursor", id: list }
}

impl PageQuery {
    /// How many entries to load, 1 to 200.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(DEFAULT_LIMIT as usize),
            Some(limit @ 1..=MAX_LIMIT) => Ok(limit as usize),
            Some(_) => Err(Problem::unreadable_at(Fault::new(
                "limit",
                "out_of_range",
                format!("`limit` is between 1 and {MAX_LIMIT}"),
            ))),
        }
    }

    /// The page of the store that is asked for.
    pub fn page<I: DeserializeOwned>(
        &self,
        cursors: &Cursors,
        account: &str,
        list: &str,
    ) -> Result<store::Page<I>, Problem> {
        Ok(store::Page { after: self.after(cursors, account, list)?, limit: self.limit()? })
    }

    /// Where to start, if not at the beginning.
    pub fn after<T: DeserializeOwned>(
        &self,
        cursors: &Cursors,
        account: &str,
        list: &str,
    ) -> Result<Option<T>, Problem> {
        self.cursor.as_deref().map(|cursor| cursors.open(account, list, cursor)).transpose()
    }
}

impl<T> Page<T> {
    /// The page as it is sent; `position` is what the next page follows, read from the last row.
    pub fn new<R, P: Serialize>(
        listed: Listed<R>,
        seal: impl FnOnce(&P) -> Result<String, Problem>,
        position: impl FnOnce(&R) -> P,
        show: impl FnMut(R) -> T,
    ) -> Result<Self, Problem> {
        let last = listed.items.last().filter(|_| listed.more);
        let next_cursor = last.map(|last| seal(&position(last))).transpose()?;
        Ok(Self { data: listed.items.into_iter().map(show).collect(), next_cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors() -> Cursors {
        Cursors::new(&Sealer::new(&Sealer::draw_key().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_cursor_opens_for_its_own_list_and_reader_only() {
        let cursors = cursors();
        let cursor = cursors.seal("acct_a", "/v1/services", &(7_u64, "x")).unwrap();
        assert_eq!(cursors.open::<(u64, String)>("acct_a", "/v1/services", &cursor).unwrap(), (7, "x".to_owned()));
        for (account, list) in [("acct_b", "/v1/services"), ("acct_a", "/v1/keys")] {
            assert_eq!(cursors.open::<(u64, String)>(account, list, &cursor).unwrap_err().status, 400);
        }
        assert_eq!(self::cursors().open::<(u64, String)>("acct_a", "/v1/services", &cursor).unwrap_err().status, 400);
    }

    #[test]
    fn e07_a_forged_cursor_is_a_400() {
        let cursors = cursors();
        let cursor = cursors.seal("a", "l", &7_u64).unwrap();
        let mut changed = cursor.clone().into_bytes();
        changed[20] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        for text in ["", "AAAA", "7", "'; drop table services", &changed, &cursor[1..], &"A".repeat(5_000)] {
            assert_eq!(cursors.open::<u64>("a", "l", text).unwrap_err().status, 400, "{text}");
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let page = |items: Vec<u32>, more| {
            Page::new(Listed { items, more }, |at: &u32| Ok(format!("after {at}")), |last| *last, |row| row).unwrap()
        };
        assert_eq!(page(vec![1, 2], false).next_cursor, None);
        assert_eq!(page(vec![1, 2], true).next_cursor.as_deref(), Some("after 2"));
        assert_eq!(page(vec![1, 2], true).data, [1, 2]);
    }
}
