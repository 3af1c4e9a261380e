//! The form of the MQTT link in `shoal.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{BadValue, bad, within};
use crate::{
    config::{Config, Mqtt},
    secret::Secret,
};

/// The `[mqtt]` block.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MqttTable {
    pub enabled: bool,
    url: String,
    ca_file: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    replay_per_second: u32,
    tasks_per_minute: u32,
}

impl Default for MqttTable {
    fn default() -> Self {
        Self {
            enabled: true,
            url: "mqtt://127.0.0.1:1883".into(),
            ca_file: None,
            user: None,
            password_file: None,
            password_env: None,
            cert_file: None,
            key_file: None,
            replay_per_second: 200,
            tasks_per_minute: 600,
        }
    }
}

impl MqttTable {
    /// Checks every value; paths are relative to `data`.
    pub fn resolve(self, data: &Path) -> Result<Mqtt, BadValue> {
        let (tls, host, port) = broker(&self.url).map_err(|reason| bad("mqtt.url", reason))?;
        let password = self.password(data)?;
        if password.is_some() && self.user.is_none() {
            return Err(bad(
                "mqtt.user",
                "there is a password and no user: add user = \"...\"",
            ));
        }
        let identity = match (self.cert_file, self.key_file) {
            (None, None) => None,
            (Some(_), Some(_)) if !tls => {
                return Err(bad(
                    "mqtt.cert_file",
                    "a certificate is only shown over TLS: make the url begin with mqtts://",
                ));
            }
            (Some(cert), Some(key)) => {
                Some((Config::resolve(data, cert), Config::resolve(data, key)))
            }
            (Some(_), None) => return Err(bad("mqtt.key_file", "cert_file is there without it")),
            (None, Some(_)) => return Err(bad("mqtt.cert_file", "key_file is there without it")),
        };
        let (replay, tasks) = (self.replay_per_second, self.tasks_per_minute);
        Ok(Mqtt {
            host,
            port,
            tls,
            ca_file: self.ca_file.map(|file| Config::resolve(data, file)),
            user: self.user,
            password,
            identity,
            replay_per_second: within("mqtt.replay_per_second", replay, 1, 100_000)?,
            tasks_per_minute: within("mqtt.tasks_per_minute", tasks, 1, 1_000_000)?,
        })
    }

    fn password(&self, data: &Path) -> Result<Option<Secret>, BadValue> {
        match (&self.password_file, &self.password_env) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(bad(
                "mqtt.password_env",
                "give password_file or password_env, not both",
            )),
            (Some(file), None) => {
                let path = Config::resolve(data, file.clone());
                Secret::from_file(&path).map(Some).map_err(|error| {
                    bad(
                        "mqtt.password_file",
                        format!("cannot read {}: {error}", path.display()),
                    )
                })
            }
            (None, Some(variable)) => match std::env::var(variable) {
                Ok(text) if !text.is_empty() => Ok(Some(Secret::new(text))),
                _ => Err(bad(
                    "mqtt.password_env",
                    format!("the environment variable {variable} is not set"),
                )),
            },
        }
    }
}

/// Reads `mqtt://host:port` or `mqtts://host:port`: whether TLS, host and port.
fn broker(url: &str) -> Result<(bool, String, u16), String> {
    let form = || format!("\"{url}\" is not of the form mqtt://HOST:PORT or mqtts://HOST:PORT");
    let parsed = reqwest::Url::parse(url).map_err(|_| form())?;
    let tls = match parsed.scheme() {
        "mqtt" => false,
        "mqtts" => true,
        _ => return Err(form()),
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("keep user and password out of the URL: use user and password_file".into());
    }
    let host = parsed
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or_else(form)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((
        tls,
        host.to_owned(),
        parsed.port().unwrap_or(if tls { 8883 } else { 1883 }),
    ))
}
