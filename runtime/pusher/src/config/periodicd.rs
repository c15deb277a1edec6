//! What the settings of `pusher periodicd` mean.

use std::path::PathBuf;

use periodic::{Endpoint, ServerOptions, Settings};
use pusher_sandbox::manifest::Bytes;
use serde::Deserialize;

use super::{ConfigError, DEFAULT_PERIODIC, File, Link, LinkSettings, TlsFiles, endpoint, host_port, map_size};

/// Every connection may hold a frame of this size in memory.
const MAX_PAYLOAD: u64 = 1 << 30;
/// The least that a frame may be limited to: names of 255 bytes and a little workload must fit.
const MIN_PAYLOAD: u64 = 1 << 10;

/// What may be said about `periodicd`; `None`, or no address: nothing was said. Keys in the file are the flags' names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is documented where it is parsed, as a flag, and where it is meant, in PeriodicdConfig"
)]
pub struct PeriodicdSettings {
    #[serde(default)]
    pub listen: Vec<String>,
    pub periodic_cert: Option<PathBuf>,
    pub periodic_key: Option<PathBuf>,
    pub periodic_ca: Option<PathBuf>,
    pub work_dir: Option<PathBuf>,
    pub memory: Option<bool>,
    pub auth_file: Option<PathBuf>,
    pub admin: Option<String>,
    pub map_size: Option<u64>,
    pub max_payload: Option<Bytes>,
    pub timeout: Option<u32>,
    pub keepalive: Option<u32>,
}

/// Where `periodicd` keeps its jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeepJobs {
    /// In a database, durably.
    Disk {
        /// Where it lies.
        work_dir: PathBuf,
        /// The size of its map in bytes.
        map_size: u64,
    },
    /// In the memory of the process, with which they end.
    Memory,
}

/// Everything `pusher periodicd` needs to know.
#[derive(Debug, Clone)]
pub struct PeriodicdConfig {
    /// Where to listen; at least one.
    pub listen: Vec<Endpoint>,
    /// The certificates of those that are `tls://`.
    pub tls: TlsFiles,
    /// Where jobs are kept.
    pub keep: KeepJobs,
    /// The file of identities; `None`: everybody may do everything.
    pub auth_file: Option<PathBuf>,
    /// Where the operator listener listens, `host:port`; `None`: there is none.
    pub admin: Option<String>,
    /// How the server behaves.
    pub options: ServerOptions,
}

impl PeriodicdConfig {
    /// Joins what was said to what was in the file and to the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that cannot be.
    pub fn resolve(said: PeriodicdSettings, file: File) -> Result<Self, ConfigError> {
        let file = file.periodicd;
        let mut listen = if said.listen.is_empty() { file.listen } else { said.listen };
        if listen.is_empty() {
            listen.push(DEFAULT_PERIODIC.to_owned());
        }
        // One place of jobs, from whichever of the two says anything about it.
        let is_said = said.memory.is_some() || said.work_dir.is_some();
        let (memory, work_dir) = if is_said { (said.memory, said.work_dir) } else { (file.memory, file.work_dir) };
        let keep = match (memory, work_dir) {
            (Some(true), None) => KeepJobs::Memory,
            (Some(true), Some(dir)) => {
                let reason = "jobs are kept in memory, as --memory says; leave one of the two out".to_owned();
                return Err(ConfigError::Value { name: "--work-dir", value: dir.display().to_string(), reason });
            }
            (_, dir) => KeepJobs::Disk {
                work_dir: dir.unwrap_or_else(|| PathBuf::from(".")),
                map_size: map_size(said.map_size.or(file.map_size))?,
            },
        };
        let defaults = ServerOptions::default();
        let settings = Settings {
            timeout: said.timeout.or(file.timeout).unwrap_or(defaults.settings.timeout),
            keepalive: said.keepalive.or(file.keepalive).unwrap_or(defaults.settings.keepalive),
            ..defaults.settings
        };
        let max_payload = match said.max_payload.or(file.max_payload) {
            Some(size) => payload(size)?,
            None => defaults.max_payload,
        };
        let listen = listen.iter().map(|url| endpoint("--listen", url)).collect::<Result<Vec<_>, _>>()?;
        let link = LinkSettings {
            periodic_cert: said.periodic_cert.or(file.periodic_cert),
            periodic_key: said.periodic_key.or(file.periodic_key),
            periodic_ca: said.periodic_ca.or(file.periodic_ca),
            ..LinkSettings::default()
        };
        Ok(Self {
            tls: Link::listening(link, &listen)?,
            listen,
            keep,
            auth_file: said.auth_file.or(file.auth_file),
            admin: said.admin.or(file.admin).map(|admin| host_port("--admin", admin)).transpose()?,
            options: ServerOptions { max_payload, settings, remote_shutdown: true, ..defaults },
        })
    }
}

fn payload(size: Bytes) -> Result<usize, ConfigError> {
    let bytes = usize::try_from(size.0).ok().filter(|_| (MIN_PAYLOAD..=MAX_PAYLOAD).contains(&size.0));
    bytes.ok_or_else(|| ConfigError::Value {
        name: "--max-payload",
        value: size.to_string(),
        reason: "give a size from 1KiB to 1GiB".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(said: PeriodicdSettings, file: &str) -> Result<PeriodicdConfig, String> {
        PeriodicdConfig::resolve(said, toml::from_str(file).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_it_listens_where_workers_look_and_keeps_jobs_here() {
        let config = resolve(PeriodicdSettings::default(), "").unwrap();
        assert_eq!(config.listen, [DEFAULT_PERIODIC.parse().unwrap()]);
        assert_eq!(config.keep, KeepJobs::Disk { work_dir: ".".into(), map_size: 256 << 30 });
        assert_eq!((config.admin, config.auth_file, config.options.settings), (None, None, Settings::default()));
    }

    #[test]
    fn what_is_said_wins_over_the_file() {
        let file = "[periodicd]\nlisten = [\"tcp://:1\", \"tcp://:2\"]\nwork-dir = \"/file\"\nmax-payload = \"1MiB\"\n\
                    timeout = 5\nkeepalive = 0";
        let config = resolve(PeriodicdSettings::default(), file).unwrap();
        assert_eq!(config.listen.len(), 2);
        assert_eq!((config.options.settings.timeout, config.options.settings.keepalive), (5, 0));
        assert_eq!(config.options.max_payload, 1 << 20);
        let said = PeriodicdSettings {
            listen: vec!["unix:///said".into()],
            memory: Some(true),
            timeout: Some(7),
            ..PeriodicdSettings::default()
        };
        let config = resolve(said, file).unwrap();
        assert_eq!((config.listen.len(), config.keep, config.options.settings.timeout), (1, KeepJobs::Memory, 7));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let said = |change: fn(&mut PeriodicdSettings)| {
            let mut said = PeriodicdSettings::default();
            change(&mut said);
            resolve(said, "").unwrap_err()
        };
        let both = said(|said| (said.memory, said.work_dir) = (Some(true), Some("d".into())));
        assert!(both.starts_with("--work-dir \"d\" is not valid: jobs are kept in memory"), "{both}");
        let small = said(|said| said.max_payload = Some(Bytes(1023)));
        assert!(small.starts_with("--max-payload \"1023B\" is not valid: give a size from 1KiB"), "{small}");
        let nowhere = said(|said| said.listen = vec!["localhost:5000".into()]);
        assert!(nowhere.starts_with("--listen \"localhost:5000\" is not valid: "), "{nowhere}");
    }
}
