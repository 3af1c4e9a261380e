//! How many tokens a text has at least, told without tokenizing it.
//!
//! A token stands for at most as many bytes as the longest in the vocabulary has. So a text far too long is refused
//! without tokenizing megabytes of it on the thread that all wait for. Nor is one tokenized that has too many of the
//! texts that are cut out first, since llama.cpp's time for those grows with the square of their number.

use llama_cpp_2::{
    model::LlamaModel, token::LlamaToken, token_type::LlamaTokenAttr, vocab::LlamaVocab,
};

use super::{job::JobError, marks::Marks};

/// Tokenizers that read each byte they have a token for. The others may take a word, however long, for one token.
const THOROUGH: [&str; 3] = ["gpt2", "llama", "gemma4"];

/// What the vocabulary says of the shortest reading of a text.
#[derive(Clone)]
pub(super) struct Ruler {
    /// Bytes of the longest token.
    longest: usize,
    /// The bytes that the tokenizer never leaves out.
    read: [bool; 256],
    /// Texts that are tokens even where special tokens are not asked for.
    fixed: Marks,
    /// Texts that are tokens where special tokens are asked for.
    special: Marks,
}

impl Ruler {
    /// Looks at the whole vocabulary once.
    pub(super) fn of(model: &LlamaModel) -> Self {
        let vocab = model.vocab();
        let mut ruler = Self {
            longest: 1,
            read: [false; 256],
            fixed: Marks::of(&vocab, &[LlamaTokenAttr::UserDefined]),
            special: Marks::of(&vocab, &[LlamaTokenAttr::Control, LlamaTokenAttr::Unknown]),
        };
        let mut strips = false;
        let mut piece = Vec::new();
        for token in vocab.tokens() {
            piece.clear();
            vocab.token_to_piece_into(token, &mut piece, true, None);
            if let [byte] = *piece {
                ruler.read[usize::from(byte)] = true;
            }
            // As it is stored it is longer where spaces are written as other characters.
            let stored = vocab.text(token).map_or(0, |text| text.to_bytes().len());
            ruler.longest = ruler.longest.max(piece.len()).max(stored);
            strips |= strips_space(&vocab, token);
        }
        let kind = model.meta_val_str("tokenizer.ggml.model");
        if !kind.is_ok_and(|kind| THOROUGH.contains(&kind.as_str())) {
            ruler.read = [false; 256];
        }
        if strips {
            // What C's `isspace` says yes to.
            for byte in *b" \t\n\x0b\x0c\r" {
                ruler.read[usize::from(byte)] = false;
            }
        }
        ruler
    }

    /// Whether the text holds a special token's text.
    pub(super) fn holds_special(&self, text: &str) -> bool {
        self.special.any(text)
    }

    /// Refuses texts that together are too long to be `limit` tokens.
    pub(super) fn check<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a str>,
        limit: usize,
    ) -> Result<(), JobError> {
        let tokens = self.at_least(texts);
        if tokens > limit {
            return Err(JobError::TooLong { tokens, limit });
        }
        Ok(())
    }

    /// How many tokens the texts have together at the very least.
    fn at_least<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> usize {
        let (mut bytes, mut fixed) = (0, 0);
        for text in texts {
            bytes += text.bytes().filter(|&b| self.read[usize::from(b)]).count();
            // A token across a seam to another text can spoil as many as it is long.
            fixed += self.fixed.count(text).saturating_sub(2 * self.longest);
        }
        bytes.div_ceil(self.longest).max(fixed)
    }
}

/// Whether the spaces beside the token are left out.
fn strips_space(vocab: &LlamaVocab<'_>, token: LlamaToken) -> bool {
    vocab
        .attr(token)
        .intersects(LlamaTokenAttr::LStrip | LlamaTokenAttr::RStrip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::load, testing::options};

    #[test]
    fn no_text_has_fewer_tokens_than_the_ruler_says() {
        let model = load::model(&options()).unwrap();
        let ruler = Ruler::of(&model);
        let vocab = model.vocab();
        let longest = vocab
            .tokens()
            .map(|t| vocab.token_to_piece(t, true, None))
            .max_by_key(Vec::len)
            .unwrap();
        let longest = String::from_utf8(longest).unwrap();
        assert!(longest.len() > 8 && ruler.longest >= longest.len());
        let every: String = ('\0'..'\u{800}').collect();
        let texts = [
            "word ",
            " ",
            "\n",
            "\t",
            "\0",
            "=",
            "<|im_end|>",
            "\u{1F30A}",
            "ü",
            "\u{2581}",
            &longest,
            &every,
        ];
        for text in texts {
            let text = text.repeat(500);
            for special in [false, true] {
                let tokens = vocab.tokenize(text.as_bytes(), false, special).len();
                let least = ruler.at_least([text.as_str()]);
                assert!(least <= tokens, "{least} > {tokens} for {text:?}");
            }
        }
        // And what it says is worth something.
        assert!(ruler.at_least(["word ".repeat(10_000).as_str()]) > 100);
        let halves = ["word ".repeat(5_000), "word ".repeat(5_000)];
        assert!(ruler.at_least(halves.iter().map(String::as_str)) > 100);
    }
}
