//! What a server can be told: [`ServerOptions`] by whoever starts it, [`Settings`] also over the wire.

use std::time::Duration;

use super::AuthFile;
use crate::wire::DEFAULT_MAX_PAYLOAD;

/// How a server behaves. `Default` is right for most.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The largest payload taken, in bytes. Default 16 MiB. A frame that announces more closes its connection.
    pub max_payload: usize,
    /// How many waiting jobs of a func are held in memory; the others are in the store only. Default 8192, at least 1.
    /// One takes some 200 bytes.
    pub queue_cap: usize,
    /// How many bytes of jobs that wait may be kept in memory, so that they need not be read again to be run. Default
    /// 64 MiB. Jobs beyond it are read from the store when they are due.
    pub cache_bytes: usize,
    /// How many operations are given to the store at once, at most. Default 1024.
    pub batch: usize,
    /// How many requests of one connection may be unanswered; further ones are not read. Default 1024.
    pub max_requests: usize,
    /// How many GRABs one connection may have open; one more closes it. Default 65,536.
    pub max_grabs: usize,
    /// How many funcs one connection may register for; one more closes it. Default 1024.
    pub max_funcs: usize,
    /// How many bytes may wait for one connection to take them; more closes it. Default 64 MiB. One frame may be larger.
    pub max_backlog: usize,
    /// How many bytes the answer to one DUMP may have; a DUMP of more closes its connection. Default 256 MiB. It is made
    /// in memory.
    pub max_dump: usize,
    /// How many jobs one connection may listen to (RECV_DATA); one more closes it. Default 1024.
    pub max_streams: usize,
    /// How long one write may get nowhere before the connection is closed. Default 30 s.
    pub write_timeout: Duration,
    /// How long a new connection may take to say who it is. Default 10 s.
    pub registration_timeout: Duration,
    /// How many connections there may be; further ones are closed as they come. Default 10,000.
    pub max_connections: usize,
    /// Who may do what (PROTOCOL §11). Default `None`: everybody who can connect may do everything.
    pub auth: Option<AuthFile>,
    /// May a client end the server (SHUTDOWN)? See [`Server::shutdown_requested`](super::Server::shutdown_requested).
    /// Default no: it is refused.
    pub remote_shutdown: bool,
    /// What CONFIG_GET tells and CONFIG_SET changes, at the start.
    pub settings: Settings,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_payload: DEFAULT_MAX_PAYLOAD,
            queue_cap: 8192,
            cache_bytes: 64 << 20,
            batch: 1024,
            max_requests: 1024,
            max_grabs: 1 << 16,
            max_funcs: 1024,
            max_backlog: 64 << 20,
            max_dump: 256 << 20,
            max_streams: 1024,
            write_timeout: Duration::from_secs(30),
            registration_timeout: Duration::from_secs(10),
            max_connections: 10_000,
            auth: None,
            remote_shutdown: false,
            settings: Settings::default(),
        }
    }
}

/// The settings of PROTOCOL §12. A change lasts until the server ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `timeout`: seconds a worker may take for a job that does not say. Default 600.
    pub timeout: u32,
    /// `assign-wait`: seconds a worker may take to acknowledge a job. Default 2.
    pub assign_wait: u32,
    /// `keepalive`: seconds a connection may be silent; 0: for ever. Default 120.
    pub keepalive: u32,
    /// `lock-timeout`: seconds a job that does not run may wait for a lock, or have one. Default 300.
    pub lock_timeout: u32,
    /// `max-batch-size`: told and taken, without effect: see [`ServerOptions::queue_cap`]. Default 500.
    pub max_batch_size: u32,
    /// `max-pool-size`: told and taken, without effect: requests of a connection are served in order. Default 2.
    pub max_pool_size: u32,
    /// `run-job-aggressive`: 1: a RUN_JOB's job goes to a free worker before jobs that are due. Default 0.
    pub run_job_aggressive: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: 600,
            assign_wait: 2,
            keepalive: 120,
            lock_timeout: 300,
            max_batch_size: 500,
            max_pool_size: 2,
            run_job_aggressive: 0,
        }
    }
}

impl Settings {
    fn find(&mut self, key: &[u8]) -> Option<&mut u32> {
        match key {
            b"timeout" => Some(&mut self.timeout),
            b"assign-wait" => Some(&mut self.assign_wait),
            b"keepalive" => Some(&mut self.keepalive),
            b"lock-timeout" => Some(&mut self.lock_timeout),
            b"max-batch-size" => Some(&mut self.max_batch_size),
            b"max-pool-size" => Some(&mut self.max_pool_size),
            b"run-job-aggressive" => Some(&mut self.run_job_aggressive),
            _ => None,
        }
    }

    /// A setting by its name on the wire; 0 when there is none.
    pub(super) fn get(&self, key: &[u8]) -> u32 {
        self.clone().find(key).map_or(0, |value| *value)
    }

    /// Changes a setting; one that does not exist is ignored, as the protocol has it. A time in which no worker could do
    /// anything is taken as one second.
    pub(super) fn set(&mut self, key: &[u8], value: u32) {
        let least = u32::from(matches!(key, b"timeout" | b"assign-wait" | b"lock-timeout"));
        if let Some(setting) = self.find(key) {
            *setting = value.max(least);
        }
    }
}
