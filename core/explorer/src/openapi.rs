//! The description of the API in `OpenAPI` 3.1, made from the table of calls and the table of kinds. A test compares
//! real answers with it.

mod kinds;

use serde_json::{Map, Value, json};

use self::kinds::{Field, KINDS};
use crate::api::{self, Answer, Endpoint, Location};

/// Returns the description of the API.
pub fn openapi() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in api::endpoints() {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[endpoint.method] = call(&endpoint);
    }
    let schemas = KINDS
        .iter()
        .map(|(name, description, fields)| ((*name).to_owned(), object(description, fields)));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Nexthink Graph",
            "version": "1",
            "description": "The published graph, as the explorer reads it. Only the calls about findings change anything: who acknowledged one, and what is silenced.",
        },
        "security": [{ "token": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.collect::<Map<String, Value>>(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token that `nexthink-graph serve token new` has printed.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "nexthink-graph-8490",
                    "description": "The session of a browser; the number is the port.",
                },
            },
        },
    })
}

fn call(endpoint: &Endpoint) -> Value {
    let parameters = endpoint.parameters.iter().map(|parameter| {
        let location = match parameter.location {
            Location::Path => "path",
            Location::Query => "query",
        };
        json!({
            "name": parameter.name,
            "in": location,
            "required": parameter.is_required,
            "description": parameter.description,
            "schema": schema(parameter.kind),
        })
    });
    let (content_type, schema) = match endpoint.answer {
        Answer::Json(kind) => ("application/json", schema(kind)),
        Answer::Csv => ("text/csv", json!({ "type": "string" })),
    };
    let mut call = json!({
        "summary": endpoint.summary,
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": {
            "200": {
                "description": "The answer.",
                "content": { content_type: { "schema": schema } },
            },
            "default": {
                "description": "Why there is no answer.",
                "content": { "application/json": { "schema": self::schema("ProblemBody") } },
            },
        },
    });
    if let Some(body) = endpoint.body {
        call["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": self::schema(body) } },
        });
    }
    call
}

fn object(description: &str, fields: &[Field]) -> Value {
    let properties = fields.iter().map(|(name, kind, description)| {
        let mut schema = schema(kind);
        schema["description"] = json!(description);
        ((*name).to_owned(), schema)
    });
    let required = fields.iter().filter(|(_, kind, _)| !kind.ends_with('?'));
    json!({
        "type": "object",
        "description": description,
        "properties": properties.collect::<Map<String, Value>>(),
        "required": required.map(|(name, ..)| *name).collect::<Vec<_>>(),
    })
}

/// The schema of a kind: `text`, `integer`, `boolean`, `any`, the name of an object, `[kind]` for a list, `{kind}` for
/// an object with such values by name, `kind?` for one that may be null or missing.
fn schema(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('?') {
        return json!({ "oneOf": [schema(kind), { "type": "null" }] });
    }
    if let Some(kind) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        return json!({ "type": "array", "items": schema(kind) });
    }
    if let Some(kind) = kind.strip_prefix('{').and_then(|kind| kind.strip_suffix('}')) {
        return json!({ "type": "object", "additionalProperties": schema(kind) });
    }
    match kind {
        "text" => json!({ "type": "string" }),
        "integer" => json!({ "type": "integer" }),
        "boolean" => json!({ "type": "boolean" }),
        "any" => json!({}),
        name => json!({ "$ref": format!("#/components/schemas/{name}") }),
    }
}
