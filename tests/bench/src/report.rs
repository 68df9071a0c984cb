//! Figures, their targets, and how they are shown.

use std::time::{Duration, Instant};

use serde_json::json;

/// Runs before anything is measured.
const WARM_UP: u32 = 2_000;
/// Each figure is taken over this many runs of [`SAMPLES`].
const RUNS: u32 = 7;
/// Samples of one run.
const SAMPLES: u32 = 20_000;

/// Which of a figure's values a target is about.
#[derive(Clone, Copy)]
pub enum Value {
    Median,
    P95,
}

/// What was measured, in one unit.
pub struct Figure {
    pub what: String,
    pub unit: &'static str,
    pub min: f64,
    pub median: f64,
    pub p95: f64,
    pub p99: f64,
    /// The value that meets the target: the highest, or the lowest if [`Figure::at_least`].
    pub must: Option<f64>,
    /// Which value the target is about; the 95th percentile unless it says otherwise.
    pub of: Value,
    /// Whether more is better, as of a ratio.
    pub at_least: bool,
}

impl Figure {
    /// Whether the target is met; a figure without one meets it.
    pub fn met(&self) -> bool {
        self.must.is_none_or(|must| if self.at_least { self.value() >= must } else { self.value() <= must })
    }

    /// The value that the target is about.
    pub fn value(&self) -> f64 {
        match self.of {
            Value::Median => self.median,
            Value::P95 => self.p95,
        }
    }

    /// The target is about the median.
    pub fn median_at_most(self, must: f64) -> Self {
        Self { must: Some(must), of: Value::Median, ..self }
    }

    /// One number, such as a ratio or a count.
    pub fn one(what: impl Into<String>, unit: &'static str, value: f64, must: Option<f64>) -> Self {
        Self::of(what, unit, vec![value], must)
    }

    /// The target is about the median, which has to be that high, if there is a target.
    pub fn median_at_least(self, must: Option<f64>) -> Self {
        Self { must, of: Value::Median, at_least: true, ..self }
    }

    /// Sorts samples into a figure; the median over all runs, so that one disturbed run does not decide.
    pub fn of(what: impl Into<String>, unit: &'static str, mut samples: Vec<f64>, must: Option<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = samples.len().saturating_sub(1) as f64;
            samples.get((last * share).round() as usize).copied().unwrap_or_default()
        };
        Self {
            what: what.into(),
            unit,
            min: at(0.0),
            median: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            must,
            of: Value::P95,
            at_least: false,
        }
    }
}

/// Samples that are taken in rounds, so that several pieces of work can be timed in turn and what else the machine does
/// meets all of them.
pub struct Rounds {
    samples: Vec<f64>,
    /// The median of each round.
    pub medians: Vec<f64>,
    clock: f64,
}

impl Rounds {
    pub fn new() -> Self {
        Self { samples: Vec::new(), medians: Vec::new(), clock: clock_cost() }
    }

    /// One round: single calls of `work` with the numbers below `count` in turn, for that many samples or that long,
    /// whichever ends first, after a tenth of it as a warm-up. What reading the clock costs is taken off, because it is a
    /// tenth of the fastest answers.
    pub fn run(&mut self, count: usize, samples: usize, longest: Duration, mut work: impl FnMut(usize)) {
        let mut turn = (0..count).cycle();
        let begun = Instant::now();
        for number in turn.by_ref().take(samples / 10) {
            work(number);
            if begun.elapsed() > longest / 10 {
                break;
            }
        }
        let (begun, mut taken) = (Instant::now(), Vec::with_capacity(samples));
        for number in turn.take(samples) {
            let from = Instant::now();
            work(number);
            let to = Instant::now();
            taken.push((micros(to - from) - self.clock).max(0.0));
            if to - begun > longest {
                break;
            }
        }
        self.samples.extend_from_slice(&taken);
        self.medians.push(Figure::of("", "µs", taken, None).median);
    }

    pub fn figure(self, what: impl Into<String>) -> Figure {
        Figure::of(what, "µs", self.samples, None)
    }
}

/// The median of what two readings of the clock are apart, in microseconds.
pub fn clock_cost() -> f64 {
    let apart = (0..10_001).map(|_| {
        let from = Instant::now();
        micros(Instant::now() - from)
    });
    Figure::of("", "µs", apart.collect(), None).median
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
            .map(|one| json!({ "what": one.what, "value": one.value(), "unit": one.unit, "must": one.must, "met": one.met(), "min": one.min, "median": one.median, "p95": one.p95, "p99": one.p99 }))
            .collect();
        println!("{}", serde_json::Value::Array(rows));
    } else {
        println!("{title}\n");
        println!(
            "{:<84} {:>9} {:>9} {:>9} {:>9}  {:<5} {:>9}  met",
            "what", "min", "median", "p95", "p99", "unit", "must"
        );
        for one in figures {
            let must = one
                .must
                .map_or_else(|| "-".to_owned(), |must| format!("{} {must}", if one.at_least { "≥" } else { "≤" }));
            println!(
                "{:<84} {:>9.2} {:>9.2} {:>9.2} {:>9.2}  {:<5} {:>9}  {}",
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
