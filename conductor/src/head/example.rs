//! Texts of which it is known what is sensitive in them.

use std::{collections::BTreeSet, ops::Range};

use serde::Deserialize;

use super::{class::Class, learn::Target, words::is_ideograph};

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Its name in the data.
    pub id: String,
    /// The text.
    pub text: String,
    /// What is known of it.
    pub truth: Truth,
}

/// What is sensitive in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// These pieces, in bytes, in order, each with its class.
    Spans(Vec<(Range<usize>, Class)>),
    /// These words and phrases, wherever they stand, in any case.
    Units(Vec<String>),
}

/// A line that is no example.
#[derive(Debug, thiserror::Error)]
pub enum BadExample {
    /// No JSON of our form.
    #[error("line {line}: {source}")]
    Form {
        /// From 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A span that is not within the text.
    #[error("line {line}: the span {start}..{end} is not within the text")]
    Span {
        /// From 1.
        line: usize,
        /// In characters.
        start: usize,
        /// In characters.
        end: usize,
    },
}

#[derive(Deserialize)]
struct Line {
    id: String,
    // The prompts of the routing data are texts with nothing sensitive.
    #[serde(alias = "prompt")]
    text: String,
    spans: Option<Vec<Span>>,
    units: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Span {
    start: usize,
    end: usize,
    #[serde(rename = "type")]
    kind: String,
}

/// Reads examples, one JSON object a line.
pub fn read(lines: &str) -> Result<Vec<Example>, BadExample> {
    lines
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| example(at + 1, line))
        .collect()
}

fn example(number: usize, line: &str) -> Result<Example, BadExample> {
    let line: Line = serde_json::from_str(line).map_err(|source| BadExample::Form {
        line: number,
        source,
    })?;
    let truth = match (line.units, line.spans) {
        (Some(units), None) => Truth::Units(units),
        (_, spans) => {
            let places: Vec<usize> = line
                .text
                .char_indices()
                .map(|(byte, _)| byte)
                .chain([line.text.len()])
                .collect();
            let mut bytes = Vec::new();
            for Span { start, end, kind } in spans.unwrap_or_default() {
                let span = match (places.get(start), places.get(end)) {
                    (Some(&from), Some(&to)) if from < to => from..to,
                    _ => {
                        return Err(BadExample::Span {
                            line: number,
                            start,
                            end,
                        });
                    }
                };
                bytes.push((span, Class::of(&kind)));
            }
            bytes.sort_by_key(|(span, _)| (span.start, span.end));
            Truth::Spans(bytes)
        }
    };
    Ok(Example {
        id: line.id,
        text: line.text,
        truth,
    })
}

impl Example {
    /// Every piece of the text that is sensitive, in bytes.
    #[must_use]
    pub fn sensitive(&self) -> Vec<Range<usize>> {
        match &self.truth {
            Truth::Spans(spans) => spans.iter().map(|(span, _)| span.clone()).collect(),
            Truth::Units(units) => occurrences(&self.text, units),
        }
    }

    /// What to teach of each word. A unit within a longer word teaches nothing where it also stands alone.
    #[must_use]
    pub fn targets(&self, words: &[Range<usize>]) -> Vec<Target> {
        match &self.truth {
            Truth::Spans(spans) => words
                .iter()
                .enumerate()
                .map(|(at, word)| {
                    let touches = |span: &&(Range<usize>, Class)| {
                        span.0.start < word.end && word.start < span.0.end
                    };
                    let Some((span, class)) = spans.iter().find(touches) else {
                        return Target {
                            sensitive: false,
                            span: None,
                        };
                    };
                    // The first word that touches the span, whether or not the span begins within it.
                    let first = at == 0 || words[at - 1].end <= span.start;
                    Target {
                        sensitive: true,
                        span: Some((class.index(), first)),
                    }
                })
                .collect(),
            Truth::Units(units) => {
                let found = whole_occurrences(&self.text, units);
                words
                    .iter()
                    .map(|word| Target {
                        sensitive: found
                            .iter()
                            .any(|span| span.start < word.end && word.start < span.end),
                        span: None,
                    })
                    .collect()
            }
        }
    }

    /// What examples made from one template have in common: the text without its spans. Data sets hold the same text
    /// several times too.
    #[must_use]
    pub fn template(&self) -> String {
        let spans: &[(Range<usize>, Class)] = match &self.truth {
            Truth::Spans(spans) => spans,
            Truth::Units(_) => &[],
        };
        let mut out = String::new();
        let mut at = 0;
        for (span, _) in spans {
            out.push_str(self.text.get(at..span.start).unwrap_or_default());
            out.push_str("{}");
            at = at.max(span.end);
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        let words: Vec<String> = out.split_whitespace().map(str::to_lowercase).collect();
        words.join(" ")
    }
}

/// Where any of `units` stands in `text`, in any case; in bytes of `text`.
fn occurrences(text: &str, units: &[String]) -> Vec<Range<usize>> {
    let folded = Folded::new(text);
    let units: BTreeSet<String> = units.iter().map(|unit| fold(unit)).collect();
    let mut all = Vec::new();
    for unit in units.iter().filter(|unit| !unit.is_empty()) {
        let mut at = 0;
        while let Some(found) = folded.text[at..].find(unit.as_str()) {
            let start = at + found;
            all.push(folded.origin(start)..folded.end(start + unit.len()));
            at = start
                + folded.text[start..]
                    .chars()
                    .next()
                    .map_or(1, char::len_utf8);
        }
    }
    all.sort_by_key(|span| (span.start, span.end));
    all
}

/// The same, without those inside longer words for units that also stand alone.
fn whole_occurrences(text: &str, units: &[String]) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    for unit in units {
        let found = occurrences(text, std::slice::from_ref(unit));
        let alone = |span: &&Range<usize>| {
            let joins = |a: Option<char>, b: Option<char>| match (a, b) {
                (Some(a), Some(b)) => {
                    a.is_alphanumeric()
                        && b.is_alphanumeric()
                        && !is_ideograph(a)
                        && !is_ideograph(b)
                }
                _ => false,
            };
            let inside = &text[(*span).clone()];
            !joins(
                text[..span.start].chars().next_back(),
                inside.chars().next(),
            ) && !joins(inside.chars().next_back(), text[span.end..].chars().next())
        };
        let whole: Vec<_> = found.iter().filter(alone).cloned().collect();
        all.extend(if whole.is_empty() { found } else { whole });
    }
    all
}

/// A text in lower case, as what is found verbatim is compared.
#[must_use]
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// A text in lower case that knows where each part comes from.
struct Folded {
    text: String,
    /// For each byte of it, the byte of the original that its character begins at, and the next one's.
    origins: Vec<(usize, usize)>,
}

impl Folded {
    fn new(text: &str) -> Self {
        let mut folded = Self {
            text: String::with_capacity(text.len()),
            origins: Vec::with_capacity(text.len()),
        };
        for (at, character) in text.char_indices() {
            let end = at + character.len_utf8();
            for lower in character.to_lowercase() {
                folded.text.push(lower);
                folded.origins.resize(folded.text.len(), (at, end));
            }
        }
        folded
    }

    fn origin(&self, at: usize) -> usize {
        self.origins.get(at).map_or(0, |(start, _)| *start)
    }

    fn end(&self, at: usize) -> usize {
        at.checked_sub(1)
            .and_then(|last| self.origins.get(last))
            .map_or(0, |(_, end)| *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::words::words;

    #[test]
    fn spans_are_in_characters_and_a_bad_one_is_named() {
        let good = r#"{"id":"a","text":"né Bo","spans":[{"start":3,"end":5,"type":"PERSON"}]}"#;
        let examples = read(good).unwrap();
        assert_eq!(examples[0].truth, Truth::Spans(vec![(4..6, Class::Person)]));
        let bad = format!("{good}\n\n{}", good.replace("\"end\":5", "\"end\":6"));
        assert_eq!(
            read(&bad).unwrap_err().to_string(),
            "line 3: the span 3..6 is not within the text"
        );
    }

    #[test]
    fn units_are_found_in_any_case_and_teach_whole_words_first() {
        let line = r#"{"id":"a","text":"İs ANN Hanna's? ann","units":["ann"]}"#;
        let example = read(line).unwrap().remove(0);
        let found: Vec<&str> = example
            .sensitive()
            .into_iter()
            .map(|span| &example.text[span])
            .collect();
        assert_eq!(found, ["ANN", "ann", "ann"]);
        let words = words(&example.text);
        let taught: Vec<&str> = example
            .targets(&words)
            .iter()
            .zip(&words)
            .filter(|(target, _)| target.sensitive)
            .map(|(_, word)| &example.text[word.clone()])
            .collect();
        assert_eq!(taught, ["ANN", "ann"]);
    }

    #[test]
    fn examples_of_one_template_are_alike_whatever_stands_in_it() {
        let of = |text: &str, start: usize, end: usize| {
            let line = serde_json::json!({
                "id": text, "text": text, "spans": [{"start": start, "end": end, "type": "PERSON"}],
            });
            read(&line.to_string()).unwrap().remove(0).template()
        };
        assert_eq!(of("Call Ann now", 5, 8), of("call  Bo B. now", 6, 11));
        assert_ne!(of("Call Ann now", 5, 8), of("Call Ann then", 5, 8));
        let unit = |id: &str| {
            let line = format!(r#"{{"id":"{id}","text":"Call Ann","units":["ann"]}}"#);
            read(&line).unwrap().remove(0).template()
        };
        assert_eq!(unit("a"), unit("b"));
    }

    #[test]
    fn a_span_begins_with_the_first_word_that_touches_it() {
        let line = r#"{"id":"a","text":"Ann B Cy","spans":[{"start":0,"end":5,"type":"PERSON"},{"start":6,"end":8,"type":"PERSON"}]}"#;
        let example = read(line).unwrap().remove(0);
        let begins: Vec<bool> = example
            .targets(&words(&example.text))
            .iter()
            .map(|target| target.span.unwrap().1)
            .collect();
        assert_eq!(begins, [true, false, true]);
    }
}
