//! DROP_FUNC: delete a func that no worker can do, and all its jobs, a page at a time.

use tracing::warn;

use super::Scheduler;
use super::func::{FuncId, Position};
use super::life::{After, Reply};
use crate::store::{JobOp, JobStoreError, Seq};

/// Jobs deleted per page.
const PAGE: usize = 512;

impl Scheduler {
    /// Starts dropping. SUCCESS comes when all jobs that were there are gone; at once when there is nothing to drop, or
    /// a worker can do it.
    pub(super) fn drop_func(&mut self, name: &[u8], reply: Reply) {
        let Some(func) = self.func_ids.get(name).copied() else { return self.reply(reply, Ok(true)) };
        let queue = &mut self.funcs[func];
        if !queue.workers.is_empty() {
            return self.reply(reply, Ok(true));
        }
        if queue.dropping {
            return queue.drops.push(reply);
        }
        queue.dropping = true;
        self.read_page(func, None, None, reply);
    }

    fn read_page(&mut self, func: FuncId, after: Option<Position>, through: Option<Seq>, reply: Reply) {
        let op = JobOp::Due { func: self.funcs[func].name.clone(), after, limit: PAGE };
        self.push(op, After::DropPage { func, through, reply });
    }

    /// `through` is the highest number that is to be deleted: jobs submitted after the request stay. It is known with
    /// the first page, before which every earlier submit has got its number.
    pub(super) fn drop_page(
        &mut self,
        func: FuncId,
        through: Option<Seq>,
        reply: Reply,
        page: Result<Vec<Position>, JobStoreError>,
    ) {
        let through = through.or(self.last_seq);
        match page {
            Ok(page) => {
                let Some(last) = page.last().copied() else { return self.dropped(func, reply) };
                for (_, seq) in page.into_iter().filter(|(_, seq)| through.is_none_or(|through| *seq <= through)) {
                    self.retire(seq);
                    self.push(JobOp::Discard(seq), After::Drop { func, seq });
                }
                self.read_page(func, Some(last), through, reply);
            }
            Err(error) => {
                warn!(func = %self.funcs[func].name.escape_ascii(), %error, "a func cannot be dropped");
                self.reply(reply, Err(error));
                self.drop_again(func);
            }
        }
    }

    fn dropped(&mut self, func: FuncId, reply: Reply) {
        let name = self.funcs[func].name.clone();
        self.unstored_dropped(func);
        self.waiters_dropped(&name);
        self.locks_dropped(&name);
        self.reply(reply, Ok(true));
        self.drop_again(func);
        let queue = &self.funcs[func];
        if queue.stored == 0 && queue.workers.is_empty() && !queue.dropping {
            self.func_ids.remove(&queue.name);
        }
    }

    /// Goes on with those who have asked for the same meanwhile.
    fn drop_again(&mut self, func: FuncId) {
        let queue = &mut self.funcs[func];
        queue.dropping = false;
        let name = queue.name.clone();
        for reply in std::mem::take(&mut queue.drops) {
            self.drop_func(&name, reply);
        }
    }
}
