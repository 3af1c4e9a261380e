//! Web addresses, and the names of machines inside a site.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Kind,
    pattern::{Raw, compiled},
};

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"(?i)(?-u:\b)(?:(?:https?|ftps?|sftp|wss?|smb|mqtts?|opc\.tcp|rtsp|socks[45]|ldaps?|ssh|git)://|www\.[a-z0-9-]+\.)[^\s<>"'`|\\^{}，。；）]+"#,
    )
});

/// Hosts whose addresses are names of formats, standards and licences, the same for everybody.
const STANDARDS: [&str; 14] = [
    "creativecommons.org",
    "json-schema.org",
    "opcfoundation.org",
    "opensource.org",
    "purl.org",
    "schema.org",
    "schemas.android.com",
    "schemas.microsoft.com",
    "schemas.openxmlformats.org",
    "schemas.xmlsoap.org",
    "tools.ietf.org",
    "www.apache.org",
    "www.w3.org",
    "xmlns.com",
];

/// Names under the domains that exist inside a site alone.
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i-u)\b(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,5}(?:local|internal|intranet|lan|corp|localdomain|home\.arpa)\b",
    )
});

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    for address in ADDRESS.find_iter(text) {
        let whole = address.as_str();
        let open = whole.contains('(');
        let length = whole
            .trim_end_matches(|c| ".,;:!?]*".contains(c) || (c == ')' && !open))
            .len();
        let scheme = whole.find("://").map_or(4, |at| at + 3);
        if length > scheme && !is_standard(&whole[scheme..length]) {
            found.push((address.start()..address.start() + length, Kind::URL));
        }
    }
    let hosts = HOST
        .find_iter(text)
        .filter(|host| is_machine(host.as_str()));
    found.extend(hosts.map(|host| (host.range(), Kind::HOST)));
}

/// `www.w3.org/2000/svg`. What is asked of such a host may still be somebody's.
fn is_standard(address: &str) -> bool {
    let host = address.split(['/', '#']).next().unwrap_or_default();
    STANDARDS.contains(&host.to_ascii_lowercase().as_str()) && !address.contains(['?', '@', '='])
}

/// `threading.local` is code; a machine has a digit, a dash or a domain of its own in its name.
fn is_machine(name: &str) -> bool {
    name.contains(|c: char| c.is_ascii_digit() || c == '-') || name.matches('.').count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn all(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, found))
    }

    #[test]
    fn addresses_and_machines_are_found_without_the_sentence_around_them() {
        for (text, address) in [
            (
                "see https://plant.example/a?b=1.",
                "https://plant.example/a?b=1",
            ),
            ("(http://www.x.hu/)", "http://www.x.hu/"),
            ("https://x.example/a_(b)", "https://x.example/a_(b)"),
            ("www.x.example, please", "www.x.example"),
            ("opc.tcp://plc7:4840 is down", "opc.tcp://plc7:4840"),
            ("ping plc7.local!", "plc7.local"),
            ("on mes.plant.internal", "mes.plant.internal"),
        ] {
            assert_eq!(all(text), [address], "{text}");
        }
        assert!(all("threading.local() of a://b and http://").is_empty());
    }

    #[test]
    fn names_of_formats_and_standards_stay_and_what_is_asked_there_does_not() {
        assert!(all(r#"<svg xmlns="http://www.w3.org/2000/svg">"#).is_empty());
        assert!(all("https://tools.ietf.org/html/rfc7231#section-6.5.1").is_empty());
        for address in [
            "https://www.w3.org/?q=ana",
            "http://ana:secret@www.w3.org/x",
            "https://www.w3.org.plant.example/x",
        ] {
            assert_eq!(all(address), [address]);
        }
    }
}
