//! Listening and going on where one was.

use jiff::Timestamp;

use super::*;

fn lag(lag: u64) -> Event {
    let what = What::Sidecar {
        sidecar: "a".into(),
        action: Action::Lag,
        lag,
    };
    what.of_all(Timestamp::UNIX_EPOCH)
}

async fn number(listener: &mut Listener) -> u64 {
    match listener.next().await.unwrap() {
        Heard::Item(item) => item.id.unwrap(),
        Heard::Missed(..) => panic!("missed something"),
    }
}

#[tokio::test]
async fn past_and_live_events_join_without_a_gap() {
    let bus = Arc::new(Bus::default());
    bus.publish(lag(1));
    let mut first = bus.listen("t".into(), None).unwrap();
    assert!(matches!(&first.start, Start::Fresh(id) if *id == bus.id(1)));
    bus.publish(lag(2));
    bus.publish(lag(3));
    assert_eq!(number(&mut first).await, 2);
    let mut again = bus.listen("t".into(), Some(&bus.id(2))).unwrap();
    assert!(matches!(again.start, Start::Resumed));
    bus.publish(lag(4));
    assert_eq!(number(&mut again).await, 3);
    assert_eq!(number(&mut again).await, 4);
    let old = bus.listen("t".into(), Some("other-1")).unwrap();
    assert!(matches!(&old.start, Start::TooOld(id) if *id == bus.id(4)));
}

#[tokio::test]
async fn a_slow_listener_is_told_what_it_missed_and_goes_on() {
    let bus = Arc::new(Bus::default());
    let mut slow = bus.listen("t".into(), None).unwrap();
    for n in 0..BEHIND as u64 + 10 {
        bus.publish(lag(n));
    }
    let newest = bus.id(BEHIND as u64 + 10);
    assert!(matches!(slow.next().await, Some(Heard::Missed(10, id)) if id == newest));
    bus.publish(lag(0));
    assert_eq!(number(&mut slow).await, BEHIND as u64 + 11);
}

#[tokio::test(start_paused = true)]
async fn sidecars_are_observed_while_somebody_listens_and_ten_minutes_after() {
    let bus = Arc::new(Bus::default());
    assert!(!bus.is_wanted(Instant::now()));
    let listener = bus.listen("t".into(), None).unwrap();
    tokio::time::advance(LINGER * 3).await;
    assert!(bus.is_wanted(Instant::now()));
    drop(listener);
    tokio::time::advance(LINGER - Duration::from_secs(1)).await;
    assert!(bus.is_wanted(Instant::now()));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(!bus.is_wanted(Instant::now()));
}

#[tokio::test]
async fn one_tenant_takes_no_more_places_than_it_leaves() {
    let bus = Arc::new(Bus::default());
    let flood = |tenant: &str| -> Vec<_> {
        let places = 0..MAX_LISTENERS;
        places
            .map_while(|_| bus.listen(tenant.into(), None).ok())
            .collect()
    };
    let mut all = flood("a");
    assert_eq!(all.len() as u64, MAX_LISTENERS / 2);
    let others = flood("b");
    assert_eq!(others.len() as u64, MAX_LISTENERS / 4);
    assert!(bus.listen("a".into(), None).is_err());
    all.truncate(10);
    assert!(bus.listen("a".into(), None).is_ok());
}
