//! Figures, their targets, and how they are shown.

use std::time::{Duration, Instant};

use serde_json::json;

/// Runs before anything is measured.
const WARM_UP: u32 = 2_000;
/// Each figure is taken over this many runs of [`SAMPLES`].
const RUNS: u32 = 7;
/// Samples of one run.
const SAMPLES: u32 = 20_000;

/// What was measured, in one unit.
pub struct Figure {
    pub what: String,
    pub unit: &'static str,
    pub min: f64,
    pub median: f64,
    pub p95: f64,
    pub p99: f64,
    /// The highest value that meets the target, of `p95`.
    pub must: Option<f64>,
}

impl Figure {
    /// Whether the target is met; a figure without one meets it.
    pub fn met(&self) -> bool {
        self.must.is_none_or(|must| self.p95 <= must)
    }

    /// Sorts samples into a figure; the median over all runs, so that one disturbed run does not decide.
    pub fn of(what: impl Into<String>, unit: &'static str, mut samples: Vec<f64>, must: Option<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = samples.len().saturating_sub(1) as f64;
            samples.get((last * share).round() as usize).copied().unwrap_or_default()
        };
        Self { what: what.into(), unit, min: at(0.0), median: at(0.5), p95: at(0.95), p99: at(0.99), must }
    }
}

/// Times single calls of `work`, in microseconds.
pub fn time(what: &str, must: Option<f64>, mut work: impl FnMut()) -> Figure {
    (0..WARM_UP).for_each(|_| work());
    let samples = (0..RUNS * SAMPLES)
        .map(|_| {
            let from = Instant::now();
            work();
            micros(from.elapsed())
        })
        .collect();
    Figure::of(what, "µs", samples, must)
}

pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Prints the table, or the array; says whether every target is met.
pub fn show(title: &str, figures: &[Figure], as_json: bool) -> bool {
    if as_json {
        let rows: Vec<_> = figures
            .iter()
            .map(|one| json!({ "what": one.what, "value": one.p95, "unit": one.unit, "must": one.must, "met": one.met(), "min": one.min, "median": one.median, "p99": one.p99 }))
            .collect();
        println!("{}", serde_json::Value::Array(rows));
    } else {
        println!("{title}\n");
        println!(
            "{:<58} {:>9} {:>9} {:>9} {:>9}  {:<5} {:>9}  met",
            "what", "min", "median", "p95", "p99", "unit", "must"
        );
        for one in figures {
            let must = one.must.map_or_else(|| "-".to_owned(), |must| format!("≤ {must}"));
            println!(
                "{:<58} {:>9.2} {:>9.2} {:>9.2} {:>9.2}  {:<5} {:>9}  {}",
                one.what,
                one.min,
                one.median,
                one.p95,
                one.p99,
                one.unit,
                must,
                if one.must.is_none() {
                    "-"
                } else if one.met() {
                    "yes"
                } else {
                    "NO"
                }
            );
        }
    }
    figures.iter().all(Figure::met)
}
