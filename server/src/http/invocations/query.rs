//! Which calls a list is asked for: the query's text to what the service is asked.

use gateless_proto::v1::list_calls_request::Cause;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::STATES;
use crate::http::problem::Problem;
use crate::service::calls::Filter;

/// Which calls.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct CallQuery {
    /// Calls per page, 1 to 1000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// From the page before.
    page_token: Option<String>,
    /// Only those in this state; several separated by commas.
    #[param(example = "queued,retrying")]
    state: Option<String>,
    /// Only those whose last answer had this status, or one of a hundred: `503`, `5xx`.
    #[param(example = "5xx", pattern = "^([1-5]xx|[1-5][0-9][0-9])$")]
    status: Option<String>,
    /// Only those made by a `caller`, by any `trigger`, or by the one called `trigger:NAME`.
    #[param(example = "trigger:nightly")]
    cause: Option<String>,
    /// Only those with this idempotency key, at most 255 characters.
    #[param(max_length = 255)]
    idempotency_key: Option<String>,
    /// Only those accepted then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only those accepted before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl CallQuery {
    /// Which page: its size, and where it begins.
    pub(super) fn page(&self) -> (Option<u32>, Option<&str>) {
        (self.limit, self.page_token.as_deref())
    }

    /// As the service takes it; an empty `function`: every one.
    pub(super) fn filter(&self, function: String) -> Result<Filter, Problem> {
        let millis = |time: Option<Timestamp>| {
            let millis = time.map_or(0, Timestamp::as_millisecond);
            u64::try_from(millis).unwrap_or(0)
        };
        Ok(Filter {
            function,
            states: states(self.state.as_deref())?,
            status: self.status.as_deref().map_or(Ok(0), status)?,
            cause: self.cause.as_deref().map(cause).transpose()?,
            // A longer one than calls may have is no call's.
            idempotency_key: self.idempotency_key.clone().unwrap_or_default(),
            since_ms: millis(self.since),
            until_ms: millis(self.until),
        })
    }
}

fn states(text: Option<&str>) -> Result<Vec<String>, Problem> {
    let parts = text.into_iter().flat_map(|text| text.split(','));
    let state = |part: &str| match STATES.contains(&part) {
        true => Ok(part.to_owned()),
        false => {
            let detail = format!("must be of {}", STATES.join(", "));
            Err(Problem::parameter("state", detail))
        }
    };
    parts.map(state).collect()
}

/// `503`, or `5xx` as 5.
pub(in crate::http) fn status(text: &str) -> Result<u16, Problem> {
    let wrong = || Problem::parameter("status", "must be 100 to 599, or 1xx to 5xx");
    let (digits, range) = match text.strip_suffix("xx") {
        Some(class) => (class, 1..=5),
        None => (text, 100..=599),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u16>().ok().filter(|_| plain);
    number
        .filter(|number| range.contains(number))
        .ok_or_else(wrong)
}

fn cause(text: &str) -> Result<Cause, Problem> {
    match (text, text.strip_prefix("trigger:")) {
        ("caller", _) => Ok(Cause::ByTrigger(false)),
        ("trigger", _) => Ok(Cause::ByTrigger(true)),
        (_, Some(name)) if gateless_common::name::check_label(name).is_ok() => {
            Ok(Cause::Trigger(name.to_owned()))
        }
        _ => {
            let detail = "must be caller, trigger or trigger:NAME";
            Err(Problem::parameter("cause", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_whole_or_refused_by_the_name_of_what_is_wrong() {
        let read = |query: &str| {
            let uri = format!("/?{query}").parse().unwrap();
            let axum::extract::Query(query) =
                axum::extract::Query::<CallQuery>::try_from_uri(&uri).unwrap();
            query.filter("f".into())
        };
        let all = "state=dead,queued&status=5xx&cause=trigger:nightly&idempotency_key=k%20k\
            &since=2026-01-02T03:04:05Z&until=2026-01-02T03:04:06Z";
        let filter = read(all).unwrap();
        assert_eq!(filter.states, ["dead", "queued"]);
        assert_eq!((filter.status, filter.idempotency_key.as_str()), (5, "k k"));
        assert_eq!(filter.cause, Some(Cause::Trigger("nightly".into())));
        assert_eq!(filter.until_ms - filter.since_ms, 1000);
        assert_eq!(read("status=503&cause=caller").unwrap().status, 503);
        for (query, name) in [
            ("status=6xx", "status"),
            ("status=99", "status"),
            ("status=+5xx", "status"),
            ("status=xx", "status"),
            ("cause=trigger:", "cause"),
            ("cause=A", "cause"),
            ("state=gone", "state"),
        ] {
            let problem = read(query).unwrap_err();
            assert!(problem.detail.contains(name), "{query}: {}", problem.detail);
        }
    }
}
