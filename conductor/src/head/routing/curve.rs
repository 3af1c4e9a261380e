//! What a choice between two workers is worth, at every share of calls.
//!
//! As RouteLLM has it (Ong et al., 2024, section 3.2): prompts go to the strong worker in the order of a score; the gap
//! recovered is how far accuracy has come from the weak worker's to the strong one's. APGR is its mean over all shares, CPT
//! the least share of calls that recovers so much of it.

/// Accuracy at each number of calls to the strong worker, from none to all.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve(Vec<f64>);

impl Curve {
    /// Of prompts with the score that sends them, and what weak and strong make of them.
    #[must_use]
    pub fn new(scores: &[f32], weak: &[f32], strong: &[f32]) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let mut sum: f64 = weak.iter().copied().map(f64::from).sum();
        let count = number(scores.len().max(1));
        let mut points = vec![sum / count];
        for at in order {
            sum += f64::from(strong[at]) - f64::from(weak[at]);
            points.push(sum / count);
        }
        Self(points)
    }

    fn ends(&self) -> (f64, f64) {
        let first = self.0.first().copied().unwrap_or(0.0);
        (first, self.0.last().copied().unwrap_or(first))
    }

    /// Accuracy at a share of calls, from 0 to 1.
    #[must_use]
    pub fn accuracy(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in the curve"
        )]
        let at = (share.clamp(0.0, 1.0) * number(last)).round() as usize;
        self.0.get(at).copied().unwrap_or(0.0)
    }

    /// The mean gap recovered; 0 where the two are alike.
    #[must_use]
    pub fn apgr(&self) -> f64 {
        let (weak, strong) = self.ends();
        let steps = number(self.0.len().saturating_sub(1).max(1));
        let area: f64 = self
            .0
            .windows(2)
            .map(|pair| pair[0].midpoint(pair[1]))
            .sum();
        ratio(area / steps - weak, strong - weak)
    }

    /// The least share of calls that recovers `gap` of the gap; 1 where none does.
    #[must_use]
    pub fn cpt(&self, gap: f64) -> f64 {
        let (weak, strong) = self.ends();
        let steps = number(self.0.len().saturating_sub(1).max(1));
        let enough = |accuracy: &f64| ratio(accuracy - weak, strong - weak) >= gap - 1e-9;
        let first = self.0.iter().position(enough);
        first.map_or(1.0, |at| number(at) / steps)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of rows")]
pub(super) fn number(count: usize) -> f64 {
    count as f64
}

fn ratio(a: f64, b: f64) -> f64 {
    if b.abs() < 1e-12 { 0.0 } else { a / b }
}

/// Expected calibration error: the mean distance of chance and success in ten equal parts of the chances (Guo et al., 2017,
/// section 2), weighted by how many fall in each.
#[must_use]
pub fn calibration_error(pairs: impl Iterator<Item = (f32, f32)>) -> f64 {
    let mut parts = [(0.0f64, 0.0f64, 0usize); 10];
    for (chance, success) in pairs {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a chance"
        )]
        let at = ((chance * 10.0) as usize).min(9);
        parts[at].0 += f64::from(chance);
        parts[at].1 += f64::from(success);
        parts[at].2 += 1;
    }
    let total: usize = parts.iter().map(|(_, _, count)| count).sum();
    let off: f64 = parts.iter().map(|(a, b, _)| (a - b).abs()).sum();
    off / number(total.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEAK: [f32; 4] = [1.0, 0.0, 0.0, 1.0];
    const STRONG: [f32; 4] = [1.0, 1.0, 1.0, 1.0];

    #[test]
    fn a_perfect_order_needs_half_the_calls_and_the_worst_all() {
        let best = Curve::new(&[0.0, 2.0, 3.0, 1.0], &WEAK, &STRONG);
        assert_eq!(best, Curve(vec![0.5, 0.75, 1.0, 1.0, 1.0]));
        assert!((best.apgr() - 0.75).abs() < 1e-9);
        assert!((best.cpt(0.5) - 0.25).abs() < 1e-9 && (best.cpt(0.8) - 0.5).abs() < 1e-9);
        assert!((best.accuracy(0.5) - 1.0).abs() < 1e-9);
        let worst = Curve::new(&[3.0, 1.0, 0.0, 2.0], &WEAK, &STRONG);
        assert!((worst.apgr() - 0.25).abs() < 1e-9 && (worst.cpt(1.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn workers_that_are_alike_have_no_gap_to_recover() {
        let same = Curve::new(&[1.0, 2.0], &[1.0, 0.0], &[0.0, 1.0]);
        assert!(same.apgr().abs() < 1e-9);
    }

    #[test]
    fn the_calibration_error_is_the_mean_distance() {
        let sure = [(0.95, 1.0), (0.95, 1.0), (0.15, 0.0), (0.15, 0.0)];
        assert!((calibration_error(sure.into_iter()) - 0.1).abs() < 1e-6);
        assert!(calibration_error(std::iter::empty()).abs() < 1e-9);
    }
}
