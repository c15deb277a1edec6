//! The benchmarks: each prints its figures beside a baseline that was measured in the same run, because the machines
//! they run on are small, shared and noisy. Compare ratios, not figures of different days.

pub mod accept;
mod beside;
pub mod bulk;
pub mod deliver;
pub mod hostile;
pub mod http;
pub mod inflight;
pub mod load;
pub mod periodic;
pub mod pushers;
pub mod resident;
pub mod sandbox;
pub mod search;
pub mod startup;

use serde_json::json;

use crate::rest::Rest;

/// One figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Which benchmark.
    pub bench: &'static str,
    /// Which case of it.
    pub case: String,
    /// What was measured.
    pub value: f64,
    /// In what.
    pub unit: &'static str,
    /// The same of the baseline.
    pub baseline: f64,
    /// What the baseline is.
    pub beside: &'static str,
}

impl Figure {
    /// The value as a multiple of the baseline.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.value / self.baseline
    }

    /// One JSON object on one line.
    #[must_use]
    pub fn json(&self) -> String {
        let rounded = |n: f64| (n * 1000.0).round() / 1000.0;
        json!({
            "bench": self.bench,
            "case": self.case,
            "value": rounded(self.value),
            "unit": self.unit,
            "baseline": rounded(self.baseline),
            "ratio": rounded(self.ratio()),
        })
        .to_string()
    }

    /// A sentence for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { bench, case, value, unit, baseline, beside } = self;
        format!(
            "{bench:8} {case:28} {value:10.1} {unit:7} beside {baseline:10.1} ({beside}): ratio {:.3}",
            self.ratio()
        )
    }
}

/// The one in the middle; of none, 0.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// Recipients to push to: enough that their records do not sit on one page.
pub(crate) const RECIPIENTS: u64 = 1000;

/// Creates the recipients `p0`, `p1` … with the sender `sample`.
pub(crate) async fn recipients(api: &str) {
    let rest = Rest::new(api);
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..16 {
        let rest = rest.clone();
        tasks.spawn(async move {
            for n in (lane..RECIPIENTS).step_by(16) {
                rest.recipient(&format!("p{n}"), "sample").await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// The request that pushes message number `n`: a different message to one of the recipients each time.
pub(crate) fn push_request(n: u64) -> Vec<u8> {
    let body = format!("pusher=p{}&data=message+number+{n}+and+some+words+more", n % RECIPIENTS);
    format!(
        "POST /pusher/sample/push HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
