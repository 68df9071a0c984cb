//! The demo: the whole path from a document to decided requests, played over HTTP between real programs.
//!
//! Invariant: nothing is shared in memory. The control plane, the sample EHR and the gateway are processes
//! of their own; the demo knows them by URLs and files, and what it shows is what they answered.

use std::process::ExitCode;

mod args;
mod client;
pub mod ehr;
mod failure;
mod mailbox;
mod people;
mod processes;
mod report;
mod screen;
mod stage;
mod story;
mod table;
mod upstream;

pub use args::Args;
pub use processes::end_with_parent;

use failure::Failure;
use screen::{GREEN, RED, Screen};
use stage::Stage;
use story::Programs;

/// Plays the story; stays up until Ctrl-C unless `once`.
///
/// The status is 0 if every step was as it should be, 1 if one was not, 2 if the demo could not begin.
pub async fn run(args: Args) -> ExitCode {
    let screen = Screen::new(args.json, args.no_color);
    let begun = story::folder(args.data_dir.as_ref())
        .and_then(|(folder, temporary)| Ok((Stage::new(screen, folder, args.verbose)?, temporary)));
    let (mut stage, temporary) = match begun {
        Ok(begun) => begun,
        Err(failure) => {
            eprintln!("demo: {failure}");
            return ExitCode::from(2);
        }
    };
    let mut programs = Programs::default();
    let ok = tokio::select! {
        ok = play(&mut stage, &args, &mut programs) => ok,
        () = interrupted() => true,
    };
    drop(programs);
    if temporary && ok {
        // What was shown is over; a folder that cannot be removed is the system's to clean.
        let _ = std::fs::remove_dir_all(&stage.folder);
    } else {
        stage.screen.line(&format!("kept: {}", stage.folder.display()));
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The story, its end, and the time after it; whether all was as it should be.
async fn play(stage: &mut Stage, args: &Args, programs: &mut Programs) -> bool {
    let told = story::tell(stage, args, programs).await;
    if let Err(failure) = &told {
        note_failure(stage, failure);
    }
    summary(stage);
    if let Ok(standing) = told
        && let Err(failure) = story::farewell(stage, &standing, !args.once)
    {
        note_failure(stage, &failure);
    }
    let ok = stage.report.failures.is_empty();
    stage.report.ok = ok;
    if args.json {
        print_report(stage);
    }
    if !args.once {
        std::future::pending::<()>().await;
    }
    ok
}

fn note_failure(stage: &mut Stage, failure: &Failure) {
    let text = failure.to_string();
    if !stage.report.failures.contains(&text) {
        stage.report.failures.push(text);
    }
}

/// What was measured, and what was not as it should be.
fn summary(stage: &mut Stage) {
    let mut micros: Vec<u64> = stage.report.requests.iter().filter_map(|request| request.micros).collect();
    micros.sort_unstable();
    let measured = &mut stage.report.measured;
    measured.decisions = micros.len();
    measured.decision_micros_median = micros.get(micros.len() / 2).copied();
    measured.decision_micros_max = micros.last().copied();

    let (screen, report) = (&stage.screen, &stage.report);
    screen.heading("The end");
    let megabytes =
        |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |bytes| format!("{} MB", bytes.div_ceil(1_000_000)));
    let number = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
    let measured = &report.measured;
    let lines = [
        ("played", format!("{} steps, {} requests", report.steps.len(), report.requests.len())),
        (
            "a decision",
            format!(
                "{} µs in the middle, {} µs at most",
                number(measured.decision_micros_median),
                number(measured.decision_micros_max)
            ),
        ),
        (
            "memory",
            format!(
                "serve {}, arc {} resident",
                megabytes(measured.serve_resident_bytes),
                megabytes(measured.arc_resident_bytes)
            ),
        ),
        ("restart", format!("serve ready after {} ms on its database", number(measured.serve_ready_milliseconds))),
    ];
    for (name, text) in lines {
        screen.line(&format!("  {}  {text}", screen.paint(screen::DIM, &format!("{name:<10}"))));
    }
    if report.failures.is_empty() {
        screen.line(&format!("  {}", screen.paint(GREEN, "every step was as it should be")));
    } else {
        screen.line(&format!("  {}", screen.paint(RED, "not as it should be:")));
        for failure in &report.failures {
            screen.line(&format!("  {} {failure}", screen.mark(false)));
        }
    }
}

fn print_report(stage: &Stage) {
    match serde_json::to_string_pretty(&stage.report) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("demo: the report cannot be printed: {error}"),
    }
}

/// Resolves when the demo is asked to end: Ctrl-C, or SIGTERM where there is one.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler the system's own ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
