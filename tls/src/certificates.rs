//! The certificates there are now, which clients are shown by the name they ask for.
//!
//! A pair that was changed and is no good is refused by itself: the last good one stays, and the refusal is logged once and
//! shown in metrics until there is a good one. What stays and what goes is decided by [`State::next`], without a file or a
//! clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use gateless_common::io::unix_now;
use gateless_common::time::UnixMillis;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::pair::Pair;
use crate::source::{Error, Found, Name, Read, Settings};
use crate::table::Table;

/// Protocols that are spoken, the first that the client knows, too.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What is to be shown of one certificate, to operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The file it is in, or its name in the folder.
    pub name: String,
    /// When the one that clients are shown ends; `None`: there was no good one yet.
    pub expires: Option<UnixMillis>,
    /// Why what is there now is not taken.
    pub refused: Option<String>,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) completed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) taken: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// All certificates of a part. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

struct Inner {
    settings: Settings,
    shown: Arc<Resolver>,
    config: Arc<ServerConfig>,
    counts: Counts,
}

/// What rustls asks.
#[derive(Debug)]
struct Resolver(ArcSwap<State>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let state = self.0.load();
        let schemes = hello.signature_schemes();
        let suits = |pair: &Pair| pair.suits(schemes);
        let found = state.table.find(hello.server_name(), suits)?;
        Some(found.certified())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({:?})", self.0.settings)
    }
}

impl Certificates {
    /// Reads them. A pair of a folder that is no good is refused by itself, if another is good. Blocking.
    ///
    /// # Errors
    /// When there is nothing to show, or one of the pairs named one by one is no good.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let mut found = settings.read()?;
        let named = found.iter().take(settings.pairs.len());
        if let Some(error) = named.filter_map(|(_, read)| read.as_ref().err()).next() {
            return Err(error.clone());
        }
        if found.iter().all(|(_, read)| read.is_err())
            && let Some((_, Err(error))) = found.pop()
        {
            return Err(error);
        }
        let counts = Counts::default();
        let state = State::default().next(Ok(found), &mut |change| note(&counts, &change));
        let shown = Arc::new(Resolver(ArcSwap::from_pointee(state)));
        let config = server_config(shown.clone())?;
        Ok(Self(Arc::new(Inner {
            settings,
            shown,
            config: Arc::new(config),
            counts,
        })))
    }

    /// Reads them again and takes what is good. Blocking.
    pub fn reload(&self) {
        let found = self.0.settings.read();
        let before = self.0.shown.0.load();
        let next = before.next(found, &mut |change| note(&self.0.counts, &change));
        self.0.shown.0.store(Arc::new(next));
    }

    /// What operators are shown.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        let state = self.0.shown.0.load();
        let folder = state.fault.as_ref().map(|error| Shown {
            name: "folder".to_owned(),
            expires: None,
            refused: Some(error.to_string()),
        });
        let each = state.entries.iter().map(|entry| Shown {
            name: entry.name.clone(),
            expires: entry.pair.as_ref().map(|pair| pair.expires()),
            refused: entry.refused.as_ref().map(ToString::to_string),
        });
        each.chain(folder).collect()
    }

    /// The names the default certificate is for.
    #[must_use]
    pub fn default_names(&self) -> Vec<String> {
        let state = self.0.shown.0.load();
        let default = state.table.find(None, |_| true);
        default.map_or_else(Vec::new, |pair| pair.names().to_vec())
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.0.config.clone()
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.0.counts
    }
}

/// TLS 1.2 and 1.3.
fn server_config(shown: Arc<Resolver>) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(rustls::ALL_VERSIONS);
    let builder = builder.map_err(|_| Error::NoProtocol)?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(shown);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // Keys of its own, which it changes: without them every connection would cost a whole handshake.
    match rustls::crypto::ring::Ticketer::new() {
        Ok(ticketer) => config.ticketer = ticketer,
        Err(error) => tracing::warn!(%error, "sessions of TLS are not resumed"),
    }
    Ok(config)
}

/// What there is of one pair.
#[derive(Debug, Clone)]
struct Entry {
    name: Name,
    /// The last good one.
    pair: Option<Arc<Pair>>,
    /// Why what is there now is not taken.
    refused: Option<Error>,
}

/// What there is of all.
#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    table: Table,
    /// Why nothing of what is there now could be looked at.
    fault: Option<Error>,
}

/// What became of a pair.
#[derive(Debug)]
enum Change<'a> {
    Taken(&'a str, &'a Pair, bool),
    Refused(&'a str, &'a Error, bool),
    Gone(&'a str),
    Unreadable(&'a Error),
}

impl State {
    /// What there is after `found` was read; `changed` hears of what is not as it was before.
    fn next(&self, found: Read, changed: &mut dyn FnMut(Change<'_>)) -> Self {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                if self.fault.as_ref() != Some(&error) {
                    changed(Change::Unreadable(&error));
                }
                return Self::of(self.entries.clone(), Some(error));
            }
        };
        let before = |name: &str| self.entries.iter().find(|entry| entry.name == name);
        let mut entries = Vec::with_capacity(found.len());
        for (name, read) in found {
            let had = before(&name);
            let entry = match read {
                Ok(Found { pair, key_is_open }) => {
                    let kept = had.and_then(|entry| entry.pair.clone());
                    let kept = kept.filter(|kept| kept.is_same(&pair));
                    if kept.is_none() || had.is_some_and(|entry| entry.refused.is_some()) {
                        changed(Change::Taken(&name, &pair, key_is_open));
                    }
                    let pair = Some(kept.unwrap_or_else(|| Arc::new(pair)));
                    let refused = None;
                    Entry {
                        name,
                        pair,
                        refused,
                    }
                }
                Err(error) => {
                    let pair = had.and_then(|entry| entry.pair.clone());
                    if had.and_then(|entry| entry.refused.as_ref()) != Some(&error) {
                        changed(Change::Refused(&name, &error, pair.is_some()));
                    }
                    let refused = Some(error);
                    Entry {
                        name,
                        pair,
                        refused,
                    }
                }
            };
            entries.push(entry);
        }
        let gone = |entry: &&Entry| !entries.iter().any(|other| other.name == entry.name);
        let gone: Vec<&Entry> = self.entries.iter().filter(gone).collect();
        let any = entries.iter().any(|entry| entry.pair.is_some());
        if !any {
            // Whoever takes the last one away shows nobody anything: what there was stays.
            entries.extend(gone.into_iter().cloned());
        } else {
            gone.iter()
                .for_each(|entry| changed(Change::Gone(&entry.name)));
        }
        Self::of(entries, None)
    }

    fn of(entries: Vec<Entry>, fault: Option<Error>) -> Self {
        let pairs = entries.iter().filter_map(|entry| entry.pair.clone());
        let table = Table::new(pairs);
        Self {
            entries,
            table,
            fault,
        }
    }
}

/// Logs and counts what changed.
fn note(counts: &Counts, change: &Change<'_>) {
    match change {
        Change::Taken(certificate, pair, key_is_open) => {
            counts.taken.fetch_add(1, Ordering::Relaxed);
            let (names, fingerprint) = (pair.names().join(", "), pair.fingerprint());
            tracing::info!(certificate, names, fingerprint, "certificate taken");
            if *key_is_open {
                tracing::warn!(
                    certificate,
                    "everybody on this host may read its key: chmod 600"
                );
            }
            if pair.expires() <= unix_now() {
                tracing::warn!(certificate, "certificate has expired: clients refuse it");
            }
        }
        Change::Refused(certificate, error, kept) => {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            let stays = match kept {
                true => "the last good one stays",
                false => "there is no earlier one",
            };
            tracing::error!(certificate, %error, stays, "certificate refused");
        }
        Change::Gone(certificate) => tracing::info!(certificate, "certificate is gone"),
        Change::Unreadable(error) => {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "certificates cannot be read; the last good ones stay");
        }
    }
}

#[cfg(test)]
mod tests;
