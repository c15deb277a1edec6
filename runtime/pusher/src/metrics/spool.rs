//! What a worker alone has not told the API server yet.

use async_trait::async_trait;
use pusher_worker::{SpoolUse, Waiting};

use super::{Page, Source};

/// A worker's spool of reports.
pub(crate) struct Spool(pub(crate) SpoolUse);

#[async_trait]
impl Source for Spool {
    async fn show(&self, page: &mut Page) {
        let Waiting { reports, bytes, refused } = self.0.read();
        let help = "How many reports of what became of messages wait for the API server.";
        page.gauge("pusher_reports_waiting", help, [(vec![], reports)]);
        page.gauge("pusher_reports_waiting_bytes", "How many bytes those take.", [(vec![], bytes)]);
        let help = "How many reports the API server refused for good; they were put aside in the spool.";
        page.counter("pusher_reports_refused_total", help, [(vec![], refused)]);
    }
}
