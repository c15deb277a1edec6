//! What the process takes, as the system tells in `/proc`, under the names that all Prometheus clients use. Nothing where
//! there is no `/proc`.

use std::fs;

use async_trait::async_trait;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::{Page, Source};

/// This process, and which version of the program it is.
pub(crate) struct Process;

#[async_trait]
impl Source for Process {
    async fn show(&self, page: &mut Page) {
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        page.gauge("pusher_build_info", "Which version runs; always 1.", [(version, 1)]);
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        if let Some(Stat { cpu_ticks, started_ticks, virtual_bytes, pages }) = Stat::parse(&text("/proc/self/stat")) {
            let ticks = clock_ticks_per_second() as f64;
            page.real_counter(
                "process_cpu_seconds_total",
                "How long the process computed, on all processors together.",
                cpu_ticks as f64 / ticks,
            );
            let bytes = pages * page_size() as u64;
            page.gauge("process_resident_memory_bytes", "How much memory the process occupies.", [(vec![], bytes)]);
            let help = "How much address space the process has; most of it is no memory.";
            page.gauge("process_virtual_memory_bytes", help, [(vec![], virtual_bytes)]);
            if let Some(booted) = boot_time(&text("/proc/stat")) {
                let started = booted as f64 + started_ticks as f64 / ticks;
                page.real_gauge("process_start_time_seconds", "When the process started, in Unix time.", started);
            }
        }
        // The directory that is read is one of them while it is.
        if let Ok(open) = fs::read_dir("/proc/self/fd").map(|files| files.count().saturating_sub(1)) {
            let help = "How many files are open; a connection is one.";
            page.gauge("process_open_fds", help, [(vec![], open as u64)]);
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            page.gauge("process_max_fds", "How many files may be open.", [(vec![], most)]);
        }
    }
}

/// What of `/proc/self/stat` is used (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    started_ticks: u64,
    virtual_bytes: u64,
    pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // Numbered as the manual does, where the first one behind the name is 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.checked_add(field(15)?)?,
            started_ticks: field(22)?,
            virtual_bytes: field(23)?,
            pages: field(24)?,
        })
    }
}

/// When the system started, in Unix seconds.
fn boot_time(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_is_no_trouble() {
        let text =
            "42 (a) b (c)) S 1 42 42 0 -1 4194560 1234 0 5 0 700 30 0 0 20 0 9 0 123456 987654321 2048 184467 1 1 0";
        let stat = Stat { cpu_ticks: 730, started_ticks: 123_456, virtual_bytes: 987_654_321, pages: 2_048 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("42 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
        assert_eq!(boot_time("cpu 1 2\nbtime 1700000000\nprocesses 3\n"), Some(1_700_000_000));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn this_process_has_memory_files_and_a_beginning() {
        let mut page = Page::default();
        Process.show(&mut page).await;
        let text = page.text().unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse::<f64>().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6, "{text}");
        assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"), "{text}");
        assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") >= value("process_open_fds"), "{text}");
        // Some time in this century, and before the file that this test was built from was last read.
        assert!((1.6e9..1e10).contains(&value("process_start_time_seconds")), "{text}");
        let before = value("process_cpu_seconds_total");
        assert!(before >= 0.0, "{text}");
    }
}
