//! What handlers take out of a request; whatever is wrong with it becomes a [`Problem`].

use std::fmt::Display;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use bytes::{Bytes, BytesMut};
use gateless_common::name;
use gateless_common::problem::Code;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::problem::Problem;
use crate::domain::document;
use crate::domain::validate::MAX_SPEC_BYTES;
use crate::pace::Pace;

/// A JSON body of at most `MAX` bytes.
pub(super) struct Body<T, const MAX: usize = MAX_SPEC_BYTES>(pub(super) T);

impl<S: Sync, T: DeserializeOwned, const MAX: usize> FromRequest<S> for Body<T, MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        expect(request.headers(), &["application/json"])?;
        Ok(Self(document::from_slice(&read(request, MAX).await?)?))
    }
}

/// A JSON merge patch.
pub(super) struct Patch(pub(super) serde_json::Value);

impl<S: Sync> FromRequest<S> for Patch {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let types = ["application/merge-patch+json", "application/json"];
        expect(request.headers(), &types)?;
        Ok(Self(document::from_slice(
            &read(request, MAX_SPEC_BYTES).await?,
        )?))
    }
}

/// A JSON body that may be left out.
pub(super) struct OptionalBody<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = read(request, MAX_SPEC_BYTES).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        expect(&headers, &["application/json"])?;
        Ok(Self(document::from_slice(&bytes)?))
    }
}

fn expect(headers: &HeaderMap, types: &[&str]) -> Result<(), Problem> {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    let essence = essence.unwrap_or_default().trim();
    if types.iter().any(|t| essence.eq_ignore_ascii_case(t)) {
        return Ok(());
    }
    let detail = match essence {
        "" => "the request has no content-type".to_owned(),
        other => format!("the content-type is {:.80}", other),
    };
    Err(Problem::new(Code::WrongContentType, detail)
        .hint(format!("send content-type: {}", types.join(" or "))))
}

/// A body may be silent for so long: anybody can begin one, without a token where a session begins.
const BODY_SILENCE: Duration = Duration::from_secs(20);

/// The whole body, at most `limit` bytes, and not slower than [`Pace`] lets it.
pub(super) async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body may have at most {limit} bytes");
        Problem::new(Code::BodyTooLarge, detail)
    };
    let broken =
        |why: &dyn Display| Problem::new(Code::UploadBroken, format!("the body broke off: {why}"));
    let mut body = request.into_body();
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut pace = Pace::new(BODY_SILENCE);
    let mut whole = BytesMut::new();
    let length = |frame: &Option<Result<Frame<Bytes>, _>>| match frame {
        Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
        Some(Err(_)) | None => 0,
    };
    while let Some(frame) = pace
        .next(body.frame(), length)
        .await
        .map_err(|slow| broken(&slow))?
    {
        let frame = frame.map_err(|error| broken(&error))?;
        if pace.bytes() > limit as u64 {
            return Err(too_large());
        }
        if let Ok(data) = frame.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

/// Query parameters; unknown ones are refused.
pub(super) struct Query<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text
                    .split_once("query string: ")
                    .map_or(&*text, |(_, rest)| rest);
                let name = match text.split_once(": ") {
                    Some((name, _)) => name,
                    None => text.split('`').nth(1).unwrap_or("query"),
                };
                Err(Problem::parameter(name, text))
            }
        }
    }
}

fn parameter(parameters: &RawPathParams, name: &str) -> String {
    let found = parameters.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// Defines a route's path parameters, each with the check it must pass.
macro_rules! path {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $check:expr,)* }) => {
        $(#[$doc])*
        #[derive(Debug, IntoParams)]
        #[into_params(parameter_in = Path)]
        pub(super) struct $name {
            $($(#[$field_doc])* pub(super) $field: String,)*
        }

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                let parameters = RawPathParams::from_request_parts(parts, state)
                    .await
                    .map_err(|error| Problem::parameter("path", error.body_text()))?;
                let checked = |name: &str, check: fn(&str) -> Result<(), &'static str>| {
                    let value = parameter(&parameters, name);
                    check(&value).map_err(|reason| Problem::parameter(name, reason))?;
                    Ok::<_, Problem>(value)
                };
                Ok(Self { $($field: checked(stringify!($field), $check)?,)* })
            }
        }
    };
}

fn any(text: &str) -> Result<(), &'static str> {
    if text.len() > 200 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must have at most 200 visible ASCII characters");
    }
    Ok(())
}

path! {
    /// Everything in one namespace.
    NamespacePath {
        /// The namespace, a DNS label.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        namespace: name::check_label,
    }
}
path! {
    /// One function.
    FunctionPath {
        /// The namespace, a DNS label.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        namespace: name::check_label,
        /// The function, a DNS label of at most 52 characters.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 52)]
        name: name::check_function,
    }
}
path! {
    /// One revision.
    RevisionPath {
        /// The namespace, a DNS label.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        namespace: name::check_label,
        /// The function.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 52)]
        name: name::check_function,
        /// The revision, for example `hello-00001`.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        revision: name::check_label,
    }
}
path! {
    /// One asynchronous call.
    InvocationPath {
        /// The namespace, a DNS label.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        namespace: name::check_label,
        /// The function.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 52)]
        name: name::check_function,
        /// The call's id: that of an asynchronous one as `x-call-id` gave it, that of one on record as a list did.
        id: any,
    }
}
path! {
    /// One caller's key to a function.
    KeyPath {
        /// The namespace, a DNS label.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        namespace: name::check_label,
        /// The function.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 52)]
        name: name::check_function,
        /// The caller's name, a DNS label.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        key: name::check_label,
    }
}
path! {
    /// One call, of whichever function.
    CallPath {
        /// The namespace, a DNS label.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        namespace: name::check_label,
        /// The call's id, as `x-call-id` gave it.
        id: any,
    }
}
path! {
    /// One secret.
    SecretPath {
        /// The namespace, a DNS label.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        namespace: name::check_label,
        /// The secret, a DNS label.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        name: name::check_label,
    }
}
path! {
    /// One trigger.
    TriggerPath {
        /// The namespace, a DNS label.
        namespace: name::check_label,
        /// The trigger, a DNS label.
        name: name::check_label,
    }
}
path! {
    /// One artifact.
    ArtifactPath {
        /// The namespace, a DNS label.
        #[param(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
        namespace: name::check_label,
        /// The sha256 of the content, 64 lowercase hex digits.
        #[param(pattern = "^[0-9a-f]{64}$")]
        sha256: |text| match name::is_sha256(text) {
            true => Ok(()),
            false => Err("must be 64 lowercase hex digits"),
        },
    }
}
path! {
    /// One sidecar.
    SidecarPath {
        /// The sidecar's id.
        id: any,
    }
}
path! {
    /// One join token.
    JoinTokenPath {
        /// The join token's id.
        id: any,
    }
}
path! {
    /// One token.
    TokenPath {
        /// The token's id.
        id: any,
    }
}

impl FunctionPath {
    pub(super) fn as_name(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}
impl RevisionPath {
    pub(super) fn as_name(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}
impl InvocationPath {
    pub(super) fn as_name(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}
impl TriggerPath {
    pub(super) fn as_name(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}
impl KeyPath {
    pub(super) fn as_name(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}
impl SecretPath {
    pub(super) fn as_name(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::stream;
    use tokio::time::{Instant, sleep};

    use super::*;

    async fn refused(body: Body) -> (Problem, Duration) {
        let began = Instant::now();
        let refused = read(Request::new(body), MAX_SPEC_BYTES).await;
        (refused.unwrap_err(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_or_trickles_is_given_up() {
        let one = Ok::<_, std::io::Error>(Bytes::from_static(b"{"));
        let stops = futures_util::StreamExt::chain(stream::iter([one]), stream::pending());
        let (problem, after) = refused(Body::from_stream(stops)).await;
        assert_eq!((problem.code, after), ("upload_broken", BODY_SILENCE));
        let trickle = stream::unfold((), |()| async {
            sleep(BODY_SILENCE / 2).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        });
        let (problem, after) = refused(Body::from_stream(trickle)).await;
        assert_eq!(problem.code, "upload_broken");
        assert!(after <= BODY_SILENCE * 2, "{after:?}");
    }
}
