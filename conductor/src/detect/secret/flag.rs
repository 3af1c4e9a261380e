//! Secrets on a command line: `--password VALUE`, `curl -u name:VALUE`, `mysql -pVALUE`, and in the files of such tools.

use std::sync::LazyLock;

use regex::Regex;

use super::super::{
    Kind,
    pattern::{Raw, compiled, is_placeholder},
};

/// The value is the group `v`. Each by itself: one that looks far ahead would go over the rest of the line again for every match
/// of another.
static FLAGS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let ways = [
        concat!(
            r"--?(?:[a-z0-9]+[-_])*(?:password|passwd|passphrase|pass|pwd|secret|token|api-?key|apikey|access-?key|secret-?key|auth-?key)",
            r"(?:-value)?(?:\s{1,4}|=)",
        ),
        r"(?:curl|wget|http)\s[^\n|;]*?(?:-u|--user)[\s=]{1,4}[^\s:]+:",
        r"(?:mysql|mysqldump|mysqladmin|mariadb|sshpass|mosquitto_pub|mosquitto_sub|redis-cli|smbclient)\s(?:[^\n|;]*?\s)?-[pPa]\s?",
        r#"identified\s+by\s{1,4}(?:password\s{1,4})?["']"#,
        r"login\s{1,4}\S+\s{1,4}password\s{1,4}", // .netrc.
        r"(?:net\s+use)\s[^\n|;]*?/user:\S+\s{1,4}",
    ];
    let compile = |way: &str| {
        compiled(&format!(
            r#"(?i)(?:^|[\s"'`(])(?:{way})["'`]?(?<v>[^\s"'`<>|;-][^\s"'`<>|;]{{2,}})"#
        ))
    };
    ways.into_iter().map(compile).collect()
});

/// What stands behind a flag where its use is explained.
const NO_VALUES: [&str; 10] = [
    "value", "password", "secret", "token", "string", "file", "here", "flag", "option", "with",
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
        if word.chars().count() >= 3 && !variable && !known && !is_placeholder(value.as_str()) {
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
        ] {
            assert!(values(text).is_empty(), "{text}: {:?}", values(text));
        }
    }
}
