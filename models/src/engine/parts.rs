//! What is template and what is message in a rendered prompt, and the tokens of both.
//!
//! What is template is tokenized with its special tokens, and what is message without: `<|im_end|>` in a message is
//! text like any other. Where no message holds a special token's text, the whole is tokenized at once, since some
//! tokenizers put other tokens at seams.

use llama_cpp_2::{token::LlamaToken, vocab::LlamaVocab};

use super::{job::JobError, ruler::Ruler};

/// A part of a rendered prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part<'a> {
    Template(&'a str),
    Message(&'a str),
}

/// Words for messages that nobody who wrote a message can have known.
pub(super) struct Sentinels {
    prefix: String,
}

impl Sentinels {
    pub(super) fn try_new() -> Result<Self, JobError> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|e| JobError::Internal(e.to_string()))?;
        Ok(Self {
            prefix: format!("M{}N", hex::encode(secret)),
        })
    }

    /// The word for a message.
    pub(super) fn word(&self, number: usize) -> String {
        format!("{}{number}E", self.prefix)
    }

    /// Takes the rendered text apart at the words; nothing if a message is left out or its word changed.
    pub(super) fn split<'a>(
        &self,
        rendered: &'a str,
        contents: &[&'a str],
    ) -> Option<Vec<Part<'a>>> {
        let mut pieces = rendered.split(self.prefix.as_str());
        let mut parts = vec![Part::Template(pieces.next()?)];
        let mut seen = vec![false; contents.len()];
        for piece in pieces {
            let (number, after) = piece.split_once('E')?;
            let number: usize = number.parse().ok()?;
            *seen.get_mut(number)? = true;
            parts.push(Part::Message(contents.get(number)?));
            parts.push(Part::Template(after));
        }
        seen.into_iter().all(|seen| seen).then_some(parts)
    }
}

/// The tokens of all parts. If they are more than `limit`, they are not all counted.
pub(super) fn tokenize(
    vocab: &LlamaVocab<'_>,
    ruler: &Ruler,
    parts: &[Part<'_>],
    limit: usize,
) -> Result<Vec<LlamaToken>, JobError> {
    let special = |part: &Part<'_>| matches!(part, Part::Message(m) if ruler.holds_special(m));
    let mut tokens = if parts.iter().any(special) {
        apart(vocab, parts, limit)
    } else {
        either(vocab, parts, limit)
    };
    if vocab.should_add_bos() && tokens.first() != Some(&vocab.bos()) {
        tokens.insert(0, vocab.bos());
    }
    if tokens.len() > limit {
        let tokens = tokens.len();
        return Err(JobError::TooLong { tokens, limit });
    }
    Ok(tokens)
}

/// All parts at once, if that makes no special tokens that they do not make each by itself. If both readings are longer
/// than `limit`, some of the shorter.
fn either(vocab: &LlamaVocab<'_>, parts: &[Part<'_>], limit: usize) -> Vec<LlamaToken> {
    let together = together(vocab, parts);
    // One reading that fits is no proof that the other does, and both are needed to choose.
    let most = if together.len() > limit {
        limit
    } else {
        usize::MAX
    };
    let apart = apart(vocab, parts, most);
    let neither = together.len() > limit && apart.len() > limit;
    let first = if neither {
        apart.len() < together.len()
    } else {
        holds_special(vocab, parts, &together, &apart)
    };
    if first { apart } else { together }
}

/// Whether some message, alone or with the template beside it, would be read as holding special tokens.
fn holds_special(
    vocab: &LlamaVocab<'_>,
    parts: &[Part<'_>],
    together: &[LlamaToken],
    apart: &[LlamaToken],
) -> bool {
    let is_special = |t: &&LlamaToken| vocab.is_control(**t) || vocab.is_eog(**t);
    let special = |tokens: &[LlamaToken]| tokens.iter().filter(is_special).copied().collect();
    let (of_one, of_other): (Vec<_>, Vec<_>) = (special(together), special(apart));
    let alone = |part: &Part<'_>| match part {
        Part::Template(_) => false,
        Part::Message(text) => {
            let tokens = vocab.tokenize(text.as_bytes(), false, true);
            tokens.iter().any(|t| is_special(&t))
        }
    };
    of_one != of_other || parts.iter().any(alone)
}

fn together(vocab: &LlamaVocab<'_>, parts: &[Part<'_>]) -> Vec<LlamaToken> {
    let text: String = parts
        .iter()
        .map(|part| match part {
            Part::Template(text) | Part::Message(text) => *text,
        })
        .collect();
    vocab.tokenize(text.as_bytes(), false, true)
}

/// Stops after the part with which there are more than `most` tokens.
fn apart(vocab: &LlamaVocab<'_>, parts: &[Part<'_>], most: usize) -> Vec<LlamaToken> {
    let mut tokens = Vec::new();
    for part in parts {
        tokens.extend(match part {
            Part::Template(text) => vocab.tokenize(text.as_bytes(), false, true),
            Part::Message(text) => vocab.tokenize(text.as_bytes(), false, false),
        });
        if tokens.len() > most {
            break;
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_found_where_the_template_put_it() {
        let sentinels = Sentinels::try_new().unwrap();
        let contents: Vec<_> = (0..2_000).map(|i| format!("message {i}")).collect();
        let contents: Vec<_> = contents.iter().map(String::as_str).collect();
        // Backwards, and the first one again at the end.
        let order: Vec<_> = (0..contents.len()).rev().chain([0]).collect();
        let rendered: String = order
            .iter()
            .map(|&i| format!("<{i}>E1{}", sentinels.word(i)))
            .collect();
        let parts = sentinels.split(&rendered, &contents).unwrap();
        assert_eq!(parts.len(), 2 * order.len() + 1);
        for (pair, &i) in parts.chunks(2).zip(&order) {
            let before = format!("<{i}>E1");
            assert_eq!(pair, [Part::Template(&before), Part::Message(contents[i])]);
        }
        assert_eq!(parts.last(), Some(&Part::Template("")));
    }

    #[test]
    fn a_word_that_is_missing_or_changed_is_noticed() {
        let sentinels = Sentinels::try_new().unwrap();
        let (first, second) = (sentinels.word(0), sentinels.word(1));
        let split = |text: &str| sentinels.split(text, &["a", "b"]).map(|parts| parts.len());
        assert_eq!(split(&format!("{first}{second}")), Some(5));
        assert_eq!(split(&first), None);
        assert_eq!(split(&format!("{first}{}", second.to_lowercase())), None);
        assert_eq!(split(second.trim_end_matches('E')), None);
        assert_eq!(
            split(&format!("{first}{second}{}", sentinels.word(2))),
            None
        );
    }
}
