//! Letters: what the platform writes to people, as plain text and as HTML.
//!
//! Invariant: whatever somebody else typed (a name) is one line of visible text; in HTML it is escaped, and a subject
//! holds no line break, so that no header and no link can be smuggled in. Links start with the configured base.

use domain::{Call, EmailAddress, OutboxMail, Sealed};
use policy::id::MailId;
use serde::{Deserialize, Serialize};
use store::Tx;
use store::seal::{Place, Sealer};

use crate::Error;
use crate::secret::Token;

/// A mail, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// One line.
    pub subject: String,
    /// The whole message as plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// A letter with one link, before it is laid out.
#[derive(Debug)]
pub struct Letter<'a> {
    /// One line.
    pub subject: String,
    /// What it says, in paragraphs; plain text, in which names of others may stand.
    pub paragraphs: Vec<String>,
    /// The button's text, the path of the page, and the one-use token for it.
    pub link: Option<(&'a str, &'a str, &'a Token)>,
    /// Why the reader gets it, and what happens if nothing is done.
    pub footer: String,
}

impl Letter<'_> {
    /// Lays it out; links start with `public_url`.
    #[must_use]
    pub fn write(&self, public_url: &str) -> Mail {
        let subject = one_line(&self.subject);
        let mut text = String::new();
        let mut html = String::from(HEAD);
        for paragraph in &self.paragraphs {
            let paragraph = one_line(paragraph);
            text.extend([&paragraph, "\n\n"]);
            html.extend(["<p>", &escape(&paragraph), "</p>\n"]);
        }
        if let Some((label, page, token)) = self.link {
            let url = format!("{public_url}{page}#token={}", token.expose());
            text.extend([label, ":\n", &url, "\n\ntoken: ", token.expose(), "\n\n"]);
            let (url, label) = (escape(&url), escape(label));
            html.extend(["<p><a href=\"", &url, "\" style=\"", BUTTON, "\">", &label, "</a></p>\n"]);
            html.extend(["<p style=\"", SMALL, "\">Or copy this address: ", &url, "</p>\n"]);
        }
        let footer = one_line(&self.footer);
        text.extend(["-- \n", &footer, "\n"]);
        html.extend(["<p style=\"", SMALL, "\">", &escape(&footer), "</p>\n</div></body></html>\n"]);
        Mail { subject, text, html }
    }
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"></head>\
<body style=\"margin:0;background:#f4f6f8\"><div style=\"max-width:34em;margin:2em auto;padding:2em;background:#fff;\
border-radius:8px;font:16px/1.5 system-ui,sans-serif;color:#1b2733\">\n";
const BUTTON: &str = "display:inline-block;padding:.7em 1.4em;background:#0b5cad;color:#fff;border-radius:6px;\
text-decoration:none;font-weight:600";
const SMALL: &str = "font-size:13px;color:#5a6875;overflow-wrap:anywhere";

/// One line of visible text: line breaks, control characters and those that turn the direction become spaces.
fn one_line(text: &str) -> String {
    let clean = |char: char| {
        let turns =
            matches!(char, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}');
        if char.is_control() || turns { ' ' } else { char }
    };
    text.chars().map(clean).collect::<String>().trim().to_owned()
}

/// Text as HTML text or attribute.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, char| {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
        out
    })
}

/// Puts a mail into the outbox, in the transaction that it tells of; it is sent after the commit.
///
/// It stands sealed, because its link works.
pub fn post(tx: &mut Tx<'_>, call: &Call, sealer: &Sealer, to: &EmailAddress, mail: &Mail) -> Result<MailId, Error> {
    let id = MailId::new(call.uuid());
    let plain = serde_json::to_vec(mail).map_err(|_| Error::Internal("a mail could not be written"))?;
    let content = Sealed::new(sealer.seal(place(&id.to_string()), &plain)?);
    let waiting = OutboxMail { id, to: to.clone(), content, attempts: 0, created_at: call.now, due_at: call.now };
    store::outbox::put(tx, &waiting)?;
    Ok(id)
}

/// Opens a mail of the outbox.
pub fn open(sealer: &Sealer, waiting: &OutboxMail) -> Result<Mail, Error> {
    let plain = sealer.open(place(&waiting.id.to_string()), waiting.content.as_bytes())?;
    serde_json::from_slice(&plain).map_err(|_| Error::Internal("a mail of the outbox cannot be read"))
}

fn place(id: &str) -> Place<'_> {
    Place { account: "platform", purpose: "outbox", id }
}

#[cfg(test)]
mod tests {
    use domain::Random;

    use super::*;
    use crate::secret::Kind;

    fn letter(name: &str) -> (Mail, Token) {
        let token = Token::draw(Kind::Link, &Random::seeded(1));
        let letter = Letter {
            subject: format!("{name} invites you"),
            paragraphs: vec![format!("{name} invites you.")],
            link: Some(("Accept", "/invitations/accept", &token)),
            footer: "If you did not expect this, do nothing.".into(),
        };
        (letter.write("https://policy.example.org"), token)
    }

    #[test]
    fn c07_a_name_brings_no_markup_and_no_header() {
        let (mail, _) = letter("<a href=\"https://evil\">x</a>\r\nBcc: eve@evil.org\u{202E}");
        assert!(!mail.subject.contains(['\r', '\n', '\u{202E}']));
        assert!(!mail.html.contains("<a href=\"https://evil"));
        assert!(mail.html.contains("&lt;a href=&quot;https://evil&quot;&gt;"));
        assert!(!mail.text.contains("\nBcc"));
    }

    #[test]
    fn c06_the_link_starts_with_the_configured_base_and_the_token_is_in_its_fragment() {
        let (mail, token) = letter("Ann");
        let url = format!("https://policy.example.org/invitations/accept#token={}", token.expose());
        assert!(mail.text.contains(&format!("\n{url}\n")) && mail.html.contains(&format!("href=\"{url}\"")));
        assert!(mail.text.contains(&format!("\ntoken: {}\n", token.expose())));
    }
}
