//! `shoal doctor`: is everything in place, and if not, what to do.

use std::{io::Write, net::SocketAddr, os::unix::fs::PermissionsExt as _, time::Duration};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use shoal_boards::{Report, Roots};
use shoal_conductor::policy::Policy;
use shoal_models::plugin;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{models, text};
use crate::{
    accelerate::{self, Measure},
    client::Client,
    config::{Config, KeySource, Places, WorkerEntry},
    exit::{Exit, Fault},
    running::Running,
    store::{FILE, TaskFilter},
    tls::Files,
    weights::Why,
};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);
/// Fewer days than this until the certificate ends are worth a word.
const EXPIRES_SOON: i64 = 30;

/// How to show it.
#[derive(Debug, Args)]
pub struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Finding {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    finding: Finding,
    said: String,
}

fn ok(name: &str, said: impl ToString) -> Check {
    check(name, Finding::Ok, said)
}

fn warn(name: &str, said: impl ToString) -> Check {
    check(name, Finding::Warn, said)
}

fn fail(name: &str, said: impl ToString) -> Check {
    check(name, Finding::Fail, said)
}

fn check(name: &str, finding: Finding, said: impl ToString) -> Check {
    Check {
        name: name.to_owned(),
        finding,
        said: said.to_string(),
    }
}

/// Checks all it can; 1 where something must be done.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let checks = checks(places).await;
    let failed = checks.iter().any(|check| check.finding == Finding::Fail);
    if options.json {
        super::json(out, &json!({"ok": !failed, "checks": checks}))?;
    } else {
        write!(out, "{}", shown(&checks))?;
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

async fn checks(places: &Places) -> Vec<Check> {
    let mut checks = vec![folder(places)];
    let config = match Config::load_or_default(places) {
        Ok(config) => {
            checks.push(match places.config.exists() {
                true => ok("config", places.config.display()),
                false => warn(
                    "config",
                    format!(
                        "there is no {} yet; `shoal serve` writes it",
                        places.config.display()
                    ),
                ),
            });
            config
        }
        Err(error) => {
            checks.push(fail("config", error));
            return checks;
        }
    };
    let policy = config.load_policy();
    match &policy {
        Ok(policy) => checks.extend(policies(&config, policy)),
        Err(fault) => checks.push(fail("policy", fault)),
    }
    checks.extend(running_policy(&config).await);
    checks.push(store(&config).await);
    checks.push(model(&config).await);
    checks.extend(engine(&config).await);
    checks.extend(weights(&config).await);
    checks.push(head(&config).await);
    checks.push(broker(&config).await);
    checks.extend(ports(&config).await);
    checks.push(certificate(&config));
    for entry in &config.workers {
        checks.push(worker(entry).await);
    }
    checks
}

fn folder(places: &Places) -> Check {
    let data = &places.data;
    match std::fs::metadata(data) {
        Err(_) => warn(
            "data",
            format!(
                "there is no folder {} yet; `shoal serve` makes it",
                data.display()
            ),
        ),
        Ok(found) if !found.is_dir() => fail("data", format!("{} is no folder", data.display())),
        Ok(found) if found.permissions().mode() & 0o007 != 0 => warn(
            "data",
            format!(
                "others on this machine may read {0}; run: chmod 700 {0}",
                data.display()
            ),
        ),
        Ok(_) => ok("data", data.display()),
    }
}

fn policies(config: &Config, policy: &Policy) -> Vec<Check> {
    let warnings = config.warnings(policy);
    if warnings.is_empty() {
        return vec![ok("policy", config.policy.display())];
    }
    warnings.iter().map(|said| warn("policy", said)).collect()
}

/// Whether the appliance that runs keeps to the file as it is now.
async fn running_policy(config: &Config) -> Option<Check> {
    let client = Client::find(&config.data).ok().flatten()?;
    let board: serde_json::Value = client.get("/api/board").await.ok()?;
    let error = board["policy"]["error"].as_str()?;
    Some(fail(
        "running",
        format!("the appliance keeps to the former policy, since the file has a mistake: {error}"),
    ))
}

async fn store(config: &Config) -> Check {
    let path = config.data.join(FILE);
    if !path.exists() {
        return warn(
            "store",
            format!("there is no {} yet; `shoal serve` makes it", path.display()),
        );
    }
    let store = match super::open_store(config).await {
        Ok(store) => store,
        Err(error) => return fail("store", error),
    };
    match store.tasks(TaskFilter::default()).await {
        Ok(_) => ok("store", path.display()),
        Err(error) => fail("store", error),
    }
}

async fn model(config: &Config) -> Check {
    let model = config.model.clone();
    match tokio::task::spawn_blocking(move || models::verify(&model)).await {
        Ok(Ok(said)) => ok("model", said),
        Ok(Err(fault)) => fail("model", fault),
        Err(error) => fail("model", error),
    }
}

/// The code that the model runs with, and where its layers go.
async fn engine(config: &Config) -> Vec<Check> {
    let config = config.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let search = accelerate::search(&config);
        let mut checks = vec![match plugin::load_cpu(&search) {
            Ok(plugin) => ok(
                "engine",
                format!(
                    "code for this CPU ({}): {}",
                    plugin.level,
                    plugin.path.display()
                ),
            ),
            Err(error) => fail("engine", error),
        }];
        let refused = plugin::find(&search).refused;
        checks.extend(refused.iter().map(|refused| warn("engine", refused)));
        let board = Report::of(&Roots::default());
        let choice = accelerate::choose(&config, &board, Measure::Never);
        checks.push(match choice.refused {
            true => warn("accelerator", choice.reason),
            false => ok("accelerator", choice.reason),
        });
        checks
    });
    match looked.await {
        Ok(checks) => checks,
        Err(error) => vec![fail("engine", error)],
    }
}

/// Which form of the model is loaded, where there is a model.
async fn weights(config: &Config) -> Option<Check> {
    let model = config.model.clone();
    if !model.path.exists() {
        return None;
    }
    let found = tokio::task::spawn_blocking(move || models::weights(&model)).await;
    Some(match found {
        Ok(found) => match found.why {
            Why::Misfit(_) => warn("weights", found.words()),
            _ => ok("weights", found.words()),
        },
        Err(error) => fail("weights", error),
    })
}

async fn head(config: &Config) -> Check {
    let wanted = config.clone();
    let load = move || crate::head::load(&wanted, Some(&wanted.model));
    match tokio::task::spawn_blocking(load).await {
        Ok(Ok(Some(_))) => ok("head", "names, places and the like are found by the model"),
        Ok(Ok(None)) => ok(
            "head",
            "off ([privacy] head = false): names and places are found only where a dictionary has them",
        ),
        Ok(Err(fault)) => fail("head", fault),
        Err(error) => fail("head", error),
    }
}

async fn broker(config: &Config) -> Check {
    let Some(mqtt) = &config.mqtt else {
        return ok("broker", "off ([mqtt] enabled = false)");
    };
    match connect(&mqtt.host, mqtt.port).await {
        Ok(()) => ok("broker", format!("{} can be reached", mqtt.url())),
        Err(error) => warn(
            "broker",
            format!(
                "{} cannot be reached ({error}), so reports wait; start it (systemctl start mosquitto) or set [mqtt] url",
                mqtt.url()
            ),
        ),
    }
}

async fn ports(config: &Config) -> Vec<Check> {
    if let Some(found) = Running::find(&config.data)
        && let Ok(Some(client)) = Client::find(&config.data)
        && client.is_alive().await
    {
        return vec![ok(
            "ports",
            format!("`shoal serve` answers on {}", found.address),
        )];
    }
    let mut checks = vec![port("http.listen", config.http).await];
    if let Some(https) = config.https {
        checks.push(port("https.listen", https).await);
    }
    checks
}

async fn port(key: &str, address: SocketAddr) -> Check {
    match TcpListener::bind(address).await {
        Ok(_) => ok("ports", format!("{address} is free")),
        Err(error) => fail(
            "ports",
            format!(
                "{address} cannot be used: {error}; stop the program that has it, or change {key}"
            ),
        ),
    }
}

fn certificate(config: &Config) -> Check {
    if config.https.is_none() {
        return ok("TLS", "off ([https] enabled = false)");
    }
    match Files::of(&config.data).inspect() {
        Err(error) => fail("TLS", error),
        Ok(None) => ok("TLS", "the certificate is made at the first start"),
        Ok(Some(known)) => {
            let now = time::OffsetDateTime::now_utc().unix_timestamp();
            let days = (known.not_after - now) / 86_400;
            let said = format!("valid for {days} days; SHA-256:\n{}", known.halves());
            match days {
                i64::MIN..0 => fail(
                    "TLS",
                    "the certificate has expired; remove tls/cert.pem and tls/key.pem and restart for a new one",
                ),
                0..EXPIRES_SOON => warn("TLS", said),
                _ => ok("TLS", said),
            }
        }
    }
}

/// Connects and hangs up; sends nothing.
async fn worker(entry: &WorkerEntry) -> Check {
    let name = format!("worker {}", entry.id);
    let key = match &entry.key {
        KeySource::None => Ok(()),
        KeySource::File(path) => shoal_models::secret::Secret::from_file(path).map(drop),
        KeySource::Env(variable) => shoal_models::secret::Secret::from_env(variable).map(drop),
    };
    if let Err(error) = key {
        return fail(&name, error);
    }
    let Ok(url) = reqwest::Url::parse(&entry.base_url) else {
        return fail(&name, format!("{} is no URL", entry.base_url));
    };
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match connect(host, url.port_or_known_default().unwrap_or(443)).await {
        Ok(()) => ok(&name, format!("{} can be reached", entry.base_url)),
        Err(error) => warn(
            &name,
            format!("{} cannot be reached: {error}", entry.base_url),
        ),
    }
}

async fn connect(host: &str, port: u16) -> Result<(), String> {
    match timeout(CONNECT, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CONNECT.as_secs())),
    }
}

fn shown(checks: &[Check]) -> String {
    let width = checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or(0);
    let mut shown = String::new();
    for check in checks {
        let margin = 6 + width + 2;
        for (index, line) in text::wrap(&check.said, text::WIDTH - margin)
            .iter()
            .enumerate()
        {
            let head = if index == 0 {
                format!("{:<4}  {:<width$}  ", check.finding.as_str(), check.name)
            } else {
                " ".repeat(margin)
            };
            shown.push_str(&format!("{head}{line}\n"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_line_up_and_long_ones_are_wrapped() {
        let checks = [
            ok("data", "/var/lib/shoal"),
            warn(
                "worker cloud",
                "https://api.example.com/v1 cannot be reached: ".to_owned() + &"no ".repeat(40),
            ),
            fail("model", "there is no model file m.gguf"),
        ];
        insta::assert_snapshot!(shown(&checks));
    }

    #[tokio::test]
    async fn a_missing_model_and_a_broken_policy_fail_and_the_rest_is_still_checked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let config =
            "[http]\nlisten = \"127.0.0.1:0\"\n[https]\nenabled = false\n[mqtt]\nenabled = false\n";
        std::fs::write(folder.path().join("shoal.toml"), config).unwrap();
        std::fs::write(folder.path().join("policy.toml"), "[escalaton]\n").unwrap();
        let places = Places {
            data: folder.path().to_owned(),
            config: folder.path().join("shoal.toml"),
        };
        let found: Vec<(String, Finding)> = checks(&places)
            .await
            .into_iter()
            .map(|check| (check.name, check.finding))
            .collect();
        let expected = [
            ("data", Finding::Ok),
            ("config", Finding::Ok),
            ("policy", Finding::Fail),
            ("store", Finding::Warn),
            ("model", Finding::Fail),
            ("engine", Finding::Ok),
            ("accelerator", Finding::Ok),
            ("head", Finding::Ok),
            ("broker", Finding::Ok),
            ("ports", Finding::Ok),
            ("TLS", Finding::Ok),
        ];
        assert_eq!(
            found,
            expected.map(|(name, finding)| (name.to_owned(), finding))
        );
    }
}
