//! Group commit: one thread makes all writes that wait durable with one write to the disk.
//!
//! While the disk works on a group, the next one gathers; so the more writes there are, the fewer
//! disk writes each needs. Nobody is answered, and no read or watch sees a group, before the disk has
//! it: a conflict, too, can rest on a write of the same group.
//!
//! When the disk fails in mid write, nobody can say what it holds (after a failed fsync the kernel may
//! call lost pages clean). So the store turns read-only until it is opened again, which reads back and
//! checks everything. A disk that is merely too full is noticed before the write and costs nothing.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::export::Export;
use super::plan::{Plan, Planner, Totals};
use super::shared::Shared;
use super::state::State;
use super::{Entry, Error, ExportSummary, Result, Revision, Transaction};

/// How many writes wait before `write` itself waits for a place.
const MAX_WAITING: usize = 256;
/// How far apart revisions are.
const STEP: Revision = 1;
/// A group takes no more writes once it has this many bytes of values.
const MAX_GROUP_BYTES: usize = 8 * 1024 * 1024;

/// What has to be on the disk before anybody is told of it.
pub(super) struct Change<'a> {
    pub(super) identity: Uuid,
    pub(super) totals: Totals,
    pub(super) plan: &'a Plan,
    /// Entries that come without history: an import.
    pub(super) imported: &'a [Entry],
    /// The change log up to this revision is no longer needed.
    pub(super) compacted: Revision,
}

/// The disk under a store. It may panic: that counts as a failure.
pub(super) trait Disk: Send + 'static {
    /// Whether a write may start; an error here refuses the group and nothing else.
    fn room(&self) -> Result<()>;

    /// All of the change is on the disk, or the error says why nobody knows.
    fn persist(&mut self, change: &Change<'_>) -> Result<(), String>;
}

/// A request to the writer thread, with where the answer goes.
pub(super) enum Request {
    Write(Transaction, oneshot::Sender<Result<Revision>>),
    Import(Export, oneshot::Sender<Result<ExportSummary>>),
    /// Finish what waits, then end.
    Close,
}

/// Starts the thread. It ends, and drops the disk, after [`Request::Close`] or when every sender is gone.
pub(super) fn spawn(
    shared: Arc<Shared>,
    disk: impl Disk,
) -> io::Result<(mpsc::Sender<Request>, JoinHandle<()>)> {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    let writer = Writer { shared, disk };
    let thread = thread::Builder::new()
        .name("catalogue-writer".to_owned())
        .spawn(move || writer.run(receiver))?;
    Ok((sender, thread))
}

struct Writer<D> {
    shared: Arc<Shared>,
    disk: D,
}

type Waiting = (Transaction, oneshot::Sender<Result<Revision>>);

impl<D: Disk> Writer<D> {
    fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut next = requests.blocking_recv();
        while let Some(request) = next.take() {
            match request {
                Request::Import(export, reply) => {
                    let _gone = reply.send(self.import(export));
                }
                Request::Close => requests.close(),
                Request::Write(transaction, reply) => {
                    let mut size = transaction.value_bytes();
                    let mut group = vec![(transaction, reply)];
                    while size < MAX_GROUP_BYTES && group.len() < MAX_WAITING {
                        match requests.try_recv() {
                            Ok(Request::Write(transaction, reply)) => {
                                size += transaction.value_bytes();
                                group.push((transaction, reply));
                            }
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.commit(group);
                }
            }
            next = next.or_else(|| requests.blocking_recv());
        }
        // Closing an engine writes too; there is nobody left to tell but the log.
        let disk = self.disk;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(move || drop(disk))) {
            tracing::error!(reason = %panic_message(&*panic), "closing the catalogue's disk failed");
        }
    }

    fn commit(&mut self, group: Vec<Waiting>) {
        let (answers, plan) = {
            let state = self.shared.state.read();
            let mut planner = Planner::new(&state, STEP);
            let mut answers = Vec::with_capacity(group.len());
            for (transaction, reply) in group {
                answers.push((reply, planner.add(transaction)));
            }
            (answers, planner.finish())
        };
        let durable = self.make_durable(plan);
        for (reply, answer) in answers {
            // Whatever a write was told to be, it rests on the group; a receiver that is gone is fine.
            let _gone = reply.send(match &durable {
                Ok(()) => answer,
                Err(failure) => Err(failure.again()),
            });
        }
    }

    fn make_durable(&mut self, plan: Plan) -> Result<()> {
        self.shared.writable()?;
        if plan.batches.is_empty() {
            return Ok(());
        }
        self.disk.room()?;
        let (identity, compacted) = {
            let state = self.shared.state.read();
            (state.identity, state.compacted())
        };
        self.persist(&Change {
            identity,
            totals: plan.totals,
            plan: &plan,
            imported: &[],
            compacted,
        })?;
        self.shared.publish(|state| state.apply(plan));
        Ok(())
    }

    fn import(&mut self, export: Export) -> Result<ExportSummary> {
        self.shared.writable()?;
        let (revision, bounds) = {
            let state = self.shared.state.read();
            (state.totals().revision, state.bounds())
        };
        if revision > 0 {
            return Err(Error::NotEmpty { revision });
        }
        self.disk.room()?;
        let summary = export.summary();
        let mut imported = State::new(Uuid::new_v4(), bounds);
        imported.replace(export);
        self.persist(&Change {
            identity: imported.identity,
            totals: imported.totals(),
            plan: &Plan::default(),
            imported: &imported.entries(),
            compacted: imported.compacted(),
        })?;
        self.shared.publish(|state| *state = imported);
        Ok(summary)
    }

    fn persist(&mut self, change: &Change<'_>) -> Result<()> {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.disk.persist(change)));
        let cause = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(cause)) => cause,
            Err(panic) => panic_message(&*panic),
        };
        let reason = format!(
            "writing to its disk failed ({cause}); check the disk and its free space, then restart the server"
        );
        tracing::error!(revision = change.totals.revision, %reason, "the catalogue is read-only");
        self.shared.set_read_only(Some(reason.clone()));
        Err(Error::ReadOnly { reason })
    }
}

/// The text of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "the storage engine panicked".to_owned())
}

#[cfg(test)]
mod tests;
