//! Checks an answer against the JSON schema it was asked to follow: the part of JSON Schema (2020-12) that providers
//! enforce. A schema with any other keyword is refused rather than half checked.

use serde_json::{Map, Value};
use thiserror::Error;

/// Keywords that are checked.
const CHECKED: [&str; 16] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "enum",
    "const",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "anyOf",
    "multipleOf",
];
/// Keywords that say nothing about the answer.
const WORDS: [&str; 4] = ["title", "description", "examples", "default"];
/// Schemas in schemas at most; our own have about five.
const DEEPEST: usize = 16;

/// A schema that answers can be checked against.
#[derive(Clone, Debug)]
pub struct Schema<'a> {
    root: &'a Value,
}

/// Why a schema cannot be used, or what of an answer does not follow it; with the place as a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {text}", if place.is_empty() { "/" } else { place })]
pub struct SchemaError {
    /// JSON pointer into the schema or the answer.
    pub place: String,
    /// What is wrong there.
    pub text: String,
}

fn wrong(place: &str, text: impl Into<String>) -> SchemaError {
    SchemaError {
        place: place.to_owned(),
        text: text.into(),
    }
}

impl<'a> Schema<'a> {
    /// Takes a schema whose root is an object and whose keywords are all known.
    ///
    /// # Errors
    /// Names the place of what is not known or not right.
    pub fn new(root: &'a Value) -> Result<Schema<'a>, SchemaError> {
        if root["type"] != "object" {
            return Err(wrong("", "the root's type must be object"));
        }
        understand(root, "", 0)?;
        Ok(Schema { root })
    }

    /// Checks an answer.
    ///
    /// # Errors
    /// Names the first place that does not follow.
    pub fn check(&self, answer: &Value) -> Result<(), SchemaError> {
        follow(self.root, answer, "")
    }
}

fn understand(schema: &Value, place: &str, depth: usize) -> Result<(), SchemaError> {
    let Value::Object(schema) = schema else {
        return Err(wrong(place, "a schema is an object"));
    };
    if depth > DEEPEST {
        return Err(wrong(
            place,
            format!("{DEEPEST} schemas in one another are the most"),
        ));
    }
    for (keyword, value) in schema {
        let place = format!("{place}/{keyword}");
        let is_right = match keyword.as_str() {
            "properties" => value.is_object(),
            "required" => list(value).is_some_and(|names| names.iter().all(Value::is_string)),
            "enum" | "anyOf" => list(value).is_some_and(|list| !list.is_empty()),
            "additionalProperties" | "uniqueItems" => value.is_boolean(),
            "minItems" | "maxItems" | "minLength" | "maxLength" => value.is_u64(),
            "minimum" | "maximum" => value.is_number(),
            "multipleOf" => value.as_f64().is_some_and(|number| number > 0.0),
            "type" => types(value).is_some(),
            _ => true,
        };
        if !is_right {
            return Err(wrong(&place, "not a value of this keyword"));
        }
        if !CHECKED.contains(&keyword.as_str()) && !WORDS.contains(&keyword.as_str()) {
            return Err(wrong(&place, "not a keyword that is checked"));
        }
    }
    for (name, inner) in members(schema, "properties") {
        understand(inner, &format!("{place}/properties/{name}"), depth + 1)?;
    }
    for (index, inner) in schema
        .get("anyOf")
        .and_then(list)
        .into_iter()
        .flatten()
        .enumerate()
    {
        understand(inner, &format!("{place}/anyOf/{index}"), depth + 1)?;
    }
    match schema.get("items") {
        Some(inner) => understand(inner, &format!("{place}/items"), depth + 1),
        None => Ok(()),
    }
}

fn follow(schema: &Value, value: &Value, place: &str) -> Result<(), SchemaError> {
    let Value::Object(schema) = schema else {
        return Ok(());
    };
    if let Some(expected) = schema.get("type").and_then(types)
        && !expected.iter().any(|name| is_of(value, name))
    {
        return Err(wrong(
            place,
            format!("is {}, not {}", name_of(value), expected.join(" or ")),
        ));
    }
    if let Some(allowed) = schema.get("enum").and_then(list)
        && !allowed.iter().any(|allowed| same(allowed, value))
    {
        return Err(wrong(place, "is none of the allowed values"));
    }
    if schema.get("const").is_some_and(|only| !same(only, value)) {
        return Err(wrong(place, "is not the one allowed value"));
    }
    if let Some(choices) = schema.get("anyOf").and_then(list)
        && !choices.iter().any(|choice| follow(choice, value, place).is_ok())
    {
        return Err(wrong(place, "follows none of the alternatives"));
    }
    match value {
        Value::Object(object) => follow_object(schema, object, place),
        Value::Array(array) => follow_array(schema, array, place),
        Value::String(text) => follow_length(schema, "Length", text.chars().count(), place),
        Value::Number(number) => follow_number(schema, number.as_f64().unwrap_or(f64::NAN), place),
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

fn follow_object(
    schema: &Map<String, Value>,
    object: &Map<String, Value>,
    place: &str,
) -> Result<(), SchemaError> {
    for name in schema.get("required").and_then(list).into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        if !object.contains_key(name) {
            return Err(wrong(place, format!("{name:?} is missing")));
        }
    }
    let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    for (name, inner) in object {
        let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        match schema
            .get("properties")
            .and_then(|properties| properties.get(name))
        {
            Some(schema) => follow(schema, inner, &place)?,
            None if is_closed => return Err(wrong(&place, "is not foreseen")),
            None => {}
        }
    }
    Ok(())
}

fn follow_array(schema: &Map<String, Value>, array: &[Value], place: &str) -> Result<(), SchemaError> {
    follow_length(schema, "Items", array.len(), place)?;
    if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
        for (index, item) in array.iter().enumerate() {
            if array.iter().take(index).any(|other| same(other, item)) {
                return Err(wrong(&format!("{place}/{index}"), "is there twice"));
            }
        }
    }
    if let Some(schema) = schema.get("items") {
        for (index, item) in array.iter().enumerate() {
            follow(schema, item, &format!("{place}/{index}"))?;
        }
    }
    Ok(())
}

fn follow_length(
    schema: &Map<String, Value>,
    what: &str,
    length: usize,
    place: &str,
) -> Result<(), SchemaError> {
    let bound = |name: String| schema.get(&name).and_then(Value::as_u64);
    let length = length as u64;
    if bound(format!("min{what}")).is_some_and(|least| length < least) {
        return Err(wrong(place, format!("has {length}, which is too few")));
    }
    if bound(format!("max{what}")).is_some_and(|most| length > most) {
        return Err(wrong(place, format!("has {length}, which is too many")));
    }
    Ok(())
}

fn follow_number(schema: &Map<String, Value>, number: f64, place: &str) -> Result<(), SchemaError> {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    if bound("minimum").is_some_and(|least| number < least)
        || bound("maximum").is_some_and(|most| number > most)
    {
        return Err(wrong(place, format!("{number} is out of range")));
    }
    if bound("multipleOf").is_some_and(|step| number % step != 0.0) {
        return Err(wrong(place, format!("{number} is not a multiple")));
    }
    Ok(())
}

fn list(value: &Value) -> Option<&Vec<Value>> {
    value.as_array()
}

fn members<'a>(
    schema: &'a Map<String, Value>,
    keyword: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    schema
        .get(keyword)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The names of `type`, which are one or several.
fn types(value: &Value) -> Option<Vec<&str>> {
    let names = match value {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    let known = [
        "object", "array", "string", "number", "integer", "boolean", "null",
    ];
    (!names.is_empty() && names.iter().all(|name| known.contains(name))).then_some(names)
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        name => name_of(value) == name,
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Equality of JSON Schema: 1 and 1.0 are the same number.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let twin = |(name, value)| other.get(name).is_some_and(|other| same(value, other));
            one.len() == other.len() && one.iter().all(twin)
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests;
