//! The OpenAPI document: collected from the handlers, completed here.

use std::collections::BTreeMap;

use gateless_common::spec::{Field, SECTIONS, Unit, Value};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, KnownFormat, LicenseBuilder, ObjectBuilder, OpenApi,
    OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, SchemaFormat,
    SecurityRequirement, ServerBuilder, ServerVariableBuilder, Type,
};
use utoipa::{IntoResponses, Number, PartialSchema, ToSchema};

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
             tokens. Calls of functions do not go through here: any sidecar takes them.\n\nA change is made when it is answered, and \
             holds at a sidecar once that has applied it. With `Prefer: wait=SECONDS` (RFC 7240) every change is answered when all \
             connected sidecars have, or after those seconds, 30 at most; `x-gateless-applied` says how many have, \
             `x-gateless-behind` and `x-gateless-away` which have not.",
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
    let server = ServerBuilder::new()
        .url("{server}")
        .description(Some("Where the server listens for its API."))
        .parameter(
            "server",
            ServerVariableBuilder::new()
                .default_value("http://127.0.0.1:7780")
                .description(Some(
                    "What `gateless up` and `gateless server` say at their start.",
                )),
        )
        .build();
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([server]))
        .components(Some(components))
        .security(Some([SecurityRequirement::new("bearer", none)]))
        .build()
}

/// Completes the document with the ranges, defaults and meanings of a spec's fields, from the table they are also checked by.
pub(super) fn describe_settings(document: &mut OpenApi) {
    let Some(components) = document.components.as_mut() else {
        return;
    };
    for section in SECTIONS.iter() {
        let schema = components.schemas.get_mut(schema_of(section.name));
        let Some(RefOr::T(Schema::Object(schema))) = schema else {
            continue;
        };
        let required = schema.required.clone();
        for field in section.shaped.iter().chain(&section.settings) {
            match schema.properties.get_mut(field.json) {
                Some(RefOr::T(Schema::Object(property))) => {
                    property.description = Some(described(field));
                    property.default = default(field);
                    if let Some((low, high)) = field.range {
                        property.minimum = number(field.also.unwrap_or(low));
                        property.maximum = number(high);
                    }
                }
                Some(RefOr::T(Schema::Array(property))) => {
                    property.description = Some(described(field));
                    if required.iter().any(|name| name == field.json) {
                        property.default = None;
                    }
                }
                Some(RefOr::Ref(property)) => {
                    property.description = described(field);
                    // An object's default only stands in for what is required.
                    let choice = matches!(field.unit, Unit::Choice(_));
                    property.default = default(field).filter(|_| choice);
                }
                Some(RefOr::T(_)) | None => {}
            }
        }
    }
}

/// The schema a section of the spec has in the document.
fn schema_of(section: &str) -> &'static str {
    match section {
        "" => "Spec",
        "process" => "Process",
        "wasm" => "Wasm",
        "container" => "Container",
        "access" => "Access",
        "limits" => "Limits",
        "hold" => "Hold",
        "retries" => "Retries",
        "liveness" => "Liveness",
        "scaling" => "Scaling",
        "async" => "AsyncPolicy",
        _ => "",
    }
}

fn described(field: &Field) -> String {
    match field.bound {
        "" => field.text.to_owned(),
        bound => format!("{} Bound: {bound}.", field.text),
    }
}

fn default(field: &Field) -> Option<serde_json::Value> {
    match field.default {
        Value::None => None,
        Value::Flag(value) => Some(value.into()),
        Value::Whole(value) => Some(value.into()),
        Value::Text(value) => Some(value.into()),
        Value::Number(_) => {
            number(field.default).and_then(|number| serde_json::to_value(number).ok())
        }
    }
}

/// A bound as the document has it: whole where it is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole numbers far below 2^53"
)]
fn number(value: Value) -> Option<Number> {
    match value {
        Value::Whole(value) => usize::try_from(value).ok().map(Number::UInt),
        Value::Number(value) if value.fract() == 0.0 && value >= 0.0 => {
            Some(Number::UInt(value as usize))
        }
        Value::Number(value) if value.fract() == 0.0 => Some(Number::Int(value as isize)),
        Value::Number(value) => Some(Number::Float(value)),
        Value::None | Value::Flag(_) | Value::Text(_) => None,
    }
}
