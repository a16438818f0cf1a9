//! Calls on record: each sidecar has those that came in there, so every question goes to all of them at once.

use gateless_proto::v1::{CallRecord, ListRecordsRequest, ListRecordsResponse};
use tonic::Code;

use super::calls::Gathered;
use super::{Error, Kind, Result, Service};

/// Part of a list of records, newest first.
#[derive(Debug, Default)]
pub struct Page {
    /// The records.
    pub records: Vec<CallRecord>,
    /// Where the next part begins, as its `before`; `None`: this is the last.
    pub next: Option<String>,
}

/// The newest `limit` of what sidecars answered, each with its newest `limit` and one more.
fn merged(answers: Vec<ListRecordsResponse>, limit: usize) -> Page {
    let mut records: Vec<_> = answers.into_iter().flat_map(|a| a.records).collect();
    records.sort_by(|a, b| b.id.cmp(&a.id));
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().filter(|_| more);
    let next = next.map(|last| last.id.clone());
    Page { records, next }
}

impl Service {
    /// Calls on record that are asked for, newest first.
    pub async fn records(&self, asked: ListRecordsRequest, limit: usize) -> Gathered<Page> {
        let request = ListRecordsRequest {
            // One more than wanted says whether there are more.
            limit: u32::try_from(limit.saturating_add(1)).unwrap_or(u32::MAX),
            ..asked
        };
        let answers = self.gather(|mut admin| {
            let request = request.clone();
            async move { admin.list_records(request).await }
        });
        let Gathered { value, warnings } = answers.await;
        Gathered {
            value: merged(value, limit),
            warnings,
        }
    }

    /// One call on record: the sidecar that its id names is asked.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is on record no more, or [`Error::Sidecar`].
    pub async fn record(&self, namespace: &str, id: &str) -> Result<CallRecord> {
        let missing = || Error::not_found(Kind::Record, format!("{namespace}/{id}"));
        let (_, node) = id.rsplit_once('-').ok_or_else(missing)?;
        let client = self.registry.client(node).ok_or_else(missing)?;
        let request = ListRecordsRequest {
            namespace: namespace.to_owned(),
            id: id.to_owned(),
            limit: 1,
            ..ListRecordsRequest::default()
        };
        let answer = client.ask(|mut admin| async move { admin.list_records(request).await });
        match answer.await {
            Ok(answer) => answer.records.into_iter().next().ok_or_else(missing),
            Err(error) if error.status.code() == Code::InvalidArgument => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_all_sidecars_come_first_and_say_where_the_next_begin() {
        let answer = |ids: &[&str]| ListRecordsResponse {
            records: ids
                .iter()
                .map(|id| CallRecord {
                    id: (*id).to_owned(),
                    ..CallRecord::default()
                })
                .collect(),
        };
        let check = |limit, ids: &[&str], next: Option<&str>| {
            let page = merged(vec![answer(&["9-a", "4-a"]), answer(&["6-b"])], limit);
            let found: Vec<&str> = page.records.iter().map(|one| one.id.as_str()).collect();
            assert_eq!((&found[..], page.next.as_deref()), (ids, next));
        };
        check(3, &["9-a", "6-b", "4-a"], None);
        check(2, &["9-a", "6-b"], Some("6-b"));
    }
}
