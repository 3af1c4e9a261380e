//! When memory is short, and when it is no longer.

use std::fmt;

use serde::Serialize;

use crate::headroom::Headroom;

/// How short memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shortage {
    /// There is enough.
    #[default]
    None,
    /// What only saves time should go.
    Low,
    /// Everything that is not at work should go, before the kernel kills.
    Critical,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Critical => "critical",
        })
    }
}

/// Where shortages begin. Each ends only well past the point where it began, so
/// that a reading at the border does not switch to and fro.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// Low below this many percent left; at least `critical`.
    pub low: u8,
    /// Critical below this many percent left.
    pub critical: u8,
    /// Percent of 10 seconds. Low if some programs wait that long for memory,
    /// critical if all do; 0 ignores waits.
    pub stall: u8,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            low: 10,
            critical: 5,
            stall: 20,
        }
    }
}

impl Thresholds {
    /// How short memory is by this reading, after it was `before`.
    #[must_use]
    pub fn judge(&self, before: Shortage, reading: &Headroom) -> Shortage {
        let begun = self.begun(reading);
        if begun >= before {
            return begun;
        }
        // Half as much again must be left, and half the wait be over.
        let ends = Self {
            low: half_more(self.low),
            critical: half_more(self.critical),
            stall: self.stall.div_ceil(2),
        };
        ends.begun(reading).min(before)
    }

    /// How short memory is by this reading alone. A kernel that says nothing
    /// is taken to have enough.
    #[must_use]
    pub fn begun(&self, reading: &Headroom) -> Shortage {
        let left = match reading.percent() {
            Some(percent) if percent < self.critical => Shortage::Critical,
            Some(percent) if percent < self.low => Shortage::Low,
            _ => Shortage::None,
        };
        let limit = f64::from(self.stall);
        let stalled = match reading.pressure.worst() {
            Some((_, full)) if self.stall > 0 && full >= limit => Shortage::Critical,
            Some((some, _)) if self.stall > 0 && some >= limit => Shortage::Low,
            _ => Shortage::None,
        };
        left.max(stalled)
    }
}

/// At least one more, and never so much that it cannot be reached.
fn half_more(percent: u8) -> u8 {
    let more = percent.saturating_add(percent.div_ceil(2));
    if percent == 0 { 0 } else { more.min(99) }
}

#[cfg(test)]
mod tests {
    use super::{Shortage, Thresholds};
    use crate::bytes::Bytes;
    use crate::headroom::Headroom;
    use crate::pressure::{Pressure, Stall, Stalls};

    fn left(percent: u64) -> Headroom {
        Headroom {
            left: Some(Bytes::new(percent)),
            whole: Some(Bytes::new(100)),
            pressure: Pressure::default(),
        }
    }

    fn stalled(some: f64, full: f64) -> Headroom {
        let stall = |avg10| Stall {
            avg10,
            ..Stall::default()
        };
        Headroom {
            pressure: Pressure {
                machine: Some(Stalls {
                    some: stall(some),
                    full: stall(full),
                }),
                group: None,
            },
            ..left(80)
        }
    }

    fn walk(readings: &[Headroom]) -> Vec<Shortage> {
        let mut shortage = Shortage::None;
        let mut seen = Vec::new();
        for reading in readings {
            shortage = Thresholds::default().judge(shortage, reading);
            seen.push(shortage);
        }
        seen
    }

    #[test]
    fn it_begins_at_once_and_ends_only_well_past_where_it_began() {
        use Shortage::{Critical, Low, None};
        let readings = [50, 10, 9, 10, 14, 15, 4, 5, 7, 8, 14, 15, 3, 90].map(left);
        let expected = [
            None, None, Low, Low, Low, None, Critical, Critical, Critical, Low, Low, None,
            Critical, None,
        ];
        assert_eq!(walk(&readings), expected);
    }

    #[test]
    fn waits_count_as_well_as_what_is_left() {
        use Shortage::{Critical, Low, None};
        let readings = [
            stalled(19.9, 0.0),
            stalled(20.0, 0.0),
            stalled(10.0, 0.0),
            stalled(9.9, 0.0),
            stalled(60.0, 20.0),
            stalled(60.0, 9.0),
            stalled(0.0, 0.0),
        ];
        assert_eq!(walk(&readings), [None, Low, Low, None, Critical, Low, None]);
        let deaf = Thresholds {
            stall: 0,
            ..Thresholds::default()
        };
        let all = stalled(100.0, 100.0);
        assert_eq!(deaf.judge(None, &all), None);
        assert_eq!(deaf.judge(Low, &all), None);
    }

    #[test]
    fn a_kernel_that_says_nothing_and_thresholds_of_nothing_are_no_shortage() {
        let silent = Headroom::default();
        assert_eq!(
            Thresholds::default().judge(Shortage::Critical, &silent),
            Shortage::None
        );
        let off = Thresholds {
            low: 0,
            critical: 0,
            stall: 0,
        };
        assert_eq!(off.judge(Shortage::Critical, &left(0)), Shortage::None);
    }

    #[test]
    fn every_shortage_can_end() {
        for percent in 0..=100 {
            let thresholds = Thresholds {
                low: percent,
                critical: percent,
                stall: percent,
            };
            let full = left(100);
            let judged = thresholds.judge(Shortage::Critical, &full);
            assert_eq!(judged, Shortage::None, "{percent}");
        }
    }
}
