//! Keys: those whose issuers give them a recognisable form, private keys in PEM, and what a text itself calls a secret.

mod named;

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Kind,
    pattern::{Raw, compiled, is_placeholder, matches},
};

/// Prefixes and lengths from the issuers' own documentation.
static ISSUED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"\b(?:",
        r"sk-[A-Za-z0-9_-]{16,}", // OpenAI, Anthropic, ours.
        r"|(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255})", // GitHub.
        r"|glpat-[A-Za-z0-9_-]{20,64}", // GitLab.
        r"|(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}", // AWS.
        r"|AIza[A-Za-z0-9_-]{35}", // Google.
        r"|hf_[A-Za-z0-9]{30,64}", // Hugging Face.
        r"|xox[abeoprs]-[A-Za-z0-9-]{10,250}", // Slack.
        r"|[rs]k_(?:live|test)_[A-Za-z0-9]{16,250}", // Stripe.
        r"|npm_[A-Za-z0-9]{36}",  // npm.
        r"|pypi-[A-Za-z0-9_-]{50,250}", // PyPI.
        r"|eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,2000}", // JSON web token.
        r")"
    ))
});

/// From the first line of a PEM block to its last, or to the end of the text if that is missing.
static PEM: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?s)-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|\z)",
    )
});

/// A scheme alone that says of what follows it that it is a secret.
static SCHEME: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"(?i)\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?(?:basic|bearer|token|apikey)\s{1,4}([^\s"'<>,;]+)|\bbearer\s+([A-Za-z0-9._~+/-]{16,}=*)"#,
    )
});

/// `scheme://user:password@host`.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r#"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:@/"'<>]{0,128}:([^\s/"'<>]{1,256})@"#)
});

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    matches(&ISSUED, text, &Kind::API_KEY, found);
    if text.contains("PRIVATE KEY") {
        matches(&PEM, text, &Kind::PRIVATE_KEY, found);
    }
    for pattern in [&SCHEME, &ADDRESS] {
        found.extend(pattern.captures_iter(text).filter_map(|groups| {
            let value = groups.get(1).or_else(|| groups.get(2))?;
            (!is_placeholder(value.as_str())).then(|| (value.range(), Kind::API_KEY))
        }));
    }
    named::find(text, found);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(text: &str) -> Vec<(&str, String)> {
        let mut found = Vec::new();
        find(text, &mut found);
        found.sort_by_key(|(span, _)| span.start);
        found.dedup_by(|a, b| a.0 == b.0);
        found
            .into_iter()
            .map(|(span, kind)| (&text[span], kind.to_string()))
            .collect()
    }

    #[test]
    fn keys_of_known_issuers_are_found() {
        for key in [
            format!("sk-{}", "a1B2".repeat(8)),
            format!("ghp_{}", "a1B2".repeat(9)),
            format!("AKIA{}", "ABCD".repeat(4)),
            format!("AIza{}", "a1B2x".repeat(7)),
            format!("xoxb-{}", "123456789012"),
        ] {
            let text = format!("use {key} here");
            assert_eq!(secrets(&text), [(key.as_str(), "api_key".to_owned())]);
        }
    }

    #[test]
    fn what_a_text_calls_a_secret_is_one_and_its_name_stays() {
        assert_eq!(
            secrets("scada_password = \"hunter2!x\""),
            [("hunter2!x", "api_key".to_owned())]
        );
        assert_eq!(
            secrets("Authorization: Bearer abcdefghijklmnop1234"),
            [("abcdefghijklmnop1234", "api_key".to_owned())]
        );
        assert!(secrets("the password is wrong").is_empty());
        assert!(secrets("password: [API_KEY_1].").is_empty());
        assert_eq!(secrets("password: [x!secret]").len(), 1);
    }

    #[test]
    fn a_private_key_is_found_whole_even_if_it_is_cut_off() {
        let whole = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nAAAA\n-----END RSA PRIVATE KEY-----";
        assert_eq!(
            secrets(&format!("key:\n{whole}\nthanks")),
            [(whole, "private_key".to_owned())]
        );
        let cut = "-----BEGIN PRIVATE KEY-----\nMIIE";
        assert_eq!(secrets(cut), [(cut, "private_key".to_owned())]);
    }
}
