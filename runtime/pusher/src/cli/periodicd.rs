//! `pusher periodicd`: raw arguments and their environment variables.

use std::path::PathBuf;

use clap::Args;
use pusher::config::PeriodicdSettings;
use pusher::sandbox::manifest::Bytes;

use super::periodic::CertArgs;
use super::size;

#[derive(Args)]
pub(crate) struct PeriodicdArgs {
    /// Where to listen: tcp://HOST:PORT, tcp://:PORT, tls://HOST:PORT or unix:///PATH; may be given several times
    /// [default: unix:///tmp/periodic.sock]
    #[arg(long, env = "PUSHER_LISTEN", value_name = "URL", value_delimiter = ',')]
    listen: Vec<String>,
    #[command(flatten)]
    certs: CertArgs,
    /// Where the database of jobs lies; created if absent [default: .]
    #[arg(long, env = "PUSHER_WORK_DIR", value_name = "DIR", alias = "data")]
    work_dir: Option<PathBuf>,
    /// Keep jobs in memory only: they end with the process.
    #[arg(long, env = "PUSHER_MEMORY")]
    memory: bool,
    /// Who may do what: lines of `client|worker|admin NAME TOKEN FUNC,FUNC`, followed as they change [default: everybody
    /// may do everything]
    #[arg(long, env = "PUSHER_AUTH_FILE", value_name = "FILE")]
    auth_file: Option<PathBuf>,
    /// Where /livez, /readyz and /metrics listen [default: nowhere]
    #[arg(long, env = "PUSHER_ADMIN", value_name = "HOST:PORT")]
    admin: Option<String>,
    /// How large the database may grow, in GiB. It is address space, not disk, until it is used [default: 256]
    #[arg(long, env = "PUSHER_MAP_SIZE", value_name = "GIB")]
    map_size: Option<u64>,
    /// The largest frame taken, as in 16MiB; a connection that announces a larger one is closed [default: 16MiB]
    #[arg(long, env = "PUSHER_MAX_PAYLOAD", value_name = "SIZE", value_parser = size)]
    max_payload: Option<Bytes>,
    /// Seconds a worker may take for a job that does not say; clients can change it until the next start [default: 600]
    #[arg(long, env = "PUSHER_TIMEOUT", value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Seconds a connection may be silent, 0 for ever; clients can change it until the next start [default: 120]
    #[arg(long, env = "PUSHER_KEEPALIVE", value_name = "SECONDS")]
    keepalive: Option<u32>,
}

impl From<PeriodicdArgs> for PeriodicdSettings {
    fn from(args: PeriodicdArgs) -> Self {
        let CertArgs { periodic_cert, periodic_key, periodic_ca } = args.certs;
        Self {
            listen: args.listen,
            periodic_cert,
            periodic_key,
            periodic_ca,
            work_dir: args.work_dir,
            memory: args.memory.then_some(true),
            auth_file: args.auth_file,
            admin: args.admin,
            map_size: args.map_size,
            max_payload: args.max_payload,
            timeout: args.timeout,
            keepalive: args.keepalive,
        }
    }
}
