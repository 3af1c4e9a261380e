//! Secrets on a command line: `--password VALUE`, `curl -u name:VALUE`, `mysql -pVALUE`, and in the files of such tools.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    super::{
        Kind,
        pattern::{Raw, compiled, is_placeholder},
    },
    value::is_path,
};

/// The value is the group `v`. Each by itself: one that looks far ahead would go over the rest of the line again for every match
/// of another.
static FLAGS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let ways = [
        concat!(
            r"--?(?:[a-z0-9]+[-_])*(?:password|passwd|passphrase|pass|pwd|secret|token|api-?key|apikey|(?:access|account|auth|master|secret|shared)-?key)",
            r"(?:-value)?(?:\s{1,4}|=)",
        ),
        r"(?:curl|wget|http)\s[^\n|;]*?(?:-u|--user)[\s=]{1,4}[^\s:]+:",
        r"(?:docker|podman|nerdctl|az|cf|helm|oc|skopeo)\s(?:[a-z]+\s)?login\s(?:[^\n|;]*?\s)?-p\s",
        r"(?:sqlcmd|osql|bcp|ipmitool|isql)\s(?:[^\n|;]*?\s)?(?-i:-P)\s?",
        r"(?:plink|pscp|psftp|putty)\s(?:[^\n|;]*?\s)?-pw\s",
        r"(?:[xw]freerdp|cmdkey|schtasks)\s(?:[^\n|;]*?\s)?/(?:p|rp|pass|password)[: ]",
        r"(?:smbclient|rpcclient|smbmap|winexe)\s(?:[^\n|;]*?\s)?-U\s?[^\s%]{1,64}%",
        r"snmp[a-z]{3,12}\s(?:[^\n|;]*?\s)?(?-i:-[cAX])\s",
        r"snmp-server\s{1,4}community\s{1,4}|r[ow]community6?\s{1,4}",
        r"(?:requirepass|masterauth)\s{1,4}",
        r"convertto-securestring\s{1,4}(?:-string\s{1,4})?",
        r"wifi:(?:[a-z]:[^;\n]{0,64};){0,4}?p:",
        r"(?:mysql|mysqldump|mysqladmin|mariadb|sshpass|mosquitto_pub|mosquitto_sub|redis-cli|smbclient)\s(?:[^\n|;]*?\s)?-[pPa]\s?",
        r#"identified\s+by\s{1,4}(?:password\s{1,4})?["']"#,
        r"login\s{1,4}\S+\s{1,4}password\s{1,4}", // .netrc.
        r"(?:net\s+use)\s[^\n|;]*?/user:\S+\s{1,4}",
        r"net\s+use\s{1,4}(?:\S{1,8}\s{1,4})?\\\\\S{1,128}\s{1,4}",
    ];
    let compile = |way: &str| {
        compiled(&format!(
            r#"(?i)(?:^|[\s"'`(>])(?:{way})["'`]?(?<v>[^\s"'`<>|;-][^\s"'`<>|;]{{2,}})"#
        ))
    };
    ways.into_iter().map(compile).collect()
});

/// What stands behind a flag where its use is explained.
const NO_VALUES: [&str; 11] = [
    "value", "password", "secret", "token", "string", "file", "here", "flag", "option", "with",
    "public",
];

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    for groups in FLAGS.iter().flat_map(|flag| flag.captures_iter(text)) {
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
