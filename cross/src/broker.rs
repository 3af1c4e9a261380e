//! An MQTT broker for the appliance, where none answers yet.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::machine::Machine;
use crate::say;
use crate::unavailable::Unavailable;

/// MQTT's registered port.
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);
/// A loopback connection is made or refused at once.
const CONNECT: Duration = Duration::from_secs(1);
const START: Duration = Duration::from_secs(10);
const LOG: &str = "mosquitto.log";

/// A broker of our own, stopped when this goes.
pub struct Broker {
    child: Child,
}

/// Starts one, unless one answers.
pub fn provide(machine: &Machine, data: &Path) -> Result<Option<Broker>> {
    if answers(ADDRESS) {
        say::step("broker", &format!("one answers on {ADDRESS}"));
        return Ok(None);
    }
    let broker = Broker::start(machine, &data.join("mosquitto"), ADDRESS, "")?;
    say::step("broker", &format!("started mosquitto on {ADDRESS}"));
    Ok(Some(broker))
}

impl Broker {
    /// Starts one that keeps what it holds in `folder`; `more` are further
    /// lines of its config.
    pub fn start(
        machine: &Machine,
        folder: &Path,
        address: SocketAddr,
        more: &str,
    ) -> Result<Self> {
        let program = machine
            .program("mosquitto")
            .ok_or_else(|| Unavailable("mosquitto is missing; install it".to_owned()))?;
        let child = spawn(&program, folder, address, more)?;
        let mut broker = Self { child };
        broker.wait_until_it_answers(folder, address)?;
        Ok(broker)
    }
}

fn spawn(program: &Path, folder: &Path, address: SocketAddr, more: &str) -> Result<Child> {
    let config = write_config(folder, address, more)?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join(LOG))
        .context("open mosquitto's log")?;
    Command::new(program)
        .arg("-c")
        .arg(config)
        // What it says before it has read where its log is.
        .stderr(log)
        // Ctrl-C is for the appliance first, which says goodbye over MQTT.
        .process_group(0)
        .spawn()
        .context("start mosquitto")
}

fn answers(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, CONNECT).is_ok()
}

fn write_config(folder: &Path, address: SocketAddr, more: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let path = folder.join("mosquitto.conf");
    let text = config(folder, address, geteuid().is_root()) + more;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

fn config(folder: &Path, address: SocketAddr, is_root: bool) -> String {
    let folder = folder.display();
    let mut text = format!(
        "# Written at each start. Only this machine can connect.\n\
         listener {} {}\n\
         allow_anonymous true\n\
         persistence true\n\
         persistence_location {folder}/\n\
         log_dest file {folder}/{LOG}\n\
         log_type error\n\
         log_type warning\n",
        address.port(),
        address.ip(),
    );
    if is_root {
        // It would become the user mosquitto, who cannot write to this folder.
        text.push_str("user root\n");
    }
    text
}

impl Broker {
    fn wait_until_it_answers(&mut self, folder: &Path, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START;
        let log = folder.join(LOG);
        while !answers(address) {
            if let Some(status) = self.child.try_wait().context("watch mosquitto")? {
                bail!(
                    "mosquitto ended at its start with {status}; see {}",
                    log.display()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "mosquitto does not answer on {address}; see {}",
                    log.display()
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            // It may have ended by itself, which is as good.
            let _sent = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let _status = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::config;
    use std::path::Path;

    #[test]
    fn the_broker_listens_to_this_machine_alone() {
        let folder = Path::new("/data/mosquitto");
        insta::assert_snapshot!(config(folder, super::ADDRESS, false));
        let as_root = config(folder, super::ADDRESS, true);
        assert!(as_root.ends_with("\nuser root\n"));
    }
}
