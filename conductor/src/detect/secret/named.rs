//! What a text itself calls a secret.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    super::{
        Kind,
        pattern::{Raw, compiled},
        word::{window_after, window_before},
    },
    joint::{Joint, Way, joints},
    value::Value,
};

/// `password`, `DB_PASS`, `API key`: what names a secret. What people say, what files keep, and what names other things too.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?i)(?:",
        r"(?<said>pass(?:word|wd|wort|phrase|code)|kennwort|pwd|api[ _-]?(?:key|schlüssel|sleutel)",
        r"|(?:clé|clave|chiave|chave|klucz) (?:de la |de |d['’])?api|(?:wlan|wi-?fi|wpa[23]?)[ _-]?(?:key|schlüssel|sleutel)",
        r"|contraseña|mot de passe|wachtwoord|senha|hasło|heslo|lösenord|salasana|пароль|密码|パスワード)",
        r"|(?<kept>(?:access|private|secret|encryption|signing)[ _-]?(?:access[ _-]?)?key|secret)",
        r"|(?<vague>token|pass|psk|pw|mdp|clave))",
    ))
});

/// Words beside which a vague name is that of a secret.
static LOGIN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:user|login|logon|account|wi-?fi|wlan|ssid|benutzer|usuario|utilisateur|utente|admin|root|host)",
    )
});

/// A name and a password after one word: `Login: admin / …`.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:login|logon|credentials?|creds|zugang|zugangsdaten|anmeldung|acceso|accès|accesso)\s{0,2}[:=]\s{0,3}[^\s/:;,]{2,32}\s{1,2}/\s{1,2}",
    )
});

/// A verb of change near "password … to …".
static CHANGE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)änder|gewijzigd|(?-u:\b)(?:set|reset|chang|updat|switch|rotat|renew|gesetzt|setz)",
    )
});

/// What stands before "secret" where the value is the name of one that is kept elsewhere, as in Kubernetes.
const ELSEWHERE: [&str; 2] = ["existing", "from_"];

/// What stands before "pass" where it is one of several, as of a tool: the number behind it is a reading.
const PASSES: &str = "1st 2nd 3rd 4th by cleaning cutting each final finishing first fourth grinding last milling next of per \
    previous rolling roughing second third welding";

/// As far as a word that vouches for a name is from it, in bytes.
const REACH: usize = 64;

/// Adds the value of each name: the value alone is the finding.
pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let mut at = 0;
    while let Some(name) = Name::next(text, at) {
        let value = name.value();
        at = value.as_ref().map_or(name.span.end, |value| value.end);
        found.extend(value.map(|value| (value, Kind::API_KEY)));
    }
    let paired = PAIR.find_iter(text).map(|pair| Value::at(text, pair.end()));
    let paired = paired.filter(|value| value.is_strong() && !value.is_none());
    found.extend(paired.map(|value| (value.span, Kind::API_KEY)));
}

/// Whether a field such as `password: ` has the name of a secret; a vague one counts where something else vouches for it.
pub(in super::super) fn is_named_by(field: &str, vouched: impl Fn() -> bool) -> bool {
    NAME.captures_iter(field).any(|groups| {
        let end = groups.get(0).map_or(0, |name| name.end());
        let whole = |joint: Joint| joint.end == field.len() && joint.way != Way::Bare;
        joints(field, end, groups.name("said").is_some()).any(whole)
            && (groups.name("vague").is_none() || vouched())
    })
}

/// How a text names a secret.
struct Name<'t> {
    text: &'t str,
    span: Range<usize>,
    /// More than a part of a file's own language: words may follow it.
    said: bool,
    /// It names other things as well.
    vague: bool,
}

impl<'t> Name<'t> {
    /// The next one from `at` on.
    fn next(text: &'t str, at: usize) -> Option<Self> {
        let groups = NAME.captures_at(text, at)?;
        let span = groups.get(0)?.range();
        // `DB_PASS`, but not `next_token`: parsers and models have many tokens that are no secrets.
        let variable = text[..span.start].ends_with('_') && !begins(&text[span.clone()], "token");
        Some(Self {
            text,
            span,
            said: groups.name("said").is_some(),
            vague: groups.name("vague").is_some() && !variable,
        })
    }

    fn value(&self) -> Option<Range<usize>> {
        if self.is_elsewhere() {
            return None;
        }
        joints(self.text, self.span.end, self.said).find_map(|joint| {
            let value = Value::at(self.text, joint.end);
            let value = if joint.tag { value.before_tag() } else { value };
            self.has(joint.way, &value).then_some(value.span)
        })
    }

    /// Whether `value`, joined in this way, can be what the name stands for.
    fn has(&self, way: Way, value: &Value<'_>) -> bool {
        if value.length() < 4 || value.is_none() {
            return false;
        }
        let call = value.text.contains(['(', '[']);
        match way {
            _ if self.vague && !self.starts_word() => false,
            Way::Bare => {
                let certain = !self.vague || !self.is("token") && self.is_vouched();
                certain && !value.quoted && value.is_strong() && self.starts_word()
            }
            Way::Tail => !self.vague && !call && value.is_strong(),
            Way::Words => !call && value.is_strong(),
            Way::Change => value.is_strong() && self.is_changed(&value.span),
            Way::Sign | Way::Prose if self.vague => {
                let lone = value.has_digit() && value.has_letter() && !call;
                lone && !value.is_date() || self.has_number(value) || self.has_word(value)
            }
            Way::Sign | Way::Prose => {
                let marked = value.quoted || value.has_digit() || value.has_mark();
                marked || way == Way::Sign && value.length() >= 6 && !value.explains()
            }
        }
    }

    /// Whether a value of digits alone is one: "pass" counts things and parts too.
    fn has_number(&self, value: &Value<'_>) -> bool {
        let digits = value.has_digit() && value.length() >= 6 && !value.has_mark();
        let counts = self.is("pass")
            && (self.is_one_of_many() || self.is_beside_failures() || !self.is_vouched());
        digits && !counts && !value.is_date()
    }

    /// Whether a quoted value of letters alone is one.
    fn has_word(&self, value: &Value<'_>) -> bool {
        value.quoted
            && value.length() >= 6
            && !self.is("token")
            && !value.text.contains(char::is_whitespace)
            && !value.explains()
            && self.is_vouched()
    }

    fn starts_word(&self) -> bool {
        !self.before(REACH).ends_with(char::is_alphanumeric)
    }

    /// Whether the name is this word or begins with it.
    fn is(&self, word: &str) -> bool {
        begins(&self.text[self.span.clone()], word)
    }

    fn before(&self, reach: usize) -> &'t str {
        window_before(self.text, self.span.start, reach)
    }

    fn after(&self, reach: usize) -> &'t str {
        window_after(self.text, self.span.end, reach)
    }

    fn is_elsewhere(&self) -> bool {
        let before = self.before(8).to_lowercase();
        self.is("secret") && ELSEWHERE.iter().any(|word| before.ends_with(word))
    }

    fn is_vouched(&self) -> bool {
        LOGIN.is_match(self.before(REACH)) || LOGIN.is_match(self.after(REACH))
    }

    /// Whether the word before makes it one of several passes.
    fn is_one_of_many(&self) -> bool {
        let before = self.before(REACH).trim_end_matches(' ');
        let word = before.rsplit(|c: char| !c.is_alphanumeric()).next();
        let word = word.unwrap_or_default().to_lowercase();
        PASSES.split_whitespace().any(|known| known == word)
    }

    /// Whether its line also counts what failed.
    fn is_beside_failures(&self) -> bool {
        let before = self.before(REACH).rsplit('\n').next();
        let after = self.after(REACH).split('\n').next();
        let fails = |part: &str| part.to_ascii_lowercase().contains("fail");
        before.is_some_and(fails) || after.is_some_and(fails)
    }

    fn is_changed(&self, value: &Range<usize>) -> bool {
        CHANGE.is_match(self.before(REACH))
            || CHANGE.is_match(&self.text[self.span.end..value.start])
            || CHANGE.is_match(window_after(self.text, value.end, REACH / 2))
    }
}

fn begins(name: &str, word: &str) -> bool {
    name.get(..word.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    fn secrets(text: &str) -> Vec<(&str, String)> {
        let mut found = Vec::new();
        // With all of the folder's parent, since a scheme or an address may name one too.
        super::super::find(text, &mut found);
        found.sort_by_key(|(span, _)| span.start);
        found.dedup();
        found
            .into_iter()
            .map(|(span, kind)| (&text[span], kind.to_string()))
            .collect()
    }

    #[test]
    fn a_value_is_found_whole_whatever_its_name() {
        for (text, value) in [
            (
                "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG",
                "wJalrXUtnFEMI/K7MDENG",
            ),
            ("API key: 8f3a91c2d4", "8f3a91c2d4"),
            ("access token: s3cr3t99", "s3cr3t99"),
            ("token: s3cr3t99", "s3cr3t99"),
            ("secret key: s3cr3t99", "s3cr3t99"),
            ("DB_PASS=swordfish", "swordfish"),
            ("passphrase: correcthorse", "correcthorse"),
            ("Kennwort: Sommer", "Sommer"),
            ("private_key = 99ab77", "99ab77"),
            ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
            ("password is hunter22", "hunter22"),
            ("postgres://ana:s3c@r3t@plc7/db", "s3c@r3t"),
            ("redis://:hunter2@10.0.0.5:6379", "hunter2"),
            ("password: hunter2,secret99", "hunter2,secret99"),
            (
                "password = 'correct horse battery'",
                "correct horse battery",
            ),
            ("password: hun,ter2secret", "hun,ter2secret"),
            ("{\"password\": \"hun ter,2\"}", "hun ter,2"),
            ("{\\\"password\\\": \\\"hun ter\\\"}", "hun ter"),
            ("(password: hunter22).", "hunter22"),
            ("secret: password: hunter22", "hunter22"),
            ("пароль: лето2026", "лето2026"),
            ("password hunter22", "hunter22"),
            ("The password for the PLC is hunter22.", "hunter22"),
            ("Le mot de passe est hunter22", "hunter22"),
            ("Password is: hunter22", "hunter22"),
            ("password -> hunter22", "hunter22"),
            ("**Password:** hunter22", "hunter22"),
            ("`password`: `hunter22`", "hunter22"),
            ("<password>hunter22</password>", "hunter22"),
            ("| Password | hunter22 |", "hunter22"),
            ("{\"name\":\"password\",\"value\":\"hunter22\"}", "hunter22"),
            ("- name: DB_PASSWORD\n  value: hunter22", "hunter22"),
            ("pw: hunter22", "hunter22"),
            ("wifi pass: 25000000", "25000000"),
            ("Passwort für die SPS: Sommer2024", "Sommer2024"),
            ("Password for admin: Summer2024!", "Summer2024!"),
            ("Passwort (HMI): Sommer2024", "Sommer2024"),
            ("Passwort SPS-7: Halle3Tor", "Halle3Tor"),
            ("WLAN-Passwort Halle 3: Sommer2024!", "Sommer2024!"),
            ("contraseña del PLC: Planta2024", "Planta2024"),
            ("wachtwoord voor de HMI: Zomer2024", "Zomer2024"),
            ("mot de passe wifi : Usine2024", "Usine2024"),
            ("password has been changed to Summer2024!", "Summer2024!"),
            ("Set the admin password to Summer2024!", "Summer2024!"),
            ("Passwort auf Sommer2024 geändert", "Sommer2024"),
            ("Passwort - Sommer2024", "Sommer2024"),
            ("MQTT_PASSWORD_PLC7=hunter22", "hunter22"),
            ("API_KEY_LIVE=abc12345", "abc12345"),
            ("SECRET_KEY_BASE=3eb6db5a", "3eb6db5a"),
            ("password2: hunter22", "hunter22"),
            ("BIND_PW=s3cr3tbind", "s3cr3tbind"),
            ("enable password 0 hunter22", "hunter22"),
            ("username admin password 7 0822455D0A16", "0822455D0A16"),
            ("wpa { psk=\"Werk7Halle3\" }", "Werk7Halle3"),
            ("{\"user\":\"ana\",\"pass\":\"swordfish\"}", "swordfish"),
            (
                "<setting name=\"DbPassword\">\n<value>geheim99</value>",
                "geheim99",
            ),
            ("<key>Password</key><string>geheim99</string>", "geheim99"),
            ("API-Schlüssel: abc123def456", "abc123def456"),
            ("Clé API : abc123def456", "abc123def456"),
            ("Clave API: abc123def456", "abc123def456"),
            ("chiave API: abc123def456", "abc123def456"),
            ("WLAN-Schlüssel: Halle3geheim", "Halle3geheim"),
            ("hasło: Lato2024!", "Lato2024!"),
            ("const password: string = \"hunter22\"", "hunter22"),
            ("user admin pw Sommer2024", "Sommer2024"),
            ("Login: admin / Passw0rd!", "Passw0rd!"),
            (
                "private_key: /bPxRfiCYEXAMPLEKEYwJal/rXUtn3F9EM2I7K8",
                "/bPxRfiCYEXAMPLEKEYwJal/rXUtn3F9EM2I7K8",
            ),
        ] {
            assert_eq!(secrets(text), [(value, "api_key".to_owned())], "{text}");
        }
    }

    #[test]
    fn words_about_secrets_are_none() {
        for text in [
            "the password is wrong.",
            "the password is case-sensitive",
            "token: the",
            "max_tokens: 512",
            "max_token: 512",
            "next_token: identifier",
            "token = parser.next(1)",
            "pass: 12 of 20",
            "pass: 12/20",
            "First pass: 250000",
            "roughing pass = 250000",
            "bypass: 1200kHz7",
            "password: required",
            "password = self.password",
            "api_key=api_key",
            "password: <your_password>",
            "client_secret={client_secret}&code={code}",
            "PASSWORD=${DB_PASSWORD}",
            "basic information",
            "Secretary: Johnson",
            "http://host:80/x@y",
            "password: [API_KEY_1],",
            "| Password | Description |",
            "| Password |\n|---|---|",
            "password reset on 12 May",
            "the password field is required",
            "API key v2",
            "<password>",
            "sudo: ana : TTY=pts/0 ; PWD=/home/ana ; USER=root ; COMMAND=/bin/ls",
            "private_key: /etc/ssl/private/opcua.pem",
            "secret: /run/secrets/db",
            "existingSecret: plc-db-creds",
            "Test pass: 150000 cycles",
            "PASS: 1204533 FAIL: 12",
            "{\"user\":\"test\",\"pass\":120453,\"fail\":12}",
            "Inspection pass: 2024-06-12",
            "password policy (rev 3): ISO27001",
            "PASSWORD_FILE=secrets2024",
            "PASSWORD_MIN_LENGTH=12characters",
            "API_KEY_HEADER=X-API-Key2",
            "API key rotation schedule: Q3-2024",
            "Use password to connect to plc7-line2",
            "password authentication failed for user: postgres1",
            "password changed at: 2024-06-12T10:00:00Z",
            "use the password to log on to server12",
            "password_2 = get_password2(user)",
            "the secret of this weld: 200A-22V",
            "Password: ********",
            "<label>Password:</label>",
            "Passwort: ungültig",
            "{\"user\":\"ana\",\"pass\":\"success\"}",
            "contraseña: incorrecta",
            "Login: ana / 2024-06-12",
        ] {
            assert!(secrets(text).is_empty(), "{text}: {:?}", secrets(text));
        }
    }
}
