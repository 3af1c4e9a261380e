//! From what networks say of words to what is masked: which cuts serve best, and what they find.

use std::ops::Range;

use super::{
    class::Class,
    example::{Example, Truth},
    score::Score,
    sensitivity::{Cuts, OUTPUTS},
    teach::Judged,
};

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

/// The cuts with which the worst of what a head does wrong is the smallest, against what it [may](MAY) do.
///
/// `more` gives what else is found in each text, such as by patterns.
#[must_use]
pub fn choose(judged: &[Judged<'_>], more: impl Fn(&Example) -> Vec<Range<usize>>) -> Cuts {
    // Found once, since the cuts do not change it.
    let known = judged.iter().map(|judged| {
        let sensitive = judged.example.sensitive();
        (judged, sensitive, more(judged.example))
    });
    let known: Vec<_> = known.collect();
    let worst = |cuts: &Cuts| {
        let (mut units, mut spans) = (Score::default(), Score::default());
        for (judged, sensitive, more) in &known {
            let masked = united(&pieces(judged, cuts), more);
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
            1.0 - spans.span_f2(),
        ];
        let shares = wrong.iter().zip(MAY).map(|(is, may)| is / may);
        // The worst first, and of two that are as bad the one that does less wrong altogether.
        shares.clone().fold(0.0, f64::max) + 0.02 * shares.sum::<f64>()
    };
    let mut best = Cuts {
        sensitive: -1.5,
        extend: -2.0,
        repeat: -3.5,
        begin: -1.0,
    };
    let mut least = worst(&best);
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
                let wrong = worst(&cuts);
                if wrong < least {
                    (best, least) = (cuts, wrong);
                }
            }
        }
    }
    best
}

/// Pieces of both kinds, in order and disjoint, which mask what either masks. What lies within another piece is a part of it,
/// but a pattern that holds several pieces, such as an address with its number and town, is those.
#[must_use]
pub fn united(pieces: &[(Range<usize>, Class)], more: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = pieces.iter().map(|(piece, _)| piece.clone()).collect();
    for pattern in more {
        let from = all.partition_point(|piece| piece.end <= pattern.start);
        let to = all.partition_point(|piece| piece.start < pattern.end);
        let Some(touched) = all.get_mut(from..to.max(from)) else {
            continue;
        };
        match touched {
            [] => all.insert(from, pattern.clone()),
            [first, .., last] => {
                first.start = first.start.min(pattern.start);
                last.end = last.end.max(pattern.end);
                for at in from + 1..to {
                    all[at - 1].end = all[at].start;
                }
            }
            [one] => *one = one.start.min(pattern.start)..one.end.max(pattern.end),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_patterns_mask_what_either_masks_and_stay_disjoint() {
        let piece = |span: Range<usize>| (span, Class::Address);
        let pieces = [piece(3..5), piece(6..9), piece(12..20)];
        for (pattern, expected) in [
            (0..2, vec![0..2, 3..5, 6..9, 12..20]),
            (2..10, vec![2..6, 6..10, 12..20]),
            (13..15, vec![3..5, 6..9, 12..20]),
            (10..30, vec![3..5, 6..9, 10..30]),
            (8..13, vec![3..5, 6..12, 12..20]),
            (25..30, vec![3..5, 6..9, 12..20, 25..30]),
        ] {
            assert_eq!(united(&pieces, &[pattern]), expected);
        }
    }
}
