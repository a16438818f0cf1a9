//! The last ten minutes of functions that did something, so that a chart has a past.
//!
//! Pure: time is given. Bounded in time, in functions and in decisions of each; past the bound the
//! function that did nothing for longest is forgotten.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::event::{Action, Decision, Sample};
use super::merge::Function;

/// Samples of one function: one a second.
pub const MAX_SAMPLES: usize = 600;
/// Decisions of one function.
pub const MAX_DECISIONS: usize = 200;
/// Functions with a past; one takes about 60 KiB.
pub const MAX_FUNCTIONS: usize = 512;
/// Marks of one function, and those of sidecars.
pub const MAX_MARKS: usize = 200;
/// How far back it goes.
const SPAN: SignedDuration = SignedDuration::from_secs(600);
/// Samples further apart have a gap between them, in which nothing happened.
const GAP: SignedDuration = SignedDuration::from_millis(1500);

/// One function's past, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Where there is none nothing happened.
    pub samples: VecDeque<(Timestamp, Sample)>,
    /// Scaling decisions.
    pub decisions: VecDeque<(Timestamp, Decision)>,
    /// What else a chart marks.
    pub marks: VecDeque<(Timestamp, Mark)>,
    newest: Timestamp,
}

/// Something that may be why a function's numbers changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What happened.
    pub kind: Action,
    /// Which revision or sidecar.
    pub subject: String,
    /// For people; may be empty.
    pub message: String,
}

/// The last ten minutes of every function, one point a second.
#[derive(Debug, Default)]
pub struct History {
    functions: BTreeMap<Function, Past>,
    /// What sidecars did, which concerns every function.
    sidecars: VecDeque<(Timestamp, Mark)>,
    /// Since when sidecars are observed without a break; `None`: they are not.
    pub since: Option<Timestamp>,
}

impl History {
    /// A function's second.
    pub fn sampled(&mut self, now: Timestamp, function: &Function, sample: Sample) {
        let past = self.past(now, function);
        let last = past.samples.back().map(|(at, _)| *at);
        if last.is_none_or(|last| now.duration_since(last) > GAP) && !sample.is_empty() {
            // Else a chart would draw a slope over the time nothing happened.
            let before = now - SignedDuration::from_secs(1);
            push(&mut past.samples, MAX_SAMPLES, (before, Sample::default()));
        }
        push(&mut past.samples, MAX_SAMPLES, (now, sample));
    }

    /// A decision on one of its revisions.
    pub fn decided(&mut self, at: Timestamp, function: &Function, decision: Decision) {
        push(
            &mut self.past(at, function).decisions,
            MAX_DECISIONS,
            (at, decision),
        );
    }

    /// Something became of a function in the catalogue; `None`: of a sidecar.
    pub fn marked(&mut self, at: Timestamp, function: Option<&Function>, mark: Mark) {
        let marks = match function {
            Some(function) => &mut self.past(at, function).marks,
            None => &mut self.sidecars,
        };
        push(marks, MAX_MARKS, (at, mark));
    }

    /// What a chart of that function marks, of the last ten minutes, oldest first.
    pub fn marks(&self, now: Timestamp, function: &Function) -> Vec<(Timestamp, Mark)> {
        let own = self.functions.get(function).map(|past| &past.marks);
        let all = own.into_iter().flatten().chain(&self.sidecars);
        let lately = all.filter(|(at, _)| now.duration_since(*at) <= SPAN);
        let mut marks: Vec<_> = lately.cloned().collect();
        marks.sort_by_key(|(at, _)| *at);
        marks
    }

    fn past(&mut self, now: Timestamp, function: &Function) -> &mut Past {
        if !self.functions.contains_key(function) && self.functions.len() >= MAX_FUNCTIONS {
            let oldest = self.functions.iter().min_by_key(|(_, past)| past.newest);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.functions.remove(&oldest);
            }
        }
        let past = self.functions.entry(function.clone()).or_default();
        past.newest = now;
        past
    }

    /// Forgets what is older than ten minutes.
    pub fn forget(&mut self, now: Timestamp) {
        let old = |at: &Timestamp| now.duration_since(*at) > SPAN;
        while self.sidecars.pop_front_if(|(at, _)| old(at)).is_some() {}
        self.functions.retain(|_, past| {
            while past.samples.pop_front_if(|(at, _)| old(at)).is_some() {}
            while past.decisions.pop_front_if(|(at, _)| old(at)).is_some() {}
            while past.marks.pop_front_if(|(at, _)| old(at)).is_some() {}
            !past.samples.is_empty() || !past.decisions.is_empty() || !past.marks.is_empty()
        });
    }

    /// One function's past.
    pub fn of(&self, function: &Function) -> Option<&Past> {
        self.functions.get(function)
    }

    /// Functions of a namespace that have a past.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = (&str, &Past)> {
        let from = (namespace.to_owned(), String::new());
        let all = self.functions.range(from..);
        all.take_while(move |((ns, _), _)| ns == namespace)
            .map(|((_, name), past)| (name.as_str(), past))
    }
}

impl Past {
    /// How the function is.
    pub fn current(&self, now: Timestamp) -> Sample {
        let last = self.samples.back();
        let lately =
            last.filter(|(at, sample)| !sample.is_active() || now.duration_since(*at) <= GAP * 2);
        lately.map(|(_, sample)| *sample).unwrap_or_default()
    }

    /// Calls a second in each of the last `seconds`, oldest first.
    pub fn sparkline(&self, now: Timestamp, seconds: usize) -> Vec<f64> {
        let mut line = vec![0.0; seconds];
        for (at, sample) in self.samples.iter().rev() {
            let ago = usize::try_from(now.duration_since(*at).as_secs()).unwrap_or(0);
            match line.len().checked_sub(ago + 1) {
                Some(place) => line[place] = sample.rps,
                None => break,
            }
        }
        line
    }
}

fn push<T>(queue: &mut VecDeque<T>, bound: usize, item: T) {
    if queue.len() >= bound {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn name(name: &str) -> Function {
        ("n".to_owned(), name.to_owned())
    }

    fn busy(rps: f64) -> Sample {
        Sample {
            rps,
            ..Sample::default()
        }
    }

    #[test]
    fn ten_minutes_are_kept_and_gaps_are_level() {
        let mut history = History::default();
        for second in 0..700 {
            history.sampled(at(second), &name("f"), busy(1.0));
        }
        history.forget(at(700));
        let past = history.of(&name("f")).unwrap();
        assert_eq!(past.samples.len(), MAX_SAMPLES);
        assert_eq!(past.samples[0].0, at(100));
        history.sampled(at(720), &name("f"), busy(5.0));
        let past = history.of(&name("f")).unwrap();
        let tail: Vec<_> = past
            .samples
            .iter()
            .rev()
            .take(3)
            .map(|(t, s)| (*t, s.rps))
            .collect();
        assert_eq!(tail, [(at(720), 5.0), (at(719), 0.0), (at(699), 1.0)]);
        assert_eq!(past.sparkline(at(720), 4), [0.0, 0.0, 0.0, 5.0]);
        assert_eq!(past.sparkline(at(722), 4), [0.0, 5.0, 0.0, 0.0]);
        history.forget(at(1400));
        assert!(history.of(&name("f")).is_none());
    }

    #[test]
    fn what_happened_to_a_function_and_to_sidecars_is_marked_for_ten_minutes() {
        let mark = |kind| Mark {
            kind,
            subject: String::new(),
            message: String::new(),
        };
        let mut history = History::default();
        history.marked(at(0), Some(&name("f")), mark(Action::Applied));
        history.marked(at(2), None, mark(Action::Draining));
        history.marked(at(1), Some(&name("f")), mark(Action::Ready));
        let kinds = |history: &History, now, function: &str| {
            let marks = history.marks(at(now), &name(function));
            marks.iter().map(|(_, mark)| mark.kind).collect::<Vec<_>>()
        };
        assert_eq!(
            kinds(&history, 10, "f"),
            [Action::Applied, Action::Ready, Action::Draining]
        );
        assert_eq!(kinds(&history, 10, "g"), [Action::Draining]);
        assert_eq!(
            kinds(&history, 602, "f"),
            [Action::Draining],
            "though nobody forgot"
        );
        history.forget(at(601));
        assert_eq!(kinds(&history, 10, "f"), [Action::Ready, Action::Draining]);
        history.forget(at(603));
        assert!(history.of(&name("f")).is_none());
        for second in 0..500 {
            history.marked(at(700 + second), None, mark(Action::Left));
        }
        assert_eq!(history.marks(at(1200), &name("f")).len(), MAX_MARKS);
    }

    #[test]
    fn the_function_idle_for_longest_makes_room() {
        let mut history = History::default();
        for n in 0..=MAX_FUNCTIONS {
            let second = i64::try_from(n).unwrap();
            history.sampled(at(second), &name(&format!("f{n}")), busy(1.0));
        }
        assert!(history.of(&name("f0")).is_none());
        assert_eq!(history.in_namespace("n").count(), MAX_FUNCTIONS);
        assert_eq!(history.in_namespace("m").count(), 0);
    }

    #[test]
    fn what_nobody_confirms_is_over() {
        let mut history = History::default();
        history.sampled(at(0), &name("f"), busy(3.0));
        let current = |second| history.of(&name("f")).unwrap().current(at(second)).rps;
        assert_eq!((current(1), current(60)), (3.0, 0.0));
    }
}
