//! A page of metrics: named numbers with their labels, as text.

use std::collections::HashMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;
use pusher_core::Distribution;

/// The content type of what [`Page::text`] makes.
pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

/// What tells the samples of a metric apart: names and values. Keep the values few.
pub type Labels = Vec<(&'static str, String)>;

/// Metrics and their samples. A metric without samples is not shown.
#[derive(Debug, Default)]
pub struct Page {
    metrics: Vec<Metric>,
}

#[derive(Debug)]
struct Metric {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    samples: Vec<(Labels, Value)>,
}

#[derive(Debug)]
enum Value {
    Whole(u64),
    Real(f64),
    /// The values of a histogram, and how many of its units are one of the metric's.
    Spread(Distribution, f64),
}

impl Page {
    /// Adds a number that only grows. `name` ends in `_total`.
    pub fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        let samples = samples.into_iter().map(|(labels, number)| (labels, Value::Whole(number)));
        self.add(name, help, MetricType::Counter, samples.collect());
    }

    /// Adds a number that only grows, in parts of its unit. `name` ends in `_total`.
    pub(crate) fn real_counter(&mut self, name: &'static str, help: &'static str, number: f64) {
        self.add(name, help, MetricType::Counter, vec![(Labels::new(), Value::Real(number))]);
    }

    /// Adds a number as it is now.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, samples: impl IntoIterator<Item = (Labels, u64)>) {
        let samples = samples.into_iter().map(|(labels, number)| (labels, Value::Whole(number)));
        self.add(name, help, MetricType::Gauge, samples.collect());
    }

    /// Adds a number as it is now, which is not whole.
    pub(crate) fn real_gauge(&mut self, name: &'static str, help: &'static str, number: f64) {
        self.add(name, help, MetricType::Gauge, vec![(Labels::new(), Value::Real(number))]);
    }

    /// Adds how long things took. `samples` are in microseconds, what is shown is in seconds: `name` ends in `_seconds`.
    pub fn times(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, Distribution)>,
    ) {
        let samples = samples.into_iter().map(|(labels, times)| (labels, Value::Spread(times, 1e6)));
        self.add(name, help, MetricType::Histogram, samples.collect());
    }

    /// Adds how large things were.
    pub fn sizes(&mut self, name: &'static str, help: &'static str, sizes: Distribution) {
        self.add(name, help, MetricType::Histogram, vec![(Labels::new(), Value::Spread(sizes, 1.0))]);
    }

    fn add(&mut self, name: &'static str, help: &'static str, kind: MetricType, samples: Vec<(Labels, Value)>) {
        if !samples.is_empty() {
            self.metrics.push(Metric { name, help, kind, samples });
        }
    }

    /// The page in Prometheus' text format, version 0.0.4.
    ///
    /// # Errors
    /// If the numbers cannot be written, which nothing that is on the page can bring about.
    pub fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for Metric { name, help, kind, samples } in &self.metrics {
            // The library adds the end of a counter's name itself.
            let name = name.strip_suffix("_total").unwrap_or(name);
            let mut metric = encoder.encode_descriptor(name, help, None, *kind)?;
            for (labels, value) in samples {
                value.encode(*kind, &mut metric.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(&self, kind: MetricType, metric: &mut MetricEncoder) -> fmt::Result {
        match (self, kind) {
            (Self::Whole(number), MetricType::Counter) => metric.encode_counter::<NoLabelSet, _, u64>(number, None),
            (Self::Real(number), MetricType::Counter) => metric.encode_counter::<NoLabelSet, _, u64>(number, None),
            (Self::Whole(number), _) => metric.encode_gauge(number),
            (Self::Real(number), _) => metric.encode_gauge(number),
            (Self::Spread(values, per_unit), _) => {
                let buckets: Vec<_> = values.buckets.iter().map(|(bound, n)| (*bound as f64 / per_unit, *n)).collect();
                let none: Option<&HashMap<usize, Exemplar<NoLabelSet, f64>>> = None;
                metric.encode_histogram(values.sum as f64 / per_unit, values.count(), &buckets, none)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pusher_core::Histogram;

    use super::*;

    #[test]
    fn each_metric_says_what_it_is_before_its_samples() {
        let mut page = Page::default();
        page.counter("a_total", "How many.", [(vec![("of", "x".into()), ("by", "y".into())], 3), (vec![], u64::MAX)]);
        page.gauge("b_bytes", "How much.", [(vec![], 7)]);
        page.real_gauge("c_seconds", "Since when.", 1.5);
        page.real_counter("d_seconds_total", "How long.", 0.25);
        page.gauge("e", "Of what there is none.", []);
        let text = "# HELP a_total How many.\n# TYPE a_total counter\na_total{of=\"x\",by=\"y\"} 3\n\
                    a_total 18446744073709551615\n# HELP b_bytes How much.\n# TYPE b_bytes gauge\nb_bytes 7\n\
                    # HELP c_seconds Since when.\n# TYPE c_seconds gauge\nc_seconds 1.5\n\
                    # HELP d_seconds_total How long.\n# TYPE d_seconds_total counter\nd_seconds_total 0.25\n";
        assert_eq!(page.text().unwrap(), text);
    }

    #[test]
    fn a_label_can_be_any_text() {
        let mut page = Page::default();
        page.gauge("a", "Two\nlines and a \\.", [(vec![("of", "a \"b\"\n\\c é".into())], 1)]);
        let text = "# HELP a Two\\nlines and a \\\\.\n# TYPE a gauge\na{of=\"a \\\"b\\\"\\n\\\\c é\"} 1\n";
        assert_eq!(page.text().unwrap(), text);
    }

    #[test]
    fn a_histogram_adds_up_and_is_in_seconds() {
        let histogram = Histogram::new(&[500, 2_500_000]);
        for micros in [500, 501, 2_500_000, 9_000_000] {
            histogram.count(micros);
        }
        let mut page = Page::default();
        page.times("t_seconds", "How long.", [(vec![("of", "x".into())], histogram.read())]);
        page.sizes("s", "How many.", histogram.read());
        let text = "# HELP t_seconds How long.\n# TYPE t_seconds histogram\n\
                    t_seconds_bucket{of=\"x\",le=\"0.0005\"} 1\nt_seconds_bucket{of=\"x\",le=\"2.5\"} 3\n\
                    t_seconds_bucket{of=\"x\",le=\"+Inf\"} 4\nt_seconds_sum{of=\"x\"} 11.501001\n\
                    t_seconds_count{of=\"x\"} 4\n# HELP s How many.\n# TYPE s histogram\ns_bucket{le=\"500\"} 1\n\
                    s_bucket{le=\"2.5e+06\"} 3\ns_bucket{le=\"+Inf\"} 4\ns_sum 11501001.0\ns_count 4\n";
        assert_eq!(page.text().unwrap(), text);
    }
}
