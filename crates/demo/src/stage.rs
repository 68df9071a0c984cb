//! The player: sends the story's calls, shows each as it happens, and keeps what is not as it should be.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;

use crate::client::{Answer, Call, Client, Named};
use crate::failure::Failure;
use crate::people::{LABEL_WIDTH, Who};
use crate::report::{Report, Step};
use crate::screen::{DIM, Screen, fit_middle, short_ids};

/// How wide method and path are shown in a step: two fifths of the screen, within these.
const CALL_WIDTH: std::ops::RangeInclusive<usize> = 36..=56;
/// What a line has beside call and meaning: mark, actor, status, gaps.
const OTHER_COLUMNS: usize = 2 + LABEL_WIDTH + 2 + 1 + 3 + 2;

/// Where details stand: below the call.
const NOTE_INDENT: usize = 2 + LABEL_WIDTH + 2;

/// Where the story is played.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) screen: Screen,
    pub(crate) report: Report,
    pub(crate) client: Client,
    /// Everything that the story leaves on disk is below it.
    pub(crate) folder: PathBuf,
    /// The control plane.
    pub(crate) control: Named,
    /// The gateway, with the FHIR base path.
    pub(crate) gateway: Named,
    /// Print curl lines under steps too.
    pub(crate) verbose: bool,
    chapter: String,
}

impl Stage {
    pub(crate) fn new(screen: Screen, folder: PathBuf, verbose: bool) -> Result<Self, Failure> {
        Ok(Self {
            screen,
            report: Report::default(),
            client: Client::new()?,
            folder,
            control: Named::new("$CONTROL", ""),
            gateway: Named::new("$FHIR", ""),
            verbose,
            chapter: String::new(),
        })
    }

    /// Begins a chapter.
    pub(crate) fn chapter(&mut self, title: &str) {
        title.clone_into(&mut self.chapter);
        self.screen.heading(title);
    }

    /// The title of the chapter that is played.
    pub(crate) fn chapter_title(&self) -> &str {
        &self.chapter
    }

    /// Sends a call that must answer with that status; the story cannot go on without.
    pub(crate) async fn call(&mut self, call: Call, expected: u16, means: &str) -> Result<Answer, Failure> {
        let answer = self.client.send(&call).await?;
        let ok = answer.status == expected;
        let means = if ok { means.to_owned() } else { format!("{expected} was due: {}", answer.complaint()) };
        let shown = format!("{} {}", call.method, short_ids(&call.path));
        let status = self.screen.status(answer.status);
        self.show(call.who, &shown, &status, &means, ok);
        if self.verbose {
            self.screen.line(&format!("      {}", self.screen.paint(DIM, &call.curl())));
        }
        self.report.steps.push(Step {
            chapter: self.chapter.clone(),
            who: call.who.label(),
            method: Some(call.method.to_string()),
            url: Some(call.url()),
            status: Some(answer.status),
            expected: Some(expected),
            means: means.clone(),
            curl: Some(call.curl()),
            ok,
        });
        if ok { Ok(answer) } else { Err(self.fail(&shown, means)) }
    }

    /// Tells of something that is no call, and whether it is as it should be.
    pub(crate) fn tell(&mut self, who: Who, what: &str, means: &str, ok: bool) {
        self.show(who, what, "   ", means, ok);
        self.report.steps.push(Step {
            chapter: self.chapter.clone(),
            who: who.label(),
            method: None,
            url: None,
            status: None,
            expected: None,
            means: format!("{what}: {means}"),
            curl: None,
            ok,
        });
        if !ok {
            self.report.failures.push(format!("{what}: {means}"));
        }
    }

    /// Tells which file a mail was read from.
    pub(crate) fn tell_mail(&mut self, who: Who, file: &std::path::Path) {
        let shown = file.strip_prefix(&self.folder).unwrap_or(file).display().to_string();
        self.tell(who, "reads the mail", &short_ids(&shown), true);
    }

    /// A line of detail below a step.
    pub(crate) fn note(&self, text: &str) {
        for line in crate::screen::wrap(text, self.screen.width.saturating_sub(NOTE_INDENT)) {
            self.screen.line(&format!("{}{}", " ".repeat(NOTE_INDENT), self.screen.paint(DIM, &line)));
        }
    }

    /// Tells of what this upstream or document cannot show.
    pub(crate) fn leave_out(&mut self, what: &str) {
        self.note(&format!("left out: {what}"));
        self.report.left_out.push(what.to_owned());
    }

    /// Keeps a failure and hands it on.
    pub(crate) fn fail(&mut self, what: &str, found: String) -> Failure {
        self.report.failures.push(format!("{what}: {found}"));
        Failure::Unexpected { what: what.to_owned(), found }
    }

    /// Asks quietly until the answer is as wanted; the seconds are the most that it may take.
    pub(crate) async fn wait_until(
        &self,
        call: &Call,
        (what, seconds): (&str, u64),
        wanted: impl Fn(&Answer) -> bool,
    ) -> Result<Answer, Failure> {
        let started = tokio::time::Instant::now();
        loop {
            match self.client.send(call).await {
                Ok(answer) if wanted(&answer) => return Ok(answer),
                _ if started.elapsed().as_secs() >= seconds => {
                    return Err(Failure::Late { what: what.to_owned(), seconds });
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// A call to the control plane.
    pub(crate) fn to_control(&self, who: Who, method: Method, path: impl Into<String>) -> Call {
        Call::new(who, method, &self.control, path)
    }

    fn show(&self, who: Who, what: &str, status: &str, means: &str, ok: bool) {
        let width = (self.screen.width * 2 / 5).clamp(*CALL_WIDTH.start(), *CALL_WIDTH.end());
        let room = self.screen.width.saturating_sub(width + OTHER_COLUMNS);
        let lines = crate::screen::wrap(means, room);
        for (index, line) in lines.iter().enumerate() {
            if index == 0 {
                let front = format!(
                    "{} {}  {} {status}",
                    self.screen.mark(ok),
                    self.screen.actor(who),
                    fit_middle(what, width)
                );
                self.screen.line(&format!("{front}  {line}"));
            } else {
                self.screen.line(&format!("{}{line}", " ".repeat(width + OTHER_COLUMNS)));
            }
        }
    }
}
