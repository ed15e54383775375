//! The JSON Schema (draft 7) of `newsdesk.toml`, made of the table of keys: editors complete and check with it.
//!
//! It is a help for writing, not the judge: what only the reader can know (names, folders, cron lines) is left to it.

use serde_json::{Map, Value, json};

use super::keys::{self, Key, Kind};

/// The schema; `config/newsdesk.schema.json` is this, printed.
pub fn schema() -> Value {
    let mut schema = object(keys::ROOT);
    schema.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    schema.insert("title".to_owned(), json!("newsdesk.toml"));
    let definitions = json!({ "condition": object(keys::CONDITION), "action": object(keys::ACTION) });
    schema.insert("definitions".to_owned(), definitions);
    Value::Object(schema)
}

fn object(keys: &'static [Key]) -> Map<String, Value> {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("additionalProperties".to_owned(), json!(false));
    object.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    if std::ptr::eq(keys, keys::SOURCE) {
        let one = ["url", "folder", "opml"].map(|key| json!({ "required": [key] }));
        object.insert("oneOf".to_owned(), json!(one));
    }
    object
}

fn property(key: &'static Key) -> Value {
    let mut shape = shape(&key.kind);
    if let Value::Object(shape) = &mut shape {
        shape.insert("description".to_owned(), json!(key.doc));
        // Every default is written alike in TOML and JSON.
        if let Some(default) = key.default.and_then(|default| serde_json::from_str::<Value>(default).ok()) {
            shape.insert("default".to_owned(), default);
        }
    }
    shape
}

fn shape(kind: &'static Kind) -> Value {
    match kind {
        Kind::Text | Kind::Path | Kind::Contact | Kind::TimeZone | Kind::SourceName => {
            json!({ "type": "string", "minLength": 1 })
        }
        Kind::Cron | Kind::Cadence | Kind::Network | Kind::Regex => json!({ "type": "string", "minLength": 1 }),
        Kind::Replacement => json!({ "type": "string" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Url => json!({ "type": "string", "format": "uri", "pattern": "^https?://" }),
        Kind::Duration(..) => json!({ "type": "string", "pattern": "^([0-9]+ ?(ms|s|m|h|d|w) ?)+$" }),
        Kind::Size(..) => json!({ "type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB)?$" }),
        Kind::Language => json!({ "type": "string", "pattern": "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$" }),
        Kind::Listen => json!({ "type": "string", "pattern": ":[0-9]+$" }),
        Kind::Admin => json!({ "type": "string", "pattern": "^unix:/|:[0-9]+$" }),
        Kind::Store => json!({ "type": "string", "pattern": "^sqlite:." }),
        Kind::Hub => json!({ "type": "string", "pattern": "^(own|none)$|^https?://" }),
        Kind::SectionName => json!({
            "type": "string",
            "maxLength": 64,
            "pattern": r"^[^\s/.?#%:]+$",
            "not": { "enum": keys::RESERVED_SECTIONS },
        }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::List(item) => json!({ "type": "array", "items": shape(item) }),
        Kind::Headers => json!({
            "type": "object",
            "additionalProperties": { "anyOf": [{ "type": "string" }, object(keys::HEADER)] },
        }),
        Kind::Test => {
            let mut test = object(keys::TEST);
            test.insert("minProperties".to_owned(), json!(1));
            test.insert("maxProperties".to_owned(), json!(1));
            json!({ "anyOf": [{ "type": "string", "minLength": 1 }, test] })
        }
        // In draft 7 nothing beside a `$ref` counts, so that it stands alone in a list.
        Kind::Condition => json!({ "allOf": [{ "$ref": "#/definitions/condition" }] }),
        Kind::Conditions => {
            json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/condition" } })
        }
        Kind::Actions => json!({ "anyOf": [
            { "$ref": "#/definitions/action" },
            { "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/action" } },
        ] }),
        Kind::Table(keys) => Value::Object(object(keys)),
        Kind::Named(keys) => json!({ "type": "object", "additionalProperties": object(keys) }),
        Kind::Tables(keys) => json!({ "type": "array", "items": object(keys) }),
    }
}
