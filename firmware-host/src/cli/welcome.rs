//! What `shoal serve` says once it is ready.

use std::{fmt, net::SocketAddr, path::PathBuf};

use shoal_models::engine::Info;

use super::text;
use crate::{config::Mqtt, secret::Secret, tls::Certificate};

/// All that a person needs who has just started the appliance.
pub struct Welcome {
    /// How this program was called, for the commands to try.
    pub program: String,
    /// The data folder, as the commands to try must name it; `None` where it is the default.
    pub data_option: Option<String>,
    /// The data folder.
    pub data: PathBuf,
    /// Plain HTTP.
    pub http: SocketAddr,
    /// The URLs for others.
    pub https: Vec<String>,
    /// What clients know HTTPS by.
    pub certificate: Option<Certificate>,
    /// The admin key, if it was made just now.
    pub admin: Option<Secret>,
    /// The broker.
    pub mqtt: Option<Mqtt>,
    /// Whether it is connected.
    pub connected: bool,
    /// The root of our topics.
    pub root: String,
    /// The model, or why there is none.
    pub model: Result<Info, String>,
    /// The board's name.
    pub board: String,
    /// Threads that compute.
    pub threads: u32,
    /// What does not work.
    pub degraded: Vec<String>,
    /// Unfinished tasks that go on.
    pub resumed: usize,
}

/// Writes `name` and `value` with further lines of the value below it.
fn field(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    for (index, line) in text::wrap(value, text::WIDTH - 18).iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        writeln!(f, "  {name:<14}  {line}")?;
    }
    Ok(())
}

impl fmt::Display for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Shoal is running.\n")?;
        field(f, "on this board", &format!("http://{}", self.http))?;
        match self.https.is_empty() {
            true => field(f, "on the network", "not served ([https] enabled = false)")?,
            false => field(f, "on the network", &self.https.join("\n"))?,
        }
        if let Some(certificate) = &self.certificate {
            field(
                f,
                "certificate",
                &format!("has this SHA-256:\n{}", certificate.halves()),
            )?;
        }
        match &self.admin {
            Some(key) => {
                field(f, "admin key", key.expose())?;
                field(f, "", "shown this once; keep it")?;
            }
            None => {
                let option = self.option();
                field(
                    f,
                    "admin key",
                    "was shown at the first start; for another one:",
                )?;
                field(
                    f,
                    "",
                    &format!(
                        "{} keys create --name NAME --scope admin{option}",
                        self.program
                    ),
                )?;
            }
        }
        field(f, "MQTT", &self.broker())?;
        match &self.model {
            Ok(info) => field(f, "model", &model(info))?,
            Err(reason) => field(f, "model", &format!("none: {reason}"))?,
        }
        field(
            f,
            "board",
            &format!("{}, {} threads", self.board, self.threads),
        )?;
        field(f, "data", &self.data.display().to_string())?;
        if self.resumed > 0 {
            field(f, "unfinished", &format!("{} tasks go on", self.resumed))?;
        }
        for sentence in &self.degraded {
            field(f, "warning", sentence)?;
        }
        self.commands(f)
    }
}

impl Welcome {
    fn option(&self) -> String {
        match &self.data_option {
            Some(data) => format!(" --data {data}"),
            None => String::new(),
        }
    }

    fn broker(&self) -> String {
        let Some(mqtt) = &self.mqtt else {
            return "off ([mqtt] enabled = false)".to_owned();
        };
        let state = if self.connected {
            "connected"
        } else {
            "not connected yet; reports wait until it is"
        };
        format!("{}, {state}\ntasks to {}/tasks", mqtt.url(), self.root)
    }

    fn commands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (program, option) = (&self.program, self.option());
        let key = quoted(&self.data.join("run/cli.key").display().to_string());
        writeln!(f, "\nTry, on this board:\n")?;
        writeln!(
            f,
            "  {program} ask \"Name three causes of a noisy pump.\" --trace{option}\n"
        )?;
        writeln!(f, "  curl -N http://{}/v1/chat/completions \\", self.http)?;
        writeln!(f, "    -H \"Authorization: Bearer $(cat {key})\" \\")?;
        writeln!(f, "    -H 'Content-Type: application/json' \\")?;
        writeln!(
            f,
            "    -d '{{\"model\":\"local\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Say hello.\"}}]}}'\n"
        )?;
        let Some(mqtt) = &self.mqtt else {
            writeln!(
                f,
                "  {program} plan \"Write to ada@example.com about pump 4.\"{option}"
            )?;
            return writeln!(f);
        };
        let at = broker_arguments(mqtt);
        let root = &self.root;
        writeln!(f, "  mosquitto_sub{at} -t '{root}/tasks/+/result' -C 1 &")?;
        writeln!(f, "  mosquitto_pub{at} -q 1 -t '{root}/tasks' \\")?;
        writeln!(f, "    -m '{}'; wait\n", MESSAGE)
    }
}

/// A task on MQTT.
pub const MESSAGE: &str = r#"{"prompt":"Say hello.","model":"local"}"#;

fn broker_arguments(mqtt: &Mqtt) -> String {
    let mut at = format!(" -V 5 -h {} -p {}", quoted(&mqtt.host), mqtt.port);
    if let Some(user) = &mqtt.user {
        at.push_str(&format!(" -u {} -P PASSWORD", quoted(user)));
    }
    if let Some(file) = &mqtt.ca_file {
        at.push_str(&format!(
            " --cafile {}",
            quoted(&file.display().to_string())
        ));
    }
    at
}

/// As a shell takes it for one word.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn model(info: &Info) -> String {
    let stored = info.quantization.unwrap_or("unknown quantization");
    format!(
        "{}, {} million weights, {stored}, context {}",
        info.name,
        info.parameters / 1_000_000,
        info.context
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome() -> Welcome {
        Welcome {
            program: "shoal".into(),
            data_option: None,
            data: "/var/lib/shoal".into(),
            http: SocketAddr::from(([127, 0, 0, 1], 8080)),
            https: vec![
                "https://192.0.2.7:8443".into(),
                "https://line3.local:8443".into(),
            ],
            certificate: Some(Certificate {
                fingerprint: vec!["AB"; 32].join(":"),
                not_after: 0,
            }),
            admin: Some(Secret::new("sk-shoal-0123")),
            mqtt: Some(Mqtt {
                host: "127.0.0.1".into(),
                port: 1883,
                tls: false,
                ca_file: None,
                user: None,
                password: None,
                identity: None,
                replay_per_second: 200,
                tasks_per_minute: 600,
            }),
            connected: true,
            root: "shoal/v1/site/shoal".into(),
            model: Ok(Info {
                name: "SmolLM2 135M Instruct".into(),
                parameters: 134_515_008,
                bytes: 98_362_432,
                quantization: Some("Q4_1"),
                cells: 8192,
                cache_bytes: 188_743_680,
                context: 4096,
                trained_context: 8192,
                width: 576,
                own_template: true,
            }),
            board: "Raspberry Pi 5".into(),
            threads: 4,
            degraded: Vec::new(),
            resumed: 0,
        }
    }

    #[test]
    fn the_first_start_shows_the_key_and_three_commands() {
        let shown = welcome().to_string();
        assert!(
            shown
                .lines()
                .all(|line| line.chars().count() <= text::WIDTH),
            "{shown}"
        );
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_start_with_less_says_what_is_missing() {
        let shown = Welcome {
            program: "target/release/shoal".into(),
            data_option: Some("'my data'".into()),
            https: Vec::new(),
            certificate: None,
            admin: None,
            mqtt: None,
            model: Err("there is no model file models/m.gguf".into()),
            degraded: vec![
                "there is no local model, so what may not leave the board cannot be done".into(),
            ],
            resumed: 2,
            ..welcome()
        };
        insta::assert_snapshot!(shown.to_string());
    }
}
