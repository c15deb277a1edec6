//! What the settings mean: flags and environment over the file, the file over defaults, each checked once.

mod api;
mod keys;
mod limits;
mod link;
mod pair;
mod periodicd;
mod retention;
mod signing;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use periodic::{Endpoint, Identity};
use pusher_api::auth::KeyError;
use pusher_api::{Auth, Limits};
use pusher_client::{Credentials, Scheme};
use pusher_core::Prefix;
use pusher_core::signing::Secret;
use pusher_sandbox::manifest::Bytes;
use serde::Deserialize;
use url::Url;

pub use self::api::{ApiConfig, ApiSettings, ClientSettings};
pub use self::keys::KeySettings;
pub use self::limits::LimitSettings;
pub use self::link::{Link, LinkError, LinkSettings, PeriodicConfig, PeriodicSettings, TlsFiles, Token};
use self::pair::OnePair;
pub use self::periodicd::{KeepJobs, PeriodicdConfig, PeriodicdSettings};
pub use self::retention::{Keep, RetentionSettings};
pub use self::signing::SigningSettings;
pub use crate::http::Connections;

const DEFAULT_HOST: &str = "localhost:6000";
const DEFAULT_ADMIN: &str = "127.0.0.1:6060";
const DEFAULT_PERIODIC: &str = "unix:///tmp/periodic.sock";
const DEFAULT_SIZE: usize = 256;
const DEFAULT_MAP_GIB: u64 = 256;
const GIB: u64 = 1 << 30;
const DEFAULT_SPOOL: Bytes = Bytes(64 << 20);
/// Less would not hold one report of a message that is as long as it can be.
const MIN_SPOOL: Bytes = Bytes(16 << 20);

/// A setting that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {reason}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the configuration file {path} is not valid: line {line}: {reason}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// What is wrong; not with the line itself, which may hold a secret.
        reason: String,
    },
    /// A value is not what it should be.
    #[error("{name} {value:?} is not valid: {reason}")]
    Value {
        /// Which setting, as the flag is called.
        name: &'static str,
        /// What was given.
        value: String,
        /// What it should be.
        reason: String,
    },
    /// A value is missing.
    #[error("{name} is missing: {reason}")]
    Missing {
        /// Which setting, as the flag is called.
        name: &'static str,
        /// What to do.
        reason: &'static str,
    },
    /// A key of the API cannot be.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The configuration file: `pusher.toml`, a table for each command. Unknown keys are errors.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// For `pusher serve`.
    #[serde(default)]
    pub serve: ServeSettings,
    /// For `pusher worker`.
    #[serde(default)]
    pub worker: WorkSettings,
    /// For `pusher periodicd`.
    #[serde(default)]
    pub periodicd: PeriodicdSettings,
    /// For the commands that are clients of the REST API.
    #[serde(default)]
    pub client: ClientSettings,
    /// For `pusher periodic`.
    #[serde(default)]
    pub periodic: PeriodicSettings,
}

impl File {
    /// Reads the file that was named; without a name there is none.
    ///
    /// # Errors
    /// [`ConfigError`] if it cannot be read or parsed.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text =
            std::fs::read_to_string(path).map_err(|reason| ConfigError::Read { path: path.to_owned(), reason })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            ConfigError::Parse { path: path.to_owned(), line, reason: error.message().to_owned() }
        })
    }
}

/// What may be said about `serve`; `None`: nothing was said. Keys in the file are the flags' names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is documented where it is parsed, as a flag, and where it is meant, in ServeConfig"
)]
pub struct ServeSettings {
    pub host: Option<String>,
    pub work_dir: Option<PathBuf>,
    pub senders: Option<PathBuf>,
    pub hooks: Option<PathBuf>,
    pub cache: Option<PathBuf>,
    pub periodic: Option<String>,
    pub periodic_listen: Option<String>,
    pub periodic_cert: Option<PathBuf>,
    pub periodic_key: Option<PathBuf>,
    pub periodic_ca: Option<PathBuf>,
    pub identity_name: Option<String>,
    pub identity_token: Option<Token>,
    pub admin: Option<String>,
    pub prefix: Option<String>,
    pub size: Option<usize>,
    pub map_size: Option<u64>,
    pub key: Option<String>,
    pub secret: Option<Secret>,
    pub secret_file: Option<PathBuf>,
    pub schemes: Option<String>,
    #[serde(default)]
    pub keys: Vec<KeySettings>,
    #[serde(default)]
    pub limits: LimitSettings,
    #[serde(default)]
    pub retention: RetentionSettings,
}

/// What may be said about `worker`; `None`: nothing was said. Keys in the file are the flags' names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "each is documented where it is parsed, as a flag, and where it is meant, in WorkConfig"
)]
pub struct WorkSettings {
    pub senders: Option<PathBuf>,
    pub hooks: Option<PathBuf>,
    pub cache: Option<PathBuf>,
    pub periodic: Option<String>,
    pub periodic_cert: Option<PathBuf>,
    pub periodic_key: Option<PathBuf>,
    pub periodic_ca: Option<PathBuf>,
    pub identity_name: Option<String>,
    pub identity_token: Option<Token>,
    pub api: Option<String>,
    pub spool: Option<PathBuf>,
    pub spool_max: Option<Bytes>,
    pub admin: Option<String>,
    pub size: Option<usize>,
    pub prefix: Option<String>,
    pub key: Option<String>,
    pub secret: Option<Secret>,
    pub secret_file: Option<PathBuf>,
    pub sign: Option<Scheme>,
}

impl WorkSettings {
    /// Takes out what is said about signing.
    fn signing(&mut self) -> SigningSettings {
        SigningSettings {
            key: self.key.take(),
            secret: self.secret.take(),
            secret_file: self.secret_file.take(),
            sign: self.sign.take(),
        }
    }

    /// Takes out what is said about the way to the Periodic server.
    fn link(&mut self) -> LinkSettings {
        LinkSettings {
            periodic_cert: self.periodic_cert.take(),
            periodic_key: self.periodic_key.take(),
            periodic_ca: self.periodic_ca.take(),
            identity_name: self.identity_name.take(),
            identity_token: self.identity_token.take(),
        }
    }
}

impl ServeSettings {
    /// Takes out what is said about the way to the Periodic server.
    fn link(&mut self) -> LinkSettings {
        LinkSettings {
            periodic_cert: self.periodic_cert.take(),
            periodic_key: self.periodic_key.take(),
            periodic_ca: self.periodic_ca.take(),
            identity_name: self.identity_name.take(),
            identity_token: self.identity_token.take(),
        }
    }
}

/// Which Periodic server `serve` submits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeriodicChoice {
    /// Its own, which listens there for workers.
    Embedded(Endpoint),
    /// Another one.
    External(Endpoint),
}

/// Everything `pusher serve` needs to know.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Where the REST API listens, `host:port`.
    pub host: String,
    /// Where the database lies.
    pub work_dir: PathBuf,
    /// The senders to run in this process, if any.
    pub senders: Option<PathBuf>,
    /// The Go program's `hooks.json`: senders that are webhooks. Only with `senders`, where their component is.
    pub hooks: Option<PathBuf>,
    /// Where compiled senders are kept; `None`: in the user's cache directory, if there is one.
    pub cache: Option<PathBuf>,
    /// The Periodic server.
    pub periodic: PeriodicChoice,
    /// The certificates to listen with, or to reach another server with.
    pub periodic_tls: TlsFiles,
    /// Whom to say that we are to another Periodic server.
    pub identity: Option<Identity>,
    /// Where the operator listener listens, `host:port`.
    pub admin: String,
    /// The func prefix.
    pub prefix: Prefix,
    /// Messages sent at once in all.
    pub size: usize,
    /// The size of the database's map in bytes.
    pub map_size: u64,
    /// Who may ask for what; `None`: anybody for anything.
    pub auth: Option<Auth>,
    /// What a request may take.
    pub limits: Limits,
    /// How many connections there may be, and for how long.
    pub connections: Connections,
    /// How long the delivery log keeps what has ended.
    pub keep: Keep,
}

/// Everything `pusher worker` needs to know.
#[derive(Debug, Clone)]
pub struct WorkConfig {
    /// The senders to run.
    pub senders: PathBuf,
    /// The Go program's `hooks.json`: senders that are webhooks.
    pub hooks: Option<PathBuf>,
    /// Where compiled senders are kept; `None`: in the user's cache directory, if there is one.
    pub cache: Option<PathBuf>,
    /// The Periodic server to take jobs from.
    pub periodic: PeriodicConfig,
    /// The base URL of the API server.
    pub api: Url,
    /// What to sign requests to it with, if it has keys.
    pub credentials: Option<Credentials>,
    /// Where reports wait, in a folder for each API server; `None`: below the user's directory of states, or where the
    /// worker was started.
    pub spool: Option<PathBuf>,
    /// How much may wait there, in bytes.
    pub spool_max: u64,
    /// Where the operator listener listens, `host:port`; `None`: there is none.
    pub admin: Option<String>,
    /// Messages sent at once in all.
    pub size: usize,
    /// The func prefix.
    pub prefix: Prefix,
}

impl ServeConfig {
    /// Joins what was said to what was in the file and to the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that cannot be.
    pub fn resolve(mut said: ServeSettings, file: File) -> Result<Self, ConfigError> {
        let mut file = file.serve;
        let link = said.link().or(file.link());
        let listen = said.periodic_listen.or(file.periodic_listen);
        let periodic = match said.periodic.or(file.periodic).as_deref() {
            None | Some("embedded") => {
                PeriodicChoice::Embedded(endpoint("--periodic-listen", listen.as_deref().unwrap_or(DEFAULT_PERIODIC))?)
            }
            Some(url) if listen.is_none() => PeriodicChoice::External(endpoint("--periodic", url)?),
            Some(url) => {
                let reason =
                    "--periodic-listen is for the embedded Periodic server; leave one of the two out".to_owned();
                return Err(ConfigError::Value { name: "--periodic", value: url.to_owned(), reason });
            }
        };
        let Link { tls: periodic_tls, identity } = match &periodic {
            PeriodicChoice::Embedded(endpoint) => {
                Link { tls: Link::listening(link, std::slice::from_ref(endpoint))?, identity: None }
            }
            PeriodicChoice::External(endpoint) => Link::dialling(link, endpoint)?,
        };
        let map_size = map_size(said.map_size.or(file.map_size))?;
        let (senders, hooks) = (said.senders.or(file.senders), said.hooks.or(file.hooks));
        if senders.is_none() && hooks.is_some() {
            let reason = "--hooks needs the directory with their component, hook.wasm; name it, or leave --hooks out";
            return Err(ConfigError::Missing { name: "--senders", reason });
        }
        let (limits, connections, nonces) = file.limits.resolve()?;
        let said_pair = OnePair { key: said.key, secret: said.secret, secret_file: said.secret_file };
        let file_pair = OnePair { key: file.key, secret: file.secret, secret_file: file.secret_file };
        let schemes = said.schemes.or(file.schemes);
        let auth = keys::resolve(said_pair.or(file_pair), file.keys, schemes.as_deref(), nonces)?;
        Ok(Self {
            host: address("--host", said.host.or(file.host), DEFAULT_HOST)?,
            work_dir: said.work_dir.or(file.work_dir).unwrap_or_else(|| PathBuf::from(".")),
            senders,
            hooks,
            cache: said.cache.or(file.cache),
            periodic,
            periodic_tls,
            identity,
            admin: address("--admin", said.admin.or(file.admin), DEFAULT_ADMIN)?,
            prefix: prefix(said.prefix.or(file.prefix))?,
            size: size(said.size.or(file.size))?,
            map_size,
            auth,
            limits,
            connections,
            keep: said.retention.or(file.retention).resolve()?,
        })
    }
}

impl WorkConfig {
    /// Joins what was said to what was in the file and to the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that cannot be, or no directory of senders.
    pub fn resolve(mut said: WorkSettings, mut file: File) -> Result<Self, ConfigError> {
        let credentials = said.signing().resolve(file.worker.signing())?;
        let link = said.link().or(file.worker.link());
        let file = file.worker;
        let endpoint = endpoint("--periodic", said.periodic.or(file.periodic).as_deref().unwrap_or(DEFAULT_PERIODIC))?;
        let senders = said.senders.or(file.senders).ok_or(ConfigError::Missing {
            name: "--senders",
            reason: "name the directory that holds the senders' manifests and components",
        })?;
        Ok(Self {
            senders,
            hooks: said.hooks.or(file.hooks),
            cache: said.cache.or(file.cache),
            periodic: PeriodicConfig { link: Link::dialling(link, &endpoint)?, endpoint },
            api: api::address(said.api.or(file.api))?,
            spool: said.spool.or(file.spool),
            spool_max: spool_max(said.spool_max.or(file.spool_max))?,
            admin: said.admin.or(file.admin).map(|admin| host_port("--admin", admin)).transpose()?,
            size: size(said.size.or(file.size))?,
            prefix: prefix(said.prefix.or(file.prefix))?,
            credentials,
        })
    }
}

fn endpoint(name: &'static str, url: &str) -> Result<Endpoint, ConfigError> {
    Endpoint::from_str(url).map_err(|error| ConfigError::Value {
        name,
        value: url.to_owned(),
        reason: error.to_string(),
    })
}

fn address(name: &'static str, said: Option<String>, default: &str) -> Result<String, ConfigError> {
    said.map_or_else(|| Ok(default.to_owned()), |said| host_port(name, said))
}

/// `host:port`, also with the scheme that a person might put before it.
fn host_port(name: &'static str, said: String) -> Result<String, ConfigError> {
    let bare = said.strip_prefix("http://").unwrap_or(&said).trim_end_matches('/');
    match bare.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => Ok(bare.to_owned()),
        _ => Err(ConfigError::Value { name, value: said, reason: "give HOST:PORT, as in localhost:6000".into() }),
    }
}

/// So many GiB, in bytes.
fn map_size(said: Option<u64>) -> Result<u64, ConfigError> {
    let gib = said.unwrap_or(DEFAULT_MAP_GIB);
    gib.checked_mul(GIB).filter(|bytes| *bytes > 0).ok_or_else(|| ConfigError::Value {
        name: "--map-size",
        value: gib.to_string(),
        reason: "give a whole number of GiB, at least 1".into(),
    })
}

/// How much a spool may hold.
fn spool_max(said: Option<Bytes>) -> Result<u64, ConfigError> {
    match said.unwrap_or(DEFAULT_SPOOL) {
        size if size >= MIN_SPOOL => Ok(size.0),
        size => Err(ConfigError::Value {
            name: "--spool-max",
            value: size.to_string(),
            reason: format!("give at least {MIN_SPOOL}"),
        }),
    }
}

fn prefix(said: Option<String>) -> Result<Prefix, ConfigError> {
    let Some(said) = said else { return Ok(Prefix::default()) };
    Prefix::parse(&said).map_err(|error| ConfigError::Value {
        name: "--prefix",
        value: said,
        reason: error.to_string(),
    })
}

fn size(said: Option<usize>) -> Result<usize, ConfigError> {
    match said.unwrap_or(DEFAULT_SIZE) {
        size @ 1..=10_000 => Ok(size),
        size => Err(ConfigError::Value {
            name: "--size",
            value: size.to_string(),
            reason: "give a number from 1 to 10000".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_wins_over_the_file_and_that_over_the_default() {
        let file: File = toml::from_str("[serve]\nhost = \"localhost:7000\"\nprefix = \"file:\"").unwrap();
        let said = ServeSettings { prefix: Some("said:".into()), ..ServeSettings::default() };
        let config = ServeConfig::resolve(said, file).unwrap();
        assert_eq!((config.host.as_str(), config.prefix.as_str()), ("localhost:7000", "said:"));
        assert_eq!(config.admin, DEFAULT_ADMIN);
        assert!(matches!(config.periodic, PeriodicChoice::Embedded(_)));
    }

    #[test]
    fn a_worker_has_an_operator_listener_only_if_it_is_told_where() {
        let resolve = |said: Option<&str>, file: &str| {
            let said = WorkSettings { admin: said.map(Into::into), ..WorkSettings::default() };
            let file = toml::from_str(&format!("[worker]\nsenders = \"s\"\n{file}")).unwrap();
            WorkConfig::resolve(said, file).map(|config| config.admin).map_err(|error| error.to_string())
        };
        assert_eq!(resolve(None, ""), Ok(None));
        assert_eq!(resolve(None, "admin = \"localhost:1\""), Ok(Some("localhost:1".into())));
        assert_eq!(resolve(Some("http://localhost:2/"), "admin = \"localhost:1\""), Ok(Some("localhost:2".into())));
        let error = resolve(Some("nowhere"), "").unwrap_err();
        assert!(error.starts_with("--admin \"nowhere\" is not valid: give HOST:PORT"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = File::parse("[serve]\n\nhots = \"x\"", Path::new("p.toml")).unwrap_err().to_string();
        assert!(
            error.starts_with("the configuration file p.toml is not valid: line 3: unknown field `hots`"),
            "{error}"
        );
    }

    #[test]
    fn values_that_cannot_be_are_refused_by_name() {
        for (said, name) in [
            (ServeSettings { host: Some("nowhere".into()), ..ServeSettings::default() }, "--host"),
            (
                ServeSettings { periodic_listen: Some("ftp://x".into()), ..ServeSettings::default() },
                "--periodic-listen",
            ),
            (ServeSettings { size: Some(0), ..ServeSettings::default() }, "--size"),
            (ServeSettings { map_size: Some(0), ..ServeSettings::default() }, "--map-size"),
            (ServeSettings { prefix: Some("p".repeat(65)), ..ServeSettings::default() }, "--prefix"),
        ] {
            let error = ServeConfig::resolve(said, File::default()).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let small =
            WorkSettings { senders: Some("s".into()), spool_max: Some(Bytes(1 << 20)), ..WorkSettings::default() };
        let error = WorkConfig::resolve(small, File::default()).unwrap_err().to_string();
        assert_eq!(error, "--spool-max \"1MiB\" is not valid: give at least 16MiB");
        let error = WorkConfig::resolve(WorkSettings::default(), File::default()).unwrap_err().to_string();
        assert!(error.contains("--senders"), "{error}");
    }

    #[test]
    fn hooks_come_from_what_is_said_or_the_file_and_need_the_directory_of_their_component() {
        let file =
            || toml::from_str::<File>("[serve]\nhooks = \"f\"\n[worker]\nhooks = \"f\"\nsenders = \"s\"").unwrap();
        let hooks = |said: Option<&str>| WorkSettings { hooks: said.map(Into::into), ..WorkSettings::default() };
        assert_eq!(WorkConfig::resolve(hooks(None), file()).unwrap().hooks, Some("f".into()));
        assert_eq!(WorkConfig::resolve(hooks(Some("x")), file()).unwrap().hooks, Some("x".into()));
        let error = ServeConfig::resolve(ServeSettings::default(), file()).unwrap_err().to_string();
        assert!(error.starts_with("--senders is missing: --hooks needs"), "{error}");
        let said = ServeSettings { senders: Some("s".into()), ..ServeSettings::default() };
        assert_eq!(ServeConfig::resolve(said, file()).unwrap().hooks, Some("f".into()));
    }

    #[test]
    fn a_listener_for_a_server_that_is_not_embedded_is_a_mistake() {
        let said = ServeSettings {
            periodic: Some("tcp://127.0.0.1:5000".into()),
            periodic_listen: Some("tcp://127.0.0.1:5001".into()),
            ..ServeSettings::default()
        };
        assert!(ServeConfig::resolve(said, File::default()).is_err());
    }
}
