//! What is known of one instance's silence. When it is looked at, and who is told, is the parent's.

use std::sync::Arc;
use std::time::Duration;

use super::{Action, MOST_A_LOOK, Probe, Rules, Seen, Standing};
use crate::time::Time;

/// Calls have been inside without a sign of life for so long: the kernel is asked.
const QUIET: Duration = Duration::from_millis(500);
/// And the instance, unless its period is shorter. While it answers it is asked ever more rarely, up to the period.
const ASK_AFTER: Duration = Duration::from_secs(1);
/// Looks in a row at which its processes were stopped.
const STOPPED_LOOKS: u32 = 3;

#[derive(Debug)]
pub(super) struct Instance {
    rules: Rules,
    /// What was last said of it.
    pub(super) stood: Standing,
    seen: Option<(u64, u32)>,
    looked: Time,
    /// Since it was added.
    age: Duration,
    /// It has given a sign of life.
    ever: bool,
    /// Since the last sign of life.
    quiet: Duration,
    /// Calls have been inside since then, for so long.
    work: Option<Duration>,
    /// Since its first failure in a row, if there is one.
    failing: Option<Duration>,
    failures: u32,
    cause: Arc<str>,
    stopped: u32,
    looking: bool,
    probing: bool,
    /// Since the last probe ended.
    rested: Duration,
    /// Of its silence, before it is asked while calls are inside.
    patience: Duration,
}

impl Instance {
    pub(super) fn new(now: Time, rules: Rules) -> Self {
        Self {
            patience: ASK_AFTER.min(rules.period),
            ever: rules.first.is_zero(),
            rules,
            stood: Standing::Serving,
            seen: None,
            looked: now,
            age: Duration::ZERO,
            quiet: Duration::ZERO,
            work: None,
            failing: None,
            failures: 0,
            cause: Arc::default(),
            stopped: 0,
            looking: false,
            probing: false,
            rested: Duration::ZERO,
        }
    }

    pub(super) fn seen(&mut self, now: Time, seen: &Seen, out: &mut Vec<Action>) {
        let step = now.since(self.looked).min(MOST_A_LOOK);
        self.looked = now;
        self.age += step;
        self.rested += step;
        let before = self.seen.replace((seen.heard, seen.in_flight));
        let heard = before.map_or(0, |(heard, _)| heard);
        if seen.heard != heard {
            self.lives();
            self.patience = ASK_AFTER.min(self.rules.period);
            return;
        }
        self.quiet += step;
        // A call that is seen first may just have come.
        self.work = match self.work {
            Some(work) => Some(work + step),
            None => (seen.in_flight > 0).then_some(Duration::ZERO),
        };
        if let Some(failing) = &mut self.failing {
            *failing += step;
        }
        let busy = seen.in_flight > 0;
        // Once begun it is looked at to the end: one look may have met it at a bad moment.
        let suspect = self.failures > 0 || self.stopped > 0;
        if !self.looking && (suspect || (busy && self.quiet >= QUIET)) {
            self.looking = true;
            out.push(Action::Look(seen.id.clone()));
        }
        if !self.probing && self.is_due(busy) {
            self.probing = true;
            out.push(Action::Probe(seen.id.clone()));
        }
    }

    fn is_due(&self, busy: bool) -> bool {
        let again = ASK_AFTER.min(self.rules.period);
        if self.failures > 0 || self.is_overdue() {
            return self.rested >= again;
        }
        let patience = if busy {
            self.patience
        } else {
            self.rules.period
        };
        self.quiet >= patience && self.rested >= again
    }

    pub(super) fn looked(&mut self, stopped: bool) {
        self.looking = false;
        self.stopped = if stopped { self.stopped + 1 } else { 0 };
    }

    pub(super) fn probed(&mut self, probe: Probe) {
        self.probing = false;
        match probe {
            Probe::Answered => {
                self.rested = Duration::ZERO;
                // Before it would be overdue it is asked again.
                let most = self.rules.period.min(self.rules.work / 2);
                self.patience = (self.patience * 2).min(most);
                self.lives();
            }
            Probe::Silent(cause) => {
                self.rested = Duration::ZERO;
                self.failures = self.failures.saturating_add(1);
                self.failing.get_or_insert(Duration::ZERO);
                self.cause = cause;
            }
            Probe::NoPlace => {}
        }
    }

    fn lives(&mut self) {
        self.ever = true;
        self.quiet = Duration::ZERO;
        self.work = None;
        self.failing = None;
        self.failures = 0;
        self.stopped = 0;
    }

    /// Longer at it than any call may take.
    fn is_overdue(&self) -> bool {
        self.work.is_some_and(|work| work >= self.rules.work)
    }

    pub(super) fn standing(&self) -> Standing {
        if self.stopped > 0 || self.is_overdue() {
            Standing::Shut
        } else if self.failures > 0 {
            Standing::Suspect
        } else {
            Standing::Serving
        }
    }

    pub(super) fn has_answered(&self) -> bool {
        self.ever
    }

    /// Why it must be replaced, if it must.
    pub(super) fn verdict(&self) -> Option<Arc<str>> {
        if self.stopped >= STOPPED_LOOKS {
            return Some("its processes are stopped (SIGSTOP), so it answers nothing".into());
        }
        let failing = self.failing?;
        let enough = self.failures >= self.rules.threshold
            && failing >= self.rules.period * (self.rules.threshold - 1);
        let excused = self.work.is_some() && !self.is_overdue();
        let young = !self.ever && self.age < self.rules.first;
        (enough && !excused && !young).then(|| {
            let (failures, cause) = (self.failures, &self.cause);
            match self.ever {
                true => format!("it answered none of {failures} probes: {cause}").into(),
                false => format!("it has never answered anything: {cause}").into(),
            }
        })
    }
}
