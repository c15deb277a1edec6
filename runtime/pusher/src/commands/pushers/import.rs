//! `pusher pushers import`: a file of recipients, read piece by piece and sent in batches, some of them at a time.
//!
//! How it fits: `file` opens what is imported, `lines` takes it apart, `table` and `jsonl` make records of it, `window`
//! sorts so many of those, and `portion` makes batches of them, on a thread of its own; here they are sent, and `report`
//! keeps count of what became of them.

mod file;
mod jsonl;
mod lines;
mod portion;
mod record;
mod report;
mod table;
mod window;

use std::collections::{BTreeMap, HashSet};

use pusher::client::{BulkReport, Client, ClientError};
use pusher::shutdown;
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::cli::pushers::ImportArgs;
use crate::commands::{CommandError, Context, progress};
use file::Input;
use portion::{Portion, Source};
use record::ReadError;
use report::{Counts, Report};

/// Most requests at a time: enough that the server's disk and this end's reading wait for each other as little as may
/// be, few enough that what is in memory stays small.
const IN_FLIGHT: usize = 4;

/// Imports the file. What was sent when something goes wrong is finished, and it is said how far that is.
pub(crate) async fn run(context: &mut Context, args: ImportArgs) -> Result<(), CommandError> {
    let Input { name, records, read, length } = Input::open(&args.file, args.format)?;
    let bar = length.map_or_else(progress::count, progress::bytes);
    let report = Report::new(name.clone(), args.errors.as_deref(), bar)?;
    let no_thread = |error| CommandError::Failed(format!("cannot import: {error}"));
    let stop = shutdown::on_signal().map_err(no_thread)?;
    let portions = portion::cut(records, args.batch, read).map_err(no_thread)?;
    let mut sending = Sending::new(context.client.clone(), report);
    let end = sending.run(portions, stop).await?;
    sending.report.finish()?;
    let counts = sending.report.counts();
    let Counts { created, changed, unchanged, failed } = counts;
    let sentence = format!(
        "{}: {created} created, {changed} changed, {unchanged} unchanged, {failed} failed.",
        lines(counts.total())
    );
    context.out.answer(&counts, &sentence)?;
    context.out.flush()?;
    let how_far = match sending.done.through {
        0 => "nothing of it is imported for certain; run it again".to_owned(),
        line => format!("every line up to {line} is done; run it again for the rest"),
    };
    Err(CommandError::Failed(match end {
        End::Read if failed == 0 => return Ok(()),
        End::Read => format!("{} of {name} failed; the others are imported", lines(failed)),
        End::Told => format!("told to stop: of {name}, {how_far}"),
        // What is wrong with its head, or with how it is to be signed, is no less wrong the next time.
        End::Unreadable(error) if sending.sent == 0 => format!("{name}: {error}; nothing of it is imported"),
        End::Failed(error @ ClientError::Signing(_)) => {
            format!("{}; nothing of {name} is imported", context.failed(error))
        }
        End::Unreadable(error) => format!("{name} cannot be read to its end: {error}; {how_far}"),
        End::Full => {
            let advice = "delete something, or start its server with a larger --map-size";
            format!("the store is full, and takes no more until there is room: {advice}; of {name}, {how_far}")
        }
        End::Failed(error) => {
            let smaller = matches!(error, ClientError::Refused { status: 413, .. });
            let advice = if smaller { "; try a smaller --batch" } else { "" };
            format!("{}{advice}; of {name}, {how_far}", context.failed(error))
        }
    }))
}

/// So many lines, in words.
fn lines(count: u64) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

/// Why nothing more is sent.
enum End {
    /// The file was read to its end.
    Read,
    /// A signal.
    Told,
    /// The file cannot be read on.
    Unreadable(ReadError),
    /// The server did not take a batch.
    Failed(ClientError),
    /// The server has no room for more.
    Full,
}

/// The batches on their way.
struct Sending {
    client: Client,
    report: Report,
    in_flight: JoinSet<Sent>,
    /// Whom the batches in flight are about, by their number.
    ids: BTreeMap<u64, HashSet<u64>>,
    /// How many have been sent.
    sent: u64,
    done: Done,
}

/// A batch that came to an end, one way or the other.
struct Sent {
    number: u64,
    sources: Vec<Source>,
    through: u64,
    bytes: u64,
    result: Result<BulkReport, ClientError>,
}

/// How far it is: batches end in any order.
#[derive(Default)]
struct Done {
    /// The last line before which nothing is open.
    through: u64,
    /// The number of the first batch that is open.
    next: u64,
    /// The last lines of the batches behind that one which are done.
    behind: BTreeMap<u64, u64>,
}

impl Done {
    fn add(&mut self, number: u64, through: u64) {
        self.behind.insert(number, through);
        while let Some(through) = self.behind.remove(&self.next) {
            self.through = through;
            self.next += 1;
        }
    }
}

impl Sending {
    fn new(client: Client, report: Report) -> Self {
        Self { client, report, in_flight: JoinSet::new(), ids: BTreeMap::new(), sent: 0, done: Done::default() }
    }

    /// Sends until there is no more, or no more use in it; then waits for what is in flight.
    async fn run(
        &mut self,
        mut portions: Receiver<Result<Portion, ReadError>>,
        stop: CancellationToken,
    ) -> Result<End, CommandError> {
        let mut waiting: Option<Portion> = None;
        let mut end = None;
        loop {
            if let Some(portion) = waiting.take_if(|portion| end.is_none() && self.may_send(portion)) {
                self.send(portion)?;
            }
            let has_room = waiting.is_none() && self.in_flight.len() < IN_FLIGHT;
            tokio::select! {
                biased;
                () = stop.cancelled(), if end.is_none() => {
                    self.report.say("stopping: finishing what is in flight");
                    end = Some(End::Told);
                }
                Some(sent) = self.in_flight.join_next() => {
                    if let Some(why) = self.ended(sent)?
                        && !matches!(end, Some(End::Failed(_) | End::Full))
                    {
                        end = Some(why);
                    }
                }
                portion = portions.recv(), if end.is_none() && has_room => match portion {
                    Some(Ok(portion)) => waiting = Some(portion),
                    Some(Err(error)) => end = Some(End::Unreadable(error)),
                    None => end = Some(End::Read),
                },
                else => return Ok(end.unwrap_or(End::Read)),
            }
        }
    }

    /// Is there room for it, and is nothing in flight about the same recipients? Of two lines about one recipient the
    /// later one must come later.
    fn may_send(&self, portion: &Portion) -> bool {
        self.in_flight.len() < IN_FLIGHT && self.ids.values().all(|ids| ids.is_disjoint(&portion.ids))
    }

    fn send(&mut self, portion: Portion) -> Result<(), CommandError> {
        let Portion { batch, sources, wrong, ids, through, bytes } = portion;
        self.report.wrong(&wrong)?;
        let number = self.sent;
        self.sent += 1;
        if batch.is_empty() {
            self.done.add(number, through);
            return Ok(());
        }
        self.ids.insert(number, ids);
        let client = self.client.clone();
        self.in_flight.spawn(async move {
            let result = client.bulk(batch).await;
            Sent { number, sources, through, bytes, result }
        });
        Ok(())
    }

    /// Takes what a batch came to, and says if that is the end. What there was no room for has not failed: it is not done
    /// yet.
    fn ended(&mut self, sent: Result<Sent, JoinError>) -> Result<Option<End>, CommandError> {
        let sent = sent.map_err(|error| CommandError::Failed(format!("a request ended badly: {error}")))?;
        let Sent { number, sources, through, bytes, result } = sent;
        self.ids.remove(&number);
        match result {
            Ok(report) if report.full => {
                self.report.begun(&report);
                Ok(Some(End::Full))
            }
            Ok(report) => {
                self.done.add(number, through);
                self.report.answered(&sources, &report)?;
                self.report.progress(bytes);
                Ok(None)
            }
            Err(ClientError::Failed { status: 507, .. }) => Ok(Some(End::Full)),
            Err(error) => Ok(Some(End::Failed(error))),
        }
    }
}
