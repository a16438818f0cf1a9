//! The OpenAPI document: collected from the handlers, completed here.

use std::collections::BTreeMap;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, KnownFormat, LicenseBuilder, ObjectBuilder, OpenApi,
    OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, SchemaFormat,
    SecurityRequirement, Type,
};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use super::problem::Problem;

/// What every operation may answer besides what it is for.
pub(super) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |description: &str| {
            let schema = Ref::from_schema_name(Problem::name());
            let content = ContentBuilder::new().schema(Some(schema)).build();
            let response = ResponseBuilder::new()
                .description(description)
                .content("application/problem+json", content)
                .build();
            RefOr::T(response)
        };
        [
            (
                "4XX",
                "The request cannot be fulfilled; code and hint say why.",
            ),
            (
                "5XX",
                "The server or a sidecar cannot fulfil it now; code and hint say why.",
            ),
        ]
        .into_iter()
        .map(|(status, description)| (status.to_owned(), problem(description)))
        .collect()
    }
}

/// A body of any bytes: generators know `format: binary`, and make lists of numbers of the alternatives.
pub(super) struct Binary;

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into()
    }
}

impl ToSchema for Binary {}

/// The document before the operations are in it.
pub(super) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Gateless")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The management API: functions, revisions, traffic, calls, secrets, artifacts, sidecars and \
             tokens. Calls of functions do not go through here: any sidecar takes them.",
        ))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    let mut components = Components::new();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A token as POST /v1/tokens gives it."))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    let mut schemas = Vec::new();
    schemas.push((
        Problem::name().into_owned(),
        <Problem as PartialSchema>::schema(),
    ));
    <Problem as ToSchema>::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let none: [&str; 0] = [];
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new("bearer", none)]))
        .build()
}
