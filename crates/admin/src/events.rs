//! What was changed in an Account, by whom.

use domain::AdminEvent;
use policy::id::EventId;
use store::{Listed, Page, Tx};

use crate::Error;

/// This Account's events, the newest first.
pub fn list(tx: &mut Tx<'_>, page: Page<EventId>) -> Result<Listed<AdminEvent>, Error> {
    Ok(store::admin_events::list(tx, page)?)
}
