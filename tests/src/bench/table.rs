//! The table for people.

use super::row::{Row, Target};

/// All rows, and below them the notes.
#[must_use]
pub fn shown(rows: &[Row], notes: &[String]) -> String {
    let mut out = line([
        "",
        "SHOAL",
        "OTHER",
        "UNIT",
        "RATIO",
        "OF ROUNDS",
        "TARGET",
        "",
    ]);
    for row in rows {
        let other = row.other.map_or_else(|| "-".to_owned(), number);
        let range = format!("{}..{}", number(row.low), number(row.high));
        let target = match row.target {
            Target::AtLeast(least) => format!(">= {}", number(least)),
            Target::AtMost(most) => format!("<= {}", number(most)),
        };
        out += &line([
            &row.what,
            &number(row.ours),
            &other,
            &row.unit,
            &number(row.ratio),
            &range,
            &target,
            if row.met { "met" } else { "missed" },
        ]);
    }
    if !notes.is_empty() {
        out.push('\n');
    }
    for note in notes {
        out.push_str(note);
        out.push('\n');
    }
    out
}

/// Three digits or more that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn line(cells: [&str; 8]) -> String {
    let [what, ours, other, unit, ratio, range, target, met] = cells;
    let line = format!(
        "{what:<52}  {ours:>6}  {other:>6}  {unit:<8}  {ratio:>6}  {range:>12}  {target:>8}  {met}"
    );
    line.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::row::{Ahead, Round};

    #[test]
    fn the_table_lines_up() {
        let rounds = [(201.4, 200.9), (198.0, 202.0)].map(|(ours, other)| Round { ours, other });
        let times = [(0.0512, 1.93)].map(|(ours, other)| Round { ours, other });
        let rows = [
            Row::compared(
                "decode",
                "writing, against llama-bench",
                "tokens/s",
                Ahead::More,
                Target::AtLeast(0.97),
                &rounds,
            ),
            Row::compared(
                "restart",
                "first token after a restart, against llama-server",
                "s",
                Ahead::Less,
                Target::AtLeast(5.0),
                &times,
            ),
            Row::alone(
                "memory",
                "memory at rest beside weights and cache",
                "MB",
                Target::AtMost(60.0),
                &[71.25],
            ),
        ];
        let rows: Vec<Row> = rows.into_iter().flatten().collect();
        insta::assert_snapshot!(shown(&rows, &["4 chats: a note".to_owned()]));
    }
}
