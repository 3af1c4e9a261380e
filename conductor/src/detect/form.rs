//! Forms as a browser sends them: in `name=Jane+Doe&age=41` a plus stands for a space.

use std::ops::Range;

/// Where such pluses are, in order.
pub(super) fn spaces(text: &str) -> Vec<usize> {
    if !text.contains('+') || !text.contains('=') {
        return Vec::new();
    }
    runs(text)
        .into_iter()
        .filter(|run| is_form(&text[run.clone()]))
        .flat_map(|run| {
            text[run.clone()]
                .match_indices('+')
                .map(move |(at, _)| run.start + at)
        })
        .collect()
}

/// The longest runs of what a form consists of.
fn runs(text: &str) -> Vec<Range<usize>> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._~%+&=*-[]/:@,".contains(&byte);
    let mut runs = Vec::new();
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !fits(byte) {
            // What begins inside a character is empty.
            if start < at {
                runs.push(start..at);
            }
            start = at + 1;
        }
    }
    runs.push(start..text.len());
    runs
}

/// Names with values: several, or one with an escape. Anything less may be a sum, such as `x=a+b`.
fn is_form(run: &str) -> bool {
    let is_field = |field: &str| {
        field.split_once('=').is_some_and(|(name, value)| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !value.contains('=')
        })
    };
    run.contains('+') && (run.contains('&') || run.contains('%')) && run.split('&').all(is_field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pluses_of_forms_are_spaces_and_others_are_not() {
        for (text, count) in [
            ("name=Jane+Doe&phone=%2B49+170+1234567", 3),
            ("POST /x?card=4111+1111+1111+1111&cvc=123 HTTP/1.1", 3),
            ("phone=%2B49+170", 1),
            ("x=a+b", 0),
            ("a&b+c=d", 0),
            ("1+1=2", 0),
            ("key=aGVs+bG8==&x=1", 0),
            ("call +49 170 = me & you", 0),
            ("• a=b+c&d=é+1", 1),
        ] {
            assert_eq!(spaces(text).len(), count, "{text}");
        }
    }
}
