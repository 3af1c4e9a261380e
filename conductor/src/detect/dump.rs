//! Dumps: lines of bytes in hexadecimal as `xxd`, `hexdump -C` and their kin print them, and rows of registers such as
//! `0x6A61 0x6E65`.
//!
//! What can be printed among the bytes is read, as `strings` does, and comes from its digits. It is read once more as
//! coming from the characters that a dump has at the end of its lines: there it stands in the clear.

use std::ops::Range;

use super::view::{Maker, View};

/// Fewer characters in a row hold nothing that is found.
const FEWEST: usize = 6;

/// One byte, and the two digits that it comes from.
type Byte = (u8, Range<usize>);

/// A row of bytes in one line.
struct Row {
    bytes: Vec<Byte>,
    /// The digits of each group, and where it ends.
    groups: Vec<Range<usize>>,
    /// Whether it begins its line, so that it may go on with the row in the line before.
    begins: bool,
    /// The characters at the end of the line, one a byte, if it has them.
    shown: Vec<Range<usize>>,
}

/// All that can be printed, each run in a paragraph of its own; `None` if there is nothing.
pub(super) fn printed(text: &str) -> Option<View<'static>> {
    let mut made = Maker::new();
    let mut block: Vec<Row> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let rows = rows(text, start..start + line.trim_end().len());
        start += line.len();
        if !rows.first().is_some_and(|row| row.begins) {
            put(&mut made, &std::mem::take(&mut block));
        }
        for row in rows {
            if !row.begins {
                put(&mut made, &std::mem::take(&mut block));
            }
            block.push(row);
        }
    }
    put(&mut made, &block);
    (!made.text().is_empty()).then(|| made.view())
}

/// The rows of at least two groups in one line.
fn rows(text: &str, line: Range<usize>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut at = line.start;
    let mut begins = true;
    while at < line.end {
        let here = &text[at..line.end];
        let blank = here.len() - here.trim_start_matches(|c| !is_word(c)).len();
        // What follows the bytes of a line is no row any more.
        begins &= here[..blank].bytes().all(|byte| b" \t[{(".contains(&byte));
        let from = at + blank;
        let (groups, offset) = groups(text, from..line.end, begins);
        match groups.last() {
            Some(last) if groups.len() > 1 => {
                at = last.end;
                let bytes = bytes(text, &groups);
                let shown = shown(text, &bytes, last.end..line.end);
                let trailing = shown.is_empty() && text[last.end..line.end].contains(is_word);
                at = shown.last().map_or(at, |last| last.end);
                rows.push(Row {
                    bytes,
                    groups,
                    begins: begins && (offset || !trailing),
                    shown,
                });
            }
            _ => at = from + word(&text[from..line.end]).len(),
        }
        begins = false;
        if at == from {
            break;
        }
    }
    rows
}

/// The groups of digits from the start of `span` on, all of one length but perhaps the last, without the offset of a line
/// that begins here; and whether there is such an offset.
fn groups(text: &str, span: Range<usize>, begins: bool) -> (Vec<Range<usize>>, bool) {
    let mut at = span.start;
    let mut groups: Vec<Range<usize>> = Vec::new();
    let offset = begins.then(|| offset(&text[span.clone()])).flatten();
    at += offset.unwrap_or(0);
    loop {
        let word = word(&text[at..span.end]);
        let digits = digits(word);
        let length = groups.first().map_or(digits.len(), Range::len);
        let fits = matches!(digits.len(), 2 | 4 | 8) && digits.len() <= length;
        if !fits || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            break;
        }
        at += word.len();
        groups.push(at - digits.len()..at);
        let gap = text.as_bytes()[at..span.end]
            .iter()
            .take(3)
            .take_while(|byte| b" ,:;-\t".contains(byte))
            .count();
        // Two spaces part the halves of a line, and the bytes from the characters.
        let half = digits.len() == 2 && groups.len() == 8;
        let wide = text[at..at + gap].starts_with("  ") && !half;
        if gap == 0 || wide || digits.len() < length {
            break;
        }
        at += gap;
    }
    (groups, offset.is_some())
}

/// How long the offset at the start of a line is, with what parts it from the bytes.
fn offset(line: &str) -> Option<usize> {
    let first = word(line);
    let digits = digits(first);
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let rest = &line[first.len()..];
    let colon = rest.strip_prefix(':').unwrap_or(rest);
    let bytes = colon.trim_start_matches([' ', '\t']);
    let parted = bytes.len() < colon.len();
    let long = if colon.len() < rest.len() { 4 } else { 6 };
    let other = self::digits(word(bytes)).len() != digits.len() || colon.len() < rest.len();
    (hex && parted && other && (long..=16).contains(&digits.len()))
        .then(|| line.len() - bytes.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The word at the start of `text`.
fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

fn digits(word: &str) -> &str {
    word.strip_prefix("0x")
        .or_else(|| word.strip_prefix("0X"))
        .unwrap_or(word)
}

fn bytes(text: &str, groups: &[Range<usize>]) -> Vec<Byte> {
    groups
        .iter()
        .flat_map(|group| (group.start..group.end).step_by(2))
        .filter_map(|at| {
            let byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
            Some((byte, at..at + 2))
        })
        .collect()
}

/// The characters behind the bytes of a line, if they are what the bytes say.
fn shown(text: &str, bytes: &[Byte], rest: Range<usize>) -> Vec<Range<usize>> {
    let behind = &text[rest.clone()];
    let start = rest.start + behind.len() - behind.trim_start_matches([' ', '\t', '|']).len();
    // A dump whose first character is a space or a bar.
    let start = match bytes.first() {
        Some((b' ' | b'|', _)) if start > rest.start => start - 1,
        _ => start,
    };
    let places: Vec<Range<usize>> = text[start..rest.end]
        .char_indices()
        .map(|(at, c)| start + at..start + at + c.len_utf8())
        .take(bytes.len())
        .collect();
    let same = bytes.iter().zip(&places).all(|((byte, _), place)| {
        !byte.is_ascii_graphic() || text.as_bytes()[place.start] == *byte
    });
    if same && places.len() == bytes.len() {
        places
    } else {
        Vec::new()
    }
}

/// Adds what a block of rows says, in all ways.
fn put(made: &mut Maker, block: &[Row]) {
    let bytes = || block.iter().flat_map(|row| &row.bytes);
    strings(made, bytes().cloned());
    let shown = block.iter().filter(|row| !row.shown.is_empty());
    strings(
        made,
        shown.flat_map(|row| {
            let bytes = row.bytes.iter().map(|(byte, _)| *byte);
            bytes.zip(row.shown.iter().cloned())
        }),
    );
    // Words of two bytes may have the lower one first.
    let words = block.iter().flat_map(|row| &row.groups);
    if words.clone().next().is_some_and(|word| word.len() == 4) {
        let mut places = words.peekable();
        let swapped = bytes().collect::<Vec<_>>();
        let pairs = swapped.chunks_exact(2).flat_map(|pair| {
            let group = places.next().cloned().unwrap_or(pair[0].1.clone());
            [(pair[1].0, group.clone()), (pair[0].0, group)]
        });
        strings(made, pairs);
    }
}

/// Adds each run of characters that can be printed.
fn strings(made: &mut Maker, bytes: impl Iterator<Item = Byte>) {
    let mut run: Vec<Byte> = Vec::new();
    for byte in bytes {
        if byte.0.is_ascii_graphic() || matches!(byte.0, b' ' | b'\t' | b'\r' | b'\n') {
            run.push(byte);
        } else {
            string(made, &std::mem::take(&mut run));
        }
    }
    string(made, &run);
}

fn string(made: &mut Maker, run: &[Byte]) {
    let Some((_, last)) = run.last().filter(|_| run.len() >= FEWEST) else {
        return;
    };
    for (byte, from) in run {
        made.push(char::from(*byte), from.clone(), false);
    }
    made.put("\n\n", last.end..last.end);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> String {
        printed(text)
            .map(|view| view.text.into_owned())
            .unwrap_or_default()
    }

    const XXD: &str = "00000000: 6361 7264 2034 3131 3131 3131 3131 3131  card 41111111111\n\
                       00000010: 3131 3131 310a                           11111.";
    const CANONICAL: &str = "00000000  63 61 72 64 20 34 31 31  31 31 31 31 31 31 31 31  |card 41111111111|\n\
         00000010  31 31 31 31 31 0a                                 |11111.|\n00000016";

    #[test]
    fn dumps_and_registers_are_read() {
        for text in [
            XXD,
            CANONICAL,
            "0000000 6163 6472 3420 3131 3131 3131 3131 3131\n0000010 3131 3131 0a31",
            "0x0000:  6361 7264 2034 3131 3131 3131 3131 3131  card.41111111111\n\
             0x0010:  3131 3131 31                             11111",
            "63 61 72 64 20 34 31 31 31 31 31\n31 31 31 31 31 31 31 31 31 31\n",
            "registers: 0x6361, 0x7264, 0x2034, 0x3131, 0x3131, 0x3131, 0x3131, 0x3131, 0x3131, 0x3131, 0x3100",
            "[63617264 20343131 31313131 31313131 31313131 31000000]",
            "tx 63:61:72:64:20:34:31:31:31:31:31:31:31:31:31:31:31:31:31:31:31 ok",
        ] {
            assert!(
                read(text).contains("card 4111111111111111"),
                "{text}: {:?}",
                read(text)
            );
        }
        assert_eq!(read("01 03 00 00 00 0A C5 CD"), "");
        assert_eq!(read("at 10 20 30 we add 40 to 50"), "");
    }

    #[test]
    fn what_is_read_comes_from_its_digits_and_from_its_characters() {
        for text in [XXD, CANONICAL] {
            let view = printed(text).unwrap();
            let origins: Vec<&str> = view
                .text
                .match_indices("4111111111111111")
                .map(|(at, number)| &text[view.origin(&(at..at + number.len()))])
                .collect();
            assert!(origins[0].starts_with("34") && origins[0].ends_with("31"));
            assert!(origins[1].starts_with("41111111111") && origins[1].ends_with("11111"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_fault_and_not_much_more(
            text in "(6a|6a61 |0x6a61|0000: |[ :,|\n]|  |é|jane){0,60}",
        ) {
            if let Some(view) = printed(&text) {
                prop_assert!(view.text.len() <= 2 * text.len());
                for (at, c) in view.text.char_indices() {
                    prop_assert!(text.get(view.origin(&(at..at + c.len_utf8()))).is_some());
                }
            }
        }
    }
}
