//! A page of metrics, read as strictly as Prometheus' own tools read one (`promtool check metrics`): its text format 0.0.4,
//! and its rules for names.

use std::collections::{BTreeMap, BTreeSet};

use crate::rest::Rest;

/// Ends of names that belong to the parts of a histogram.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Units that a name must not have, because there is a base unit.
const NOT_BASE: [&str; 8] =
    ["milliseconds", "microseconds", "minutes", "hours", "kilobytes", "megabytes", "bits", "percent"];

/// The metrics of a process at a moment.
#[derive(Debug)]
pub struct Metrics {
    /// What each metric is: `counter`, `gauge` or `histogram`.
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<Series, f64>,
}

/// A name and its labels, in order of their names.
type Series = (String, BTreeMap<String, String>);

impl Metrics {
    /// Reads `/metrics` of the operator listener at `admin`.
    ///
    /// # Panics
    /// If it is not answered, or the page is not as it should be: this is for tests.
    pub async fn of(admin: &str) -> Self {
        let page = Rest::new(admin).get("/metrics").await;
        assert_eq!(page.status, 200, "{page:?}");
        Self::parse(&page.body).unwrap_or_else(|error| panic!("{error}\n{}", page.body))
    }

    /// Reads a page.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn parse(page: &str) -> Result<Self, String> {
        let mut metrics = Self { kinds: BTreeMap::new(), samples: BTreeMap::new() };
        let mut current = Metric::default();
        if !page.ends_with('\n') {
            return Err("the last line does not end".into());
        }
        for (number, line) in page.lines().enumerate() {
            let wrong = |reason: String| format!("line {}: {reason}: {line}", number + 1);
            if let Some(help) = line.strip_prefix("# HELP ") {
                metrics.end(&current)?;
                let (name, text) = help.split_once(' ').unwrap_or((help, ""));
                current = Metric { name: name.to_owned(), ..Metric::default() };
                if text.is_empty() {
                    return Err(wrong("there is no help".into()));
                }
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let kind = kind.strip_prefix(&format!("{} ", current.name));
                let kind = kind.ok_or_else(|| wrong("the type is not that of what help was given for".into()))?;
                check_name(&current.name, kind).map_err(wrong)?;
                if metrics.kinds.insert(current.name.clone(), kind.to_owned()).is_some() {
                    return Err(wrong("it is there twice".into()));
                }
                kind.clone_into(&mut current.kind);
            } else {
                let (series, value) = sample(line).map_err(wrong)?;
                let of = match current.kind.as_str() {
                    "histogram" => PARTS.iter().find_map(|part| series.0.strip_suffix(part)),
                    _ => Some(series.0.as_str()),
                };
                if of != Some(&current.name) || current.kind.is_empty() {
                    return Err(wrong("it does not follow its own type".into()));
                }
                if current.kind == "counter" && value < 0.0 {
                    return Err(wrong("a counter below nothing".into()));
                }
                current.series.push((series.clone(), value));
                if metrics.samples.insert(series, value).is_some() {
                    return Err(wrong("it is there twice".into()));
                }
            }
        }
        metrics.end(&current)?;
        Ok(metrics)
    }

    /// A metric's lines are over.
    fn end(&self, Metric { name, kind, series }: &Metric) -> Result<(), String> {
        if !name.is_empty() && series.is_empty() {
            return Err(format!("{name} has no samples"));
        }
        if kind != "histogram" {
            return Ok(());
        }
        let part = |part: &str, labels: &BTreeMap<String, String>| {
            let found = series.iter().find(|((of, with), _)| *of == format!("{name}{part}") && with == labels);
            found.map(|(_, value)| *value).ok_or_else(|| format!("{name} has no {part} for {labels:?}"))
        };
        let mut buckets: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
        for ((_, labels), value) in series.iter().filter(|((of, _), _)| of.ends_with("_bucket")) {
            let mut labels = labels.clone();
            let bound = labels.remove("le").ok_or_else(|| format!("a bucket of {name} has no bound"))?;
            buckets.entry(labels).or_default().push((number(&bound)?, *value));
        }
        for (labels, buckets) in &buckets {
            let (count, _) = (part("_count", labels)?, part("_sum", labels)?);
            let ascend = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            if !ascend || buckets.last() != Some(&(f64::INFINITY, count)) {
                return Err(format!(
                    "the buckets of {name} with {labels:?} do not add up: {buckets:?}, {count} in all"
                ));
            }
        }
        if buckets.is_empty() { Err(format!("{name} has no buckets")) } else { Ok(()) }
    }

    /// The value of a sample that has these labels and no others.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// The names of all metrics.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        self.kinds.keys().map(String::as_str).collect()
    }

    /// All values that a label has.
    #[must_use]
    pub fn labels(&self, label: &str) -> BTreeSet<&str> {
        self.samples.keys().filter_map(|(_, labels)| labels.get(label)).map(String::as_str).collect()
    }
}

#[derive(Debug, Default)]
struct Metric {
    name: String,
    kind: String,
    series: Vec<(Series, f64)>,
}

fn check_name(name: &str, kind: &str) -> Result<(), String> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_word) {
        return Err("the name is not in small letters, digits and underscores".into());
    }
    if !["counter", "gauge", "histogram"].contains(&kind) {
        return Err(format!("there is no type {kind:?}"));
    }
    if name.ends_with("_total") != (kind == "counter") {
        return Err("counters, and nothing else, end in _total".into());
    }
    if PARTS.iter().any(|part| name.ends_with(part)) {
        return Err("the end of the name is for histograms' parts".into());
    }
    if let Some(unit) = name.split('_').find(|word| NOT_BASE.contains(word)) {
        return Err(format!("{unit} is no base unit"));
    }
    Ok(())
}

/// `name{label="value",…} number`
fn sample(line: &str) -> Result<(Series, f64), String> {
    let name_ends = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').ok_or("there is no number")?;
    let (name, mut rest) = line.split_at(name_ends);
    let mut labels = BTreeMap::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, value) = inside.split_once("=\"").ok_or("a label has no value")?;
            if label.is_empty() || !label.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                return Err(format!("no label is called {label:?}"));
            }
            let (value, after) = unquote(value)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err(format!("it has {label} twice"));
            }
            match after.split_at_checked(1) {
                Some((",", more)) => inside = more,
                Some(("}", after)) => {
                    rest = after;
                    break;
                }
                _ => return Err("the labels do not end".into()),
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("there is no blank before the number")?;
    Ok(((name.to_owned(), labels), number(value)?))
}

/// The text up to the quotation mark that ends it, and what comes behind that.
fn unquote(quoted: &str) -> Result<(String, &str), String> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((text, &quoted[at + 1..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => text.push('\n'),
                Some(c @ ('\\' | '"')) => text.push(c),
                _ => return Err("a backslash before something that needs none".into()),
            },
            c => text.push(c),
        }
    }
    Err("a label's value does not end".into())
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        text => text.parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(|| format!("{text:?} is no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_total How many.\n# TYPE a_total counter\na_total{of=\"x \\\"y\\\"\\n\\\\\"} 3\na_total 4\n\
                        # HELP t_seconds How long.\n# TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.5\"} 1\n\
                        t_seconds_bucket{le=\"+Inf\"} 2\nt_seconds_sum 1.25\nt_seconds_count 2\n";

    #[test]
    fn a_page_is_read() {
        let metrics = Metrics::parse(GOOD).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(metrics.value("a_total", &[("of", "x \"y\"\n\\")]), Some(3.0));
        assert_eq!(metrics.value("a_total", &[]), Some(4.0));
        assert_eq!(metrics.value("t_seconds_sum", &[]), Some(1.25));
        assert_eq!(metrics.names(), BTreeSet::from(["a_total", "t_seconds"]));
        assert_eq!(metrics.labels("of"), BTreeSet::from(["x \"y\"\n\\"]));
    }

    #[test]
    fn what_prometheus_would_not_take_or_not_like_is_refused() {
        for (good, bad, reason) in [
            ("# HELP a_total How many.\n", "", "the type is not that"),
            ("How many.", "", "no help"),
            ("# TYPE a_total counter\n", "", "does not follow"),
            ("a_total counter", "a_total gauge", "end in _total"),
            ("a_total counter", "a_total number", "no type"),
            ("a_total 4", "a_total{of=\"x \\\"y\\\"\\n\\\\\"} 4", "twice"),
            ("a_total 4", "a_total{of=\"x\",of=\"x\"} 4", "twice"),
            ("a_total 4", "a_total{of=\"x} 4", "does not end"),
            ("a_total 4", "a_total{of=\"\\x\"} 4", "backslash"),
            ("a_total 4", "a_total{Of=\"x\"} 4", "no label"),
            ("a_total 4", "a_total  4", "no number"),
            ("a_total 4", "a_total four", "no number"),
            ("a_total 4", "b_total 4", "does not follow"),
            ("a_total 4", "a_total -4", "below"),
            ("t_seconds_bucket{le=\"0.5\"} 1", "t_seconds_bucket{le=\"0.5\"} 3", "add up"),
            ("t_seconds_bucket{le=\"+Inf\"} 2\n", "", "add up"),
            ("t_seconds_count 2\n", "", "no _count"),
            ("t_seconds_sum 1.25\n", "", "no _sum"),
            ("t_seconds_count 2\n", "t_seconds_count 2", "last line"),
        ] {
            let page = GOOD.replace(good, bad);
            assert_ne!(page, GOOD, "{good}");
            let error = Metrics::parse(&page).map(|metrics| metrics.samples).unwrap_err();
            assert!(error.contains(reason), "{bad:?} in place of {good:?}: {error}");
        }
        for name in ["a_milliseconds", "aB", "a_count", "9a"] {
            let page = format!("# HELP {name} Of what.\n# TYPE {name} gauge\n{name} 1\n");
            assert!(Metrics::parse(&page).is_err(), "{name}");
        }
    }
}
