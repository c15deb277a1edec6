//! How much memory a process has: all that is resident, which counts the pages of the database that are mapped, and what
//! it has taken for itself.

use std::io;

/// What a process has in memory, in MiB, by `/proc/PID/status` (proc_pid_status(5)).
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    /// Its own (`RssAnon`).
    pub own: f64,
    /// And what it has mapped of files (`VmRSS`).
    pub all: f64,
    /// The most that this ever was (`VmHWM`).
    pub most: f64,
}

impl Resident {
    /// Of this process.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn own() -> io::Result<Self> {
        Self::read("self")
    }

    /// Of a process that this program has started; `None`: it has ended.
    ///
    /// # Errors
    /// If it has ended, or the system does not tell.
    pub fn of(pid: Option<u32>) -> io::Result<Self> {
        let pid = pid.ok_or_else(|| io::Error::other("the process has ended"))?;
        Self::read(&pid.to_string())
    }

    fn read(process: &str) -> io::Result<Self> {
        let path = format!("/proc/{process}/status");
        let status = std::fs::read_to_string(&path)?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u32>().ok());
            kib.map(|kib| f64::from(kib) / 1024.0)
                .ok_or_else(|| io::Error::other(format!("there is no {name} in {path}")))
        };
        Ok(Self { own: field("RssAnon")?, all: field("VmRSS")?, most: field("VmHWM")? })
    }
}
