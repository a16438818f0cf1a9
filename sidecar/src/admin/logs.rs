//! Instances' log lines for the admin service.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use gateless_core::name::{FunctionName, InstanceId, NodeId, RevisionName};
use gateless_proto::v1;
use tokio_stream::wrappers::ReceiverStream;

use crate::admin::Logs;
use crate::instance::logs::Logs as Store;
use crate::instance::{LogLine, LogQuery};

/// What the store keeps, with this node's name on every line.
pub(crate) struct InstanceLogs {
    /// Has the lines of every driver.
    pub(crate) store: Store,
    pub(crate) node: NodeId,
}

fn query(request: &v1::LogsRequest) -> Option<LogQuery> {
    let function = FunctionName::new(&request.namespace, &request.function).ok()?;
    let revision = match request.revision.as_str() {
        "" => None,
        name => Some(RevisionName::new(function.clone(), name).ok()?),
    };
    Some(LogQuery {
        function,
        revision,
        instance: (!request.instance.is_empty()).then(|| InstanceId::new(&request.instance)),
        tail: (request.tail_lines > 0).then_some(request.tail_lines as usize),
        since_ms: (request.since_ms > 0).then_some(request.since_ms),
        until_ms: (request.until_ms > 0).then_some(request.until_ms),
        follow: request.follow,
    })
}

impl Logs for InstanceLogs {
    fn stream(&self, request: v1::LogsRequest) -> BoxStream<'static, v1::LogLine> {
        // A name that is none wrote nothing.
        let Some(query) = query(&request) else {
            return stream::empty().boxed();
        };
        let node_id = self.node.to_string();
        let wire = move |line: LogLine| v1::LogLine {
            time_ms: line.time_ms,
            revision: line.revision.revision().to_owned(),
            instance: line.instance.to_string(),
            stream: line.stream.as_str().to_owned(),
            line: line.line,
            node_id: node_id.clone(),
        };
        ReceiverStream::new(self.store.query(query))
            .map(wire)
            .boxed()
    }
}
