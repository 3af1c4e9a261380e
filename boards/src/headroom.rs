//! How much memory is left, of the machine's or of the control group's,
//! whichever ends first.

use serde::Serialize;

use crate::bytes::Bytes;
use crate::cgroup::Limits;
use crate::memory::Memory;
use crate::pressure::Pressure;
use crate::roots::Roots;

/// One reading. Cheap enough to take every second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Headroom {
    /// What may still be taken; none where the kernel does not say.
    pub left: Option<Bytes>,
    /// What that is a part of.
    pub whole: Option<Bytes>,
    /// How long programs wait for memory.
    pub pressure: Pressure,
}

impl Headroom {
    /// Reads it below the root.
    #[must_use]
    pub fn read(roots: &Roots) -> Self {
        let memory = Memory::read(roots);
        let limits = Limits::read(roots);
        let machine = memory.available.zip(memory.total);
        let group = limits.memory_left.zip(limits.memory);
        let tighter = match (machine, group) {
            (Some(machine), Some(group)) if group.0 < machine.0 => Some(group),
            (machine, group) => machine.or(group),
        };
        let (left, whole) = tighter.unzip();
        Self {
            left,
            whole,
            pressure: Pressure::read(roots),
        }
    }

    /// Percent that is left, from 0 to 100.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let (left, whole) = self.left.zip(self.whole)?;
        let percent = u128::from(left.get()) * 100;
        let percent = percent.checked_div(u128::from(whole.get()))?;
        Some(u8::try_from(percent).unwrap_or(100).min(100))
    }
}

#[cfg(test)]
mod tests {
    use super::Headroom;
    use crate::bytes::Bytes;
    use crate::roots::Roots;
    use std::fs;

    fn read(files: &[(&str, &str)]) -> Headroom {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Headroom::read(&Roots::at(dir.path()))
    }

    #[test]
    fn what_ends_first_counts() {
        let meminfo = "MemTotal: 8000 kB\nMemAvailable: 2000 kB\n";
        let machine = read(&[("proc/meminfo", meminfo)]);
        assert_eq!(machine.left, Some(Bytes::from_kib(2000)));
        assert_eq!(machine.percent(), Some(25));
        let group = read(&[
            ("proc/meminfo", meminfo),
            ("sys/fs/cgroup/memory.max", "1024000\n"),
            ("sys/fs/cgroup/memory.current", "921600\n"),
        ]);
        assert_eq!(group.whole, Some(Bytes::from_kib(1000)));
        assert_eq!(group.percent(), Some(10));
        let wide = read(&[
            ("proc/meminfo", meminfo),
            ("sys/fs/cgroup/memory.max", "8192000000\n"),
        ]);
        assert_eq!(wide.percent(), Some(25));
    }

    #[test]
    fn nothing_known_is_no_percentage() {
        assert_eq!(read(&[]).percent(), None);
        let none = read(&[("proc/meminfo", "MemTotal: 0 kB\nMemAvailable: 0 kB\n")]);
        assert_eq!(none.percent(), None);
    }
}
