//! How an answer is to be written, as both forms of a request say it.

use serde::Deserialize;
use serde_json::Value;
use shoal_conductor::{
    prompt::{Format, Sampling},
    task::Effort,
};

use super::shorten;
use crate::api::error::ApiError;

/// The most stop texts, as OpenAI has it.
const MAX_STOPS: usize = 4;
/// The longest stop text, in bytes.
const MAX_STOP: usize = 1024;

/// What both forms have alike.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Knobs {
    pub(super) max_tokens: Option<u32>,
    pub(super) max_completion_tokens: Option<u32>,
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
    pub(super) seed: Option<i64>,
    pub(super) stop: Option<Value>,
    pub(super) response_format: Option<ResponseFormat>,
    pub(super) reasoning_effort: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: NamedSchema },
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedSchema {
    schema: Option<Value>,
}

impl Knobs {
    pub(super) fn sampling(&self) -> Result<Sampling, ApiError> {
        let mut sampling = Sampling::default();
        if let Some(tokens) = self.max_completion_tokens.or(self.max_tokens) {
            if tokens == 0 {
                return Err(ApiError::invalid(
                    "max_tokens",
                    "max_tokens must be at least 1",
                ));
            }
            sampling.max_tokens = tokens;
        }
        if let Some(temperature) = self.temperature {
            sampling.temperature = bounded("temperature", temperature, 0.0, 2.0)?;
        }
        if let Some(top_p) = self.top_p {
            sampling.top_p = bounded("top_p", top_p, f32::MIN_POSITIVE, 1.0)?;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "any 64 bits make a seed; the low 32 tell them apart well enough"
        )]
        let seed = self.seed.map(|seed| seed as u32);
        sampling.seed = seed;
        sampling.stop = stops(self.stop.as_ref())?;
        Ok(sampling)
    }

    pub(super) fn format(&self) -> Result<Format, ApiError> {
        match &self.response_format {
            None | Some(ResponseFormat::Text) => Ok(Format::Text),
            Some(ResponseFormat::JsonObject) => Ok(Format::Json),
            Some(ResponseFormat::JsonSchema { json_schema }) => match &json_schema.schema {
                Some(schema) if schema.is_object() => Ok(Format::JsonSchema(schema.clone())),
                _ => Err(ApiError::invalid(
                    "response_format.json_schema.schema",
                    "the schema is missing or not an object",
                )),
            },
        }
    }

    pub(super) fn effort(&self) -> Result<Effort, ApiError> {
        match self.reasoning_effort.as_deref() {
            None | Some("medium") => Ok(Effort::Medium),
            Some("none" | "minimal" | "low") => Ok(Effort::Low),
            Some("high" | "xhigh") => Ok(Effort::High),
            Some(other) => Err(ApiError::invalid(
                "reasoning_effort",
                format!(
                    "\"{}\" is no effort: use low, medium or high",
                    shorten(other)
                ),
            )),
        }
    }
}

fn bounded(key: &str, value: f32, low: f32, high: f32) -> Result<f32, ApiError> {
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        let low = if low < 1e-6 { 0.0 } else { low };
        Err(ApiError::invalid(
            key,
            format!("{key} = {value} is not from {low} to {high}"),
        ))
    }
}

fn stops(value: Option<&Value>) -> Result<Vec<String>, ApiError> {
    let wrong = || ApiError::invalid("stop", "stop is a text or a list of texts");
    let list: Vec<String> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(texts)) => texts
            .iter()
            .map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong()),
    };
    if list.len() > MAX_STOPS {
        return Err(ApiError::invalid(
            "stop",
            format!(
                "{} stop texts are given, {MAX_STOPS} are allowed",
                list.len()
            ),
        ));
    }
    if list
        .iter()
        .any(|text| text.is_empty() || text.len() > MAX_STOP)
    {
        return Err(ApiError::invalid(
            "stop",
            format!("a stop text has 1 to {MAX_STOP} bytes"),
        ));
    }
    Ok(list)
}
