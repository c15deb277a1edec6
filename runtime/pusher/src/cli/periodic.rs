//! The arguments of `pusher periodic …`, and what everybody has who speaks to a Periodic server or is one.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pusher::config::{LinkSettings, PeriodicSettings, Token};

use crate::commands::time::When;

/// Certificates.
#[derive(Args, Clone)]
pub(crate) struct CertArgs {
    /// For tls://: the certificate to show the other side, in PEM, with the intermediate ones behind it. A listener must
    /// have one.
    #[arg(long, global = true, env = "PUSHER_PERIODIC_CERT", value_name = "FILE", help_heading = "Periodic")]
    pub(super) periodic_cert: Option<PathBuf>,
    /// For tls://: the certificate's key, in PEM.
    #[arg(long, global = true, env = "PUSHER_PERIODIC_KEY", value_name = "FILE", help_heading = "Periodic")]
    pub(super) periodic_key: Option<PathBuf>,
    /// For tls://: the authorities, in PEM, from which the other side's certificate must be. A listener with it takes
    /// only clients that have one; a client without it trusts the system's authorities.
    #[arg(long, global = true, env = "PUSHER_PERIODIC_CA", value_name = "FILE", help_heading = "Periodic")]
    pub(super) periodic_ca: Option<PathBuf>,
}

/// Certificates and the identity.
#[derive(Args, Clone)]
pub(crate) struct LinkArgs {
    #[command(flatten)]
    certs: CertArgs,
    /// Whom to say that we are, to a Periodic server that has an auth file.
    #[arg(long, global = true, env = "PUSHER_IDENTITY_NAME", value_name = "NAME", help_heading = "Periodic")]
    identity_name: Option<String>,
    /// The identity's token. Others can read it from the list of processes: prefer PUSHER_IDENTITY_TOKEN.
    #[arg(
        long,
        global = true,
        env = "PUSHER_IDENTITY_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        help_heading = "Periodic"
    )]
    identity_token: Option<Token>,
}

impl From<LinkArgs> for LinkSettings {
    fn from(args: LinkArgs) -> Self {
        let LinkArgs { certs: CertArgs { periodic_cert, periodic_key, periodic_ca }, identity_name, identity_token } =
            args;
        Self { periodic_cert, periodic_key, periodic_ca, identity_name, identity_token }
    }
}

#[derive(Args)]
pub(crate) struct PeriodicArgs {
    /// The Periodic server [default: unix:///tmp/periodic.sock]
    #[arg(long, global = true, env = "PUSHER_PERIODIC", value_name = "URL", help_heading = "Periodic")]
    periodic: Option<String>,
    #[command(flatten)]
    link: LinkArgs,
    /// The largest frame sent and taken, in MiB [default: 16; for dump 256]
    #[arg(long, global = true, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=4095))]
    pub(crate) max_payload: Option<u16>,
    /// Print JSON, a line for each object, instead of sentences and tables.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: PeriodicCommand,
}

impl PeriodicArgs {
    /// What they say about the server.
    pub(crate) fn settings(&self) -> PeriodicSettings {
        let LinkSettings { periodic_cert, periodic_key, periodic_ca, identity_name, identity_token } =
            self.link.clone().into();
        let periodic = self.periodic.clone();
        PeriodicSettings { periodic, periodic_cert, periodic_key, periodic_ca, identity_name, identity_token }
    }
}

#[derive(Subcommand)]
pub(crate) enum PeriodicCommand {
    /// Every func: its workers, its jobs, and when the next one is due.
    Status,
    /// Submit a job; one of the same name that waits is replaced, one that runs is kept.
    #[command(after_help = "Examples:
  pusher periodic submit echo first 'hello'
  pusher periodic submit echo second - --at +10m < workload
  pusher periodic submit echo third --file workload --timeout 30")]
    Submit(SubmitArgs),
    /// Submit a job, wait until it is done, and print its result.
    #[command(after_help = "Examples:
  pusher periodic run echo first 'hello'
  pusher periodic run build nightly - --stream --timeout 3600 < plan")]
    Run(RunArgs),
    /// Delete jobs, also those that run; one that is not there is no error.
    Remove {
        /// The jobs' func.
        func: String,
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Delete funcs and all their jobs, unless a worker can do them.
    Drop {
        /// The funcs.
        #[arg(required = true)]
        funcs: Vec<String>,
    },
    /// Write every job to a file, in the form that all Periodic servers have.
    Dump {
        /// The file, which is replaced; "-" is standard output.
        file: PathBuf,
    },
    /// Submit every job in a file that dump has written.
    Load {
        /// The file; "-" is standard input.
        file: PathBuf,
    },
    /// Show the server's settings, or one of them, or change one until the server's next start.
    Config {
        /// The setting, as in timeout [default: all of them]
        key: Option<String>,
        /// What to change it to.
        value: Option<u32>,
    },
    /// Ask whether the server is there.
    Ping,
    /// End the server, if it lets clients do that.
    Shutdown,
}

/// Which job, and what it is about.
#[derive(Args)]
pub(crate) struct JobArgs {
    /// The func, as in echo.
    pub(crate) func: String,
    /// The job's name: a func has one job of each.
    pub(crate) name: String,
    /// What the worker is given; "-" reads it from standard input, every byte of it [default: nothing]
    pub(crate) workload: Option<String>,
    /// A file that holds what the worker is given.
    #[arg(long, value_name = "FILE", conflicts_with = "workload")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// When to run it: Unix seconds, RFC 3339 (2026-12-24T18:00:00+01:00), or from now on: +30s, +10m, +2h, +1d
    /// [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<When>,
    /// How long a worker may take, in seconds [default: the server's setting]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) timeout: Option<i32>,
}

#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) job: JobArgs,
    /// How long it may take, waiting for a worker included, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) timeout: i32,
    /// Print what the worker says while it works, as it comes, before the result.
    #[arg(long)]
    pub(crate) stream: bool,
}
