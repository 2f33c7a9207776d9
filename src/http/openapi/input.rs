//! What may be sent: fields of a body, and parameters, with their bounds.

use std::ops::RangeInclusive;

use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Schema,
    SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{RefOr, Required};

use super::texts;

/// RFC 5321.
const EMAIL_OCTETS_MAX: usize = 254;
/// Whatever prefix is configured, and the digits, in either case.
const TYPED_CODE: &str = "^[A-Za-z0-9-]{0,16}[0-9A-Fa-f]{12,32}$";
const KEY_CHARACTERS_MAX: usize = 255;

/// A field of a body.
pub(super) struct Field {
    name: &'static str,
    schema: RefOr<Schema>,
    required: bool,
}

/// A field that has to be there.
pub(super) fn required(
    name: &'static str,
    schema: impl Into<RefOr<Schema>>,
    about: &'static str,
) -> Field {
    Field { name, schema: told(schema.into(), about), required: true }
}

/// A field that may be absent, or null, which is the same.
pub(super) fn optional(
    name: &'static str,
    schema: impl Into<RefOr<Schema>>,
    about: &'static str,
) -> Field {
    Field { name, schema: told(or_null(schema.into()), about), required: false }
}

/// An object of these fields and no others.
pub(super) fn object<const N: usize>(fields: [Field; N]) -> ObjectBuilder {
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    fields.into_iter().fold(object, |object, field| {
        let object = object.property(field.name, field.schema);
        if field.required { object.required(field.name) } else { object }
    })
}

/// A text of so many characters, not counting white space around it.
pub(super) fn text(length: RangeInclusive<usize>) -> ObjectBuilder {
    let (min, max) = (*length.start(), *length.end());
    // A zero would say nothing.
    let min = Some(min).filter(|min| *min > 0);
    let blank_is_none = min.map(|_| r"\S");
    texts::text().min_length(min).max_length(Some(max)).pattern(blank_is_none)
}

/// A text of characters that need no escaping.
pub(super) fn label(length: RangeInclusive<usize>) -> ObjectBuilder {
    text(length).pattern(Some("^[A-Za-z0-9_.:-]+$"))
}

/// One of a closed set of words.
pub(super) fn choice<const N: usize>(words: [&'static str; N]) -> ObjectBuilder {
    texts::words(words)
}

/// An e-mail address.
pub(super) fn email() -> ObjectBuilder {
    texts::formed("email", "ada@example.com").max_length(Some(EMAIL_OCTETS_MAX))
}

/// An invite code, as people type it.
pub(super) fn code() -> ObjectBuilder {
    texts::text().pattern(Some(TYPED_CODE)).examples(["VOBEE-A7F3E9D2B1C4"])
}

/// A time with its offset from UTC.
pub(super) fn time() -> ObjectBuilder {
    texts::formed("date-time", "2026-01-05T12:00:00Z")
}

/// The number of an event, or a time.
pub(super) fn moment() -> OneOfBuilder {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    let number = number.minimum(Some(0)).maximum(Some(u64::MAX));
    OneOfBuilder::new().item(number).item(time())
}

/// Where the next page begins, as the page before has said.
pub(super) fn cursor(digits: usize) -> ObjectBuilder {
    texts::text().pattern(Some(format!("^[0-9a-f]{{{digits}}}$")))
}

/// A whole number within bounds.
pub(super) fn whole(range: RangeInclusive<i64>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(*range.start()))
        .maximum(Some(*range.end()))
}

/// A share of a whole.
pub(super) fn share() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).maximum(Some(1))
}

/// True or false.
pub(super) fn flag() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

/// So many texts, each under a key.
pub(super) fn pairs(pairs_max: usize, key_max: usize, value_max: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .max_properties(Some(pairs_max))
        .property_names(Some(Schema::Object(text_of(1..=key_max).build())))
        .additional_properties(Some(text_of(0..=value_max)))
}

/// A text of so many characters, white space and all.
pub(super) fn text_of(length: RangeInclusive<usize>) -> ObjectBuilder {
    text(length).pattern(None::<String>)
}

/// A list of so many items.
pub(super) fn list(count: RangeInclusive<usize>, item: ObjectBuilder) -> ArrayBuilder {
    let min = Some(*count.start()).filter(|min| *min > 0);
    ArrayBuilder::new().items(item).min_items(min).max_items(Some(*count.end()))
}

/// A parameter behind the `?`.
pub(super) fn query(
    name: &'static str,
    schema: impl Into<RefOr<Schema>>,
    about: &'static str,
) -> Parameter {
    parameter(ParameterIn::Query, name, schema, about)
}

/// The parameter of the path with that name.
pub(super) fn path(name: &str) -> Option<Parameter> {
    let (schema, about) = match name {
        "email" => (email(), "Whose. Percent-encoded."),
        "code" => (code(), "Which invite code. Case does not matter."),
        "id" => (texts::formed("uuid", "019b0000-0000-7000-8000-000000000000"), "Which one."),
        _ => return None,
    };
    Some(parameter(ParameterIn::Path, name, schema, about))
}

/// The parameter of the path for somebody who may have been erased.
pub(super) fn person() -> Parameter {
    let id = texts::formed("uuid", "3735294c-6387-8ebf-9f35-7373e7bf5580");
    let schema = OneOfBuilder::new().item(email()).item(id);
    let about = "Whose: the address, or the id, which is all that is left of whoever was erased.";
    parameter(ParameterIn::Path, "email", schema, about)
}

/// The header that makes a repeated request safe.
pub(super) fn idempotency_key() -> Parameter {
    let key = text(1..=KEY_CHARACTERS_MAX).pattern(Some("^[!-~]+$"));
    let about = "Names the request. The same key, caller and body give the first answer again, \
                 for 24 hours, also after a restart; a time-out means that it is unknown whether \
                 it happened, and repeating it with the key is safe.";
    parameter(ParameterIn::Header, "Idempotency-Key", key, about)
}

fn parameter(
    place: ParameterIn,
    name: &str,
    schema: impl Into<RefOr<Schema>>,
    about: &str,
) -> Parameter {
    let required =
        if matches!(place, ParameterIn::Path) { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

fn told(mut schema: RefOr<Schema>, about: &str) -> RefOr<Schema> {
    let about = Some(about.to_owned());
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.description = about;
    } else if let RefOr::T(Schema::Array(array)) = &mut schema {
        array.description = about;
    }
    schema
}

/// The same schema, with null among its types and words.
fn or_null(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        add_null(&mut object.schema_type);
        if let Some(words) = &mut object.enum_values {
            words.push(Value::Null);
        }
    } else if let RefOr::T(Schema::Array(array)) = &mut schema {
        add_null(&mut array.schema_type);
    }
    schema
}

fn add_null(types: &mut SchemaType) {
    if let SchemaType::Type(one) = types {
        *types = SchemaType::Array(vec![one.clone(), Type::Null]);
    }
}
