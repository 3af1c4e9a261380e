//! How fast a backlog is sent after an outage: a bucket that fills at a steady rate, and holds a quarter of a second's
//! worth, so that neither the broker nor those who listen are flooded.

use crate::store::Moment;

/// Parts of a second that the bucket holds.
const PART: u64 = 4;
const SECOND: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Pace {
    per_second: u64,
    /// In thousandths of a message.
    left: u64,
    at: Moment,
}

impl Pace {
    pub(super) fn new(per_second: u32, now: Moment) -> Self {
        Self {
            per_second: u64::from(per_second),
            left: SECOND,
            at: now,
        }
    }

    /// How many messages may be sent now.
    pub(super) fn credit(&mut self, now: Moment) -> u32 {
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let most = (self.per_second * SECOND / PART).max(SECOND);
        let earned = passed.saturating_mul(self.per_second);
        self.left = self.left.saturating_add(earned).min(most);
        self.at = now;
        u32::try_from(self.left / SECOND).unwrap_or(u32::MAX)
    }

    /// They were sent.
    pub(super) fn spend(&mut self, messages: usize) {
        let spent = u64::try_from(messages).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(spent.saturating_mul(SECOND));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_its_share_and_a_burst() {
        let mut pace = Pace::new(100, Moment(0));
        let mut sent = 0;
        for ms in 0..10_000 {
            let credit = pace.credit(Moment(ms));
            pace.spend(credit as usize);
            sent += credit;
        }
        assert_eq!(sent, 1_000);
        // A long silence gives no more than a quarter of a second's worth at once.
        assert_eq!(pace.credit(Moment(10_000_000)), 25);
        let mut slow = Pace::new(1, Moment(0));
        assert_eq!(slow.credit(Moment(0)), 1);
        slow.spend(1);
        assert_eq!(slow.credit(Moment(999)), 0);
        assert_eq!(slow.credit(Moment(1_000)), 1);
    }
}
