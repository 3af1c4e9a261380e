//! Chance that is the same every time.

/// Numbers from a seed (SplitMix64: Steele, Lea and Flood, 2014, figure 16).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, 1 excluded.
    pub(super) fn unit(&mut self) -> f32 {
        let bits = u16::try_from(self.bits() >> 48).unwrap_or(0);
        f32::from(bits) / 65_536.0
    }

    /// About normal, with variance one: the sum of twelve is near enough for weights to begin with.
    pub(super) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }

    /// Puts a list in another order.
    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            let bound = last as u64 + 1;
            // The bias of a remainder is far below what matters here.
            let other = usize::try_from(self.bits() % bound).unwrap_or(last);
            all.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_order_again_and_all_of_it() {
        let order = |seed| {
            let mut all: Vec<u32> = (0..50).collect();
            Random::new(seed).shuffle(&mut all);
            all
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(1);
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..50));
    }

    #[test]
    fn normal_numbers_have_mean_nought_and_variance_one() {
        let mut random = Random::new(9);
        let all: Vec<f32> = (0..4000).map(|_| random.normal()).collect();
        let mean = all.iter().sum::<f32>() / 4000.0;
        let variance = all.iter().map(|x| x * x).sum::<f32>() / 4000.0;
        assert!(mean.abs() < 0.1 && (variance - 1.0).abs() < 0.1);
    }
}
