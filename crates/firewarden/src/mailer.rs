//! Sends the mail of the outbox after its transaction: by SMTP with TLS, or as files for a machine without mail.
//!
//! Invariant: a letter leaves the outbox only after it was handed over; a crash in between sends it again, never not at all.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use admin::letter::{self, Mail};
use chrono::TimeDelta;
use domain::OutboxMail;
use domain::account::PLATFORM;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Message, SmtpTransport, Transport as _};
use policy::id::AccountId;
use store::StoreError;
use web::state::State;

use crate::config::{MailConfig, without_password};

/// How often the outbox is read when nobody says that a letter waits: for those of another replica, and retries.
const POLL: Duration = Duration::from_secs(2);
/// How long a letter is this worker's alone; longer than all that SMTP may take for one.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// After so many attempts a letter is given up: by then, three days later, its link has expired.
const MAX_ATTEMPTS: u32 = 16;
/// The longest line of a mail (RFC 5322 section 2.1.1).
const MAX_LINE_BYTES: usize = 998;
/// Pauses between attempts double from the first to the longest.
const FIRST_PAUSE_SECONDS: i64 = 5;
/// See [`FIRST_PAUSE_SECONDS`].
const LONGEST_PAUSE_SECONDS: i64 = 6 * 60 * 60;
/// How long one SMTP command may take.
const SMTP_TIMEOUT: Duration = Duration::from_secs(20);

/// Why mail cannot be sent as configured.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMailer {
    /// The sender is no address.
    #[error("`mail_from` must be an address such as `Firewarden <no-reply@example.org>`")]
    From,
    /// The URL names no server, or one without TLS that is not on this machine.
    #[error("`smtp_url` must be smtps://host or smtp://host (with STARTTLS); without TLS only to this machine: {0}")]
    Url(String),
    /// The folder for files.
    #[error("{0}: {1}")]
    Folder(String, io::Error),
}

/// Why one letter was not handed over.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the letter cannot be written as a message: {0}")]
    Message(lettre::error::Error),
    #[error("an address cannot be used")]
    Address,
    #[error("the mail server: {0}")]
    Smtp(lettre::transport::smtp::Error),
    #[error("the file: {0}")]
    File(io::Error),
    #[error("{0}")]
    Sealed(admin::Error),
    #[error("its sender broke")]
    Broke,
}

/// Where mail goes.
enum Way {
    Smtp(Box<SmtpTransport>),
    Files(PathBuf),
}

/// Sends mail.
pub(crate) struct Mailer {
    from: Mailbox,
    way: Way,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Mailer").finish_non_exhaustive()
    }
}

impl Mailer {
    /// By SMTP if there is a URL, else to files in `folder`.
    pub(crate) fn new(config: &MailConfig, folder: &Path) -> Result<Self, InvalidMailer> {
        let from = config.from.parse().map_err(|_| InvalidMailer::From)?;
        let way = if let Some(url) = &config.smtp_url {
            Way::Smtp(Box::new(smtp(url)?))
        } else {
            let failed = |error| InvalidMailer::Folder(folder.display().to_string(), error);
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
            Way::Files(folder.to_owned())
        };
        Ok(Self { from, way })
    }

    /// Sends what waits, until the task is ended.
    pub(crate) async fn run(self: Arc<Self>, state: Data<State>) {
        loop {
            let (mailer, own) = (Arc::clone(&self), Data::clone(&state));
            let sent = tokio::task::spawn_blocking(move || mailer.send_waiting(&own)).await;
            match sent {
                Ok(Ok(store::outbox::MAX_DUE..)) => continue,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the outbox cannot be read"),
                Err(error) => tracing::error!(%error, "sending mail failed"),
            }
            let _ = tokio::time::timeout(POLL, state.mail_waits.notified()).await;
        }
    }

    fn message(&self, waiting: &OutboxMail, mail: Mail) -> Result<Message, SendError> {
        let to = waiting.to.as_str().parse().map_err(|_| SendError::Address)?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .message_id(Some(format!("<{}@firewarden>", waiting.id)))
            .multipart(MultiPart::alternative().singlepart(plain(mail.text)).singlepart(SinglePart::html(mail.html)))
            .map_err(SendError::Message)
    }

    fn deliver(&self, waiting: &OutboxMail, message: &Message) -> Result<(), SendError> {
        match &self.way {
            Way::Smtp(transport) => transport.send(message).map(drop).map_err(SendError::Smtp),
            Way::Files(folder) => {
                let file = folder.join(format!("{}.eml", waiting.id));
                write(&file, &message.formatted()).map_err(SendError::File)?;
                tracing::info!(file = %file.display(), "mail written");
                Ok(())
            }
        }
    }

    fn send(&self, state: &State, waiting: &OutboxMail) -> Result<(), SendError> {
        let mail = letter::open(&state.sealer, waiting).map_err(SendError::Sealed)?;
        let message = self.message(waiting, mail)?;
        self.deliver(waiting, &message)
    }
}

impl Mailer {
    /// Sends everything that is due; says how many letters there were.
    fn send_waiting(&self, state: &State) -> Result<usize, StoreError> {
        let due = state.pool.read(PLATFORM, |tx| store::outbox::due(tx, state.clock.now()))?;
        for (account_id, id) in &due {
            let now = state.clock.now();
            let taken = state.pool.transact(*account_id, |tx| {
                tx.name("mail.take");
                store::outbox::take(tx, *id, now, now + LEASE)
            })?;
            let Some(waiting) = taken else { continue };
            // A letter that breaks its sender must not hold up the others.
            let sent = catch_unwind(AssertUnwindSafe(|| self.send(state, &waiting))).unwrap_or(Err(SendError::Broke));
            match sent {
                Ok(()) => state.pool.transact(*account_id, |tx| {
                    tx.name("mail.done");
                    store::outbox::done(tx, &waiting)
                })?,
                Err(error) => put_off(state, *account_id, &waiting, &error)?,
            }
        }
        Ok(due.len())
    }
}

/// Gives a letter another day, or gives it up.
fn put_off(state: &State, account_id: AccountId, waiting: &OutboxMail, error: &SendError) -> Result<(), StoreError> {
    if waiting.attempts >= MAX_ATTEMPTS {
        tracing::error!(mail.id = %waiting.id, %error, "a mail is given up");
        return state.pool.transact(account_id, |tx| store::outbox::done(tx, waiting));
    }
    let again_at = state.clock.now() + pause(waiting.attempts);
    tracing::warn!(mail.id = %waiting.id, %error, %again_at, "a mail is put off");
    state.pool.transact(account_id, |tx| store::outbox::failed(tx, waiting, again_at))
}

/// The text as it is where it can be: a link that is read in the file itself is then whole.
fn plain(text: String) -> SinglePart {
    let builder = SinglePart::builder().header(ContentType::TEXT_PLAIN);
    let printable = text.bytes().all(|byte| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic());
    if printable && text.lines().all(|line| line.len() <= MAX_LINE_BYTES) {
        // The library itself takes no line over 76 bytes for 7bit, though the standard allows 998.
        let lines = text.replace('\n', "\r\n").into_bytes();
        builder.body(Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit))
    } else {
        builder.body(text)
    }
}

/// The pause after so many attempts.
fn pause(attempts: u32) -> TimeDelta {
    let doubled = FIRST_PAUSE_SECONDS.checked_shl(attempts.saturating_sub(1)).unwrap_or(LONGEST_PAUSE_SECONDS);
    TimeDelta::seconds(doubled.clamp(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
}

/// Writes a file that only its owner can read, whole or not at all.
fn write(file: &Path, content: &[u8]) -> io::Result<()> {
    let part = file.with_extension("part");
    let mut open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    open.write_all(content)?;
    open.sync_all()?;
    std::fs::rename(&part, file)
}

fn smtp(url: &str) -> Result<SmtpTransport, InvalidMailer> {
    let refused = |why: &str| InvalidMailer::Url(format!("{why} ({})", without_password(url)));
    let (scheme, rest) = url.split_once("://").ok_or_else(|| refused("it has no scheme"))?;
    let host = rest.rsplit('@').next().unwrap_or_default();
    let local = ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
        host.strip_prefix(name).is_some_and(|after| after.is_empty() || after.starts_with([':', '/', '?']))
    });
    let url = match scheme {
        "smtps" => url.to_owned(),
        "smtp" if local => url.to_owned(),
        "smtp" if url.contains('?') => return Err(refused("it has a query")),
        "smtp" => format!("{url}?tls=required"),
        _ => return Err(refused("its scheme is neither smtps nor smtp")),
    };
    let builder = SmtpTransport::from_url(&url).map_err(|_| refused("it cannot be read"))?;
    Ok(builder.timeout(Some(SMTP_TIMEOUT)).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_longer_than_a_line_of_quoted_printable_stays_whole() {
        let link = format!("https://policy.example.org/signup/confirm#token={}", "x".repeat(200));
        let part = plain(format!("Hello,\n\n{link}\n"));
        let text = String::from_utf8(part.formatted()).unwrap();
        assert!(text.contains("Content-Transfer-Encoding: 7bit"), "{text}");
        assert!(text.contains(&format!("Hello,\r\n\r\n{link}\r\n")), "{text}");
    }

    #[test]
    fn what_7bit_cannot_carry_is_encoded() {
        for text in ["Grüße".to_owned(), "x".repeat(MAX_LINE_BYTES + 1)] {
            let written = plain(text).formatted();
            assert!(written.is_ascii());
            assert!(!String::from_utf8(written).unwrap().contains("7bit"));
        }
    }
}
