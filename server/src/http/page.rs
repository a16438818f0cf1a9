//! Lists in pages: `limit`, `page_token`, `{items, next_page_token}`.
//!
//! A token is the last item's name in base64url: opaque to clients, and good however the list changes
//! between two pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use crate::service::calls::Warning;

/// Items per page unless asked.
pub(super) const DEFAULT_LIMIT: usize = 100;
/// The most items per page.
pub(super) const MAX_LIMIT: usize = 1000;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Items per page, 1 to 1000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
    /// From the page before.
    pub(super) page_token: Option<String>,
}

/// A page of a list that is in memory and sorted by `key`, and the next page's token.
pub(super) fn cut<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    query: &PageQuery,
) -> Result<(Vec<T>, Option<String>), Problem> {
    let limit = limit(query.limit)?;
    let after = decode(query.page_token.as_deref())?;
    let mut rest = items
        .into_iter()
        .filter(|item| after.as_ref().is_none_or(|after| key(item) > *after));
    let page: Vec<T> = rest.by_ref().take(limit).collect();
    let last = page.last().filter(|_| rest.next().is_some());
    let token = last.map(|item| encode(&key(item)));
    Ok((page, token))
}

/// The page size asked for.
pub(super) fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    match asked.map(|n| n as usize) {
        None => Ok(DEFAULT_LIMIT),
        Some(n) if (1..=MAX_LIMIT).contains(&n) => Ok(n),
        Some(_) => Err(Problem::parameter(
            "limit",
            format!("must be 1 to {MAX_LIMIT}"),
        )),
    }
}

/// The name after which a page begins.
pub(super) fn decode(token: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(token) = token else {
        return Ok(None);
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .filter(|b| b.len() <= 512);
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let clean = text.filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    clean.map(Some).ok_or_else(|| {
        Problem::parameter(
            "page_token",
            "is not a token of this list; start without one",
        )
    })
}

/// The token of the page after `last`.
pub(super) fn encode(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// A sidecar whose part of the answer is missing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Warning)]
pub(super) struct WarningBody {
    /// Its id.
    sidecar: String,
    /// Why it could not be asked.
    detail: String,
}

pub(super) fn warnings(warnings: Vec<Warning>) -> Vec<WarningBody> {
    let body = |warning: Warning| WarningBody {
        sidecar: warning.sidecar,
        detail: warning.detail,
    };
    warnings.into_iter().map(body).collect()
}

/// Defines a page of items.
macro_rules! list {
    ($(#[$doc:meta])* $name:ident as $public:ident of $item:ty $(, $warnings:ident)?) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        #[schema(as = $public)]
        pub(super) struct $name {
            /// The items of this page.
            pub(super) items: Vec<$item>,
            /// Send it as `page_token` for the next page; null: this is the last.
            pub(super) next_page_token: Option<String>,
            $(
                /// Sidecars whose part of the answer is missing.
                pub(super) $warnings: Vec<$crate::http::page::WarningBody>,
            )?
        }
    };
}
pub(super) use list;
