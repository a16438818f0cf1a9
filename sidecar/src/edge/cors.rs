//! Pages of other sites that call a function (cross-origin resource sharing, Fetch standard, 3.2).
//!
//! It tells browsers what they may do, and keeps nobody else from anything. Which origins are meant is [`gateless_core::access`]'s to say.

use gateless_common::header;
use gateless_core::access::Cors;
use gateless_core::name::FunctionName;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use http::{Method, Response, StatusCode};

use crate::call::error::Error;
use crate::endpoint::body::Body;

/// A cache must not give one origin what was said to another, or to nobody's page. Part of every answer of a function that
/// other sites may call.
pub(super) fn vary(headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from(ORIGIN));
}

/// A request that a page of another origin made.
pub(super) struct Foreign {
    origin: HeaderValue,
    allowed: bool,
}

impl Foreign {
    /// `None` for a request that no such page made.
    pub(super) fn of(cors: &Cors, headers: &HeaderMap) -> Option<Self> {
        let origin = headers.get(ORIGIN)?.clone();
        let allowed = origin.to_str().is_ok_and(|origin| cors.allows(origin));
        Some(Self { origin, allowed })
    }

    /// The answer to a browser that asks for leave first; `None`: the request itself.
    pub(super) fn preflight(
        &self,
        cors: &Cors,
        function: &FunctionName,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Result<Response<Body>, Error>> {
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_METHOD);
        let wanted = wanted.filter(|_| *method == Method::OPTIONS)?;
        if !self.allowed {
            return Some(Err(Error::Origin {
                function: function.clone(),
                origin: String::from_utf8_lossy(self.origin.as_bytes()).into_owned(),
            }));
        }
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let said = answer.headers_mut();
        let listed = |list: &[String], asked: Option<&HeaderValue>| match list {
            [] => asked.cloned(),
            list => HeaderValue::try_from(list.join(", ")).ok(),
        };
        let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let lists = [
            (
                ACCESS_CONTROL_ALLOW_METHODS,
                listed(&cors.methods, Some(wanted)),
            ),
            (ACCESS_CONTROL_ALLOW_HEADERS, listed(&cors.headers, asked)),
        ];
        said.extend(
            lists
                .into_iter()
                .filter_map(|(name, list)| Some((name, list?))),
        );
        if cors.max_age_seconds > 0 {
            said.insert(ACCESS_CONTROL_MAX_AGE, cors.max_age_seconds.into());
        }
        for name in [
            ACCESS_CONTROL_REQUEST_METHOD,
            ACCESS_CONTROL_REQUEST_HEADERS,
        ] {
            said.append(VARY, HeaderValue::from(name));
        }
        self.permit(cors, said);
        Some(Ok(answer))
    }

    /// Says in an answer that the page may read it, instead of what the function says of that itself.
    pub(super) fn permit(&self, cors: &Cors, headers: &mut HeaderMap) {
        const SAID: [HeaderName; 3] = [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ];
        for name in SAID {
            headers.remove(name);
        }
        vary(headers);
        if !self.allowed {
            return;
        }
        let anyone = cors.origins.iter().any(|origin| origin == "*");
        let origin = match anyone {
            true => HeaderValue::from_static("*"),
            false => self.origin.clone(),
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if cors.credentials {
            headers.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
        let own = [header::CALL_ID.as_str(), header::RATE_LIMIT.as_str()].map(str::to_owned);
        let exposed = [&own[..], &cors.exposed].concat().join(", ");
        if let Ok(exposed) = HeaderValue::try_from(exposed) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}
