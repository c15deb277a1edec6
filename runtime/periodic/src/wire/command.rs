//! Every command of the protocol and the packet that carries it (PROTOCOL §4).

use bytes::{BufMut, Bytes, BytesMut};

use super::WireError;
use super::fields::{Fields, put_job, put_jobs, put_key, put_str8};
use crate::job::{Job, JobKey};

/// Four bytes that the asking side chooses and the reply carries back.
pub type MsgId = [u8; 4];

/// Everything after the registration is a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Which request this is, or answers.
    pub msgid: MsgId,
    /// What is asked or answered.
    pub command: Command,
}

impl Packet {
    /// Reads a whole payload.
    ///
    /// # Errors
    /// An unknown command, a field cut short, or bytes after the last.
    pub fn decode(payload: Bytes) -> Result<Self, WireError> {
        let mut fields = Fields(payload);
        let head = fields.bytes(4)?;
        let msgid = [head[0], head[1], head[2], head[3]];
        Ok(Self { msgid, command: Command::decode(fields)? })
    }

    /// Appends the payload.
    ///
    /// # Errors
    /// A name over 255 bytes; what was appended so far must then be discarded.
    pub fn encode(&self, to: &mut BytesMut) -> Result<(), WireError> {
        to.put_slice(&self.msgid);
        self.command.encode(to)
    }
}

/// A command and its arguments. The number is the byte on the wire; who sends it and what is answered stands in
/// PROTOCOL §4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// 0: the answer to [`Command::Sleep`].
    Noop,
    /// 1: the worker has room for one job.
    GrabJob,
    /// 2: put the job off.
    SchedLater {
        /// Which job.
        key: JobKey,
        /// Seconds from now.
        delay: i64,
        /// How much to add to the job's count.
        step: i16,
    },
    /// 3: the job is done.
    WorkDone {
        /// Which job.
        key: JobKey,
        /// For those who wait for it.
        result: Bytes,
    },
    /// 4: the job failed; it is run again.
    WorkFail(JobKey),
    /// 5: run this.
    JobAssign(Job),
    /// 6: there is no job.
    NoJob,
    /// 7: the worker can do this func.
    CanDo(Bytes),
    /// 8: the worker no longer can.
    CantDo(Bytes),
    /// 9: are you there?
    Ping,
    /// 10: yes.
    Pong,
    /// 11: the worker rests.
    Sleep,
    /// 12: what was that?
    Unknown,
    /// 13: keep this job and have it run.
    SubmitJob(Job),
    /// 14: tell about every func.
    Status,
    /// 15: delete a func that no worker can do, and its jobs.
    DropFunc(Bytes),
    /// 16: done as asked.
    Success,
    /// 17: delete a job.
    RemoveJob(JobKey),
    /// 18: send every job.
    Dump,
    /// 19: submit all of these.
    Load(Vec<Job>),
    /// 20: end the server.
    Shutdown,
    /// 21: like [`Command::CanDo`], but every such worker gets every job.
    Broadcast(Bytes),
    /// 22: what is this setting?
    ConfigGet(Bytes),
    /// 23: change this setting.
    ConfigSet {
        /// Which.
        key: Bytes,
        /// To what.
        value: u32,
    },
    /// 24: the answer to [`Command::ConfigGet`].
    Config(u32),
    /// 25: run this job and send its result.
    RunJob(Job),
    /// 26: is the lock held now?
    Acquired(bool),
    /// 27: take a place in a lock.
    Acquire {
        /// Which lock.
        lock: Bytes,
        /// How many may hold it at once.
        capacity: i16,
        /// For which job.
        key: JobKey,
    },
    /// 28: give the place back.
    Release {
        /// Which lock.
        lock: Bytes,
        /// For which job.
        key: JobKey,
    },
    /// 29: no worker, or not allowed.
    NoWorker,
    /// 30: a result or a text.
    Data(Bytes),
    /// 31: send what the job's worker says while it works.
    RecvData(Job),
    /// 32: what the worker says while it works.
    WorkData {
        /// Which job.
        key: JobKey,
        /// A piece.
        chunk: Bytes,
    },
    /// 33: the job of this msgid has been taken.
    JobAssigned,
    /// 34: the job of this msgid is given back.
    JobUnassigned,
}

impl Command {
    /// The command's byte on the wire.
    pub fn code(&self) -> u8 {
        match self {
            Self::Noop => 0,
            Self::GrabJob => 1,
            Self::SchedLater { .. } => 2,
            Self::WorkDone { .. } => 3,
            Self::WorkFail(_) => 4,
            Self::JobAssign(_) => 5,
            Self::NoJob => 6,
            Self::CanDo(_) => 7,
            Self::CantDo(_) => 8,
            Self::Ping => 9,
            Self::Pong => 10,
            Self::Sleep => 11,
            Self::Unknown => 12,
            Self::SubmitJob(_) => 13,
            Self::Status => 14,
            Self::DropFunc(_) => 15,
            Self::Success => 16,
            Self::RemoveJob(_) => 17,
            Self::Dump => 18,
            Self::Load(_) => 19,
            Self::Shutdown => 20,
            Self::Broadcast(_) => 21,
            Self::ConfigGet(_) => 22,
            Self::ConfigSet { .. } => 23,
            Self::Config(_) => 24,
            Self::RunJob(_) => 25,
            Self::Acquired(_) => 26,
            Self::Acquire { .. } => 27,
            Self::Release { .. } => 28,
            Self::NoWorker => 29,
            Self::Data(_) => 30,
            Self::RecvData(_) => 31,
            Self::WorkData { .. } => 32,
            Self::JobAssigned => 33,
            Self::JobUnassigned => 34,
        }
    }

    fn decode(mut fields: Fields) -> Result<Self, WireError> {
        let command = match fields.u8()? {
            0 => Self::Noop,
            1 => Self::GrabJob,
            2 => Self::SchedLater { key: fields.key()?, delay: fields.i64()?, step: fields.i16()? },
            3 => Self::WorkDone { key: fields.key()?, result: fields.rest() },
            4 => Self::WorkFail(fields.key()?),
            5 => Self::JobAssign(fields.job()?),
            6 => Self::NoJob,
            7 => Self::CanDo(fields.str8()?),
            8 => Self::CantDo(fields.str8()?),
            9 => Self::Ping,
            10 => Self::Pong,
            11 => Self::Sleep,
            12 => Self::Unknown,
            13 => Self::SubmitJob(fields.job()?),
            14 => Self::Status,
            15 => Self::DropFunc(fields.str8()?),
            16 => Self::Success,
            17 => Self::RemoveJob(fields.key()?),
            18 => Self::Dump,
            19 => Self::Load(fields.jobs()?),
            20 => Self::Shutdown,
            21 => Self::Broadcast(fields.str8()?),
            22 => Self::ConfigGet(fields.str8()?),
            23 => Self::ConfigSet { key: fields.str8()?, value: fields.u32()? },
            24 => Self::Config(fields.u32()?),
            25 => Self::RunJob(fields.job()?),
            26 => Self::Acquired(match fields.u8()? {
                0 => false,
                1 => true,
                _ => return Err(WireError::BadValue("acquired")),
            }),
            27 => Self::Acquire { lock: fields.str8()?, capacity: fields.i16()?, key: fields.key()? },
            28 => Self::Release { lock: fields.str8()?, key: fields.key()? },
            29 => Self::NoWorker,
            30 => Self::Data(fields.rest()),
            31 => Self::RecvData(fields.job()?),
            32 => Self::WorkData { key: fields.key()?, chunk: fields.rest() },
            33 => Self::JobAssigned,
            34 => Self::JobUnassigned,
            other => return Err(WireError::UnknownCommand(other)),
        };
        fields.end()?;
        Ok(command)
    }

    fn encode(&self, to: &mut BytesMut) -> Result<(), WireError> {
        to.put_u8(self.code());
        match self {
            Self::Noop
            | Self::GrabJob
            | Self::NoJob
            | Self::Ping
            | Self::Pong
            | Self::Sleep
            | Self::Unknown
            | Self::Status
            | Self::Success
            | Self::Dump
            | Self::Shutdown
            | Self::NoWorker
            | Self::JobAssigned
            | Self::JobUnassigned => {}
            Self::CanDo(name)
            | Self::CantDo(name)
            | Self::DropFunc(name)
            | Self::Broadcast(name)
            | Self::ConfigGet(name) => put_str8(to, name)?,
            Self::WorkFail(key) | Self::RemoveJob(key) => put_key(to, key)?,
            Self::JobAssign(job) | Self::SubmitJob(job) | Self::RunJob(job) | Self::RecvData(job) => put_job(to, job)?,
            Self::SchedLater { key, delay, step } => {
                put_key(to, key)?;
                to.put_i64(*delay);
                to.put_i16(*step);
            }
            Self::WorkDone { key, result: body } | Self::WorkData { key, chunk: body } => {
                put_key(to, key)?;
                to.put_slice(body);
            }
            Self::Load(jobs) => put_jobs(to, jobs)?,
            Self::ConfigSet { key, value } => {
                put_str8(to, key)?;
                to.put_u32(*value);
            }
            Self::Config(value) => to.put_u32(*value),
            Self::Acquired(held) => to.put_u8(u8::from(*held)),
            Self::Acquire { lock, capacity, key } => {
                put_str8(to, lock)?;
                to.put_i16(*capacity);
                put_key(to, key)?;
            }
            Self::Release { lock, key } => {
                put_str8(to, lock)?;
                put_key(to, key)?;
            }
            Self::Data(body) => to.put_slice(body),
        }
        Ok(())
    }
}
