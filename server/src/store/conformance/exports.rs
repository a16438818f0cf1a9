//! Export and import: whole or refused.

use std::io::{self, Cursor};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Made, Subject, delete, put, write};
use crate::store::{Error, LogBounds, Store};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn exported(store: &Arc<dyn Store>) -> Vec<u8> {
    let sink = Sink::default();
    store.export(Box::new(sink.clone())).await.unwrap();
    std::mem::take(&mut *sink.0.lock())
}

async fn filled(make: &impl Fn(LogBounds) -> Made) -> Subject {
    let subject = make(LogBounds::default()).await;
    for i in 0..5 {
        write(&subject.store, put(format!("k{i}"), vec![i; 20])).await;
        write(&subject.store, put("\"ä\n", "v")).await;
    }
    write(&subject.store, delete("k0")).await;
    subject
}

pub(in crate::store) async fn an_export_imports_into_an_empty_store(
    make: impl Fn(LogBounds) -> Made,
) {
    let (subject, empty) = (filled(&make).await, make(LogBounds::default()).await);
    let (source, target) = (&subject.store, &empty.store);
    let bytes = exported(source).await;
    let (before, at) = (target.identity(), source.revision().await.unwrap());
    let summary = target
        .import(Box::new(Cursor::new(bytes.clone())))
        .await
        .unwrap();
    assert_eq!((summary.revision, summary.entries), (at, 5));
    assert_eq!(summary.catalogue, source.identity());
    let identities = [before, source.identity()];
    assert!(!identities.contains(&target.identity()));
    let (a, b) = (
        source.scan("", None, 99).await,
        target.scan("", None, 99).await,
    );
    assert_eq!(a.unwrap(), b.unwrap());
    let error = target.watch("", at - 1).await.err().unwrap();
    assert!(
        matches!(error, Error::Compacted { compacted } if compacted == at),
        "{error}"
    );
    let next = write(target, put("k1", "2")).await;
    assert!(next > at);
    let error = target.import(Box::new(Cursor::new(bytes))).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, Error::NotEmpty { revision } if revision == next),
        "{error}"
    );
}

pub(in crate::store) async fn an_export_of_another_format_is_refused_by_its_number(
    make: impl Fn(LogBounds) -> Made,
) {
    let (subject, empty) = (filled(&make).await, make(LogBounds::default()).await);
    let text = String::from_utf8(exported(&subject.store).await).unwrap();
    let newer = text.replacen("\"format_version\":2", "\"format_version\":12", 1);
    let error = empty.store.import(Box::new(Cursor::new(newer))).await;
    let error = error.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Format {
                found: 12,
                reads: 2,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("newer version"), "{error}");
}

pub(in crate::store) async fn a_torn_or_altered_export_is_refused(
    make: impl Fn(LogBounds) -> Made,
) {
    let (subject, empty) = (filled(&make).await, make(LogBounds::default()).await);
    let bytes = exported(&subject.store).await;
    let mut bad: Vec<_> = (0..bytes.len())
        .step_by(7)
        .map(|n| bytes[..n].to_vec())
        .collect();
    bad.extend((0..bytes.len()).step_by(5).map(|at| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        bytes
    }));
    bad.push([bytes.clone(), bytes.clone()].concat());
    for bytes in bad {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let outcome = empty.store.import(Box::new(Cursor::new(bytes))).await;
        assert!(
            matches!(outcome, Err(Error::Export { .. } | Error::Format { .. })),
            "{outcome:?} {text}"
        );
    }
    assert_eq!(empty.store.revision().await.unwrap(), 0);
    empty
        .store
        .import(Box::new(Cursor::new(bytes)))
        .await
        .unwrap();
}
