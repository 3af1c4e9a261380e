//! How long programs wait for memory: the kernel's pressure stall information.
//!
//! A machine that runs short of memory first spends its time on getting pages
//! back, long before the kernel kills anyone. Kernels without it (built without
//! `CONFIG_PSI`, or with `psi=0`) say nothing, and then there is no reading.

use serde::Serialize;

use crate::cgroup;
use crate::roots::Roots;

/// The waits of the whole machine and of this process's control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pressure {
    /// Of all programs, from `/proc/pressure/memory`.
    pub machine: Option<Stalls>,
    /// Of this process's control group (version 2), from its `memory.pressure`.
    pub group: Option<Stalls>,
}

/// How long programs waited for memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stalls {
    /// At least one program waited.
    pub some: Stall,
    /// All programs that had something to do waited.
    pub full: Stall,
}

/// One line of the kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stall {
    /// Percent of the last 10 seconds.
    pub avg10: f64,
    /// Percent of the last 60 seconds.
    pub avg60: f64,
    /// Microseconds since the machine started or the group was made.
    pub total: u64,
}

impl Pressure {
    /// Reads it below the root.
    pub(crate) fn read(roots: &Roots) -> Self {
        let own = cgroup::groups(roots).pop();
        let group = own.and_then(|group| roots.read(format!("{group}/memory.pressure")));
        Self {
            machine: roots
                .read("proc/pressure/memory")
                .and_then(|text| Stalls::parse(&text)),
            group: group.and_then(|text| Stalls::parse(&text)),
        }
    }

    /// The greater percentage of the last 10 seconds in which some waited, and
    /// in which all did. None where the kernel says nothing.
    #[must_use]
    pub fn worst(&self) -> Option<(f64, f64)> {
        let known = self.machine.into_iter().chain(self.group);
        known
            .map(|stalls| (stalls.some.avg10, stalls.full.avg10))
            .reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
    }
}

impl Stalls {
    /// Old kernels have no line "full" at the root; then nobody knows of one.
    fn parse(text: &str) -> Option<Self> {
        let line = |kind: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| Stall::parse(line.strip_prefix(kind)?.strip_prefix(' ')?))
        };
        Some(Self {
            some: line("some")?,
            full: line("full").unwrap_or_default(),
        })
    }
}

impl Stall {
    /// `avg10=0.00 avg60=0.00 avg300=0.00 total=0`
    fn parse(line: &str) -> Option<Self> {
        let word = |name: &str| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let percent = |name: &str| {
            let value: f64 = word(name)?.parse().ok()?;
            (0.0..=100.0).contains(&value).then_some(value)
        };
        Some(Self {
            avg10: percent("avg10")?,
            avg60: percent("avg60")?,
            total: word("total")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Pressure, Stall, Stalls};
    use crate::roots::Roots;
    use std::fs;

    fn read(files: &[(&str, &str)]) -> Pressure {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Pressure::read(&Roots::at(dir.path()))
    }

    #[test]
    fn the_machine_and_the_own_group_are_read() {
        let pressure = read(&[
            (
                "proc/pressure/memory",
                "some avg10=12.50 avg60=3.00 avg300=1.00 total=90000\n\
                 full avg10=1.25 avg60=0.50 avg300=0.10 total=1000\n",
            ),
            ("proc/self/cgroup", "0::/shoal.service\n"),
            (
                "sys/fs/cgroup/shoal.service/memory.pressure",
                "some avg10=2.00 avg60=0.00 avg300=0.00 total=5\n\
                 full avg10=1.50 avg60=0.00 avg300=0.00 total=4\n",
            ),
        ]);
        let machine = Stalls {
            some: Stall {
                avg10: 12.5,
                avg60: 3.0,
                total: 90_000,
            },
            full: Stall {
                avg10: 1.25,
                avg60: 0.5,
                total: 1000,
            },
        };
        assert_eq!(pressure.machine, Some(machine));
        assert_eq!(pressure.group.unwrap().full.total, 4);
        assert_eq!(pressure.worst(), Some((12.5, 1.5)));
    }

    #[test]
    fn a_kernel_without_it_and_nonsense_are_no_reading() {
        assert_eq!(read(&[]).worst(), None);
        for nonsense in [
            "",
            "some\n",
            "some avg10=NaN avg60=0.00 avg300=0.00 total=0\n",
            "some avg10=101.00 avg60=0.00 avg300=0.00 total=0\n",
            "some avg10=-1.00 avg60=0.00 avg300=0.00 total=0\n",
            "some avg10=1.00 avg60=0.00 avg300=0.00\n",
            "full avg10=1.00 avg60=0.00 avg300=0.00 total=0\n",
        ] {
            let pressure = read(&[("proc/pressure/memory", nonsense)]);
            assert_eq!(pressure, Pressure::default(), "{nonsense:?}");
        }
    }

    #[test]
    fn a_root_without_a_line_for_all_has_none_that_all_waited() {
        let text = "some avg10=7.00 avg60=0.00 avg300=0.00 total=9\n";
        let pressure = read(&[("proc/pressure/memory", text)]);
        assert_eq!(pressure.worst(), Some((7.0, 0.0)));
    }
}
