//! A listener with its bounds: accepts, or closes another connection for it, or waits.
//!
//! Who gets a connection is [`crate::admission`]'s to say. Deliberately nothing of HTTP.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::activity::{Activity, Handle, Order, Room};
use crate::admission::{Client, Id, Table, Verdict};
use crate::clock;
use crate::deadlines::{LINGER, Timeouts};
use crate::drain::Draining;
use crate::handshake::Handshake;
use crate::stream::Stream;

/// When accepting fails, mostly for want of descriptors, others get so long to close theirs.
const PAUSE: Duration = Duration::from_millis(20);

/// What an operator may set for the doors of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// How long connections may be silent.
    pub timeouts: Timeouts,
    /// Connections at once, at the door that is open to outsiders; `None`: a part of the limit on open files.
    pub most: Option<usize>,
}

/// What a door allows.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections of all clients together, at least 1; one client gets fewer ([`crate::admission`]).
    pub connections: usize,
    /// How long they may be silent.
    pub timeouts: Timeouts,
    /// How the kernel finds out that the other end is gone.
    pub keepalive: Keepalive,
}

/// When the kernel gives a connection up whose other end does not answer, in a call or not: a host that was powered off
/// says nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Without a byte for so long, it asks; and then every sixth of it.
    pub probe_after: Duration,
    /// What was written and is not acknowledged for so long ends the connection. So does a reader that takes nothing for
    /// so long; `None` where readers may be slow, and the kernel takes a quarter of an hour.
    pub unacknowledged: Option<Duration>,
}

/// Probes without an answer, after which a connection is given up.
const PROBES: u32 = 6;

impl Default for Keepalive {
    /// 60 s, and slow readers.
    fn default() -> Self {
        Self {
            probe_after: Duration::from_secs(60),
            unacknowledged: None,
        }
    }
}

impl Keepalive {
    fn set(&self, tcp: &TcpStream) -> io::Result<()> {
        if let Some(bound) = self.unacknowledged {
            let millis = u32::try_from(bound.as_millis()).unwrap_or(u32::MAX);
            sockopt::set_tcp_user_timeout(tcp, millis)?;
        }
        sockopt::set_tcp_keepidle(tcp, self.probe_after)?;
        sockopt::set_tcp_keepintvl(tcp, self.probe_after / PROBES)?;
        sockopt::set_tcp_keepcnt(tcp, PROBES)?;
        sockopt::set_socket_keepalive(tcp, true)?;
        Ok(())
    }
}

type Exempt = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

pub struct Door {
    name: &'static str,
    bounds: Bounds,
    exempt: Exempt,
    connections: Arc<Connections>,
}

impl Door {
    /// `name` is for logs. Clients for whom `exempt` is true may have as many connections as there are.
    #[must_use]
    pub fn new(
        name: &'static str,
        bounds: Bounds,
        exempt: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
        tasks: TaskTracker,
    ) -> Self {
        let connections = Connections {
            known: Mutex::new(Known {
                table: Table::new(bounds.connections),
                activities: BTreeMap::new(),
            }),
            room: Arc::default(),
            tasks,
        };
        Self {
            name,
            bounds,
            exempt: Arc::new(exempt),
            connections: Arc::new(connections),
        }
    }

    /// Another way in to the same: both have their connections from one bound, and give places up for each other.
    #[must_use]
    pub fn beside(&self, name: &'static str) -> Self {
        Self {
            name,
            bounds: self.bounds,
            exempt: self.exempt.clone(),
            connections: self.connections.clone(),
        }
    }

    #[cfg(test)]
    pub(crate) fn connections(&self) -> Arc<Connections> {
        self.connections.clone()
    }

    /// Serves every connection with `serve`, until `stop`: then those that are on their way are taken in, the
    /// listener is closed, and connections end once what they are in is done. That they have is the tracker's to
    /// say.
    pub async fn run<H, S, F>(
        self,
        listener: TcpListener,
        handshake: Arc<H>,
        serve: S,
        stop: CancellationToken,
    ) where
        H: Handshake,
        S: Fn(Accepted<H::Stream, H::Identity>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        // Beside each other: the door may wait for room just then, and draining makes some.
        let drain = async {
            stop.cancelled().await;
            self.connections.order_all(Order::Drain);
        };
        tokio::join!(drain, self.accept(listener, &handshake, &serve, &stop));
    }

    async fn accept<H, S, F>(
        &self,
        listener: TcpListener,
        handshake: &Arc<H>,
        serve: &S,
        stop: &CancellationToken,
    ) where
        H: Handshake,
        S: Fn(Accepted<H::Stream, H::Identity>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok(accepted) => self.take(accepted, handshake, serve, stop).await,
                Err(error) => {
                    tracing::warn!(door = self.name, %error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        let mut draining = Draining::new(listener);
        while let Some(accepted) = draining.next().await {
            self.take(accepted, handshake, serve, stop).await;
        }
    }

    async fn take<H, S, F>(
        &self,
        (tcp, client): (TcpStream, SocketAddr),
        handshake: &Arc<H>,
        serve: &S,
        stop: &CancellationToken,
    ) where
        H: Handshake,
        S: Fn(Accepted<H::Stream, H::Identity>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let activity = Arc::new(Activity::new(self.connections.room.clone()));
        let exempt = (self.exempt)(client.ip());
        let who = Client::new(client.ip(), exempt);
        let Some(ticket) = self.connections.admit(who, &activity).await else {
            tracing::debug!(door = self.name, %client, "has as many connections as it may");
            return;
        };
        if stop.is_cancelled() {
            activity.order(Order::Drain);
        }
        let opened = clock::now();
        let Bounds {
            timeouts,
            keepalive,
            ..
        } = self.bounds;
        let (handshake, serve, stop) = (handshake.clone(), serve.clone(), stop.clone());
        tokio::spawn(async move {
            // Fails when it is gone already, which its first reading shows, too.
            tcp.set_nodelay(true)
                .and_then(|()| keepalive.set(&tcp))
                .ok();
            let shaken = tokio::select! {
                shaken = handshake.shake(tcp) => shaken,
                () = tokio::time::sleep_until(opened + timeouts.head) => return,
                () = lingered(stop) => return,
                () = activity.closed() => return,
            };
            match shaken {
                Ok((stream, identity)) => {
                    if !exempt && handshake.is_exempt(&identity) {
                        ticket.exempt();
                    }
                    let stream = Stream::new(stream, activity, ticket);
                    serve(Accepted {
                        stream,
                        client,
                        identity,
                        timeouts,
                        opened,
                    })
                    .await;
                }
                Err(error) => tracing::debug!(%client, %error, "handshake failed"),
            }
        });
    }
}

async fn lingered(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LINGER).await;
}

/// A connection that may be served.
#[derive(Debug)]
pub struct Accepted<T: crate::Transport, I> {
    pub stream: Stream<T>,
    /// The other end.
    pub client: SocketAddr,
    /// What the other end proved.
    pub identity: I,
    pub(crate) timeouts: Timeouts,
    pub(crate) opened: Instant,
}

impl<T: crate::Transport, I> Accepted<T, I> {
    /// For who ends it from outside.
    pub fn handle(&self) -> Handle {
        Handle(self.stream.activity().clone())
    }
}

#[derive(Debug)]
struct Known {
    table: Table,
    activities: BTreeMap<Id, Arc<Activity>>,
}

/// The connections of a door.
#[derive(Debug)]
pub(crate) struct Connections {
    /// A lock, as connections come and go in any task; never held across an await.
    known: Mutex<Known>,
    room: Arc<Room>,
    tasks: TaskTracker,
}

impl Connections {
    #[cfg(test)]
    pub(crate) fn open(&self) -> usize {
        self.known.lock().table.open()
    }

    #[cfg(test)]
    pub(crate) fn is_waited_for(&self) -> bool {
        self.room.waiting() > 0
    }

    /// A place, at once or when there is one; none if its client has as many as it may.
    async fn admit(self: &Arc<Self>, client: Client, activity: &Arc<Activity>) -> Option<Ticket> {
        let mut waiting = None;
        loop {
            match self.ask(client, activity) {
                Verdict::Admit { id, .. } => {
                    if waiting.take().is_some() {
                        // Two places that came free at once wake one door: it wakes the next.
                        self.room.give();
                    }
                    return Some(Ticket {
                        id,
                        connections: self.clone(),
                        _counted: self.tasks.token(),
                    });
                }
                Verdict::Refuse => return None,
                Verdict::Wait if waiting.is_none() => waiting = Some(self.room.wait()),
                Verdict::Wait => self.room.given().await,
            }
        }
    }

    fn ask(&self, client: Client, activity: &Arc<Activity>) -> Verdict {
        let mut known = self.known.lock();
        let Known { table, activities } = &mut *known;
        let is_idle = |id: Id| {
            activities
                .get(&id)
                .is_some_and(|activity| activity.is_idle())
        };
        let verdict = table.admit(client, is_idle);
        if let Verdict::Admit { id, close } = verdict {
            if let Some(other) = close.and_then(|close| activities.get(&close)) {
                other.order(Order::Close);
            }
            activities.insert(id, activity.clone());
        }
        verdict
    }

    fn order_all(&self, order: Order) {
        let known = self.known.lock();
        known
            .activities
            .values()
            .for_each(|activity| activity.order(order));
    }
}

/// A place among a door's connections; given back when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    id: Id,
    connections: Arc<Connections>,
    /// Whoever waits for the door's connections to end waits for this one.
    _counted: TaskTrackerToken,
}

impl Ticket {
    fn exempt(&self) {
        self.connections.known.lock().table.exempt(self.id);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut known = self.connections.known.lock();
        known.table.remove(self.id);
        known.activities.remove(&self.id);
        drop(known);
        self.connections.room.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection in a call.
    async fn admitted(connections: Arc<Connections>) -> Ticket {
        let activity = Arc::new(Activity::new(connections.room.clone()));
        activity.begin_call(false);
        let client = Client::new(IpAddr::from([192, 0, 2, 1]), true);
        connections.admit(client, &activity).await.unwrap()
    }

    #[tokio::test]
    async fn doors_beside_each_other_have_one_bound_and_wait_for_the_same_places() {
        let bounds = Bounds {
            connections: 2,
            timeouts: Timeouts::default(),
            keepalive: Keepalive::default(),
        };
        let door = Door::new("one", bounds, |_| true, TaskTracker::new());
        let (one, two) = (door.connections(), door.beside("two").connections());
        let first = admitted(one.clone()).await;
        let second = admitted(two.clone()).await;
        assert_eq!((one.open(), two.open()), (2, 2));
        let third = tokio::spawn(admitted(one.clone()));
        let fourth = tokio::spawn(admitted(two.clone()));
        while one.room.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        drop((first, second));
        let both = (third.await.unwrap(), fourth.await.unwrap());
        assert_eq!(one.open(), 2);
        assert_eq!(one.room.waiting(), 0);
        drop(both);
    }

    #[tokio::test]
    async fn the_kernel_finds_out_that_the_other_end_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let keepalive = Keepalive {
            unacknowledged: Some(Duration::from_secs(60)),
            ..Keepalive::default()
        };
        keepalive.set(&tcp).unwrap();
        assert!(sockopt::socket_keepalive(&tcp).unwrap());
        assert_eq!(sockopt::tcp_user_timeout(&tcp).unwrap(), 60_000);
        let (after, every) = (sockopt::tcp_keepidle(&tcp), sockopt::tcp_keepintvl(&tcp));
        assert_eq!(after.unwrap(), Duration::from_secs(60));
        assert_eq!(every.unwrap(), Duration::from_secs(10));
    }
}
