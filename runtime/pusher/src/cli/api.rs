//! The arguments that every client of the REST API has: where the server is, and whom to speak for.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pusher::client::Scheme;
use pusher::config::{ApiSettings, SigningSettings};
use pusher::core::signing::Secret;

/// What every command that speaks to the API server has.
#[derive(Args, Clone)]
pub(crate) struct ApiArgs {
    /// The API server [default: http://localhost:6000]
    #[arg(long, global = true, env = "PUSHER_API", value_name = "URL", help_heading = "Server")]
    api: Option<String>,
    #[command(flatten)]
    signing: SigningArgs,
    /// Print the API's JSON, a line for each object, instead of sentences and tables.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// A key, and how to sign with it.
#[derive(Args, Clone)]
pub(crate) struct SigningArgs {
    /// The key to sign requests with, for a server that has keys.
    #[arg(long, global = true, env = "PUSHER_KEY", value_name = "KEY", help_heading = "Server")]
    key: Option<String>,
    /// The key's secret. Others can read it from the list of processes: prefer --secret-file or PUSHER_SECRET.
    #[arg(
        long,
        global = true,
        env = "PUSHER_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        help_heading = "Server"
    )]
    secret: Option<Secret>,
    /// A file that holds the key's secret.
    #[arg(long, global = true, env = "PUSHER_SECRET_FILE", value_name = "FILE", help_heading = "Server")]
    secret_file: Option<PathBuf>,
    /// How to sign: v2, or v1 for a server that is the Go program [default: v2]
    #[arg(long, global = true, env = "PUSHER_SIGN", value_name = "SCHEME", help_heading = "Server")]
    sign: Option<Sign>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sign {
    V1,
    V2,
}

impl ApiArgs {
    /// What they say about the server, without `--json`.
    pub(crate) fn settings(&self) -> ApiSettings {
        ApiSettings { api: self.api.clone(), signing: self.signing.clone().into() }
    }
}

impl From<SigningArgs> for SigningSettings {
    fn from(args: SigningArgs) -> Self {
        let sign = args.sign.map(|sign| match sign {
            Sign::V1 => Scheme::V1,
            Sign::V2 => Scheme::V2,
        });
        Self { key: args.key, secret: args.secret, secret_file: args.secret_file, sign }
    }
}
