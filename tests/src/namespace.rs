//! Programs in a namespace of their own.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::wait::until;

/// The beginning of a command that runs in a namespace of this kind, `--net` or `--mount`: root may make one at once,
/// others as root of a user namespace.
pub async fn own(kind: &str) -> Result<Vec<String>> {
    for more in [&[][..], &["--map-root-user"]] {
        let words = [&["unshare", kind], more, &["--"]].concat();
        let tried = Command::new(words[0])
            .args(&words[1..])
            .arg("true")
            .output();
        if tried.await.context("unshare is missing")?.status.success() {
            return Ok(words.into_iter().map(str::to_owned).collect());
        }
    }
    bail!("neither root nor a user namespace is to be had, so there is no namespace ({kind})")
}

/// Says to a process that it is inside.
const INSIDE: &str = "SHOAL_TESTS_INSIDE";

/// Runs one test of this program again, by itself, in a network of its own whose loopback takes packets for everybody, so
/// that none gets lost unseen. Gives false inside, where the test is to be done.
pub async fn enter(test: &str) -> Result<bool> {
    again(
        test,
        "--net",
        "ip link set lo up && ip route add default dev lo && ",
    )
    .await
}

/// The same, among mounts of its own.
pub async fn enter_mounts(test: &str) -> Result<bool> {
    again(test, "--mount", "").await
}

async fn again(test: &str, kind: &str, first: &str) -> Result<bool> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(false);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let script = format!("{first}exec \"$0\" --exact \"$1\" --nocapture");
    let words = own(kind).await?;
    let output = Command::new("env")
        .args(words)
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe()?)
        .arg(test)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .env(INSIDE, "1")
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() || !said.contains("1 passed") {
        bail!("inside: {}\n{said}\n{errors}", output.status);
    }
    Ok(true)
}

/// A program of the system, with what it needs root for; what it said where it failed.
pub async fn system(program: &str, arguments: &[&str]) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .output()
        .await
        .with_context(|| format!("{program} is missing"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{program} {arguments:?}: {errors}");
    }
    Ok(())
}

/// Another machine, for a test in a network of its own: a network with a cable to the test's. Ends with its owner.
#[derive(Debug)]
pub struct Host {
    number: u8,
    process: u32,
    _holder: Child,
}

impl Host {
    /// One of this number.
    pub async fn new(number: u8) -> Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sleep", "infinity"]);
        let holder = command.kill_on_drop(true).spawn()?;
        let process = holder.id().context("it has ended")?;
        let ours = std::fs::read_link("/proc/self/ns/net")?;
        until("it has a network of its own", async || {
            let its = std::fs::read_link(format!("/proc/{process}/ns/net")).ok()?;
            (its != ours).then_some(())
        })
        .await?;
        let host = Self {
            number,
            process,
            _holder: holder,
        };
        let (link, pid) = (host.link(), process.to_string());
        let peer = ["type", "veth", "peer", "name", "eth0", "netns", &pid];
        ip(&[&["link", "add", &link][..], &peer].concat()).await?;
        let ours = format!("{}/24", host.gateway());
        ip(&["addr", "add", &ours, "dev", &link]).await?;
        ip(&["link", "set", &link, "up"]).await?;
        let (its, gateway) = (format!("{}/24", host.address()), host.gateway().to_string());
        let inside: [&[&str]; 4] = [
            &["link", "set", "lo", "up"],
            &["addr", "add", &its, "dev", "eth0"],
            &["link", "set", "eth0", "up"],
            &["route", "add", "default", "via", &gateway],
        ];
        for arguments in inside {
            let words = [&["-t", &pid, "-n", "--", "ip"], arguments].concat();
            system("nsenter", &words).await?;
        }
        Ok(host)
    }

    fn link(&self) -> String {
        format!("host{}", self.number)
    }

    /// The test's address on the cable.
    fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number, 1)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number, 2)
    }

    /// The beginning of a command that runs on it.
    #[must_use]
    pub fn wrapper(&self) -> Vec<String> {
        let process = self.process.to_string();
        ["nsenter", "-t", &process, "-n", "--"]
            .map(str::to_owned)
            .into()
    }

    /// Pulls its cable: what is sent either way is lost.
    pub async fn cut(&self) -> Result<()> {
        ip(&["link", "set", &self.link(), "down"]).await
    }

    /// Plugs it in again.
    pub async fn mend(&self) -> Result<()> {
        ip(&["link", "set", &self.link(), "up"]).await
    }
}

/// An address of the test's own network that every [`Host`] reaches, and that no cable takes with it.
pub async fn crossing() -> Result<Ipv4Addr> {
    let address = Ipv4Addr::new(10, 76, 0, 1);
    let whole = format!("{address}/32");
    ip(&["addr", "add", &whole, "dev", "lo"]).await?;
    Ok(address)
}

async fn ip(arguments: &[&str]) -> Result<()> {
    system("ip", arguments).await
}
