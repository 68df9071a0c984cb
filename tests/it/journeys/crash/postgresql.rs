//! The cases that write to the most places, on PostgreSQL.

use super::base::{partner_story, play};
use super::{Case, owner, partner, survives};
use crate::postgres::Database;

const CASES: [&Case; 6] =
    [&owner::CONFIRM, &owner::SERVICE, &partner::ACCEPT, &partner::SUSPEND, &partner::DELETE_KEY, &partner::INGEST];

#[test]
fn nothing_is_lost_and_nothing_half_done_on_postgresql() {
    let Some(database) = Database::new() else { return };
    let base = play(Some(database), partner_story);
    for case in CASES {
        survives(&base, case);
    }
}
