//! Where a catalogue comes from, between core's types and the wire's, and whether an offered one is taken.
//!
//! What decides is core's `lineage`.

use std::sync::Arc;

use gateless_core::lineage::{Ancestry, Mark, Refused, judge};
use gateless_proto::v1;

use super::state::Catalogue;

/// Of somebody who does not say: it is its own beginning.
pub(super) fn unknown(catalogue: &str) -> Ancestry {
    Ancestry {
        lineage: catalogue.into(),
        past: Vec::new(),
    }
}

pub(super) fn read(wire: &v1::Ancestry) -> Ancestry {
    Ancestry {
        lineage: wire.lineage.as_str().into(),
        past: wire.past.iter().map(read_mark).collect(),
    }
}

pub(super) fn write(ancestry: &Ancestry) -> v1::Ancestry {
    let mark = |mark: &Mark| v1::CatalogueMark {
        catalogue_id: mark.catalogue.to_string(),
        version: mark.version,
        lineage: String::new(),
    };
    v1::Ancestry {
        lineage: ancestry.lineage.to_string(),
        past: ancestry.past.iter().map(mark).collect(),
    }
}

fn read_mark(wire: &v1::CatalogueMark) -> Mark {
    Mark {
        catalogue: wire.catalogue_id.as_str().into(),
        version: wire.version,
    }
}

/// What a sidecar says it has; `None`: nothing.
pub(super) fn holds(catalogue: &Catalogue) -> Option<v1::CatalogueMark> {
    (!catalogue.id.is_empty()).then(|| v1::CatalogueMark {
        catalogue_id: catalogue.id.clone(),
        version: catalogue.version,
        lineage: catalogue.ancestry.lineage.to_string(),
    })
}

/// Whether what a response is of may replace `held`. `ancestry` is what whoever sends it has said of itself.
pub(super) fn check(
    held: &Catalogue,
    response: &v1::WatchResponse,
    ancestry: Option<&Arc<Ancestry>>,
) -> Result<(), Refused> {
    let offered = Mark {
        catalogue: response.catalogue_id.as_str().into(),
        version: response.version,
    };
    let lineage = &held.ancestry.lineage;
    match ancestry {
        Some(ancestry) => judge(&held.mark(), lineage, &offered, ancestry),
        None => judge(
            &held.mark(),
            lineage,
            &offered,
            &unknown(&response.catalogue_id),
        ),
    }
}

/// Whether this sidecar's catalogue may replace what another holds, and is another state.
pub(super) fn is_of_use(own: &Catalogue, holds: Option<&v1::CatalogueMark>) -> bool {
    let Some(wire) = holds else {
        return !own.id.is_empty();
    };
    let held = read_mark(wire);
    let takes = judge(&held, &wire.lineage, &own.mark(), &own.ancestry).is_ok();
    !own.id.is_empty() && held != own.mark() && takes
}

/// Functions whose calls wait for them.
pub(super) fn vanished(catalogue: &Catalogue) -> Vec<String> {
    catalogue.vanished.iter().map(ToString::to_string).collect()
}

/// As the server is told.
pub(super) fn refusal(held: &Catalogue, refused: Refused) -> v1::CatalogueRefusal {
    v1::CatalogueRefusal {
        holds: holds(held),
        reason: refused.as_str().to_owned(),
    }
}
