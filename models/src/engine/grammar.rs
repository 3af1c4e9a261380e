//! Answers of a given form: llguidance says which tokens may come next.

use std::panic::{AssertUnwindSafe, catch_unwind};

use llama_cpp_2::{model::LlamaModel, sampling::LlamaSampler};
use llguidance::{Matcher, ParserFactory, api::TopLevelGrammar, earley::SlicedBiasComputer};
use serde_json::{Value, json};
use shoal_conductor::prompt::Format;

use super::job::JobError;

/// Makes matchers. What depends on the vocabulary alone is made once, when first needed.
#[derive(Default)]
pub(super) struct Grammars {
    factory: Option<ParserFactory>,
}

impl Grammars {
    /// The matcher for `format`, or none for free text.
    pub(super) fn matcher(
        &mut self,
        model: &LlamaModel,
        format: &Format,
    ) -> Result<Option<Matcher>, JobError> {
        let grammar = match format {
            Format::Text => return Ok(None),
            Format::Json => TopLevelGrammar::from_json_schema(compact(json!({"type": "object"}))),
            Format::JsonSchema(schema) => {
                TopLevelGrammar::from_json_schema(compact(schema.clone()))
            }
            Format::Grammar(lark) => TopLevelGrammar::from_lark(lark.clone()),
        };
        let factory = self.factory(model)?;
        // A hostile schema must not take the engine down.
        let parser = catch_unwind(AssertUnwindSafe(|| factory.create_parser(grammar)))
            .map_err(|_| JobError::Format("it cannot be compiled".into()))?
            .map_err(|e| JobError::Format(format!("{e:#}")))?;
        Ok(Some(Matcher::new(Ok(parser))))
    }

    fn factory(&mut self, model: &LlamaModel) -> Result<&ParserFactory, JobError> {
        let factory = match self.factory.take() {
            Some(factory) => factory,
            None => new_factory(model)?,
        };
        Ok(self.factory.insert(factory))
    }
}

fn new_factory(model: &LlamaModel) -> Result<ParserFactory, JobError> {
    let vocabulary = LlamaSampler::llguidance_tok_env(model);
    let slices = SlicedBiasComputer::general_slices();
    let mut factory = ParserFactory::new(&vocabulary, Default::default(), &slices)
        .map_err(|e| JobError::Internal(format!("{e:#}")))?;
    factory.quiet();
    Ok(factory)
}

/// Asks for JSON on one line: a small model given the choice may write white space for ever.
fn compact(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.entry("x-guidance").or_insert_with(
            || json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "}),
        );
    }
    schema
}
