//! How much memory there is, from `/proc/meminfo`.

use serde::Serialize;

use crate::bytes::Bytes;
use crate::roots::Roots;

/// The machine's memory; none where the kernel does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// All that the kernel manages.
    pub total: Option<Bytes>,
    /// What a new program can have without swapping.
    pub available: Option<Bytes>,
}

impl Memory {
    /// Reads it below the root.
    pub(crate) fn read(roots: &Roots) -> Self {
        let text = roots.read("proc/meminfo").unwrap_or_default();
        Self {
            total: field(&text, "MemTotal:"),
            available: field(&text, "MemAvailable:"),
        }
    }
}

/// The kernel writes "kB" and means 1024 bytes.
fn field(text: &str, name: &str) -> Option<Bytes> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes::from_kib(kib))
}

#[cfg(test)]
mod tests {
    use super::field;
    use crate::bytes::Bytes;

    #[test]
    fn other_units_and_other_names_are_not_taken() {
        let text = "MemTotalX: 1 kB\nMemTotal:   2 kB\nMemFree: -3 kB\nMemBad: 4 MB\n";
        assert_eq!(field(text, "MemTotal:"), Some(Bytes::new(2048)));
        assert_eq!(field(text, "MemFree:"), None);
        assert_eq!(field(text, "MemBad:"), None);
    }
}
