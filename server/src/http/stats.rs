//! How functions are and were in the last ten minutes.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{FunctionPath, NamespacePath};
use super::openapi::Problems;
use super::problem::Problem;
use crate::clock;
use crate::events::history::{Mark, Past};
use crate::events::{Action, Decision, Sample};

/// Seconds in a sparkline.
const SPARKLINE: usize = 60;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_stats))
        .routes(routes!(get_stats))
}

/// One function's past.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
struct StatsBody {
    /// Since when sidecars are observed; null: they were not until now, and the next seconds will be.
    #[schema(value_type = Option<String>, format = DateTime)]
    observed_since: Option<Timestamp>,
    /// One a second at most, oldest first; where there is none nothing happened.
    samples: Vec<TimedSample>,
    /// Scaling decisions, oldest first.
    decisions: Vec<TimedDecision>,
    /// What else may be why numbers changed, oldest first: deploys, changes of the traffic, drains.
    marks: Vec<MarkBody>,
}

/// Something that happened to the function or to a sidecar.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mark)]
struct MarkBody {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// What happened.
    #[schema(example = "ready")]
    kind: Action,
    /// Which revision or sidecar.
    #[schema(example = "hello-00002")]
    subject: String,
    /// For people; may be empty.
    message: String,
}

/// A function during one second.
#[derive(Debug, Serialize, ToSchema)]
struct TimedSample {
    /// When it ended.
    #[schema(value_type = String, format = DateTime, example = "2026-01-02T03:04:05Z")]
    time: Timestamp,
    #[serde(flatten)]
    sample: Sample,
}

/// A scaling decision and when it was made.
#[derive(Debug, Serialize, ToSchema)]
struct TimedDecision {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    #[serde(flatten)]
    decision: Decision,
}

/// How the functions of a namespace are.
#[derive(Debug, Serialize, ToSchema)]
struct StatsList {
    /// Since when sidecars are observed; null: they were not until now, and the next seconds will be.
    #[schema(value_type = Option<String>, format = DateTime)]
    observed_since: Option<Timestamp>,
    /// Functions that did something in the last ten minutes, by name.
    items: Vec<CurrentBody>,
}

/// How a function is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CurrentStats)]
struct CurrentBody {
    /// Its name.
    #[schema(example = "hello")]
    function: String,
    /// How it is now.
    sample: Sample,
    /// Calls a second in each of the last 60 seconds, oldest first.
    sparkline: Vec<f64>,
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/stats", tag = "stats",
    operation_id = "getStats", summary = "Get a function's last ten minutes",
    description = "Sidecars are observed while somebody listens to events or asks this, and for ten minutes after.",
    params(FunctionPath),
    responses((status = 200, description = "Its samples, scaling decisions and marks.", body = StatsBody), Problems),
)]
async fn get_stats(State(api): State<Api>, path: FunctionPath) -> Result<Json<StatsBody>, Problem> {
    api.service.function(path.as_name()).await?;
    let events = api.service.events();
    events.touch();
    let function = (path.namespace, path.name);
    let now = clock::now();
    let (past, marks, observed_since) = events.with_history(|history| {
        let marks = history.marks(now, &function);
        (history.of(&function).cloned(), marks, history.since)
    });
    let Past {
        samples, decisions, ..
    } = past.unwrap_or_default();
    let sample = |(time, sample)| TimedSample { time, sample };
    let decision = |(time, decision)| TimedDecision { time, decision };
    let mark = |(time, mark): (Timestamp, Mark)| MarkBody {
        time,
        kind: mark.kind,
        subject: mark.subject,
        message: mark.message,
    };
    Ok(Json(StatsBody {
        observed_since,
        samples: samples.into_iter().map(sample).collect(),
        decisions: decisions.into_iter().map(decision).collect(),
        marks: marks.into_iter().map(mark).collect(),
    }))
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/stats", tag = "stats",
    operation_id = "listStats", summary = "List how a namespace's functions are",
    description = "Sidecars are observed while somebody listens to events or asks this, and for ten minutes after.",
    params(NamespacePath),
    responses((status = 200, description = "Functions that did something lately.", body = StatsList), Problems),
)]
async fn list_stats(State(api): State<Api>, path: NamespacePath) -> Json<StatsList> {
    let events = api.service.events();
    events.touch();
    let now = clock::now();
    let current = |(name, past): (&str, &Past)| CurrentBody {
        function: name.to_owned(),
        sample: past.current(now),
        sparkline: past.sparkline(now, SPARKLINE),
    };
    Json(events.with_history(|history| StatsList {
        observed_since: history.since,
        items: history.in_namespace(&path.namespace).map(current).collect(),
    }))
}
