//! Whether a place in a text is inside a string literal, so that what is put there must be escaped.
//!
//! Followed are JSON as a whole and the fenced code blocks of Markdown, line by line: a literal ends with its line at the
//! latest. Prose is left alone, since its quotation marks are no literals.

use std::borrow::Cow;

/// The form of a whole text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Prose, perhaps with code in it; JSON if it begins like it.
    #[default]
    Text,
    /// JSON: an answer whose format asks for it, or the arguments of a tool call.
    Json,
}

/// Reads along.
#[derive(Clone, Debug)]
pub(super) struct Quotes {
    part: Part,
    /// The literal that is open, by its quotation mark.
    open: Option<char>,
    escaped: bool,
    line: Line,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Nothing but white space so far.
    Start,
    /// A bracket so far, which may be JSON's or a placeholder's.
    Bracket,
    Prose,
    Json,
    /// A fenced code block, by the fence's character and length.
    Code(char, usize),
}

/// What the current line is so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// As many spaces.
    Indent(usize),
    /// Begins with as many characters of a fence.
    Run(char, usize),
    /// Is the opening or closing line of a block; more of its marks make an opening fence longer until something else
    /// comes.
    Fence(char, bool),
    Other,
}

impl Quotes {
    pub fn new(form: Form) -> Self {
        Self {
            part: match form {
                Form::Text => Part::Start,
                Form::Json => Part::Json,
            },
            open: None,
            escaped: false,
            line: Line::Indent(0),
        }
    }

    /// Whether the next character would stand inside a literal.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub fn advance(&mut self, text: &str) {
        text.chars().for_each(|c| self.step(c));
    }

    fn step(&mut self, c: char) {
        self.begin(c);
        if c == '\n' {
            self.line = Line::Indent(0);
            (self.open, self.escaped) = (None, false);
            return;
        }
        self.fence(c);
        let code = matches!(self.part, Part::Code(..)) && self.line == Line::Other;
        if code || self.part == Part::Json {
            self.quote(c, code);
        }
    }

    /// Finds out what kind of text it is.
    fn begin(&mut self, c: char) {
        self.part = match (self.part, c) {
            (Part::Start | Part::Bracket, c) if c.is_whitespace() => self.part,
            (Part::Start, '[') => Part::Bracket,
            (Part::Start, '{') | (Part::Bracket, '{' | '"') => Part::Json,
            (Part::Start | Part::Bracket, _) => Part::Prose,
            (part, _) => part,
        };
    }

    /// Follows the fences of Markdown's code blocks.
    fn fence(&mut self, c: char) {
        if self.part == Part::Json {
            return;
        }
        self.line = match (self.line, c) {
            (Line::Indent(spaces), ' ') if spaces < 3 => Line::Indent(spaces + 1),
            (Line::Indent(_), '`' | '~') => Line::Run(c, 1),
            (Line::Run(mark, length), c) if c == mark => Line::Run(mark, length + 1),
            (Line::Fence(mark, true), c) if c == mark => {
                if let Part::Code(_, length) = &mut self.part {
                    *length += 1;
                }
                return;
            }
            (Line::Fence(mark, _), _) => Line::Fence(mark, false),
            _ => Line::Other,
        };
        match (self.line, self.part) {
            (Line::Run(mark, 3), Part::Prose) => {
                self.part = Part::Code(mark, 3);
                self.line = Line::Fence(mark, true);
            }
            (Line::Run(mark, run), Part::Code(fence, length)) if mark == fence && run == length => {
                self.part = Part::Prose;
                self.line = Line::Fence(mark, false);
            }
            _ => {}
        }
    }

    fn quote(&mut self, c: char, code: bool) {
        if self.escaped {
            self.escaped = false;
            return;
        }
        match self.open {
            None if c == '"' || (code && c == '\'') => self.open = Some(c),
            Some(_) if c == '\\' => self.escaped = true,
            Some(mark) if c == mark => self.open = None,
            _ => {}
        }
    }

    /// `value` as it has to be written here.
    pub fn quoted<'v>(&self, value: &'v str) -> Cow<'v, str> {
        let Some(mark) = self.open else {
            return Cow::Borrowed(value);
        };
        let special = |c: char| c == mark || c == '\\' || c.is_ascii_control();
        if !value.contains(special) {
            return Cow::Borrowed(value);
        }
        let mut out = String::with_capacity(value.len() + 8);
        for c in value.chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_ascii_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => {
                    if special(c) {
                        out.push('\\');
                    }
                    out.push(c);
                }
            }
        }
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(form: Form, text: &str) -> bool {
        let mut quotes = Quotes::new(form);
        quotes.advance(text);
        quotes.is_open()
    }

    #[test]
    fn literals_are_followed_in_json_and_in_code_and_not_in_prose() {
        for (text, expected) in [
            (r#"{"to": ""#, true),
            (r#"{"to": "x\""#, true),
            (r#"{"to": "x\\""#, false),
            (r#"{"to": "a", "b": "#, false),
            ("[\n  {\"a\": \"", true),
            ("[\"", true),
            ("[PERSON_1] said \"", false),
            ("He said \"", false),
            ("Look:\n```json\n{\"a\": \"", true),
            ("Look:\n```\nx = '", true),
            ("Look:\n```py\nx = 'a'\n```\nand \"", false),
            ("Look:\n````md\n```\nx = \"", true),
            ("Look:\n````md\n````\nx = \"", false),
            ("Look:\n~~~\n```\nx = \"", true),
            ("Look:\n```\nit isn't\n\"", true),
        ] {
            assert_eq!(open(Form::Text, text), expected, "{text}");
        }
        assert!(open(Form::Json, "\""));
    }

    #[test]
    fn what_is_put_into_a_literal_is_escaped() {
        let mut quotes = Quotes::new(Form::Json);
        assert_eq!(quotes.quoted("a\"b"), "a\"b");
        quotes.advance("\"");
        let value = "O'Neil \"Bo\"\n\\ \u{1} é";
        let written = format!("\"{}\"", quotes.quoted(value));
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), value);
    }
}
