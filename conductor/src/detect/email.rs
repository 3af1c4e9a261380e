//! E-mail addresses, and `name@host` where the host is a machine of the site.

use std::net::Ipv4Addr;

use unicode_normalization::char::is_combining_mark;

use super::{Kind, pattern::Raw, word::window_before};

/// As many bytes before an address say whether it is a login.
const REACH: usize = 40;

/// As long as a local part may be (RFC 5321, 4.5.3.1.1), quotes and escapes included.
const LONGEST_QUOTED: usize = 130;

/// What stands behind an `@` in versions and digests.
const NO_HOSTS: [&str; 11] = [
    "alpha", "beta", "canary", "head", "latest", "main", "master", "next", "rc", "sha256", "stable",
];

/// What the names of systemd's units end with, which have an `@` before their instance.
const UNITS: [&str; 10] = [
    "device", "mount", "path", "scope", "service", "slice", "socket", "swap", "target", "timer",
];

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let mut end = 0;
    for (at, _) in text.match_indices('@') {
        let before = text.get(end..at).unwrap_or_default();
        let local = quoted_part(before).unwrap_or_else(|| local_part(before));
        let host = host_part(&text[at + 1..]);
        let (start, behind) = (at - local.len(), at + 1 + host.len());
        let is_login =
            || is_person(local) && is_login(window_before(text, start, REACH), &text[behind..]);
        if is_address(local, host, is_login) {
            end = behind;
            found.push((start..end, Kind::EMAIL));
        }
        end = end.max(at + 1);
    }
}

/// The end of `text` that may stand before an `@`.
fn local_part(text: &str) -> &str {
    let fits = |c: char| is_letter(c) || "!#$%&'’ʼ*+/=^_{}~.-".contains(c);
    let start = text
        .char_indices()
        .rev()
        .take_while(|(_, c)| fits(*c))
        .last()
        .map_or(text.len(), |(at, _)| at);
    let local = text[start..].trim_start_matches(|c| !is_letter(c));
    // `mail=ana@…` is a name and its value, `bounce+ana=x.example@…` is one address.
    let tag = local.find('+').unwrap_or(local.len());
    local[..tag].rfind('=').map_or(local, |name| {
        local[name..].trim_start_matches(|c| !is_letter(c))
    })
}

/// The quoted string at the end of `text`, if there is one: `"ana ruiz"@…`.
fn quoted_part(text: &str) -> Option<&str> {
    let inner = text.strip_suffix('"')?;
    let from = inner.len().saturating_sub(LONGEST_QUOTED);
    let opening = inner
        .char_indices()
        .rev()
        .take_while(|(at, c)| *at >= from && !matches!(c, '\n' | '<' | '>'))
        .find(|(_, c)| *c == '"')
        .map(|(at, _)| at)?;
    (opening + 1 < inner.len()).then(|| &text[opening..])
}

/// The start of `text` that may stand behind an `@`.
fn host_part(text: &str) -> &str {
    let fits = |c: char| is_letter(c) || matches!(c, '.' | '-' | '_');
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    text[..end].trim_end_matches(|c| !is_letter(c))
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

fn is_address(local: &str, host: &str, is_login: impl Fn() -> bool) -> bool {
    if local.is_empty() || !host.starts_with(is_letter) || host.contains("..") {
        return false;
    }
    match host.rsplit_once('.') {
        Some((_, top)) => {
            host.parse::<Ipv4Addr>().is_ok()
                || (is_top(top) && !is_version(host) && !UNITS.contains(&top))
        }
        None => is_machine(host) && (is_numbered(host) && is_person(local) || is_login()),
    }
}

fn is_top(label: &str) -> bool {
    let international = label
        .get(..4)
        .is_some_and(|head| head.eq_ignore_ascii_case("xn--"));
    international
        || (label.chars().nth(1).is_some()
            && label.chars().any(char::is_alphabetic)
            && label.starts_with(char::is_alphabetic))
}

/// `package@1.2.3-rc.next`.
fn is_version(host: &str) -> bool {
    host.split('.')
        .take(2)
        .all(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_person(local: &str) -> bool {
    local.chars().count() >= 2
        && local.starts_with(char::is_alphabetic)
        && local
            .chars()
            .all(|c| is_letter(c) || matches!(c, '.' | '_' | '-' | '\'' | '’'))
}

/// Whether what stands before and behind `name@host` says that somebody is at work on a machine: `ssh ana@fileserver`,
/// `ana@fileserver:~$`, `mysql://ana@localhost/`.
fn is_login(before: &str, behind: &str) -> bool {
    const TOOLS: [&str; 5] = ["ssh ", "scp ", "sftp ", "rsync ", "mosh "];
    before.ends_with("://")
        || behind.starts_with(":~")
        || behind.starts_with(":/")
        || TOOLS.iter().any(|tool| before.contains(tool))
}

/// Of hosts with a mere word for a name nobody knows whether they are machines: `temp@inlet`.
fn is_numbered(host: &str) -> bool {
    host.contains(|c: char| c.is_numeric() || c == '-')
}

/// A host's own name, but no tag and no version such as `v4`.
fn is_machine(host: &str) -> bool {
    let version = host
        .strip_prefix(['v', 'V'])
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() >= 2
        && host.starts_with(char::is_alphabetic)
        && !version
        && !NO_HOSTS.contains(&host.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn emails(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, found))
    }

    #[test]
    fn addresses_are_found_whole() {
        let long = format!("{}@x.com", "a1".repeat(60));
        for address in [
            "ana@plant.example",
            "Ana.Silva+shift@mail.plant.example",
            "john/doe@x.com",
            "o’neil@x.com",
            "o'neil@x.com",
            "jose\u{301}@x.com",
            "bounce+ana=plant.example@lists.example",
            "почта@пример.xn--p1ai",
            "почта@пример.рф",
            "ana@plc7",
            "ana@mes-server",
            "user@10.0.0.5",
            "user@163.com",
            long.as_str(),
        ] {
            for text in [
                format!("write to {address}, please"),
                format!("<{address}>"),
                format!("mail={address}."),
                format!("'{address}'"),
            ] {
                assert_eq!(emails(&text), [address], "{text}");
            }
        }
        assert_eq!(
            emails("to \"ana ruiz\"@x.com, \"b\"@y.org"),
            ["\"ana ruiz\"@x.com", "\"b\"@y.org"]
        );
        assert_eq!(emails("ana@x.com@bob@y.org"), ["ana@x.com", "bob@y.org"]);
        for (text, login) in [
            ("ssh -p 2222 ana@fileserver", "ana@fileserver"),
            ("scp log.txt ana@fileserver:/tmp", "ana@fileserver"),
            ("ana@fileserver:~$ ls", "ana@fileserver"),
            ("mysql://ana@localhost/mes", "ana@localhost"),
        ] {
            assert_eq!(emails(text), [login], "{text}");
        }
    }

    #[test]
    fn mentions_decorators_and_versions_are_no_addresses() {
        for text in [
            "@app.route(\"/\")",
            "thanks @maria and @li",
            "a @ b",
            "x = a@b",
            "W@b.T",
            "lodash@4.17.21",
            "react@18.2.0-rc.next",
            "actions/checkout@v4",
            "setup@v4",
            "vite@latest",
            "image@sha256:0123",
            "10A@24V",
            "temp@inlet",
            "Torque@Max",
            "return@forEach",
            "D3D4@yDw",
            "getty@tty1.service",
            "wg-quick@wg0.service",
            "https://site.example/@maria",
            "ana@",
            "@",
        ] {
            assert!(emails(text).is_empty(), "{text}: {:?}", emails(text));
        }
    }
}
