//! What a function's place depends on, as connections see it.
//!
//! A place is free again when nothing holds its permit any more: a connection does for as long as the function may be at
//! work on the request in it. Deliberately without a word on who takes permits and how many there are.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::clock;

/// The right of one request to be inside an instance. It ends when the last reference is dropped.
pub trait Permit: Send + Sync {
    /// Given up now, when is it overdue? `None`: never.
    fn overdue_at(&self) -> Option<Instant>;

    /// The function has not come to an end with it in time: the instance takes no further requests.
    fn overdue(&self);
}

/// Bytes read at a time of an answer that nobody wants.
const PIECE: usize = 16 << 10;
/// Without any limit of time.
const VERY_LONG: Duration = Duration::from_secs(365 * 24 * 3600);

/// Keeps the permit of a request whose connection is given up, until the other end closes it.
///
/// The other end sees that no more comes. What it still sends is thrown away: most programs notice only afterwards.
pub(super) async fn keep_until_closed(mut stream: TcpStream, permit: &dyn Permit) {
    let end = permit.overdue_at();
    let end = end.unwrap_or_else(|| clock::instant_now() + VERY_LONG);
    let closed = async {
        stream.shutdown().await.ok();
        let mut piece = vec![0; PIECE];
        while matches!(stream.read(&mut piece).await, Ok(1..)) {}
    };
    if tokio::time::timeout_at(end, closed).await.is_err() {
        permit.overdue();
    }
}
