//! A queue under test, on a clock that moves when it is set, and the steps a dispatcher would make.

use std::time::Duration;

use bytes::Bytes;
use gateless_core::call::Call;
use gateless_core::config::AsyncPolicy;
pub(in crate::queue) use gateless_core::fixture::admitted;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy::{Admitted, Maker};
use gateless_core::time::Time;

use crate::queue::clock::{Clock, Manual};
use crate::queue::filter::Filter;
use crate::queue::lifecycle::{self, Begin};
use crate::queue::local::Config;
use crate::queue::types::{Accepted, CallId, CallResult, Ended, Idempotency, Record, View};
use crate::queue::work::{Delivery, Job, Lease, Update};
use crate::queue::{Error, Local, Memory, Queue};

pub(in crate::queue) const START: Time = Time::from_millis(1_800_000_000_000);
pub(in crate::queue) const NODE: &str = "0badcafe";

pub(in crate::queue) struct Fixture {
    pub(in crate::queue) queue: Queue,
    pub(in crate::queue) clock: Manual,
    #[expect(dead_code, reason = "held so that the folder outlives the queue")]
    folder: Option<tempfile::TempDir>,
}

/// An attempt that was begun.
pub(in crate::queue) struct Begun {
    pub(in crate::queue) lease: Lease,
    pub(in crate::queue) call: Call,
    pub(in crate::queue) number: u32,
}

pub(in crate::queue) fn function() -> FunctionName {
    FunctionName::new("default", "hello").unwrap()
}

pub(in crate::queue) fn record(body: &'static str) -> Record {
    Record {
        function: function(),
        method: "POST".into(),
        path: "/work?x=1".into(),
        headers: vec![("content-type".into(), "text/plain".into())],
        body: body.into(),
        callback: None,
        idempotency: None,
        principal: Maker::Anonymous.into(),
    }
}

pub(in crate::queue) fn with_callback(body: &'static str) -> Record {
    Record {
        callback: Some("http://x/".into()),
        ..record(body)
    }
}

pub(in crate::queue) fn keyed(body: &'static str, key: &str, digest: u8) -> Record {
    Record {
        idempotency: Some(Idempotency {
            key: key.to_owned(),
            digest: [digest; 32],
        }),
        ..record(body)
    }
}

pub(in crate::queue) fn of(name: &str, body: &'static str) -> Record {
    Record {
        function: FunctionName::new("default", name).unwrap(),
        ..record(body)
    }
}

pub(in crate::queue) fn answer(status: u16) -> Ended {
    Ended::Answered {
        answer: CallResult {
            status,
            headers: vec![("etag".into(), "x".into())],
            body: Bytes::from_static(b"made"),
            truncated: false,
        },
        retry_after: None,
    }
}

pub(in crate::queue) fn failed(error: &str) -> Ended {
    Ended::Failed {
        retryable: false,
        error: error.to_owned(),
    }
}

pub(in crate::queue) fn with_default(records: Vec<Record>) -> Vec<(Admitted<Record>, AsyncPolicy)> {
    records
        .into_iter()
        .map(|r| (admitted(r), AsyncPolicy::DEFAULT))
        .collect()
}

pub(in crate::queue) fn dead_letters(limit: usize) -> Filter {
    Filter {
        namespace: "default".into(),
        states: vec!["dead".into()],
        limit,
        ..Filter::default()
    }
}

impl Begun {
    /// Writes down how it ended.
    pub(in crate::queue) async fn end(self, ended: Ended, now: Time) -> Result<(), Error> {
        let change = lifecycle::ended(&self.call, ended, now, &AsyncPolicy::DEFAULT).unwrap();
        self.lease.settle(Update::Call(change)).await
    }
}

impl Fixture {
    pub(in crate::queue) fn memory() -> Self {
        let clock = Manual::new(START);
        let engine = Memory::new(NodeId::new(NODE), Clock::Manual(clock.clone()));
        Self::over(Queue::of(&engine), clock)
    }

    pub(in crate::queue) fn local() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Manual::new(START));
        let mut config = Config::new(folder.path().join("queue"), NodeId::new(NODE));
        config.clock = Clock::Manual(clock.clone());
        Self {
            folder: Some(folder),
            ..Self::over(Queue::of(&Local::open(config).unwrap()), clock)
        }
    }

    pub(in crate::queue) fn over(queue: Queue, clock: Manual) -> Self {
        let folder = None;
        Self {
            queue,
            clock,
            folder,
        }
    }

    pub(in crate::queue) fn now(&self) -> Time {
        Clock::Manual(self.clock.clone()).now()
    }

    pub(in crate::queue) async fn accept(&self, record: Record) -> Result<Accepted, Error> {
        let record = admitted(record);
        self.queue.inbox.accept(record, &AsyncPolicy::DEFAULT).await
    }

    /// What is due now of the function.
    pub(in crate::queue) async fn next(&self, max: usize) -> Vec<Delivery<Job>> {
        self.queue.work.next(&function(), max).await.unwrap()
    }

    pub(in crate::queue) fn nothing_is_due(&self) -> bool {
        self.queue.calls.depths().iter().all(|depth| depth.due == 0)
    }

    pub(in crate::queue) async fn begin(&self) -> Begun {
        let delivery = self.next(1).await.pop().expect("a call that is due");
        self.begin_with(delivery).await.unwrap()
    }

    pub(in crate::queue) async fn begin_with(
        &self,
        delivery: Delivery<Job>,
    ) -> Result<Begun, Error> {
        let Delivery { job, lease } = delivery;
        let begin = lifecycle::begin(&job.call, self.now(), &AsyncPolicy::DEFAULT).unwrap();
        let Begin::Attempt(number, change) = begin else {
            panic!("no attempt: {begin:?}");
        };
        let call = change.call.clone();
        lease.begin(change).await?;
        Ok(Begun {
            lease,
            call,
            number,
        })
    }

    /// A call that failed for good.
    pub(in crate::queue) async fn dead(&self, body: &'static str) -> CallId {
        let id = self.accept(record(body)).await.unwrap().id;
        let begun = self.begin().await;
        begun.end(failed("boom"), self.now()).await.unwrap();
        id
    }

    pub(in crate::queue) async fn view(&self, id: &CallId) -> View {
        self.queue.calls.get(id).await.unwrap()
    }

    pub(in crate::queue) async fn state(&self, id: &CallId) -> &'static str {
        let view = self.queue.calls.get(id).await;
        view.map_or("unknown", |v| v.call.state.as_str())
    }

    /// Looks until it holds; nobody is notified of a call's changes.
    pub(in crate::queue) async fn until(&self, holds: impl AsyncFn() -> bool) {
        let look = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let limit = Duration::from_secs(60);
        let held = tokio::time::timeout(limit, look).await;
        held.expect("never came to hold");
    }
}
