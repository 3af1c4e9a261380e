//! Secrets on a command line: `--password VALUE`, `curl -u name:VALUE`, `mysql -pVALUE`, and in the files of such tools.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use regex::Regex;

use super::{
    super::{
        Kind,
        pattern::{Raw, compiled, is_placeholder},
        table::Table,
    },
    value::is_path,
};

/// Ways to hand over a secret, each with the words of which one stands in it. Each is a pattern by itself: one that looks far
/// ahead would go over the rest of the line again for every match of another.
const WAYS: &[(&str, &str)] = &[
    (
        "pass|pwd|secret|token|key",
        concat!(
            r"--?(?:[a-z0-9]+[-_])*(?:password|passwd|passphrase|pass|pwd|secret|token|api-?key|apikey|(?:access|account|auth|master|secret|shared)-?key)",
            r"(?:-value)?(?:\s{1,4}|=)",
        ),
    ),
    (
        "curl|wget|http",
        r"(?:curl|wget|http)\s[^\n|;]*?(?:-u|--user)[\s=]{1,4}[^\s:]+:",
    ),
    (
        "login",
        r"(?:docker|podman|nerdctl|az|cf|helm|oc|skopeo)\s(?:[a-z]+\s)?login\s(?:[^\n|;]*?\s)?-p\s",
    ),
    (
        "sqlcmd|osql|bcp|ipmitool|isql",
        r"(?:sqlcmd|osql|bcp|ipmitool|isql)\s(?:[^\n|;]*?\s)?(?-i:-P)\s?",
    ),
    (
        "plink|pscp|psftp|putty",
        r"(?:plink|pscp|psftp|putty)\s(?:[^\n|;]*?\s)?-pw\s",
    ),
    (
        "freerdp|cmdkey|schtasks",
        r"(?:[xw]freerdp|cmdkey|schtasks)\s(?:[^\n|;]*?\s)?/(?:p|rp|pass|password)[: ]",
    ),
    (
        "smbclient|rpcclient|smbmap|winexe",
        r"(?:smbclient|rpcclient|smbmap|winexe)\s(?:[^\n|;]*?\s)?-U\s?[^\s%]{1,64}%",
    ),
    ("snmp", r"snmp[a-z]{3,12}\s(?:[^\n|;]*?\s)?(?-i:-[cAX])\s"),
    (
        "community",
        r"snmp-server\s{1,4}community\s{1,4}|r[ow]community6?\s{1,4}",
    ),
    (
        "requirepass|masterauth",
        r"(?:requirepass|masterauth)\s{1,4}",
    ),
    (
        "securestring",
        r"convertto-securestring\s{1,4}(?:-string\s{1,4})?",
    ),
    ("wifi:", r"wifi:(?:[a-z]:[^;\n]{0,64};){0,4}?p:"),
    (
        "mysql|mariadb|sshpass|mosquitto|redis-cli|smbclient",
        r"(?:mysql|mysqldump|mysqladmin|mariadb|sshpass|mosquitto_pub|mosquitto_sub|redis-cli|smbclient)\s(?:[^\n|;]*?\s)?-[pPa]\s?",
    ),
    (
        "identified",
        r#"identified\s+by\s{1,4}(?:password\s{1,4})?["']"#,
    ),
    ("login", r"login\s{1,4}\S+\s{1,4}password\s{1,4}"), // .netrc.
    ("/user:", r"(?:net\s+use)\s[^\n|;]*?/user:\S+\s{1,4}"),
    (
        r"\\",
        r"net\s+use\s{1,4}(?:\S{1,8}\s{1,4})?\\\\\S{1,128}\s{1,4}",
    ),
];

/// The value is the group `v`.
static FLAGS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let compile = |way: &str| {
        compiled(&format!(
            r#"(?i)(?:^|[\s"'`(>])(?:{way})["'`]?(?<v>[^\s"'`<>|;-][^\s"'`<>|;]{{2,}})"#
        ))
    };
    WAYS.iter().map(|(_, way)| compile(way)).collect()
});

/// The words, each with its ways, all looked for at once: hardly a text has one.
static TABLE: LazyLock<Table<Vec<usize>>> = LazyLock::new(|| {
    let mut ways: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (way, (words, _)) in WAYS.iter().enumerate() {
        for word in words.split('|') {
            ways.entry(word).or_default().push(way);
        }
    }
    Table::of_any_case(ways.into_iter().map(|(word, ways)| (word.to_owned(), ways)))
});

/// What stands behind a flag where its use is explained.
const NO_VALUES: [&str; 11] = [
    "value", "password", "secret", "token", "string", "file", "here", "flag", "option", "with",
    "public",
];

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let ways: BTreeSet<usize> = TABLE
        .find(text)
        .flat_map(|(_, ways)| ways)
        .copied()
        .collect();
    let flags = ways.into_iter().filter_map(|way| FLAGS.get(way));
    for groups in flags.flat_map(|flag| flag.captures_iter(text)) {
        let Some(value) = groups.name("v") else {
            continue;
        };
        let word = value.as_str().trim_end_matches([',', '.', ')', ':']);
        let variable = word.starts_with(['$', '{', '%', '['])
            && !word.contains(|c: char| c.is_ascii_digit())
            || word.starts_with("${")
            || word.starts_with("$(");
        let known = NO_VALUES.contains(&word.to_ascii_lowercase().as_str());
        // `/user:ana`, another flag of Windows.
        let flag = word.starts_with('/') && word.contains(':');
        let none = variable || known || flag || is_path(word) || is_placeholder(value.as_str());
        if word.chars().count() >= 3 && !none {
            found.push((value.start()..value.start() + word.len(), Kind::API_KEY));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn values(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, found))
    }

    #[test]
    fn values_are_found_and_flags_without_one_are_not() {
        for (text, value) in [
            ("app --password hunter2 --verbose", "hunter2"),
            ("app --db-password='hunter2'", "hunter2"),
            ("app -token abc123", "abc123"),
            ("curl -s -u ana:hunter2 https://x.example", "hunter2"),
            ("mysql -u root -phunter2 db", "hunter2"),
            ("sshpass -p hunter2 ssh plc7", "hunter2"),
            ("mosquitto_pub -h broker -u ana -P hunter2 -t x", "hunter2"),
            ("CREATE USER ana IDENTIFIED BY 'hunter2';", "hunter2"),
            ("docker login -u ci -p S3cr3tPass", "S3cr3tPass"),
            ("sqlcmd -U sa -P Str0ng!Pass", "Str0ng!Pass"),
            ("plink -pw Sommer2024 host", "Sommer2024"),
            ("xfreerdp /u:ana /p:Sommer2024", "Sommer2024"),
            (r"net use Z: \\srv\mes Passw0rd1 /user:ana", "Passw0rd1"),
            (r"net use Z: \\srv\mes /user:ana Passw0rd1", "Passw0rd1"),
            ("ipmitool -U admin -P geheim99", "geheim99"),
            ("smbclient -U ana%geheim99", "geheim99"),
            ("snmpwalk -c plantRW7 10.0.0.7", "plantRW7"),
            ("schtasks /create /rp geheim99", "geheim99"),
            ("az storage list --account-key Zm9vYmFy==", "Zm9vYmFy=="),
            ("ConvertTo-SecureString \"geheim99\"", "geheim99"),
            ("snmp-server community plantRW7 RW", "plantRW7"),
            ("requirepass foobar2024", "foobar2024"),
            ("WIFI:T:WPA;S:Halle3;P:geheim1234;;", "geheim1234"),
            ("machine x login ana password hunter2", "hunter2"),
        ] {
            assert_eq!(values(text), [value], "{text}");
        }
        for text in [
            "use --password VALUE",
            "app --password $PASSWORD",
            "app --password",
            "app --password --verbose",
            "app --token ${TOKEN1}",
            "curl -u ana https://x.example",
            "--password [API_KEY_1]",
            "app --password /run/secrets/db",
            "ipmitool -p 623 -H 10.0.0.7",
            "snmpwalk -v2c -c public 10.0.0.7",
            r"net use Z: \\srv\mes /user:ana",
            "docker run -p 8080:80 login",
        ] {
            assert!(values(text).is_empty(), "{text}: {:?}", values(text));
        }
    }
}
