//! Answers of a given form: llguidance says which tokens may come next.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use llama_cpp_2::sampling::LlamaSampler;
use llguidance::{
    Matcher, ParserFactory,
    api::TopLevelGrammar,
    earley::SlicedBiasComputer,
    toktrie::{TokEnv, TokTrie, TokenId, TokenizerEnv},
};
use serde_json::{Value, json};
use shoal_conductor::prompt::Format;

use super::{job::JobError, mapping::Weights};

/// Makes matchers. What depends on the vocabulary alone is made once, when first needed.
#[derive(Default)]
pub(super) struct Grammars {
    factory: Option<ParserFactory>,
}

impl Grammars {
    /// The matcher for `format`, or none for free text.
    pub(super) fn matcher(
        &mut self,
        model: &Arc<Weights>,
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

    fn factory(&mut self, model: &Arc<Weights>) -> Result<&ParserFactory, JobError> {
        let factory = match self.factory.take() {
            Some(factory) => factory,
            None => new_factory(model)?,
        };
        Ok(self.factory.insert(factory))
    }
}

fn new_factory(model: &Arc<Weights>) -> Result<ParserFactory, JobError> {
    let vocabulary: TokEnv = Arc::new(Words::of(model));
    let slices = SlicedBiasComputer::general_slices();
    let mut factory = ParserFactory::new(&vocabulary, Default::default(), &slices)
        .map_err(|e| JobError::Internal(format!("{e:#}")))?;
    factory.quiet();
    Ok(factory)
}

/// The vocabulary with the model's own way to cut text into tokens. The binding's knows none, and then llguidance
/// forces nothing, and each token of a name that the schema gives is decoded.
struct Words {
    words: TokEnv,
    model: Arc<Weights>,
    /// Whether a piece from the middle of a text is cut as it is; some tokenizers put a space before it.
    exact: bool,
}

impl Words {
    fn of(model: &Arc<Weights>) -> Self {
        const SAMPLE: &[u8] = br#"{"name": 1, "other": [true]}"#;
        let vocab = model.vocab();
        let tokens = vocab.tokenize(SAMPLE, false, false);
        let pieces = tokens
            .into_iter()
            .map(|t| vocab.token_to_piece(t, false, None));
        let exact = pieces.collect::<Vec<_>>().concat() == SAMPLE;
        Self {
            words: LlamaSampler::llguidance_tok_env(model),
            model: Arc::clone(model),
            exact,
        }
    }
}

impl TokenizerEnv for Words {
    fn tok_trie(&self) -> &TokTrie {
        self.words.tok_trie()
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        if !self.exact {
            return self.words.tokenize_bytes(text);
        }
        let tokens = self.model.vocab().tokenize(text, false, false);
        tokens
            .into_iter()
            .map(|token| token.0.cast_unsigned())
            .collect()
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.exact
    }
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
