//! From what networks say of words to what is masked: which cuts serve best, and what they find.

use std::ops::Range;

use super::{
    class::Class,
    example::Truth,
    score::Score,
    sensitivity::{Cuts, OUTPUTS},
    teach::Judged,
};
use crate::detect::{Detectors, Finding, settle};

/// What a head may do wrong, as the shares that cuts are chosen by: units that leak, sensitive characters that stay
/// visible, other characters that are masked, and what is lacking of the spans' F2.
const MAY: [f64; 4] = [0.02, 0.05, 0.08, 0.10];

/// The pieces that a head with these cuts finds.
#[must_use]
pub fn pieces(judged: &Judged<'_>, cuts: &Cuts) -> Vec<(Range<usize>, Class)> {
    super::decode::pieces(
        &judged.example.text,
        judged.words,
        &judged.outputs,
        OUTPUTS,
        cuts,
    )
}

/// The cuts with which a head does the least wrong: the sum of the squares of what it does, against what it [may](MAY) do.
/// A square, so that no kind of wrong pays for another's last bit; and not the worst kind alone, since one that no cut
/// makes good would then be bettered by a hair at the cost of the others.
///
/// What `detectors` find is masked too.
#[must_use]
pub fn choose(judged: &[Judged<'_>], detectors: &Detectors) -> Cuts {
    // Found once, since the cuts do not change it.
    let known = judged.iter().map(|judged| {
        let sensitive = judged.example.sensitive();
        (judged, sensitive, detectors.find(&judged.example.text))
    });
    let known: Vec<_> = known.collect();
    let wrong = |cuts: &Cuts| -> f64 {
        let (mut units, mut spans) = (Score::default(), Score::default());
        for (judged, sensitive, patterns) in &known {
            let masked = masked(&pieces(judged, cuts), patterns, detectors);
            let score = match judged.example.truth {
                Truth::Units(_) => &mut units,
                Truth::Spans(_) => &mut spans,
            };
            score.add_known(judged.example, sensitive, &masked, false);
        }
        let wrong = [
            units.leak_rate(),
            units.visible(),
            units.masked_other(),
            1.0 - spans.spans().f2(),
        ];
        wrong
            .iter()
            .zip(MAY)
            .map(|(is, may)| (is / may).powi(2))
            .sum()
    };
    let mut best = Cuts {
        sensitive: -1.5,
        extend: -2.0,
        repeat: -3.5,
        begin: -1.0,
    };
    let mut least = wrong(&best);
    // One after another, twice: the cuts hardly depend on each other.
    for steps in [[0.75; 4], [0.25; 4]] {
        for (which, step) in steps.into_iter().enumerate() {
            let middle = best;
            for times in -4i8..=4 {
                let by = f32::from(times) * step;
                let mut cuts = middle;
                match which {
                    0 => {
                        cuts.sensitive += by;
                        cuts.extend += by;
                        cuts.repeat += by;
                    }
                    1 => cuts.extend = (cuts.extend + by).min(cuts.sensitive),
                    2 => cuts.repeat += 2.0 * by,
                    _ => cuts.begin += by,
                }
                let now = wrong(&cuts);
                if now < least {
                    (best, least) = (cuts, now);
                }
            }
        }
    }
    best
}

/// What the pieces and what the patterns found mask together, as in a text that is handed on: in order and disjoint.
#[must_use]
pub fn masked(
    pieces: &[(Range<usize>, Class)],
    patterns: &[Finding],
    detectors: &Detectors,
) -> Vec<Range<usize>> {
    let pieces = pieces
        .iter()
        .map(|(span, class)| detectors.finding(span.clone(), class.kind()));
    let settled = settle(pieces.chain(patterns.iter().cloned()).collect());
    settled.into_iter().map(|finding| finding.span).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy::Policy;

    #[test]
    fn pieces_and_patterns_mask_what_either_masks_as_a_text_that_is_handed_on() {
        let policy = Policy::parse("", Path::new(".")).unwrap();
        let detectors = Detectors::try_new(&policy).unwrap();
        let text = "Ann Lee, +49 171 1234567 office";
        let patterns = detectors.find(text);
        let pieces = [(0..7, Class::Person), (17..31, Class::Identifier)];
        let masked = masked(&pieces, &patterns, &detectors);
        let masked: Vec<&str> = masked.into_iter().map(|span| &text[span]).collect();
        assert_eq!(masked, ["Ann Lee", "+49 171 1234567", " office"]);
    }
}
