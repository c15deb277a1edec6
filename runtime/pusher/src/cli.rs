//! The command line: raw arguments and their environment variables, nothing decided yet. What they mean, and what
//! holds where nothing was said, is in [`pusher::config`]. One definition yields the parser and its help.

pub(crate) mod api;
pub(crate) mod deliveries;
pub(crate) mod periodic;
pub(crate) mod periodicd;
pub(crate) mod push;
pub(crate) mod pushers;
pub(crate) mod sender;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use pusher::config::{LimitSettings, LinkSettings, RetentionSettings, ServeSettings, SigningSettings, WorkSettings};
use pusher::core::signing::Secret;
use pusher::sandbox::manifest::Bytes;

use api::SigningArgs;
use deliveries::{DeliveriesArgs, PushallsArgs};
use periodic::{LinkArgs, PeriodicArgs};
use periodicd::PeriodicdArgs;
use push::{CancelArgs, PushArgs, PushallArgs};
use pushers::PushersArgs;
use sender::SenderCommand;

/// A self-hosted push server: a REST API, a Periodic task server and sandboxed senders.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Configuration file (TOML). Flags win over environment variables, those over the file, that over defaults.
    #[arg(long, global = true, env = "PUSHER_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to log, as a level or as tracing directives ("info,pusher_worker=debug"). Logs go to standard error
    /// [default: info for serve, worker and periodicd, warn for the others]
    #[arg(long, global = true, env = "PUSHER_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The API server, the embedded Periodic server and the operator listener; with --senders a worker as well.
    Serve(ServeArgs),
    /// Takes jobs from a Periodic server and runs the senders in a directory.
    Worker(WorkArgs),
    /// The Periodic server alone, for workers and clients of your own.
    Periodicd(PeriodicdArgs),
    /// Pushes one message to one recipient.
    #[command(after_help = "Examples:
  pusher push sendmail lupino '{\"subject\": \"Welcome\", \"text\": \"Hello {{.NickName}}\"}'
  pusher push sendmail lupino - --at +2h < message.json")]
    Push(PushArgs),
    /// Pushes one message to everybody who has a channel switched on, or to those of them who have a tag.
    #[command(after_help = "Examples:
  pusher pushall sendmail - --tag vip --at 2026-12-24T18:00:00+01:00 < message.json
  pusher pushall sendmail - --tag 'vip AND NOT trial' --wait < message.json")]
    Pushall(PushallArgs),
    /// Cancels a push that has not gone out; one that is not there is no error.
    #[command(after_help = "Examples:
  pusher cancel sendmail lupino_88bf72bd461965be993c0e6cee9cd061
  pusher cancel pushall sendmail_0c5d2cf4be4c0e2f8a4dbd1e2a2ac9e6")]
    Cancel(CancelArgs),
    /// What became of messages: list, show, redrive, cancel, move and forget them.
    Deliveries(DeliveriesArgs),
    /// How far pushalls have come.
    Pushalls(PushallsArgs),
    /// Recipients: show, list, search, create, change, delete, import and export them.
    Pushers(PushersArgs),
    /// A small client of a Periodic server: its funcs, jobs and settings.
    Periodic(PeriodicArgs),
    /// For authors of senders: begin one, look at one, send a message with one.
    #[command(subcommand)]
    Sender(SenderCommand),
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Where the REST API listens [default: localhost:6000]
    #[arg(long, env = "PUSHER_HOST", value_name = "HOST:PORT", alias = "pusher_host")]
    host: Option<String>,
    /// Where the database lies; created if absent [default: .]
    #[arg(long, env = "PUSHER_WORK_DIR", value_name = "DIR", alias = "work_dir")]
    work_dir: Option<PathBuf>,
    /// Run the senders in this directory in the same process.
    #[arg(long, env = "PUSHER_SENDERS", value_name = "DIR")]
    senders: Option<PathBuf>,
    /// Run a sender for each webhook in this file as well, a list of {"name": …, "url": …, "secret": …}, as the Go program
    /// did. The directory of senders must hold hook.wasm.
    #[arg(long, env = "PUSHER_HOOKS", value_name = "FILE")]
    hooks: Option<PathBuf>,
    /// Where compiled senders are kept for the next start: a directory of this user's that nobody else may get at, and
    /// not the directory of senders [default: $XDG_CACHE_HOME/pusher or ~/.cache/pusher]
    #[arg(long, env = "PUSHER_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
    /// The Periodic server to submit jobs to: "embedded", tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH
    /// [default: embedded]
    #[arg(long, env = "PUSHER_PERIODIC", value_name = "WHICH", alias = "periodic_port")]
    periodic: Option<String>,
    /// Where the embedded Periodic server listens [default: unix:///tmp/periodic.sock]
    #[arg(long, env = "PUSHER_PERIODIC_LISTEN", value_name = "URL")]
    periodic_listen: Option<String>,
    #[command(flatten)]
    link: LinkArgs,
    /// Where /livez, /readyz, /metrics, /docs/ and /openapi.json listen [default: 127.0.0.1:6060]
    #[arg(long, env = "PUSHER_ADMIN", value_name = "HOST:PORT")]
    admin: Option<String>,
    /// What stands before a sender's name in its Periodic func [default: "pusher:"]
    #[arg(long, env = "PUSHER_PREFIX")]
    prefix: Option<String>,
    /// How many messages may be being sent at once, with --senders [default: 256]
    #[arg(long, env = "PUSHER_SIZE", value_name = "N")]
    size: Option<usize>,
    /// How large the database may grow, in GiB. It is address space, not disk, until it is used [default: 256]
    #[arg(long, env = "PUSHER_MAP_SIZE", value_name = "GIB")]
    map_size: Option<u64>,
    /// How long the delivery log keeps what was delivered or cancelled: a time, 0 or "forever" [default: 7d]
    #[arg(long, env = "PUSHER_RETENTION_DELIVERED", value_name = "TIME")]
    retention_delivered: Option<String>,
    /// How long it keeps dead letters [default: 30d]
    #[arg(long, env = "PUSHER_RETENTION_DEAD", value_name = "TIME")]
    retention_dead: Option<String>,
    /// Take only requests that are signed with this key's secret. The configuration file can have several keys.
    #[arg(long, env = "PUSHER_KEY")]
    key: Option<String>,
    /// The key's secret. Others can see the command line: the environment or --secret-file keeps it.
    #[arg(long, env = "PUSHER_SECRET", hide_env_values = true)]
    secret: Option<Secret>,
    /// The file that holds the key's secret.
    #[arg(long, env = "PUSHER_SECRET_FILE", value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How requests may be signed: v1 (as for the Go program), v2 or both [default: both]
    #[arg(long, env = "PUSHER_SCHEMES", value_name = "WHICH")]
    schemes: Option<String>,
}

#[derive(Args)]
pub(crate) struct WorkArgs {
    /// The directory of manifests (NAME.toml) and components (NAME.wasm).
    #[arg(long, env = "PUSHER_SENDERS", value_name = "DIR")]
    senders: Option<PathBuf>,
    /// Run a sender for each webhook in this file as well, a list of {"name": …, "url": …, "secret": …}, as the Go program
    /// did. The directory of senders must hold hook.wasm.
    #[arg(long, env = "PUSHER_HOOKS", value_name = "FILE")]
    hooks: Option<PathBuf>,
    /// Where compiled senders are kept for the next start: a directory of this user's that nobody else may get at, and
    /// not the directory of senders [default: $XDG_CACHE_HOME/pusher or ~/.cache/pusher]
    #[arg(long, env = "PUSHER_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
    /// The Periodic server to take jobs from [default: unix:///tmp/periodic.sock]
    #[arg(long, env = "PUSHER_PERIODIC", value_name = "URL", alias = "periodic_port")]
    periodic: Option<String>,
    #[command(flatten)]
    link: LinkArgs,
    /// The API server: it answers senders' questions about pushers, and is told what became of messages [default: http://localhost:6000]
    #[arg(long, env = "PUSHER_API", value_name = "URL", alias = "pusher_host")]
    api: Option<String>,
    /// Where reports of what became of messages wait until the API server has them, in a folder for each API server
    /// [default: $XDG_STATE_HOME/pusher/spool or ~/.local/state/pusher/spool, without both ./pusher-spool]
    #[arg(long, env = "PUSHER_SPOOL", value_name = "DIR")]
    spool: Option<PathBuf>,
    /// How much may wait there, as in 64MiB [default: 64MiB]
    #[arg(long, env = "PUSHER_SPOOL_MAX", value_name = "SIZE", value_parser = size)]
    spool_max: Option<Bytes>,
    /// Where /livez, /readyz and /metrics listen [default: nowhere]
    #[arg(long, env = "PUSHER_ADMIN", value_name = "HOST:PORT")]
    admin: Option<String>,
    /// How many messages may be being sent at once [default: 256]
    #[arg(long, env = "PUSHER_SIZE", value_name = "N")]
    size: Option<usize>,
    /// What stands before a sender's name in its Periodic func [default: "pusher:"]
    #[arg(long, env = "PUSHER_PREFIX")]
    prefix: Option<String>,
    #[command(flatten)]
    signing: SigningArgs,
}

/// A size with its unit.
pub(crate) fn size(text: &str) -> Result<Bytes, String> {
    Bytes::try_from(text.to_owned())
}

impl From<ServeArgs> for ServeSettings {
    fn from(args: ServeArgs) -> Self {
        let LinkSettings { periodic_cert, periodic_key, periodic_ca, identity_name, identity_token } = args.link.into();
        Self {
            host: args.host,
            work_dir: args.work_dir,
            senders: args.senders,
            hooks: args.hooks,
            cache: args.cache,
            periodic: args.periodic,
            periodic_listen: args.periodic_listen,
            periodic_cert,
            periodic_key,
            periodic_ca,
            identity_name,
            identity_token,
            admin: args.admin,
            prefix: args.prefix,
            size: args.size,
            map_size: args.map_size,
            key: args.key,
            secret: args.secret,
            secret_file: args.secret_file,
            schemes: args.schemes,
            // These are in the file only.
            keys: Vec::new(),
            limits: LimitSettings::default(),
            retention: RetentionSettings { delivered: args.retention_delivered, dead: args.retention_dead },
        }
    }
}

impl From<WorkArgs> for WorkSettings {
    fn from(args: WorkArgs) -> Self {
        let SigningSettings { key, secret, secret_file, sign } = args.signing.into();
        let LinkSettings { periodic_cert, periodic_key, periodic_ca, identity_name, identity_token } = args.link.into();
        Self {
            senders: args.senders,
            hooks: args.hooks,
            cache: args.cache,
            periodic: args.periodic,
            periodic_cert,
            periodic_key,
            periodic_ca,
            identity_name,
            identity_token,
            api: args.api,
            spool: args.spool,
            spool_max: args.spool_max,
            admin: args.admin,
            size: args.size,
            prefix: args.prefix,
            key,
            secret,
            secret_file,
            sign,
        }
    }
}
