//! Keys: those whose issuers give them a recognisable form, private keys in PEM, and what a text itself calls a secret.

mod entropy;
mod flag;
mod issued;
mod joint;
mod named;
mod value;

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Kind,
    pattern::{Raw, compiled, is_placeholder, matches},
};
pub(super) use named::is_named_by;

/// Those of any length, each by itself: one would go over the rest of a long run again for every match of another.
static LONG: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        // JSON web token.
        r"(?-u)\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        // Encrypted.
        r"(?-u)\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        r"(?-u)\b[a-z0-9-]{1,63}\.webhook\.office\.com/webhookb2/[A-Za-z0-9@/-]{60,}",
    ]
    .map(compiled)
});

/// Those with another form than a beginning and what follows it.
static FORMED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?-u)\b(?:",
        r"[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}", // Microsoft Entra.
        r"|[A-Za-z0-9+/]{76}(?:AzSe|\+ASt|\+ARm|AIoT|ACDb|AzFu|AzCa|ACRI)[A-Za-z0-9+/]{2,8}=*", // Azure's services.
        r"|[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}", // Azure DevOps.
        r"|[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}", // Discord.
        r"|[0-9]{8,10}:AA[A-Za-z0-9_-]{33}",   // Telegram.
        r"|[0-9a-f]{32}-us[0-9]{1,2}",         // Mailchimp.
        r"|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",  // Airtable.
        r"|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}", // Terraform Cloud.
        r"|(?:[0-9]{6}-){7}[0-9]{6}\b",        // Recovery of a BitLocker volume.
        r")",
    ))
});

/// Hashed passwords: those of crypt(3) and its kin.
static HASHED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"\$(?:1|2[abxy]?|5|6|7|y|gy|sha1|apr1|argon2(?:id|i|d)|scrypt|pbkdf2-sha(?:256|512))\$[A-Za-z0-9./=,$+-]{20,}",
    )
});

/// From the first line of a PEM block to its last, or to the end of the text if that is missing.
static PEM: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?s)-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|\z)",
    )
});

/// The private half of a PuTTY key.
static PUTTY: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"Private-Lines: [0-9]{1,3}\r?\n(?:[A-Za-z0-9+/=]+\r?\n?)+"));

/// A scheme alone that says of what follows it that it is a secret.
static SCHEME: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"(?i)(?-u:\b)authorization["']?\s{0,4}[:=]\s{0,4}["']?(?:basic|bearer|token|ssws|splunk|geniekey|negotiate|ntlm|sso-key|(?:[a-z]{2,12}-){0,2}api-?key)\s{1,4}([^\s"'<>,;]+)|(?-u:\b)bearer\s+([A-Za-z0-9._~+/-]{16,}=*)"#,
    )
});

/// `scheme://user:password@host`.
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| compiled(r#"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:@/"'<>]*:([^\s/"'<>]+)@"#));

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    issued::find(text, found);
    for pattern in LONG.iter().chain([&*FORMED]) {
        matches(pattern, text, &Kind::API_KEY, found);
    }
    matches(&HASHED, text, &Kind::API_KEY, found);
    if text.contains("PRIVATE KEY") {
        matches(&PEM, text, &Kind::PRIVATE_KEY, found);
    }
    if text.contains("PuTTY-User-Key-File") {
        matches(&PUTTY, text, &Kind::PRIVATE_KEY, found);
    }
    for pattern in [&SCHEME, &ADDRESS] {
        found.extend(pattern.captures_iter(text).filter_map(|groups| {
            let value = groups.get(1).or_else(|| groups.get(2))?;
            (!is_placeholder(value.as_str())).then(|| (value.range(), Kind::API_KEY))
        }));
    }
    named::find(text, found);
    flag::find(text, found);
    entropy::find(text, found);
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
            format!("{}110011", "123456-".repeat(7)),
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
        assert_eq!(
            secrets("Authorization: SSWS 00abcdef99"),
            [("00abcdef99", "api_key".to_owned())]
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
