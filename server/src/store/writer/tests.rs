//! Group commit over a disk that does as it is told.

use std::sync::mpsc as gate;

use tokio::sync::oneshot;

use super::*;
use crate::store::{Expect, Health, LogBounds, Write};

fn put(key: impl Into<String>, value: &'static str) -> Write {
    Write::put(key, value).unwrap()
}

/// What the disk does with the next group.
enum Order {
    Write,
    Fail,
    Panic,
}

/// A disk that waits for an order before each group, and tells when it begins to wait.
struct FakeDisk {
    orders: gate::Receiver<Order>,
    began: mpsc::UnboundedSender<Revision>,
    full: Arc<std::sync::atomic::AtomicBool>,
}

impl Disk for FakeDisk {
    fn room(&self) -> Result<()> {
        if self.full.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(Error::NoSpace {
                path: "/full".into(),
                available_bytes: 0,
                needed_bytes: 1,
            });
        }
        Ok(())
    }

    fn persist(&mut self, change: &Change<'_>) -> Result<(), String> {
        self.began.send(change.totals.revision).unwrap();
        match self.orders.recv().unwrap() {
            Order::Write => Ok(()),
            Order::Fail => Err("input/output error".to_owned()),
            Order::Panic => panic!("the engine gave up"),
        }
    }
}

struct World {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    orders: gate::Sender<Order>,
    began: mpsc::UnboundedReceiver<Revision>,
    full: Arc<std::sync::atomic::AtomicBool>,
}

fn world() -> World {
    let shared = Shared::new(State::new(Uuid::new_v4(), LogBounds::default()));
    let (orders, received) = gate::channel();
    let (begin, began) = mpsc::unbounded_channel();
    let full = Arc::default();
    let disk = FakeDisk {
        orders: received,
        began: begin,
        full: Arc::clone(&full),
    };
    let (requests, _thread) = spawn(Arc::clone(&shared), disk).unwrap();
    World {
        shared,
        requests,
        orders,
        began,
        full,
    }
}

impl World {
    async fn send(&self, write: Write) -> oneshot::Receiver<Result<Revision>> {
        let (reply, answer) = oneshot::channel();
        let sent = self
            .requests
            .send(Request::Write(write.into(), reply))
            .await;
        assert!(sent.is_ok());
        answer
    }
}

#[tokio::test]
async fn writes_that_wait_share_one_disk_write_and_show_only_after_it() {
    let mut world = world();
    let first = world.send(put("k", "1")).await;
    assert_eq!(world.began.recv().await, Some(1));
    // The disk is busy: these wait, and two of them rest on others of the same group.
    let mut waiting = Vec::new();
    for i in 0..50 {
        waiting.push(world.send(put(format!("k{i}"), "1")).await);
    }
    let conflict = world.send(put("k7", "2").expecting(Expect::Absent)).await;
    let chained = world.send(put("k8", "2").expecting(Expect::Present)).await;
    assert_eq!(world.shared.revision(), 0);

    world.orders.send(Order::Write).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(world.began.recv().await, Some(52));
    assert_eq!(world.shared.revision(), 1);
    assert_eq!(world.shared.state.read().get("k7"), None);
    world.orders.send(Order::Write).unwrap();
    for (answer, revision) in waiting.into_iter().zip(2..) {
        assert_eq!(answer.await.unwrap().unwrap(), revision);
    }
    let conflict = conflict.await.unwrap();
    assert!(matches!(conflict, Err(Error::Conflict { .. })));
    assert_eq!(chained.await.unwrap().unwrap(), 52);
    assert_eq!(world.shared.revision(), 52);
}

#[tokio::test]
async fn a_failed_write_acknowledges_nobody_and_makes_the_store_read_only() {
    for order in [Order::Fail, Order::Panic] {
        let mut world = world();
        let first = world.send(put("a", "1")).await;
        assert_eq!(world.began.recv().await, Some(1));
        let waiting = world.send(put("b", "1")).await;
        let conflict = world.send(put("b", "2").expecting(Expect::Absent)).await;
        world.orders.send(Order::Write).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), 1);
        world.orders.send(order).unwrap();
        for answer in [waiting, conflict] {
            let answer = answer.await.unwrap();
            assert!(matches!(answer, Err(Error::ReadOnly { .. })), "{answer:?}");
        }
        let later = world.send(put("c", "1")).await.await.unwrap();
        assert!(matches!(later, Err(Error::ReadOnly { .. })), "{later:?}");
        assert!(matches!(world.shared.health(), Health::ReadOnly { .. }));
        assert_eq!(world.shared.revision(), 1);
        assert_eq!(world.shared.state.read().get("b"), None);
    }
}

#[tokio::test]
async fn a_full_disk_refuses_until_there_is_room() {
    let world = world();
    let write = put("a", "1");
    world.full.store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = world.send(write.clone()).await.await.unwrap();
    assert!(matches!(refused, Err(Error::NoSpace { .. })), "{refused:?}");
    assert_eq!(world.shared.health(), Health::Writable);
    world.full.store(false, std::sync::atomic::Ordering::SeqCst);
    world.orders.send(Order::Write).unwrap();
    assert_eq!(world.send(write).await.await.unwrap().unwrap(), 1);
}
