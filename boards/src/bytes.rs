//! A number of bytes.

use std::fmt;

use serde::Serialize;

/// An amount of memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bytes(u64);

impl Bytes {
    /// That many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// That many times 1024 bytes.
    #[must_use]
    pub const fn from_kib(kib: u64) -> Self {
        Self(kib.saturating_mul(1024))
    }

    /// That many times 1024 * 1024 bytes.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1024 * 1024))
    }

    /// The plain number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// What is left of this after `other` is taken away, down to nothing.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const GIB: u64 = 1 << 30;
        const MIB: u64 = 1 << 20;
        if self.0 >= GIB {
            // Tenths by integers: floats have no lossless way from u64.
            let tenths = (u128::from(self.0) * 10 + u128::from(GIB / 2)) / u128::from(GIB);
            write!(f, "{}.{} GiB", tenths / 10, tenths % 10)
        } else {
            write!(f, "{} MiB", self.0 / MIB)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn reads_as_a_person_would_write_it() {
        assert_eq!(Bytes::new(0).to_string(), "0 MiB");
        assert_eq!(Bytes::from_mib(512).to_string(), "512 MiB");
        assert_eq!(Bytes::from_mib(1536).to_string(), "1.5 GiB");
        assert_eq!(Bytes::from_kib(u64::MAX).to_string(), "17179869184.0 GiB");
    }

    #[test]
    fn taking_away_too_much_leaves_nothing() {
        assert_eq!(Bytes::new(1).less(Bytes::new(2)), Bytes::new(0));
    }
}
