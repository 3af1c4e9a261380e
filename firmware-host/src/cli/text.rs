//! Laying out text for people: at most [`WIDTH`] columns.

use time::{OffsetDateTime, macros::format_description};

/// The widest line, in columns.
pub const WIDTH: usize = 100;

/// Breaks `text` into lines of at most `width` characters, at spaces where there are some. Its own line ends stay.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    text.lines()
        .flat_map(|line| wrap_line(line, width.max(1)))
        .collect()
}

fn wrap_line(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = line.trim_end().chars().collect();
    while rest.len() > width {
        let end = rest
            .iter()
            .take(width + 1)
            .rposition(|c| *c == ' ')
            .filter(|end| *end > 0)
            .unwrap_or(width);
        let tail: Vec<char> = rest
            .split_off(end)
            .into_iter()
            .skip_while(|c| *c == ' ')
            .collect();
        lines.push(rest.into_iter().collect());
        rest = tail;
    }
    lines.push(rest.into_iter().collect());
    lines
}

/// Each line of `text` after `margin`, wrapped.
pub fn indent(text: &str, margin: &str) -> String {
    let width = WIDTH.saturating_sub(margin.chars().count());
    wrap(text, width)
        .iter()
        .map(|line| format!("{margin}{line}").trim_end().to_owned() + "\n")
        .collect()
}

/// Breaks lines that are too wide; what is broken off goes on after `indent` spaces.
pub fn hang(text: &str, indent: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let first = wrap_line(line, WIDTH).swap_remove(0);
        let rest = line[first.len()..].trim_start();
        out.push_str(&first);
        out.push('\n');
        if !rest.is_empty() {
            out.push_str(&self::indent(rest, &" ".repeat(indent)));
        }
    }
    out
}

/// Columns as wide as they need to be, two spaces between them.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// A point in time, UTC, to the second.
pub fn moment(milliseconds: u64) -> String {
    let nanoseconds = i128::from(milliseconds) * 1_000_000;
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
        .ok()
        .and_then(|at| at.format(&form).ok())
        .unwrap_or_else(|| format!("{milliseconds} ms since 1970"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_off_hangs_below() {
        let line = format!("  why     {} end", "word ".repeat(20).trim_end());
        let hung = hang(&format!("{line}\nshort\n"), 10);
        assert_eq!(hung.lines().count(), 3);
        assert!(
            hung.lines().all(|line| line.chars().count() <= WIDTH),
            "{hung}"
        );
        assert!(
            hung.lines().nth(1).unwrap().starts_with("          word"),
            "{hung}"
        );
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_where_they_must() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("a\n\nb", 9), ["a", "", "b"]);
        assert_eq!(wrap("äöü äöü", 3), ["äöü", "äöü"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".into(), "bb".into()],
            vec!["ccc".into(), "d".into()],
        ];
        assert_eq!(table(&rows), "a    bb\nccc  d\n");
    }

    #[test]
    fn a_moment_is_read_as_utc() {
        assert_eq!(moment(1_700_000_000_000), "2023-11-14 22:13:20 UTC");
    }
}
