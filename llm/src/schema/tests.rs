use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A schema around that of one property.
fn around(inner: Value) -> Value {
    json!({"type": "object", "properties": {"a": inner}, "required": ["a"], "additionalProperties": false})
}

#[test]
fn answers_follow_or_do_not() {
    #[track_caller]
    fn check(schema: Value, answer: Value, expected: &str) {
        let schema = around(schema);
        let found = Schema::new(&schema)
            .expect("a schema")
            .check(&json!({ "a": answer }));
        assert_eq!(
            found.err().map_or(String::new(), |error| error.to_string()),
            expected
        );
    }
    check(json!({}), json!(null), "");
    check(json!({"type": "string"}), json!("x"), "");
    check(json!({"type": "string"}), json!(1), "/a: is number, not string");
    check(json!({"type": ["string", "null"]}), json!(null), "");
    check(json!({"type": "integer"}), json!(2.0), "");
    check(
        json!({"type": "integer"}),
        json!(2.5),
        "/a: is number, not integer",
    );
    check(
        json!({"type": "number", "minimum": 1}),
        json!(0.5),
        "/a: 0.5 is out of range",
    );
    check(json!({"maximum": 1}), json!(1.5), "/a: 1.5 is out of range");
    check(json!({"maximum": 1}), json!(1), "");
    check(json!({"multipleOf": 2}), json!(3), "/a: 3 is not a multiple");
    check(json!({"enum": ["x", 1]}), json!(1.0), "");
    check(
        json!({"enum": ["x", 1]}),
        json!("1"),
        "/a: is none of the allowed values",
    );
    check(json!({"const": [1]}), json!([1.0]), "");
    check(
        json!({"const": {"b": 1}}),
        json!({"b": 2}),
        "/a: is not the one allowed value",
    );
    check(json!({"maxLength": 2}), json!("関所"), "");
    check(
        json!({"maxLength": 2}),
        json!("abc"),
        "/a: has 3, which is too many",
    );
    check(json!({"minLength": 1}), json!(""), "/a: has 0, which is too few");
    check(json!({"minItems": 1}), json!([]), "/a: has 0, which is too few");
    check(
        json!({"maxItems": 1}),
        json!([1, 2]),
        "/a: has 2, which is too many",
    );
    check(
        json!({"uniqueItems": true}),
        json!([1, 2, 1.0]),
        "/a/2: is there twice",
    );
    check(
        json!({"items": {"type": "string"}}),
        json!(["x", 1]),
        "/a/1: is number, not string",
    );
    check(
        json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
        json!(null),
        "",
    );
    check(
        json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
        json!(1),
        "/a: follows none of the alternatives",
    );
    check(around(json!({})), json!({"b": 1}), "/a: \"a\" is missing");
    check(
        around(json!({})),
        json!({"a": 1, "b/~": 1}),
        "/a/b~1~0: is not foreseen",
    );
}

#[test]
fn the_root_is_an_object() {
    let schema = around(json!({}));
    let schema = Schema::new(&schema).unwrap();
    assert_eq!(
        schema.check(&json!([])).unwrap_err().to_string(),
        "/: is array, not object"
    );
    assert!(Schema::new(&json!({"type": "array"})).is_err());
    assert!(Schema::new(&json!(true)).is_err());
}

#[test]
fn what_would_not_be_checked_is_refused() {
    #[track_caller]
    fn check(schema: Value, expected: &str) {
        let schema = around(schema);
        let error = Schema::new(&schema).expect_err("no schema");
        assert_eq!(error.to_string(), expected);
    }
    check(
        json!({"pattern": "^a"}),
        "/properties/a/pattern: not a keyword that is checked",
    );
    check(
        json!({"$ref": "#/b"}),
        "/properties/a/$ref: not a keyword that is checked",
    );
    check(
        json!({"type": "text"}),
        "/properties/a/type: not a value of this keyword",
    );
    check(
        json!({"items": true}),
        "/properties/a/items: a schema is an object",
    );
    check(
        json!({"maxLength": -1}),
        "/properties/a/maxLength: not a value of this keyword",
    );
    check(
        json!({"additionalProperties": {}}),
        "/properties/a/additionalProperties: not a value of this keyword",
    );
    check(
        json!({"anyOf": []}),
        "/properties/a/anyOf: not a value of this keyword",
    );
    check(
        json!({"anyOf": [{"format": "uri"}]}),
        "/properties/a/anyOf/0/format: not a keyword that is checked",
    );
}

#[test]
fn a_bottomless_schema_is_refused() {
    let deep = (0..20).fold(json!({}), |inner, _| json!({ "items": inner }));
    assert!(Schema::new(&around(deep)).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-c/~]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What is equal to a constant follows it, and nothing else does.
    #[test]
    fn constants_are_what_they_are(one in any_json(), other in any_json()) {
        let schema = around(json!({ "const": one }));
        let schema = Schema::new(&schema).unwrap();
        let same_answer = json!({ "a": one });
        prop_assert!(schema.check(&same_answer).is_ok());
        prop_assert_eq!(schema.check(&json!({ "a": other })).is_ok(), same(&one, &other));
    }

    /// No text panics, as a schema or as an answer.
    #[test]
    fn nothing_is_too_strange(schema in any_json(), answer in any_json()) {
        let schema = around(schema);
        if let Ok(schema) = Schema::new(&schema) {
            let _ = schema.check(&answer);
        }
    }
}
