//! Installing packages with apt.

use std::process::Command;

use anyhow::{Context as _, Result};
use nix::unistd::geteuid;

use crate::machine::Machine;
use crate::need::{Need, Work, missing, packages};
use crate::say;
use crate::unavailable::Unavailable;

/// Installs what the work needs and the machine lacks, saying what and why.
pub fn provide(machine: &Machine, work: Work) -> Result<()> {
    let needs = missing(machine, work);
    if needs.is_empty() {
        say::step("system", "every package needed is there");
        return Ok(());
    }
    say::step("system", "these packages are missing:");
    for need in &needs {
        say::step("", &format!("{:<18} {}", need.package, need.why));
    }
    let way = Way::of(machine, geteuid().is_root()).ok_or_else(|| by_hand(machine, &needs))?;
    install(machine, work, way, &needs)
}

fn install(machine: &Machine, work: Work, way: Way, needs: &[Need]) -> Result<()> {
    way.run(&["update"])?;
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(packages(needs));
    let outcome = way.run(&args);
    let left = missing(machine, work);
    match outcome {
        Ok(()) if left.is_empty() => Ok(()),
        Ok(()) => Err(Unavailable(format!(
            "apt-get installed the packages, yet this is still not found: {}",
            packages(&left).join(" ")
        ))
        .into()),
        // A broker whose service cannot start here is installed all the same.
        Err(error) if left.is_empty() => {
            say::step("", &format!("{error:#}; all is there, so this goes on"));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// How apt is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Direct,
    Sudo,
}

impl Way {
    fn of(machine: &Machine, is_root: bool) -> Option<Self> {
        machine.program("apt-get")?;
        if is_root {
            Some(Self::Direct)
        } else {
            machine.program("sudo").map(|_| Self::Sudo)
        }
    }

    fn run(self, args: &[&str]) -> Result<()> {
        const QUIET: &str = "DEBIAN_FRONTEND=noninteractive";
        let mut words = vec!["env", QUIET, "apt-get"];
        if self == Self::Sudo {
            words.insert(0, "sudo");
        }
        words.extend(args);
        say::step("", &words.join(" "));
        let (program, args) = words.split_first().context("name a program")?;
        let status = Command::new(program)
            .args(args)
            .status()
            .with_context(|| format!("start {program}"))?;
        if status.success() {
            return Ok(());
        }
        let command = words.join(" ");
        Err(Unavailable(format!("this failed with {status}: {command}")).into())
    }
}

fn by_hand(machine: &Machine, needs: &[Need]) -> Unavailable {
    let names = packages(needs).join(" ");
    Unavailable(if machine.program("apt-get").is_some() {
        format!(
            "installing packages takes root, and there is no sudo; as root, run: apt-get install {names}"
        )
    } else {
        format!("there is no apt-get here; install by other means what Debian calls: {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::{Way, by_hand};
    use crate::machine::Machine;
    use crate::need::{Work, missing};
    use std::fs;

    #[test]
    fn without_apt_or_root_the_packages_are_named() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        let needs = missing(&machine, Work::default());
        assert_eq!(Way::of(&machine, true), None);
        insta::assert_snapshot!(by_hand(&machine, &needs), @"there is no apt-get here; install by other means what Debian calls: ca-certificates cmake g++ libclang-dev make mosquitto mosquitto-clients");

        fs::create_dir_all(root.path().join("usr/bin")).unwrap();
        fs::write(root.path().join("usr/bin/apt-get"), "").unwrap();
        assert_eq!(Way::of(&machine, true), Some(Way::Direct));
        assert_eq!(Way::of(&machine, false), None);
        insta::assert_snapshot!(by_hand(&machine, &needs), @"installing packages takes root, and there is no sudo; as root, run: apt-get install ca-certificates cmake g++ libclang-dev make mosquitto mosquitto-clients");

        fs::write(root.path().join("usr/bin/sudo"), "").unwrap();
        assert_eq!(Way::of(&machine, false), Some(Way::Sudo));
    }
}
