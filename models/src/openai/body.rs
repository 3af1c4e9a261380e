//! The request: messages, model, sampling and form of the answer, and nothing else.

use serde_json::{Map, Value, json};
use shoal_conductor::{
    prompt::{Format, Prompt},
    worker::WorkerError,
};

use super::{LimitField, OpenAiOptions};

/// The most stop texts that the API takes; all of them are heeded here as well.
const MAX_STOPS: usize = 4;

/// The body of a request for `prompt`.
pub(super) fn body(options: &OpenAiOptions, prompt: &Prompt) -> Result<Value, WorkerError> {
    let sampling = &prompt.sampling;
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| drop(body.insert(key.to_owned(), value));
    put("model", json!(options.model));
    put("messages", json!(prompt.messages));
    put("stream", json!(true));
    put("stream_options", json!({"include_usage": true}));
    put(
        match options.limit {
            LimitField::MaxTokens => "max_tokens",
            LimitField::MaxCompletionTokens => "max_completion_tokens",
        },
        json!(sampling.max_tokens),
    );
    put("temperature", decimal(sampling.temperature));
    if sampling.top_p < 1.0 {
        put("top_p", decimal(sampling.top_p));
    }
    if let Some(seed) = sampling.seed {
        put("seed", json!(seed));
    }
    let stops: Vec<_> = sampling
        .stop
        .iter()
        .filter(|s| !s.is_empty())
        .take(MAX_STOPS)
        .collect();
    if !stops.is_empty() {
        put("stop", json!(stops));
    }
    if let Some(format) = response_format(options, &prompt.format)? {
        put("response_format", format);
    }
    Ok(Value::Object(body))
}

fn response_format(options: &OpenAiOptions, format: &Format) -> Result<Option<Value>, WorkerError> {
    match format {
        Format::Text => Ok(None),
        Format::Json => Ok(Some(json!({"type": "json_object"}))),
        Format::JsonSchema(schema) => Ok(Some(json!({
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": is_strict(schema)},
        }))),
        Format::Grammar(_) => Err(WorkerError::Format {
            worker: options.id.clone(),
            reason: "grammars are known to workers on the board alone; use a JSON schema".into(),
        }),
    }
}

/// Whether a schema keeps the rules of OpenAI's strict mode: each object closed and each property required.
fn is_strict(schema: &Value) -> bool {
    let Value::Object(fields) = schema else {
        return schema
            .as_array()
            .is_none_or(|all| all.iter().all(is_strict));
    };
    let properties = fields.get("properties").and_then(Value::as_object);
    let open = properties.is_some_and(|properties| {
        let required = fields.get("required").and_then(Value::as_array);
        let is_required = |name: &String| {
            required.is_some_and(|all| all.iter().any(|r| r.as_str() == Some(name)))
        };
        fields.get("additionalProperties") != Some(&Value::Bool(false))
            || !properties.keys().all(is_required)
    });
    let untyped_object = properties.is_none() && fields.get("type") == Some(&json!("object"));
    !open && !untyped_object && fields.values().all(is_strict)
}

/// The shortest decimal that is this number, so that 0.7 does not become 0.699999988079071.
fn decimal(number: f32) -> Value {
    number
        .to_string()
        .parse::<f64>()
        .map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use shoal_conductor::prompt::{Message, Speaker};

    use super::*;
    use crate::testing::worker;

    fn options() -> OpenAiOptions {
        OpenAiOptions::new(worker("cloud"), "https://api.example.com/v1", "big-1")
    }

    #[test]
    fn a_request_holds_this_and_nothing_else() {
        let mut prompt = Prompt {
            messages: vec![
                Message::new(Speaker::System, "Be brief."),
                Message::new(Speaker::User, "Hi"),
            ],
            ..Prompt::default()
        };
        prompt.sampling.temperature = 0.7;
        prompt.sampling.top_p = 0.9;
        prompt.sampling.seed = Some(7);
        prompt.sampling.stop = vec!["END".into(), String::new()];
        prompt.format = Format::Json;
        assert_eq!(
            body(&options(), &prompt).unwrap(),
            json!({
                "model": "big-1",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hi"},
                ],
                "max_tokens": 512,
                "temperature": 0.7,
                "top_p": 0.9,
                "seed": 7,
                "stop": ["END"],
                "stream": true,
                "stream_options": {"include_usage": true},
                "response_format": {"type": "json_object"},
            })
        );
    }

    #[test]
    fn a_grammar_cannot_go() {
        let prompt = Prompt {
            format: Format::Grammar("start: \"a\"".into()),
            ..Prompt::default()
        };
        assert!(matches!(
            body(&options(), &prompt),
            Err(WorkerError::Format { .. })
        ));
    }

    #[test]
    fn only_closed_schemas_are_strict() {
        let closed = json!({
            "type": "object",
            "properties": {"a": {"type": "array", "items": {"type": "string"}}},
            "required": ["a"],
            "additionalProperties": false,
        });
        assert!(is_strict(&closed));
        for (key, value) in [
            ("required", json!([])),
            ("additionalProperties", json!(true)),
        ] {
            let mut open = closed.clone();
            open[key] = value;
            assert!(!is_strict(&open), "{key}");
        }
        assert!(!is_strict(&json!({"type": "object"})));
    }
}
