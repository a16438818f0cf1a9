//! What a function's place depends on, as connections see it.
//!
//! A place is free again when nothing holds its permit any more: a connection does for as long as the function may be at
//! work on the request in it. Deliberately without a word on who takes permits and how many there are.

use std::time::Duration;

use gateless_core::abandoned::NOTICED_WITHIN;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::clock;

/// The right of one request to be inside an instance. It ends when the last reference is dropped.
pub trait Permit: Send + Sync {
    /// Given up now, when is it overdue? `None`: never. `answering`: the answer has begun.
    fn overdue_at(&self, answering: bool) -> Option<Instant>;

    /// The function has not come to an end with it in time: the instance takes no further requests.
    fn overdue(&self);
}

/// Bytes read at a time of an answer that nobody wants.
const PIECE: usize = 16 << 10;
/// Without any limit of time.
const VERY_LONG: Duration = Duration::from_secs(365 * 24 * 3600);

/// Keeps the permit of a request whose connection is given up, until the other end closes it.
///
/// The other end sees that no more comes. What it still sends is thrown away: most programs notice only afterwards. Some
/// notice when they cannot write.
pub(super) async fn keep_until_closed(mut stream: TcpStream, permit: &dyn Permit, answering: bool) {
    let end = permit.overdue_at(answering);
    let end = end.unwrap_or_else(|| clock::instant_now() + VERY_LONG);
    match tokio::time::timeout_at(end, closed(&mut stream)).await {
        Ok(Closed::ByTheOther) => {}
        Ok(Closed::NotNoticed) => {
            drop(stream);
            tokio::time::sleep(NOTICED_WITHIN).await;
        }
        Err(_) => permit.overdue(),
    }
}

enum Closed {
    ByTheOther,
    /// It writes on.
    NotNoticed,
}

async fn closed(stream: &mut TcpStream) -> Closed {
    stream.shutdown().await.ok();
    let shown = clock::instant_now() + NOTICED_WITHIN;
    let mut piece = vec![0; PIECE];
    while matches!(stream.read(&mut piece).await, Ok(1..)) {
        if clock::instant_now() >= shown {
            return Closed::NotNoticed;
        }
    }
    Closed::ByTheOther
}
