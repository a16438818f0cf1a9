//! Tests of single decisions about copies; whole clusters are simulated in `tests/copies_sim`.

use super::*;

fn node(n: u32) -> NodeId {
    NodeId::new(&format!("{n:08x}"))
}

fn claim(epoch: u64, n: u32) -> Claim {
    let node = node(n);
    Claim {
        epoch,
        node,
        run: 1,
    }
}

/// Node 2 with a copy of a call of node 0, which node 1 would take on first.
fn holder(now: Time) -> Copies {
    let mut copies = Copies::new(node(2), 1, TAKEOVER_AFTER, now);
    let held = Held {
        owner: claim(0, 0),
        origin: node(0),
        holders: Arc::from([node(1), node(2)]),
    };
    copies.on_event(now, Event::Held([1; 16], held), &mut Vec::new());
    copies
}

fn live(copies: &mut Copies, now: Time, live: &[u32], removed: &[u32]) -> Vec<Action> {
    let nodes = |numbers: &[u32]| numbers.iter().map(|n| node(*n)).collect();
    let mut out = Vec::new();
    let (live, removed) = (nodes(live), nodes(removed));
    copies.on_event(now, Event::Members { live, removed }, &mut out);
    copies.on_event(now, Event::Tick, &mut out);
    out
}

fn answer(copies: &mut Copies, now: Time, peer: u32, run: u64, standing: Standing) -> Vec<Action> {
    let mut out = Vec::new();
    let answered = Event::Answered {
        peer: node(peer),
        run,
        standings: vec![([1; 16], standing)],
    };
    copies.on_event(now, answered, &mut out);
    out
}

#[test]
fn copy_of_what_is_over_refused_or_forgotten_is_dropped_and_no_other() {
    let now = Time::from_millis(0);
    for (peer, run, standing, drops) in [
        (0, 1, Standing::Over, true),
        (0, 1, Standing::Nothing, true),
        // Its disk was wiped: it knows nothing of what it had.
        (0, 2, Standing::Nothing, false),
        (1, 1, Standing::Nothing, false),
        (1, 1, Standing::Over, true),
        (0, 1, Standing::Owned(claim(0, 0)), false),
        (1, 1, Standing::Held(claim(0, 0)), false),
    ] {
        let out = answer(&mut holder(now), now, peer, run, standing.clone());
        let expected = drops.then_some(Action::Drop([1; 16]));
        assert_eq!(out, Vec::from_iter(expected), "{peer} {run} {standing:?}");
    }
    let higher = answer(&mut holder(now), now, 1, 1, Standing::Owned(claim(1, 1)));
    assert_eq!(higher, [Action::Follow([1; 16], claim(1, 1))]);
}

#[test]
fn first_live_holder_takes_on_what_a_silent_owner_had() {
    let start = Time::from_millis(0);
    let mut copies = holder(start);
    assert_eq!(live(&mut copies, start, &[1], &[]), []);
    // Awake all the while, it hears nothing of the owner.
    let mut now = start;
    while now.since(start) < TAKEOVER_AFTER - ASK_EVERY {
        now += ASK_EVERY;
        assert_eq!(live(&mut copies, now, &[1], &[]), [], "{now:?}");
    }
    now += ASK_EVERY;
    let asked = live(&mut copies, now, &[1], &[]);
    assert_eq!(asked, [Action::Ask(node(1), vec![[1; 16]])]);
    answer(&mut copies, now, 1, 1, Standing::Nothing);
    let taken = live(&mut copies, now, &[1], &[]);
    assert_eq!(taken, [Action::TakeOn([1; 16], claim(1, 2))]);
    // Not twice, unless it could not be done.
    assert_eq!(live(&mut copies, now, &[1], &[]), []);
    copies.on_event(now, Event::Unchanged([1; 16]), &mut Vec::new());
    assert_eq!(live(&mut copies, now, &[1], &[]).len(), 1);
}

#[test]
fn owner_that_is_removed_is_not_waited_for_and_one_whose_holder_slept_is() {
    let start = Time::from_millis(0);
    let taken = live(&mut holder(start), start, &[], &[0]);
    assert_eq!(taken, [Action::TakeOn([1; 16], claim(1, 2))]);
    let mut copies = holder(start);
    live(&mut copies, start, &[], &[]);
    assert_eq!(live(&mut copies, start + TAKEOVER_AFTER * 2, &[], &[]), []);
}

#[test]
fn higher_claim_counts_and_what_is_over_stays_so() {
    let copies = holder(Time::from_millis(0));
    let judge = |queue, key, claimed: &Claim, over| {
        copies.judge(&[key; 16], queue, &claim(1, 2), claimed, over)
    };
    let beaten = |by| (Verdict::Beaten(by), Effect::None);
    let agreed = |effect| (Verdict::Agreed, effect);
    let (low, high) = (claim(1, 1), claim(1, 3));
    assert_eq!(judge(Own::Open, 2, &low, false), beaten(claim(1, 2)));
    assert_eq!(judge(Own::Open, 2, &high, false), agreed(Effect::HandOver));
    assert_eq!(judge(Own::Open, 2, &low, true), agreed(Effect::End));
    let over = (Verdict::Over, Effect::None);
    assert_eq!(judge(Own::Over, 2, &high, false), over);
    assert_eq!(judge(Own::Nothing, 1, &low, false), agreed(Effect::Follow));
    assert_eq!(judge(Own::Nothing, 1, &low, true), agreed(Effect::Drop));
    assert_eq!(judge(Own::Nothing, 2, &low, false), agreed(Effect::None));
}

#[test]
fn holders_are_the_first_that_take_a_copy_and_so_many_are_passed_over() {
    let order = || (0..6).map(node);
    let mut placing = Placing::new(order(), &node(1), wanted(0, 6), |n| *n == node(0));
    assert_eq!(placing.to_ask(), [node(2)]);
    placing.answered(false);
    assert_eq!(placing.to_ask(), [node(3)]);
    placing.answered(true);
    assert!(placing.to_ask().is_empty());
    assert_eq!(placing.copies(), 2);
    assert_eq!(placing.holders(), [node(2), node(3)]);
    let mut nobody = Placing::new(order(), &node(1), 2, |_| false);
    for _ in 0..=MAX_PASSED {
        assert_eq!(nobody.to_ask().len(), 1);
        nobody.answered(false);
    }
    assert!(nobody.to_ask().is_empty());
    assert_eq!(nobody.copies(), 1);
    assert_eq!(
        [wanted(0, 1), wanted(0, 9), wanted(3, 2), wanted(1, 9)],
        [1, 2, 2, 1]
    );
}

#[test]
fn who_was_away_waits_for_the_others_and_not_for_ever() {
    let start = Time::from_millis(0);
    let others = [node(1), node(2)];
    let mut home = Homecoming::new(TAKEOVER_AFTER, start);
    assert_eq!(home.to_ask(&others), others);
    home.answered(node(1));
    assert!(!home.is_over(&others, start));
    home.answered(node(2));
    assert!(home.is_over(&others, start));
    assert!(!home.look(start + ASK_EVERY));
    let thawed = start + ASK_EVERY + TAKEOVER_AFTER / 2;
    assert!(home.look(thawed));
    assert!(!home.is_over(&others, thawed));
    assert!(home.is_over(&others, thawed + PATIENCE));
}

#[test]
fn of_too_many_that_were_taken_on_the_oldest_are_not_told() {
    let now = Time::from_millis(0);
    let mut copies = Copies::new(node(2), 1, TAKEOVER_AFTER, now);
    let taken = Taken {
        claim: claim(1, 2),
        origin: node(0),
        holders: Arc::from([node(2)]),
    };
    for n in 0..=MAX_UNTOLD {
        let mut key = [0; 16];
        key[8..].copy_from_slice(&n.to_be_bytes());
        let taken = Event::TakenOn(key, taken.clone());
        copies.on_event(now, taken, &mut Vec::new());
    }
    let mut out = Vec::new();
    copies.on_event(now, Event::Tick, &mut out);
    assert_eq!(out, [Action::Known([0; 16])]);
}
