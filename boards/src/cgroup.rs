//! What this process may use of the machine: its control groups (version 2)
//! and the cores that it may be scheduled on.

use std::thread;

use serde::Serialize;

use crate::bytes::Bytes;
use crate::roots::Roots;

/// The bounds that the kernel holds this process to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The tightest `memory.max` from the process's group upwards.
    pub memory: Option<Bytes>,
    /// What the group under that bound may still allocate, counting the page
    /// cache that the kernel can drop as free.
    pub memory_left: Option<Bytes>,
    /// Whole cores' worth of time that `cpu.max` grants, at least 1.
    pub cpus: Option<u16>,
    /// Cores that the scheduler may put this process on.
    pub affinity: Option<u16>,
}

const MOUNT: &str = "sys/fs/cgroup";
/// Deeper than any tree that systemd or a container runtime makes.
const MAX_DEPTH: usize = 64;

impl Limits {
    /// Reads them below the root, and asks the scheduler too if that is this
    /// machine.
    pub(crate) fn read(roots: &Roots) -> Self {
        let mut limits = Self {
            affinity: affinity(roots),
            ..Self::default()
        };
        for group in groups(roots) {
            limits.tighten(roots, &group);
        }
        if roots.is_this_machine() {
            let granted = thread::available_parallelism().ok();
            let granted = granted.and_then(|n| u16::try_from(n.get()).ok());
            limits.affinity = least(limits.affinity, granted);
        }
        limits
    }

    fn tighten(&mut self, roots: &Roots, group: &str) {
        if let Some(max) = roots.read_number(format!("{group}/memory.max")) {
            self.memory = least(self.memory, Some(Bytes::new(max)));
            let used = roots
                .read_number(format!("{group}/memory.current"))
                .unwrap_or(0);
            let busy = used.saturating_sub(droppable(roots, group));
            let left = Bytes::new(max.saturating_sub(busy));
            self.memory_left = least(self.memory_left, Some(left));
        }
        self.cpus = least(self.cpus, quota(roots, group));
    }
}

fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The process's group and those around it, the outermost first, as folders
/// below the root.
pub(crate) fn groups(roots: &Roots) -> Vec<String> {
    let text = roots.read("proc/self/cgroup").unwrap_or_default();
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"));
    let mut groups = vec![MOUNT.to_owned()];
    let mut group = MOUNT.to_owned();
    // A path that climbs belongs to a group outside of this namespace; what is
    // mounted is then all that can be seen.
    for name in path.unwrap_or_default().split('/').take(MAX_DEPTH) {
        if name == ".." {
            groups.truncate(1);
            break;
        }
        if !name.is_empty() {
            group = format!("{group}/{name}");
            groups.push(group.clone());
        }
    }
    groups
}

fn droppable(roots: &Roots, group: &str) -> u64 {
    let stat = roots
        .read(format!("{group}/memory.stat"))
        .unwrap_or_default();
    stat.lines()
        .find_map(|line| line.strip_prefix("inactive_file "))
        .and_then(|n| n.trim().parse().ok())
        .unwrap_or(0)
}

/// `cpu.max` is "quota period" in microseconds, or "max period".
fn quota(roots: &Roots, group: &str) -> Option<u16> {
    let text = roots.read(format!("{group}/cpu.max"))?;
    let mut words = text.split_whitespace();
    let quota: u64 = words.next()?.parse().ok()?;
    let period: u64 = words.next()?.parse().ok()?;
    let cpus = quota.checked_div(period)?.max(1);
    Some(u16::try_from(cpus).unwrap_or(u16::MAX))
}

fn affinity(roots: &Roots) -> Option<u16> {
    let status = roots.read("proc/self/status")?;
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let cores: u64 = list
        .trim()
        .split(',')
        .map(range_length)
        .sum::<Option<_>>()?;
    u16::try_from(cores).ok()
}

/// The length of "3" or "0-5".
fn range_length(range: &str) -> Option<u64> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let first: u32 = first.parse().ok()?;
    let last: u32 = last.parse().ok()?;
    Some(u64::from(last.checked_sub(first)?) + 1)
}

#[cfg(test)]
mod tests {
    use super::{Limits, range_length};
    use crate::bytes::Bytes;
    use crate::roots::Roots;
    use std::fs;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Roots) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let roots = Roots::at(dir.path());
        (dir, roots)
    }

    #[test]
    fn the_tightest_group_on_the_way_up_counts() {
        let (_dir, roots) = tree(&[
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/memory.max", "1000\n"),
            ("sys/fs/cgroup/a/memory.current", "600\n"),
            (
                "sys/fs/cgroup/a/memory.stat",
                "anon 500\ninactive_file 100\n",
            ),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/cpu.max", "250000 100000\n"),
            ("sys/fs/cgroup/a/cpu.max", "max 100000\n"),
        ]);
        let limits = Limits::read(&roots);
        assert_eq!(limits.memory, Some(Bytes::new(1000)));
        assert_eq!(limits.memory_left, Some(Bytes::new(500)));
        assert_eq!(limits.cpus, Some(2));
        assert_eq!(limits.affinity, None);
    }

    #[test]
    fn a_path_that_climbs_out_is_not_followed() {
        let (_dir, roots) = tree(&[
            ("proc/self/cgroup", "0::/../../etc\n"),
            ("sys/fs/cgroup/memory.max", "2000\n"),
            ("etc/memory.max", "1\n"),
        ]);
        assert_eq!(Limits::read(&roots).memory, Some(Bytes::new(2000)));
    }

    #[test]
    fn less_than_one_core_is_one_thread_and_nonsense_is_no_bound() {
        let (_dir, roots) = tree(&[
            ("sys/fs/cgroup/cpu.max", "5000 100000\n"),
            ("proc/self/status", "Cpus_allowed_list:\t0-3,8\n"),
        ]);
        let limits = Limits::read(&roots);
        assert_eq!((limits.cpus, limits.affinity), (Some(1), Some(5)));
        let (_dir, roots) = tree(&[
            ("sys/fs/cgroup/cpu.max", "5000 0\n"),
            ("proc/self/status", "Cpus_allowed_list:\t7-2\n"),
        ]);
        assert_eq!(Limits::read(&roots), Limits::default());
        assert_eq!(range_length("4294967295"), Some(1));
    }
}
