//! Lists in pages, by the id of the last row seen (keyset paging): no page is lost or doubled when rows come and go.

use uuid::Uuid;

use crate::types::Id;

/// The most rows of one page, whatever is asked for: what one answer and one read of memory can hold.
pub const MAX_PAGE: usize = 200;

/// Which page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<I> {
    /// The last id of the page before; none for the first page.
    pub after: Option<I>,
    /// How many rows; at least 1 and at most [`MAX_PAGE`] are given.
    pub limit: usize,
}

impl<I> Page<I> {
    /// The first page.
    #[must_use]
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// The page that follows that row.
    #[must_use]
    pub const fn after(id: I, limit: usize) -> Self {
        Self { after: Some(id), limit }
    }

    fn rows(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE)
    }

    /// One row more than the page has, to see whether another page follows.
    pub(crate) fn sql_limit(&self) -> i64 {
        crate::types::big(self.rows() as u64 + 1)
    }

    /// Cuts that row off again.
    pub(crate) fn cut<T>(&self, mut items: Vec<T>) -> Listed<T> {
        let more = items.len() > self.rows();
        items.truncate(self.rows());
        Listed { items, more }
    }
}

impl<I> Page<I> {
    /// Ids of the page are above this one, in an ascending list.
    pub(crate) fn above(self) -> Id
    where
        I: Into<Id>,
    {
        self.after.map_or(Id(Uuid::nil()), Into::into)
    }

    /// Ids of the page are below this one, in a list of the newest first.
    pub(crate) fn below(self) -> Id
    where
        I: Into<Id>,
    {
        self.after.map_or(Id(Uuid::max()), Into::into)
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// Its rows.
    pub items: Vec<T>,
    /// Whether another page follows.
    pub more: bool,
}

impl<T> Listed<T> {
    /// The same page of other things.
    pub fn try_map<U, E>(self, change: impl FnMut(T) -> Result<U, E>) -> Result<Listed<U>, E> {
        Ok(Listed { items: self.items.into_iter().map(change).collect::<Result<_, _>>()?, more: self.more })
    }
}
