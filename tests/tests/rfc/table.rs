//! What a row of the tables says, and whether an exchange keeps it.
//!
//! Deliberately knows neither clusters nor which clause is which.

use std::fmt;

use crate::wire::{self, Answer, values};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// For example `RFC 9112, 3.2`.
    pub(crate) clause: &'static str,
    /// The behaviour, as the name of a test.
    pub(crate) name: &'static str,
    /// Sent to the proxy, a byte a character. `{host}` is its address, `{answer}` tells the function its answer.
    pub(crate) send: &'static str,
    /// What the function answers; without one, what it got.
    pub(crate) answer: Option<&'static str>,
    /// What must come out.
    pub(crate) must: &'static [Must],
    /// The caller ends its side when it has sent this.
    pub(crate) half_close: bool,
    /// Why it is known to fail: then it must.
    pub(crate) open: Option<&'static str>,
}

pub(crate) const fn row(
    clause: &'static str,
    name: &'static str,
    send: &'static str,
    must: &'static [Must],
) -> Row {
    Row {
        clause,
        name,
        send,
        answer: None,
        must,
        half_close: false,
        open: None,
    }
}

impl Row {
    pub(crate) const fn answered(mut self, answer: &'static str) -> Self {
        self.answer = Some(answer);
        self
    }

    pub(crate) const fn half_closed(mut self) -> Self {
        self.half_close = true;
        self
    }

    /// Not kept yet.
    pub(crate) const fn open(mut self, why: &'static str) -> Self {
        self.open = Some(why);
        self
    }

    /// Whether this is all that is to come.
    pub(crate) fn is_all(&self, bytes: &[u8]) -> bool {
        let wants = |wanted: fn(&Must) -> bool| self.must.iter().any(wanted);
        let answer = wire::answer(bytes, false, self.method());
        let next = || wire::answer(&answer.rest, false, "GET").complete;
        answer.complete
            && !wants(|must| matches!(must, Must::Closed))
            && (!wants(|must| matches!(must, Must::Next(_))) || next())
    }

    /// The bytes to send to this address.
    pub(crate) fn bytes(&self, host: &str) -> Vec<u8> {
        let answer = self.answer.map(latin_1).unwrap_or_default();
        let answer = format!("x-answer: {}\r\n", wire::hex(&answer));
        latin_1(
            &self
                .send
                .replace("{host}", host)
                .replace("{answer}", &answer),
        )
    }

    /// The method it sends.
    pub(crate) fn method(&self) -> &'static str {
        self.send.split(' ').next().unwrap_or_default()
    }
}

/// One byte a character, so that a row can have any.
pub(crate) fn latin_1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

/// A request as the function got it.
pub(crate) struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let (line, headers, at) = wire::head(bytes).unwrap_or_default();
        let body = if values(&headers, "transfer-encoding").is_empty() {
            bytes[at..].to_vec()
        } else {
            let answer = [
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                &bytes[at..],
            ];
            wire::answer(&answer.concat(), false, "GET").body
        };
        Self {
            line,
            headers,
            body,
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{:?} {:?} {body:?}", self.line, self.headers)
    }
}

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) answer: Answer,
    pub(crate) seen: Vec<Request>,
}

/// What must hold of an exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Must {
    /// The final status is one of these.
    Answer(&'static [u16]),
    /// An answer before it has this status.
    Interim(u16),
    /// The body is this, whole.
    Body(&'static str),
    /// Never something shorter that looks whole.
    BodyOrBroken(&'static str),
    /// The caller can tell that something is missing.
    Incomplete,
    /// The answer's values of a header.
    Gives(&'static str, &'static [&'static str]),
    /// The connection is closed after it.
    Closed,
    /// Another answer follows, with this status.
    Next(u16),
    /// No function saw anything.
    Unseen,
    /// So many requests were seen.
    Seen(usize),
    /// The request line the function got.
    Line(&'static str),
    /// The function got these values of a header, in this order.
    Sees(&'static str, &'static [&'static str]),
    /// The function did not get this value of a header.
    NotSees(&'static str, &'static str),
    /// A value the function got begins and ends like this.
    SeesLike(&'static str, &'static str, &'static str),
    /// The body the function got.
    SeesBody(&'static str),
    /// It is refused with a client's or a server's error and not seen, or all of these hold.
    RefusedOr(&'static [Must]),
}

impl Must {
    pub(crate) fn check(&self, exchange: &Exchange) -> Result<(), String> {
        let Exchange { answer, seen } = exchange;
        let first = || seen.first().ok_or("no function saw it");
        let body = |text: &str| answer.complete && answer.body == latin_1(text);
        let kept = match self {
            Self::Answer(statuses) => statuses.contains(&answer.status),
            Self::Interim(status) => answer.interim.contains(status),
            Self::Body(text) => body(text),
            Self::BodyOrBroken(text) => body(text) || !answer.complete || answer.status == 502,
            Self::Incomplete => answer.status == 502 || !answer.complete,
            Self::Gives(name, expected) => answer.values(name) == *expected,
            Self::Closed => answer.closed,
            Self::Next(status) => {
                wire::answer(&answer.rest, answer.closed, "GET").status == *status
            }
            Self::Unseen => seen.is_empty(),
            Self::Seen(times) => seen.len() == *times,
            Self::Line(line) => first()?.line == *line,
            Self::Sees(name, expected) => values(&first()?.headers, name) == *expected,
            Self::NotSees(name, value) => !values(&first()?.headers, name).contains(value),
            Self::SeesLike(name, start, end) => {
                let like = |value: &&str| value.starts_with(start) && value.ends_with(end);
                values(&first()?.headers, name).iter().any(like)
            }
            Self::SeesBody(text) => first()?.body == latin_1(text),
            Self::RefusedOr(musts) => {
                let refused = answer.status == 0 || answer.status >= 400;
                let all = || musts.iter().try_for_each(|must| must.check(exchange));
                return if refused && seen.is_empty() {
                    Ok(())
                } else {
                    all()
                };
            }
        };
        if kept {
            Ok(())
        } else {
            Err(format!("{self:?} does not hold"))
        }
    }
}
