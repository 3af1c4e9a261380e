//! What can be seen of a task without a model.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use crate::detect::compiled;

/// Plain facts about a task's text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Features {
    /// Length, in characters.
    pub characters: usize,
    /// The skills that it seems to need: `code`, `math`, `reasoning`, `writing`, `translation`.
    pub skills: Vec<&'static str>,
}

/// Words that ask for a skill. English alone: text in other languages counts as needing none of them.
static SKILLS: LazyLock<[(&str, Regex); 5]> = LazyLock::new(|| {
    [
        (
            "code",
            compiled(
                r"(?i)```|\b(?:script|code|program|function|python|bash|shell|sql|regex|ladder logic|structured text|plc program|javascript|rust|c\+\+|java|html|json schema|unit test|debug|compile|refactor)\b",
            ),
        ),
        (
            "math",
            compiled(
                r"(?i)\b(?:calculate|compute|solve|equation|integral|derivative|probability|how (?:many|much)|percent(?:age)?|average|sum of|total of)\b|[0-9]\s*[-+*/^=]\s*[0-9]",
            ),
        ),
        (
            "reasoning",
            compiled(
                r"(?i)\b(?:why|diagnos\w*|root cause|analy[sz]\w*|explain|compare|troubleshoot\w*|fault|prove|plan|decide|evaluate|trade-?offs?|recommend\w*)\b",
            ),
        ),
        (
            "writing",
            compiled(
                r"(?i)\b(?:write|draft|rewrite|rephrase|summari[sz]\w*|letter|e-?mail to|report|essay|story)\b",
            ),
        ),
        (
            "translation",
            compiled(
                r"(?i)\b(?:translate|translation|in (?:german|french|spanish|italian|dutch|polish|portuguese|english|hindi|chinese|japanese))\b",
            ),
        ),
    ]
});

impl Features {
    /// Looks at a task's last message.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self {
            characters: text.chars().count(),
            skills: SKILLS
                .iter()
                .filter(|(_, pattern)| pattern.is_match(text))
                .map(|(skill, _)| *skill)
                .collect(),
        }
    }

    /// Whether a small model is enough, as far as can be seen: short, and no code, mathematics or reasoning.
    #[must_use]
    pub fn simple(&self) -> bool {
        self.characters <= 400
            && !self
                .skills
                .iter()
                .any(|skill| matches!(*skill, "code" | "math" | "reasoning"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skills_are_read_off_the_words() {
        let log = Features::of("Diagnose the fault and write a small Python script to reset it.");
        assert_eq!(log.skills, ["code", "reasoning", "writing"]);
        assert!(!log.simple());
        assert!(Features::of("Good morning! Who are you?").simple());
        assert_eq!(Features::of("what is 12 * 7?").skills, ["math"]);
    }
}
