//! What this process may use of the machine: its control groups (version 2, and
//! of version 1 the memory) and the cores that it may be scheduled on.

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
    /// cache as free, since the kernel drops it before it kills anyone.
    pub memory_left: Option<Bytes>,
    /// Whole cores' worth of time that `cpu.max` grants, at least 1.
    pub cpus: Option<u16>,
    /// Cores that the scheduler may put this process on.
    pub affinity: Option<u16>,
}

const MOUNT: &str = "sys/fs/cgroup";
const MOUNT_V1: &str = "sys/fs/cgroup/memory";
/// Version 1 writes the largest multiple of a page where there is no bound.
const UNBOUNDED: u64 = 1 << 62;
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
            limits.cpus = least(limits.cpus, quota(roots, &group));
            limits.tighten(roots, &group, &V2);
        }
        let memory = |line: &str| Some(line.split_once(":memory:/")?.1.to_owned());
        for group in groups_of(roots, MOUNT_V1, memory) {
            limits.tighten(roots, &group, &V1);
        }
        if roots.is_this_machine() {
            let granted = thread::available_parallelism().ok();
            let granted = granted.and_then(|n| u16::try_from(n.get()).ok());
            limits.affinity = least(limits.affinity, granted);
        }
        limits
    }

    fn tighten(&mut self, roots: &Roots, group: &str, names: &Names) {
        let read = |name| roots.read_number(format!("{group}/{name}"));
        let Some(max) = read(names.max).filter(|max| *max < UNBOUNDED) else {
            return;
        };
        let used = read(names.used).unwrap_or(0);
        let busy = used.saturating_sub(droppable(roots, group, names));
        let left = Bytes::new(max.saturating_sub(busy));
        self.memory = least(self.memory, Some(Bytes::new(max)));
        self.memory_left = least(self.memory_left, Some(left));
    }
}

/// What a version calls its files, and the page cache in `memory.stat`.
struct Names {
    max: &'static str,
    used: &'static str,
    cache: [&'static str; 2],
}

const V2: Names = Names {
    max: "memory.max",
    used: "memory.current",
    cache: ["inactive_file ", "active_file "],
};

const V1: Names = Names {
    max: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cache: ["total_inactive_file ", "total_active_file "],
};

fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The process's group and those around it, the outermost first, as folders
/// below the root.
pub(crate) fn groups(roots: &Roots) -> Vec<String> {
    groups_of(roots, MOUNT, |line| {
        Some(line.strip_prefix("0::/")?.to_owned())
    })
}

fn groups_of(roots: &Roots, mount: &str, path: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let text = roots.read("proc/self/cgroup").unwrap_or_default();
    let path = text.lines().find_map(path);
    let mut groups = vec![mount.to_owned()];
    let mut group = mount.to_owned();
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

/// The page cache. What is mapped of the model's file is in it, too.
fn droppable(roots: &Roots, group: &str, names: &Names) -> u64 {
    let stat = roots
        .read(format!("{group}/memory.stat"))
        .unwrap_or_default();
    let of = |line: &str| {
        let mut kinds = names.cache.iter();
        let number = kinds.find_map(|kind| line.strip_prefix(kind))?;
        number.trim().parse::<u64>().ok()
    };
    stat.lines().filter_map(of).sum()
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
                "anon 500\ninactive_file 60\nactive_file 40\n",
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
    fn the_memory_of_version_1_counts_as_well() {
        let (_dir, roots) = tree(&[
            ("proc/self/cgroup", "4:memory:/a\n1:cpu:/b\n0::/\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "900\n"),
            (
                "sys/fs/cgroup/memory/a/memory.stat",
                "inactive_file 7\ntotal_inactive_file 200\ntotal_active_file 100\n",
            ),
        ]);
        let limits = Limits::read(&roots);
        assert_eq!(limits.memory, Some(Bytes::new(1000)));
        assert_eq!(limits.memory_left, Some(Bytes::new(400)));
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
