//! STATUS: one line per func (PROTOCOL §5).

use bytes::{BufMut, Bytes, BytesMut};

use super::{ConnId, Scheduler};

/// What a server tells about a func.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FuncStatus {
    /// Its name.
    pub func: Bytes,
    /// Connections that can do it.
    pub workers: u64,
    /// Its jobs, whatever their state.
    pub jobs: u64,
    /// Those that a worker has.
    pub running: u64,
    /// Those that wait for a lock.
    pub locked: u64,
    /// When the next one is due, in Unix seconds; when none waits: now.
    pub sched_at: i64,
}

impl FuncStatus {
    /// Reads the text of a STATUS reply. Lines that are none, as a func with a newline in its name makes, are skipped.
    pub fn parse_all(text: &[u8]) -> Vec<Self> {
        text.split(|byte| *byte == b'\n').filter_map(Self::parse).collect()
    }

    fn parse(line: &[u8]) -> Option<Self> {
        fn number<T: std::str::FromStr>(field: Option<&[u8]>) -> Option<T> {
            std::str::from_utf8(field?).ok()?.parse().ok()
        }
        // From the back, because a func may have a comma.
        let mut fields = line.rsplitn(6, |byte| *byte == b',');
        let sched_at = number(fields.next())?;
        let locked = number(fields.next())?;
        let running = number(fields.next())?;
        let jobs = number(fields.next())?;
        let workers = number(fields.next())?;
        let func = Bytes::copy_from_slice(fields.next()?);
        Some(Self { func, workers, jobs, running, locked, sched_at })
    }

    fn put(&self, to: &mut BytesMut) {
        to.put_slice(&self.func);
        for number in [self.workers, self.jobs, self.running, self.locked] {
            to.put_slice(format!(",{number}").as_bytes());
        }
        to.put_slice(format!(",{}", self.sched_at).as_bytes());
    }
}

impl Scheduler {
    /// Every func, in byte order.
    pub(super) fn status(&self) -> Vec<FuncStatus> {
        self.status_of(|_| true)
    }

    /// The funcs that may be told about, in byte order.
    fn status_of(&self, may: impl Fn(&[u8]) -> bool) -> Vec<FuncStatus> {
        let known = self.func_ids.values().map(|id| &self.funcs[*id]).filter(|func| may(&func.name));
        let mut status: Vec<_> = known
            .map(|func| FuncStatus {
                func: func.name.clone(),
                workers: func.workers.len() as u64,
                jobs: func.stored + func.unstored,
                running: func.running,
                locked: func.locked,
                sched_at: func.waiting.first().map_or(self.now, |(sched_at, _)| *sched_at),
            })
            .collect();
        status.sort_unstable_by(|one, other| one.func.cmp(&other.func));
        status
    }

    /// The answer to a STATUS of this connection.
    pub(super) fn status_text(&self, conn: ConnId) -> Bytes {
        let mut text = BytesMut::new();
        for func in self.status_of(|func| self.may_use(conn, func)) {
            if !text.is_empty() {
                text.put_u8(b'\n');
            }
            func.put(&mut text);
        }
        text.freeze()
    }
}
