//! Texts that may be longer than the memory for them.

use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// The beginning of a text, as much of it as fits into `N` bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clip<const N: usize> {
    text: heapless::String<N>,
    whole: bool,
}

impl<const N: usize> Clip<N> {
    /// Keeps what fits, up to the end of a character.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut kept = heapless::String::new();
        // Cannot fail: it was cut to fit.
        let _ = kept.push_str(&text[..end]);
        Self {
            text: kept,
            whole: end == text.len(),
        }
    }

    /// What was kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether that is all of it.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.whole
    }
}

impl<const N: usize> Serialize for Clip<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Clip<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<const N: usize>;
        impl<const N: usize> Visitor<'_> for Text<N> {
            type Value = Clip<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Clip<N>, E> {
                Ok(Clip::of(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_between_characters_and_says_so() {
        let clip = Clip::<5>::of("öffnen");
        assert_eq!((clip.as_str(), clip.is_whole()), ("öffn", false));
        let clip = Clip::<1>::of("ö");
        assert_eq!((clip.as_str(), clip.is_whole()), ("", false));
        assert!(Clip::<7>::of("öffnen").is_whole());
    }
}
