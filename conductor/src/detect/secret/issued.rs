//! Keys that their issuers give a beginning of their own. Beginnings and lengths are from the issuers' documentation.

use std::sync::LazyLock;

use super::super::{Kind, pattern::Raw, table::Table};

/// What a key consists of behind its beginning.
#[derive(Clone, Copy)]
enum Made {
    /// Letters and digits.
    Plain,
    /// Also `-` and `_`.
    Web,
    /// Also `.`.
    Dotted,
    /// Also `+`, `/` and `=`.
    Base64,
    Hex,
    /// Capitals and digits.
    Capitals,
    Digits,
}

impl Made {
    fn holds(self, byte: u8) -> bool {
        let plain = byte.is_ascii_alphanumeric();
        match self {
            Self::Plain => plain,
            Self::Web => plain || b"-_".contains(&byte),
            Self::Dotted => plain || b"-_.".contains(&byte),
            Self::Base64 => plain || b"-_+/=".contains(&byte),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Capitals => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Digits => byte.is_ascii_digit(),
        }
    }
}

use Made::{Base64, Capitals, Digits, Dotted, Hex, Plain, Web};

/// Beginning, what follows, and how long that is at least and at most.
const ISSUED: &[(&str, Made, usize, usize)] = &[
    // Models.
    ("sk-", Web, 16, 300), // OpenAI, Anthropic, DeepSeek, OpenRouter, ours.
    ("gsk_", Plain, 40, 80),
    ("xai-", Plain, 60, 120),
    ("pplx-", Plain, 40, 80),
    ("r8_", Plain, 36, 40),
    ("hf_", Plain, 30, 64),
    ("api_org_", Plain, 30, 40),
    ("fw_", Plain, 22, 40),
    ("nvapi-", Web, 50, 90),
    ("tvly-", Web, 24, 60),
    // Clouds.
    ("AKIA", Capitals, 16, 16),
    ("ASIA", Capitals, 16, 16),
    ("AROA", Capitals, 16, 17),
    ("AIDA", Capitals, 16, 17),
    ("ABIA", Capitals, 16, 16),
    ("ACCA", Capitals, 16, 16),
    ("ABSK", Base64, 60, 300),
    ("amzn.mws.", Web, 36, 36),
    ("AIza", Web, 35, 35),
    ("GOCSPX-", Web, 24, 40),
    ("ya29.", Web, 20, 400),
    ("1//0", Web, 40, 200),
    ("LTAI", Plain, 12, 24),
    ("AKID", Plain, 28, 40),
    ("dop_v1_", Hex, 64, 64),
    ("doo_v1_", Hex, 64, 64),
    ("dor_v1_", Hex, 64, 64),
    ("HRKU-", Web, 36, 70),
    ("fm2_", Base64, 60, 600),
    ("fo1_", Web, 40, 60),
    ("nfp_", Plain, 36, 44),
    ("ocid1.", Dotted, 60, 200),
    ("v1.0-", Hex, 24, 24),
    ("scw-", Web, 36, 40),
    // Code and packages.
    ("ghp_", Plain, 30, 255),
    ("gho_", Plain, 30, 255),
    ("ghu_", Plain, 30, 255),
    ("ghs_", Plain, 30, 255),
    ("ghr_", Plain, 30, 255),
    ("github_pat_", Web, 22, 255),
    ("glpat-", Dotted, 20, 300),
    ("gldt-", Web, 20, 64),
    ("glrt-", Dotted, 20, 64),
    ("glptt-", Hex, 40, 40),
    ("glcbt-", Web, 20, 80),
    ("glft-", Web, 20, 64),
    ("glimt-", Web, 20, 64),
    ("glsoat-", Web, 20, 64),
    ("glagent-", Web, 40, 64),
    ("gloas-", Plain, 60, 70),
    ("ATATT3", Base64, 60, 300),
    ("ATCTT3", Base64, 60, 300),
    ("ATBB", Plain, 32, 32),
    ("npm_", Plain, 36, 36),
    ("pypi-", Web, 50, 400),
    ("rubygems_", Hex, 48, 48),
    ("dckr_pat_", Web, 24, 40),
    ("dckr_oat_", Web, 24, 40),
    ("CLOJARS_", Plain, 60, 60),
    ("oy2", Plain, 43, 43), // NuGet.
    ("cio", Plain, 32, 32), // Of the registry of Rust.
    ("AKCp", Plain, 60, 80),
    ("cmVmdGtu", Plain, 50, 80),
    ("sqp_", Hex, 40, 40),
    ("squ_", Hex, 40, 40),
    ("sqa_", Hex, 40, 40),
    ("lin_api_", Plain, 40, 48),
    ("PMAK-", Web, 59, 59),
    ("pul-", Hex, 40, 40),
    ("figd_", Web, 36, 60),
    ("ntn_", Plain, 40, 60),
    ("secret_", Plain, 43, 43),
    ("sntrys_", Base64, 60, 400),
    ("sntryu_", Hex, 64, 64),
    ("snyk_", Dotted, 40, 120),
    // Infrastructure.
    ("hvs.", Web, 20, 200),
    ("hvb.", Web, 20, 300),
    ("hvr.", Web, 20, 300),
    ("dp.pt.", Plain, 40, 46),
    ("dp.st.", Dotted, 40, 80),
    ("dapi", Hex, 32, 32),
    ("glsa_", Web, 40, 50),
    ("glc_", Base64, 32, 400),
    ("NRAK-", Capitals, 27, 27),
    ("NRII-", Web, 32, 32),
    ("NRJS-", Hex, 19, 19),
    ("tskey-", Web, 20, 100),
    ("pscale_tkn_", Dotted, 32, 64),
    ("pscale_pw_", Dotted, 32, 64),
    ("pscale_oauth_", Dotted, 32, 64),
    ("sbp_", Hex, 40, 40),
    ("sb_secret_", Web, 20, 60),
    ("pnu_", Plain, 36, 36),
    ("sha256~", Web, 43, 43), // OpenShift.
    ("AGE-SECRET-KEY-1", Capitals, 58, 58),
    ("ops_eyJ", Base64, 100, 2000),
    ("A3-", Web, 34, 36), // 1Password.
    ("PRIVATE-", Web, 40, 64),
    ("FLWSECK", Web, 20, 60),
    ("aio_", Plain, 28, 28),
    // Payment and shops.
    ("sk_live_", Plain, 16, 250),
    ("sk_test_", Plain, 16, 250),
    ("rk_live_", Plain, 16, 250),
    ("rk_test_", Plain, 16, 250),
    ("whsec_", Base64, 24, 80),
    ("sq0atp-", Web, 22, 22),
    ("sq0csp-", Web, 43, 43),
    ("EAAAE", Web, 50, 100),
    ("shpat_", Hex, 32, 32),
    ("shpca_", Hex, 32, 32),
    ("shppa_", Hex, 32, 32),
    ("shpss_", Hex, 32, 32),
    ("EZAK", Plain, 54, 54),
    ("EZTK", Plain, 54, 54),
    ("shippo_live_", Hex, 40, 40),
    ("access-production-", Web, 36, 36),
    ("access-sandbox-", Web, 36, 36),
    ("access-development-", Web, 36, 36),
    // Messages.
    ("xoxb-", Web, 10, 250),
    ("xoxp-", Web, 10, 250),
    ("xoxa-", Web, 10, 250),
    ("xoxo-", Web, 10, 250),
    ("xoxe-", Web, 10, 250),
    ("xoxe.", Dotted, 20, 250),
    ("xoxr-", Web, 10, 250),
    ("xoxs-", Web, 10, 250),
    ("xapp-", Web, 20, 250),
    ("hooks.slack.com/services/", Base64, 40, 60),
    ("hooks.slack.com/workflows/", Base64, 40, 90),
    ("discord.com/api/webhooks/", Base64, 60, 110),
    ("SG.", Dotted, 60, 70),
    ("key-", Hex, 32, 32), // Mailgun.
    ("xkeysib-", Web, 81, 81),
    ("SK", Hex, 32, 32), // Twilio.
    ("AC", Hex, 32, 32),
    ("EAACEdEose0cBA", Plain, 10, 250),
    ("EAAC", Plain, 80, 250),
    ("AAAAAAAAAAAAAAAAAAAAA", Base64, 60, 120), // X.
    ("tfp_", Dotted, 59, 59),
    ("rdme_", Plain, 70, 70),
    ("CFPAT-", Web, 43, 43),
    ("duffel_live_", Base64, 43, 43),
    ("duffel_test_", Base64, 43, 43),
    ("sm_aat_", Plain, 16, 16),
    ("AAEAA", Digits, 40, 80),
];

static BEGINNINGS: LazyLock<Table<(Made, usize, usize)>> = LazyLock::new(|| {
    Table::of(
        ISSUED
            .iter()
            .map(|&(beginning, made, least, most)| (beginning.to_owned(), (made, least, most))),
    )
});

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let mut end = 0;
    for (hit, &(made, least, most)) in BEGINNINGS.find(text) {
        let inside = text[..hit.start].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if inside || hit.start < end {
            continue;
        }
        let rest = &text.as_bytes()[hit.end..];
        let length = rest
            .iter()
            .take(most + 1)
            .take_while(|byte| made.holds(**byte))
            .count();
        let body = text[hit.end..hit.end + length].trim_end_matches(['.', '-', '/']);
        let whole = body.len() <= most
            && !rest[body.len()..]
                .first()
                .is_some_and(u8::is_ascii_alphanumeric);
        if body.len() >= least && whole && is_random(body) {
            end = hit.end + body.len();
            found.push((hit.start..end, Kind::API_KEY));
        }
    }
}

/// Random characters have a digit, or capitals inside of a word; names with dashes have neither.
fn is_random(body: &str) -> bool {
    let bytes = body.as_bytes();
    bytes.iter().any(u8::is_ascii_digit)
        || bytes
            .windows(2)
            .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
        || !bytes.iter().any(u8::is_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn keys(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, found))
    }

    #[test]
    fn a_key_of_each_issuer_is_found_in_a_text_and_not_inside_a_word() {
        for (beginning, made, least, _) in ISSUED {
            let letter = match made {
                Capitals => "A7QZ",
                Digits => "1234",
                Hex => "a1b2",
                _ => "aB3x",
            };
            let body: String = letter.chars().cycle().take(*least).collect();
            let key = format!("{beginning}{body}");
            assert_eq!(keys(&format!("use \"{key}\", please")), [key.as_str()]);
            assert!(keys(&format!("x{key}")).is_empty(), "{key}");
        }
    }

    #[test]
    fn names_with_such_a_beginning_are_no_keys() {
        for text in [
            "sk-learn-contrib-packages",
            "key-value-store",
            "npm_config_registry",
            "hf_transformers",
            "AKIAN",
            "secret_santa",
            "AC 230 V",
            "SKU",
        ] {
            assert!(keys(text).is_empty(), "{text}");
        }
    }
}
