//! Mail as the control plane leaves it without an SMTP server: one file for each message.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::Failure;

/// Mail is written right after the answer; this is for slow disks.
const WAIT_SECONDS: u64 = 20;
const POLL: Duration = Duration::from_millis(50);
/// What stands before the token in the plain text.
const TOKEN: &str = "token:";

/// A message that was found.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) file: PathBuf,
    pub(crate) token: String,
}

/// Waits for a message to `address` that holds a token.
pub(crate) async fn wait_for(folder: &Path, address: &str) -> Result<Mail, Failure> {
    let started = tokio::time::Instant::now();
    loop {
        if let Some(mail) = look(folder, address) {
            return Ok(mail);
        }
        if started.elapsed().as_secs() >= WAIT_SECONDS {
            let what = format!("a mail to {address} in {}", folder.display());
            return Err(Failure::Late { what, seconds: WAIT_SECONDS });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn look(folder: &Path, address: &str) -> Option<Mail> {
    fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).find_map(|file| {
        // A mail that is still being written has another name.
        if file.extension().is_none_or(|extension| extension != "eml") {
            return None;
        }
        let text = String::from_utf8(fs::read(&file).ok()?).ok()?;
        let token = token(&text, address)?;
        Some(Mail { file, token })
    })
}

/// The token in a message, if it is to that address.
fn token(message: &str, address: &str) -> Option<String> {
    let message = message.replace("\r\n", "\n");
    let (headers, body) = message.split_once("\n\n")?;
    headers.lines().find(|line| line.starts_with("To:") && line.contains(address))?;
    // Quoted-printable cuts long lines with a `=` at their end.
    let body = body.replace("=\n", "");
    let line = body.lines().find_map(|line| line.trim().strip_prefix(TOKEN).map(str::to_owned))?;
    let token = line.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stands_on_a_line_of_its_own() {
        let message = "From: a@b\r\nTo: <owner@ehr.example>\r\n\r\nHello,\r\n\r\ntoken: abc=\r\ndef\r\n";
        assert_eq!(token(message, "owner@ehr.example").as_deref(), Some("abcdef"));
        assert_eq!(token(message, "partner@app.example"), None);
        assert_eq!(token("To: owner@ehr.example\n\nno secret", "owner@ehr.example"), None);
    }
}
