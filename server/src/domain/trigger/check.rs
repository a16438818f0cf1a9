//! Which trigger specs are valid. Every fault is collected, each with the pointer of its field.
//!
//! Whether the function is there is not checked: it may come later.

use gateless_common::schedule::Schedule;
use gateless_common::{header, hop, name};
use http::header::FORWARDED;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{CloudEvents, Cron, Kind, Spec, schedule};
use crate::domain::Error;
use crate::domain::document::pointer_segment;
use crate::domain::validate::Faults;

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 64;
const MAX_HEADER_VALUE_BYTES: usize = 4096;
const MAX_ATTRIBUTES: usize = 20;
const MAX_ATTRIBUTE_BYTES: usize = 1024;
/// Thirty days.
const MAX_WINDOW_MS: u64 = 30 * 86_400_000;

/// Whether a header belongs to a connection, to a message's framing, or to the platform.
fn is_reserved(name: &HeaderName) -> bool {
    hop::is_set_by_sender(name)
        || header::is_for_sidecar(name)
        || [FORWARDED, header::IDEMPOTENCY_KEY].contains(name)
}

/// Checks what people put.
///
/// # Errors
/// Every fault, with pointers into `{"spec": ...}`.
pub fn check(spec: &Spec) -> Result<(), Error> {
    let mut faults = Faults::default();
    faults.check("/spec/function", name::check_function(&spec.function));
    let given = [
        (Kind::Cron, spec.cron.is_some()),
        (Kind::CloudEvents, spec.cloudevents.is_some()),
        (Kind::Queue, spec.queue.is_some()),
    ];
    for (kind, is_there) in given {
        let pointer = format!("/spec/{}", kind.as_str());
        let name = kind.as_str();
        match (kind == spec.kind, is_there) {
            (true, false) => faults.add(pointer, format_args!("is required for kind {name:?}")),
            (false, true) => faults.add(pointer, format_args!("is for kind {name:?} only")),
            _ => {}
        }
    }
    if let Some(cron) = &spec.cron {
        check_cron(&mut faults, cron);
    }
    if let Some(events) = &spec.cloudevents {
        check_attributes(&mut faults, events);
    }
    if let Some(queue) = &spec.queue {
        faults.check("/spec/queue/topic", name::check_label(&queue.topic));
    }
    if !METHODS.contains(&spec.method.as_str()) {
        let methods = METHODS.join(", ");
        faults.add("/spec/method", format_args!("must be one of {methods}"));
    }
    let clean = spec.path.bytes().all(|b| b.is_ascii_graphic()) && !spec.path.contains('#');
    if !spec.path.starts_with('/') || spec.path.len() > 2048 || !clean {
        faults.add(
            "/spec/path",
            "must begin with / and have at most 2048 visible ASCII characters, no #",
        );
    }
    check_headers(&mut faults, spec);
    faults.finish()
}

fn check_cron(faults: &mut Faults, cron: &Cron) {
    let zone = match TimeZone::get(&cron.timezone) {
        Ok(_) if cron.timezone.len() <= 64 => &*cron.timezone,
        _ => {
            let detail = "must be the IANA name of a time zone, for example Europe/Berlin";
            faults.add("/spec/cron/timezone", detail);
            "UTC"
        }
    };
    let pointer = "/spec/cron/schedule";
    if cron.schedule.len() > 256 {
        faults.add(pointer, "must have at most 256 characters");
    } else if let Err(error) = schedule::check(&cron.schedule) {
        faults.add(pointer, error);
    } else if let Ok(schedule) = Schedule::new(&cron.schedule, zone)
        && schedule.next_after(Timestamp::UNIX_EPOCH).is_none()
    {
        // From a moment that is always the same: what is valid stays so.
        faults.add(pointer, "no date there is ever fits it");
    }
    if cron.body.len() > MAX_BODY_BYTES {
        let detail = format_args!("must have at most {MAX_BODY_BYTES} bytes");
        faults.add("/spec/cron/body", detail);
    }
    if let Some(content_type) = &cron.content_type
        && (content_type.is_empty()
            || content_type.len() > 256
            || HeaderValue::from_str(content_type).is_err())
    {
        let detail = "must be a header's value of at most 256 bytes";
        faults.add("/spec/cron/content_type", detail);
    }
    if !(1_000..=MAX_WINDOW_MS).contains(&cron.catch_up_window_ms) {
        let detail = format_args!("must be 1000 to {MAX_WINDOW_MS}");
        faults.add("/spec/cron/catch_up_window_ms", detail);
    }
}

fn check_attributes(faults: &mut Faults, events: &CloudEvents) {
    let attributes = &events.attributes;
    if attributes.len() > MAX_ATTRIBUTES {
        let detail = format_args!("must have at most {MAX_ATTRIBUTES}");
        faults.add("/spec/cloudevents/attributes", detail);
    }
    for (name, value) in attributes {
        let pointer = format!("/spec/cloudevents/attributes/{}", pointer_segment(name));
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
            let detail = "an attribute's name must have 1 to 64 characters of a-z and 0-9";
            faults.add(&pointer, detail);
        } else if name == "data" {
            faults.add(&pointer, "is no context attribute");
        }
        if value.is_empty() || value.len() > MAX_ATTRIBUTE_BYTES {
            let detail = format_args!("must have 1 to {MAX_ATTRIBUTE_BYTES} bytes");
            faults.add(&pointer, detail);
        }
    }
}

fn check_headers(faults: &mut Faults, spec: &Spec) {
    if spec.headers.len() > MAX_HEADERS {
        let detail = format_args!("must have at most {MAX_HEADERS}");
        faults.add("/spec/headers", detail);
    }
    for (name, value) in &spec.headers {
        let pointer = format!("/spec/headers/{}", pointer_segment(name));
        let lower = name.to_ascii_lowercase();
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let parsed = parsed.ok().filter(|_| name.len() <= 128 && *name == lower);
        if parsed.is_none() {
            let detail = "a header's name must be a lower-case token of at most 128 characters";
            faults.add(&pointer, detail);
        } else if parsed.is_some_and(|name| is_reserved(&name)) {
            faults.add(&pointer, "this header is set by the platform or by HTTP");
        } else if lower.starts_with("ce-") && spec.kind == Kind::CloudEvents {
            faults.add(&pointer, "this header is set from the event");
        }
        if value.len() > MAX_HEADER_VALUE_BYTES || HeaderValue::from_str(value).is_err() {
            let detail = "must be a header's value of at most 4096 bytes";
            faults.add(&pointer, detail);
        }
    }
}
