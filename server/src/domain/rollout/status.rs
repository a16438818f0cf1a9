//! What a deployment has come to: whether the newest revision answers calls, with which share, and if not,
//! who does.
//!
//! Computed from the function and its sidecars' reports each time, as conditions are; the command line and
//! the dashboard show it and decide nothing of their own. Deliberately says nothing of *will be*: a revision
//! that fails now is tried again, and may answer a second later.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::conditions::{self, Finding, Seen};
use crate::domain::function::Function;
use crate::domain::traffic;

/// How far the newest revision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RolloutState)]
pub enum State {
    /// Not there yet: it starts, or sidecars get to know it.
    Pending,
    /// Its first instance is ready and has to stay so for a moment, or it was ready and ended by itself a moment ago.
    Settling,
    /// It does not start, or has ended by itself; sidecars go on trying.
    Failing,
    /// It is ready, but the function's traffic gives it no calls.
    NoTraffic,
    /// It answers calls.
    Serving,
}

/// A revision and its share of the calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RevisionShare)]
pub struct Share {
    /// The revision.
    #[schema(example = "hello-00001")]
    pub revision: String,
    /// 1 to 100.
    pub percent: u32,
}

/// What the last deployment of a function has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RolloutStatus)]
pub struct RolloutStatus {
    /// How far the newest revision is.
    pub state: State,
    /// The newest revision.
    #[schema(example = "hello-00002")]
    pub revision: String,
    /// Its share of the calls, 0 to 100.
    pub percent: u32,
    /// Every revision with a share, the largest first; empty while none was ever ready.
    pub shares: Vec<Share>,
    /// For people.
    pub message: String,
}

/// The rollout's status; `ready` and `accepted` are the function's conditions of these types.
pub fn of(
    function: &Function,
    seen: &[Seen],
    (ready, accepted): (&Finding, &Finding),
) -> RolloutStatus {
    let shares = shares(function);
    let revision = function.latest().map(|latest| latest.name.clone());
    let revision = revision.unwrap_or_default();
    let percent = shares.iter().find(|share| share.revision == revision);
    let percent = percent.map_or(0, |share| share.percent);
    let running = seen.iter().any(|s| s.ready > 0);
    let ended = seen.iter().map(|s| s.restarts).max().unwrap_or(0);
    let outdated: u32 = seen.iter().map(|s| s.outdated).sum();
    let behind = uses_secrets(function) && seen.iter().any(|s| s.behind);
    let refused = !seen.is_empty() && seen.iter().all(|s| s.rejected.is_some());
    let (state, why) = match (ready.status, accepted.status) {
        (conditions::Status::False, _) => (State::Failing, ready.message.clone()),
        (_, conditions::Status::False) if refused => (State::Failing, accepted.message.clone()),
        (conditions::Status::Unknown, _) if running => (State::Settling, ready.message.clone()),
        (conditions::Status::Unknown, _) => (State::Pending, ready.message.clone()),
        (_, conditions::Status::Unknown) => (State::Pending, accepted.message.clone()),
        _ if outdated > 0 => {
            let why = format!("{outdated} of its instances still have older values of secrets");
            (State::Settling, why)
        }
        _ if behind => (
            State::Pending,
            "sidecars get to know its secrets".to_owned(),
        ),
        _ if ended > 0 => {
            let why = format!("it has ended {ended} times by itself and must stay up for a while");
            (State::Settling, why)
        }
        _ if percent == 0 => (State::NoTraffic, pinned(function)),
        (_, conditions::Status::False) => (State::Serving, accepted.message.clone()),
        _ => (State::Serving, String::new()),
    };
    let message = message(state, &revision, percent, &shares, &why);
    RolloutStatus {
        state,
        revision,
        percent,
        shares,
        message,
    }
}

fn uses_secrets(function: &Function) -> bool {
    !function.spec.secrets.is_empty()
}

fn shares(function: &Function) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for target in traffic::resolve(function) {
        match shares.iter_mut().find(|s| s.revision == target.revision) {
            Some(share) => share.percent += target.percent,
            None => shares.push(Share {
                revision: target.revision,
                percent: target.percent,
            }),
        }
    }
    shares.retain(|share| share.percent > 0);
    shares.sort_by(|a, b| b.percent.cmp(&a.percent).then(a.revision.cmp(&b.revision)));
    shares
}

/// Why a ready revision gets no calls.
fn pinned(function: &Function) -> String {
    let follows = function.traffic.iter().any(|t| t.latest && t.percent > 0);
    match follows {
        true => "a later change of the traffic took its share".to_owned(),
        false => "the traffic is set to other revisions and does not follow the newest".to_owned(),
    }
}

fn message(state: State, revision: &str, percent: u32, shares: &[Share], why: &str) -> String {
    let because = match why.is_empty() {
        true => String::new(),
        false => format!(": {why}"),
    };
    match state {
        State::Serving => format!(
            "{revision} answers {}{because}",
            match percent {
                100 => "all calls".to_owned(),
                part => format!("{part} % of the calls"),
            }
        ),
        State::NoTraffic => format!("{revision} is ready but gets no calls{because}"),
        State::Pending => format!("{revision} is on its way{because}"),
        State::Settling if percent == 0 => {
            format!("{revision} is about to take calls{because}")
        }
        State::Settling => format!("{revision} answers, but not for sure{because}"),
        State::Failing if percent > 0 => {
            format!("{revision} fails and has {percent} % of the calls{because}")
        }
        State::Failing if shares.is_empty() => {
            format!("{revision} fails, and no other revision answers calls{because}")
        }
        State::Failing => {
            let others: Vec<_> = shares
                .iter()
                .map(|s| format!("{} ({} %)", s.revision, s.percent))
                .collect();
            let others = others.join(", ");
            format!("{revision} fails; calls go to {others}{because}")
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::rollout;
    use crate::domain::traffic::Target;
    use std::collections::BTreeMap;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    /// Two revisions; the first was ready long ago, the second when `second` says.
    fn function(
        revisions: u64,
        newest_ready: Option<i64>,
        traffic: &[(Option<u64>, u32)],
    ) -> Function {
        let mut function: Option<Function> = None;
        for number in 1..=revisions {
            let spec = format!(r#"{{"kind": "process", "process": {{"command": ["{number}"]}}}}"#);
            let apply = rollout::Apply {
                spec: serde_json::from_str(&spec).unwrap(),
                labels: BTreeMap::new(),
            };
            let at = (START, "u");
            let mut next = rollout::apply(function.as_ref(), ("default", "f"), &apply, at).function;
            let at = match number == revisions {
                true => newest_ready.map(|s| Timestamp::from_second(s).unwrap()),
                false => Some(START),
            };
            if let Some(at) = at {
                let name = format!("f-{number:05}");
                next = rollout::ready(&next, &name, at).unwrap();
            }
            function = Some(next);
        }
        let mut function = function.unwrap();
        if !traffic.is_empty() {
            let target = |(revision, percent): &(Option<u64>, u32)| Target {
                revision: revision.map(|number| format!("f-{number:05}")),
                latest: revision.is_none(),
                percent: *percent,
                tag: None,
            };
            function.traffic = traffic.iter().map(target).collect();
        }
        function
    }

    fn seen(ready: u32, reason: &str, restarts: u32) -> Seen {
        Seen {
            sidecar: "a".into(),
            applied: true,
            ready,
            reason: reason.into(),
            message: reason.into(),
            restarts,
            ..Seen::default()
        }
    }

    #[track_caller]
    fn check(function: &Function, seen: &[Seen], expected: (State, u32), says: &str) {
        let found = conditions::find(function, seen);
        let status = of(function, seen, (&found[0], &found[1]));
        assert_eq!((status.state, status.percent), expected, "{status:?}");
        assert!(status.message.contains(says), "{says:?} in {status:?}");
    }

    /// A row of the table: the newest revision, what sidecars report, and what is to be said of it.
    type Row = (Function, Vec<Seen>, (State, u32), &'static str);

    #[track_caller]
    fn check_all(rows: &[Row]) {
        for (function, seen, expected, says) in rows {
            check(function, seen, *expected, says);
        }
    }

    #[test]
    fn a_functions_first_revision_answers_or_nothing_does() {
        use State::{Failing, Pending, Serving, Settling};
        let first = |ready| function(1, ready, &[]);
        let (up, down) = (vec![seen(1, "", 0)], vec![seen(0, "", 0)]);
        let crashing = vec![seen(0, "crash_loop", 3)];
        let restarted = vec![seen(1, "", 2)];
        let nobody = "no other revision answers";
        check_all(&[
            (
                first(None),
                down.clone(),
                (Pending, 0),
                "f-00001 is on its way",
            ),
            (first(None), vec![], (Pending, 0), "no sidecar"),
            (first(None), crashing.clone(), (Failing, 0), nobody),
            (first(None), up.clone(), (Settling, 0), "must stay so"),
            (
                first(Some(7)),
                up,
                (Serving, 100),
                "f-00001 answers all calls",
            ),
            // Scaled to zero it is started by its next call.
            (first(Some(7)), down, (Serving, 100), "answers all calls"),
            (first(Some(7)), vec![], (Pending, 100), "no sidecar"),
            // It was ready and is not any more, or is again.
            (
                first(Some(7)),
                crashing,
                (Failing, 100),
                "fails and has 100 %",
            ),
            (first(Some(7)), restarted, (Settling, 100), "ended 2 times"),
        ]);
    }

    #[test]
    fn the_next_revision_answers_with_its_share_or_it_is_said_who_does() {
        use State::{Failing, NoTraffic, Pending, Serving};
        let second = |ready, traffic: &[_]| function(2, ready, traffic);
        let (up, down) = (vec![seen(1, "", 0)], vec![seen(0, "", 0)]);
        let crashing = vec![seen(0, "crash_loop", 3)];
        let (split, pinned) = ([(Some(1), 80), (None, 20)], [(Some(1), 100)]);
        let old = "calls go to f-00001 (100 %)";
        let death = rollout::Death {
            cause: "boom",
            never_answered: false,
            age: std::time::Duration::ZERO,
        };
        let at = Timestamp::from_second(8).unwrap();
        check_all(&[
            (second(None, &[]), crashing.clone(), (Failing, 0), old),
            (
                second(None, &[]),
                down,
                (Pending, 0),
                "f-00002 is on its way",
            ),
            (
                second(Some(7), &[]),
                up.clone(),
                (Serving, 100),
                "f-00002 answers all calls",
            ),
            (
                second(Some(7), &split),
                up.clone(),
                (Serving, 20),
                "20 % of the calls",
            ),
            // After a rollback.
            (
                second(Some(7), &pinned),
                up,
                (NoTraffic, 0),
                "does not follow the newest",
            ),
            (second(None, &pinned), crashing, (Failing, 0), old),
            // It took calls and died, and runs again.
            (
                rollout::died(&second(Some(7), &[]), "f-00002", death, at).unwrap(),
                vec![seen(1, "", 1)],
                (Failing, 0),
                "boom",
            ),
        ]);
    }

    #[test]
    fn sidecars_that_have_an_older_state_or_refuse_the_new_one_are_part_of_it() {
        let function = function(1, Some(7), &[]);
        let up = seen(1, "", 0);
        let behind = Seen {
            applied: false,
            ..up.clone()
        };
        let refusing = Seen {
            rejected: Some("no room".into()),
            ..seen(0, "", 0)
        };
        check(
            &function,
            &[up.clone(), behind],
            (State::Pending, 100),
            "on its way",
        );
        check(
            &function,
            std::slice::from_ref(&refusing),
            (State::Failing, 100),
            "no room",
        );
        check(&function, &[up, refusing], (State::Serving, 100), "no room");
    }
}
