//! Part of a list of calls, put together from what sidecars answered. Pure.

use gateless_proto::v1::{Call, ListCallsResponse};

/// Part of a list of calls, newest first.
#[derive(Debug, Default)]
pub struct Page {
    /// The calls; there may be fewer than asked for, and more in the next part.
    pub calls: Vec<Call>,
    /// Where the next part begins, as its `before`; `None`: this is the last.
    pub next: Option<String>,
}

/// The newest `limit` calls of what sidecars answered, and where to go on: no lower than what all of them looked at.
pub(super) fn merged(answers: Vec<ListCallsResponse>, limit: usize) -> Page {
    let scanned = answers.iter().map(|answer| answer.scanned_to.as_str());
    let scanned = scanned.max().unwrap_or_default().to_owned();
    let mut calls: Vec<Call> = answers.into_iter().flat_map(|a| a.calls).collect();
    calls.sort_by(|a, b| b.id.cmp(&a.id));
    calls.dedup_by(|a, b| a.id == b.id);
    calls.retain(|call| call.id >= scanned);
    let next = match calls.len() > limit {
        true => {
            calls.truncate(limit);
            calls.last().map(|call| call.id.clone())
        }
        false => Some(scanned).filter(|id| !id.is_empty()),
    };
    Page { calls, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_list_reaches_no_further_than_every_sidecar_has_looked() {
        let answer = |ids: &[&str], scanned_to: &str| ListCallsResponse {
            calls: ids
                .iter()
                .map(|id| Call {
                    id: (*id).to_owned(),
                    ..Call::default()
                })
                .collect(),
            scanned_to: scanned_to.to_owned(),
        };
        let check = |answers: &[ListCallsResponse], limit, ids: &[&str], next: Option<&str>| {
            let page = merged(answers.to_vec(), limit);
            let found: Vec<&str> = page.calls.iter().map(|call| call.id.as_str()).collect();
            assert_eq!((&found[..], page.next.as_deref()), (ids, next));
        };
        check(&[], 2, &[], None);
        check(
            &[answer(&["9-a", "4-a"], ""), answer(&["6-b"], "")],
            3,
            &["9-a", "6-b", "4-a"],
            None,
        );
        check(
            &[answer(&["9-a", "4-a"], ""), answer(&["6-b"], "")],
            2,
            &["9-a", "6-b"],
            Some("6-b"),
        );
        // The second looked at few: what the first found below that comes with the next part.
        check(
            &[answer(&["9-a", "4-a"], ""), answer(&[], "5-b")],
            9,
            &["9-a"],
            Some("5-b"),
        );
        check(
            &[answer(&["9-a", "8-a"], "8-a"), answer(&["2-b"], "2-b")],
            2,
            &["9-a", "8-a"],
            Some("8-a"),
        );
    }
}
