//! Accuracy against cost as a picture.

use std::fmt::Write as _;

use shoal_conductor::head::routing::measure::Field;

use super::{Opinions, report::points};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 56.0;
/// Points of a curve.
const STEPS: u32 = 100;

/// The colour of each opinion's curve.
const COLOURS: [(&str, &str); 7] = [
    ("head", "#0b6e99"),
    ("tfidf", "#d9730d"),
    ("length", "#6940a5"),
    ("oracle", "#0f7b6c"),
    ("random", "#787774"),
    ("best_single", "#e03e3e"),
    ("cheapest", "#64473a"),
];

/// A name, a colour, and points of cost and accuracy.
type Curve<'c> = (&'c str, &'c str, Vec<(f64, f64)>);

/// The picture.
pub fn svg(field: &Field<'_>, opinions: &Opinions) -> String {
    let steps = 0..=STEPS;
    let shares: Vec<f64> = steps
        .map(|step| f64::from(step) / f64::from(STEPS))
        .collect();
    let has_pair = field.pair.is_some();
    let mut curves = Vec::new();
    for (name, colour) in COLOURS {
        let Some((_, opinion)) = opinions.iter().find(|(known, _)| *known == name) else {
            continue;
        };
        // They always ask the same worker: a point, and with a pair an end of every curve.
        match matches!(name, "best_single" | "cheapest") {
            true if has_pair => {}
            true => {
                let outcome = field.outcome(opinion);
                curves.push((name, colour, vec![(outcome.cost, outcome.accuracy)]));
            }
            false => curves.push((name, colour, points(field, opinion, &shares))),
        }
    }
    let axis = if has_pair {
        "share of calls to the strong worker"
    } else {
        "mean cost of a call"
    };
    draw(&curves, axis)
}

fn draw(curves: &[Curve<'_>], axis: &str) -> String {
    let all = || curves.iter().flat_map(|(_, _, curve)| curve);
    let right = all().map(|point| point.0).fold(1e-6, f64::max);
    let top = all().map(|point| point.1).fold(f64::MIN, f64::max);
    let bottom = all().map(|point| point.1).fold(f64::MAX, f64::min);
    let range = (top - bottom).max(1e-6);
    let (low, far) = (HEIGHT - MARGIN, WIDTH - MARGIN);
    let x = |cost: f64| MARGIN + cost / right * (far - MARGIN);
    let y = |accuracy: f64| low - (accuracy - bottom) / range * (low - MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n<path d=\"M{MARGIN} {MARGIN}V{low}H{far}\" fill=\"none\" stroke=\"#333\"/>\n"
    );
    let mut say = |at: (f64, f64), anchor: &str, colour: &str, text: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>",
            at.0, at.1
        );
    };
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let (cost, accuracy) = (right * share, bottom + range * share);
        say(
            (x(cost), low + 18.0),
            "middle",
            "#333",
            &format!("{cost:.2}"),
        );
        let place = (MARGIN - 6.0, y(accuracy) + 4.0);
        say(place, "end", "#333", &format!("{accuracy:.3}"));
    }
    say((WIDTH / 2.0, low + 38.0), "middle", "#333", axis);
    say((MARGIN, MARGIN - 12.0), "start", "#333", "accuracy");
    let mut line = MARGIN;
    for (name, colour, _) in curves {
        say((WIDTH - 8.0, line), "end", colour, name);
        line += 16.0;
    }
    for (_, colour, curve) in curves {
        let _ = match curve.as_slice() {
            [(cost, accuracy)] => writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"/>",
                x(*cost),
                y(*accuracy)
            ),
            points => {
                let points: Vec<String> = points
                    .iter()
                    .map(|(cost, accuracy)| format!("{:.1},{:.1}", x(*cost), y(*accuracy)))
                    .collect();
                let points = points.join(" ");
                writeln!(
                    out,
                    "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
                )
            }
        };
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_and_dots_lie_within_the_axes() {
        let curves = [
            ("head", "#0b6e99", vec![(0.0, 0.5), (0.5, 0.75), (1.0, 0.7)]),
            ("cheapest", "#64473a", vec![(0.25, 0.6)]),
        ];
        insta::assert_snapshot!(draw(&curves, "mean cost of a call"));
    }
}
