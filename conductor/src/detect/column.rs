//! Tables in plain text: a value is read as if the heading of its column stood before it, as in `password: hunter22`.
//!
//! Cells are parted by tabs, semicolons, bars or commas. Prose has commas too: what begins a table has short headings,
//! and as many cells as the line below it.

use std::ops::Range;

use super::{
    cue::Cues,
    phone, secret,
    view::{Maker, View},
};

/// A longer heading is a sentence; it also bounds what the view has more than the text.
const LONGEST_HEADING: usize = 32;

/// Words of a heading, at most.
const MOST_WORDS: usize = 4;

/// Nothing that is found below a heading is shorter.
const SHORTEST_VALUE: usize = 4;

type Cells = Vec<Range<usize>>;

/// The cells below headings that say what they are, each in a paragraph of its own behind its heading; `None` if there
/// are none.
pub(super) fn named(text: &str) -> Option<View<'static>> {
    let lines = lines(text);
    let mut made = Maker::new();
    let mut at = 0;
    while at + 1 < lines.len() {
        at = ['\t', ';', '|', ',']
            .into_iter()
            .find_map(|sign| table(text, &lines, at, sign, &mut made))
            .unwrap_or(at + 1);
    }
    (!made.text().is_empty()).then(|| made.view())
}

fn lines(text: &str) -> Cells {
    let mut start = 0;
    text.split('\n')
        .map(|line| {
            let from = start;
            start += line.len() + 1;
            from..from + line.trim_end_matches('\r').len()
        })
        .collect()
}

/// Reads the table that begins with the line `at`; gives the line behind it.
fn table(
    text: &str,
    lines: &[Range<usize>],
    at: usize,
    sign: char,
    made: &mut Maker,
) -> Option<usize> {
    let headings = cells(text, &lines[at], sign)?;
    if !headings.iter().all(|cell| is_heading(&text[cell.clone()])) {
        return None;
    }
    let names: Vec<&str> = headings.iter().map(|cell| &text[cell.clone()]).collect();
    let known: Vec<Option<bool>> = names.iter().map(|name| secrecy(name, &names)).collect();
    if known.iter().all(Option::is_none) {
        return None;
    }
    let mut rows = Vec::new();
    let mut end = at + 1;
    while let Some(line) = lines.get(end) {
        if !is_rule(&text[line.clone()]) {
            match cells(text, line, sign).filter(|row| row.len() == headings.len()) {
                Some(row) => rows.push(row),
                None => break,
            }
        }
        end += 1;
    }
    // `Reset my password, please` may stand above another such line, hardly above two, nor with more commas.
    let spaced = sign == ',' && headings.len() < 4 && text[lines[at].clone()].contains(", ");
    if rows.len() < if spaced { 2 } else { 1 } {
        return None;
    }
    for row in rows {
        for ((cell, name), secret) in row.into_iter().zip(&names).zip(&known) {
            let value = &text[cell.clone()];
            let Some(secret) = secret else { continue };
            // Below "Password" several words are about passwords.
            let words = *secret && value.contains(char::is_whitespace);
            if value.len() >= SHORTEST_VALUE && !words {
                // Below "Pass" digits alone would be a count, but for what vouched for the heading.
                let number = *secret && value.bytes().all(|byte| byte.is_ascii_digit());
                let vouch = if number { "user " } else { "" };
                made.put(&format!("{vouch}{name}: "), cell.start..cell.start);
                let end = cell.end..cell.end;
                made.keep(text, cell);
                made.put("\n\n", end);
            }
        }
    }
    Some(end)
}

/// The cells of a line, without spaces and quotes around them, if there are at least two.
fn cells(text: &str, line: &Range<usize>, sign: char) -> Option<Cells> {
    let mut line = line.clone();
    if sign == '|' {
        line = trimmed(text, line, char::is_whitespace);
        if text[line.clone()].starts_with('|') {
            line.start += 1;
        }
        if text[line.clone()].ends_with('|') {
            line.end -= 1;
        }
    }
    if !text[line.clone()].contains(sign) {
        return None;
    }
    let mut cells = Vec::new();
    let mut start = line.start;
    let mut quoted = false;
    for (place, c) in text[line.clone()].char_indices() {
        if c == '"' {
            quoted = !quoted;
        } else if c == sign && !quoted {
            cells.push(start..line.start + place);
            start = line.start + place + 1;
        }
    }
    cells.push(start..line.end);
    let bare = |cell| {
        trimmed(text, cell, |c: char| {
            c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '*')
        })
    };
    (cells.len() > 1).then(|| cells.into_iter().map(bare).collect())
}

fn trimmed(text: &str, span: Range<usize>, goes: impl Fn(char) -> bool) -> Range<usize> {
    let inner = &text[span.clone()];
    let start = span.start + inner.len() - inner.trim_start_matches(&goes).len();
    start..start + inner.trim_matches(&goes).len()
}

/// A line between the headings and the rest: `|---|:---|`, `+-----+`.
fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.contains("--") && line.chars().all(|c| " -+|:=".contains(c))
}

/// Whether it is a few words, or nothing, and no code.
fn is_heading(cell: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || " _-./'’#°º()".contains(c);
    let digits = cell.bytes().filter(u8::is_ascii_digit).count();
    cell.len() <= LONGEST_HEADING
        && cell.chars().all(fits)
        && digits <= 2
        && cell.split_whitespace().count() <= MOST_WORDS
        && cell.matches('(').count() == cell.matches(')').count()
}

/// Whether what stands below a heading is a secret; `None` if the heading says nothing of it.
fn secrecy(heading: &str, others: &[&str]) -> Option<bool> {
    if heading.is_empty() {
        return None;
    }
    let field = format!("{heading}: ");
    let vouched =
        || others.iter().any(|other| is_login(other)) && !others.iter().any(|other| fails(other));
    let named = secret::is_named_by(&field, vouched);
    (named || phone::is_named_by(&field) || Cues::of(heading).names_a_value()).then_some(named)
}

/// Whether a heading is that of users: beside it, even "token" and "pass" are about secrets.
fn is_login(heading: &str) -> bool {
    let heading = heading.to_lowercase();
    [
        "user", "login", "benutzer", "usuario", "utente", "account", "mail",
    ]
    .iter()
    .any(|word| heading.contains(word))
}

/// Whether a heading is that of failures: beside it, "pass" counts what did not fail.
fn fails(heading: &str) -> bool {
    heading.to_lowercase().contains("fail")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<String> {
        let view = named(text);
        let text = view.map(|view| view.text.into_owned()).unwrap_or_default();
        text.split_terminator("\n\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_value_is_read_behind_its_heading() {
        for (text, values) in [
            (
                "name;password\nana;Sommer2024\nbob;swordfish",
                ["password: Sommer2024", "password: swordfish"].as_slice(),
            ),
            (
                "patient_id,dob,ssn\r\n17,1980-03-12,123456789\r\n",
                &["dob: 1980-03-12", "ssn: 123456789"],
            ),
            ("customer\tphone\nACME\t5550143", &["phone: 5550143"]),
            ("Name;Kontonummer\nA;12345678", &["Kontonummer: 12345678"]),
            (
                "| User | Password |\n|------|:---|\n| ana | `hunter22` |",
                &["Password: hunter22"],
            ),
            (
                "+---+---+\n| User | Token |\n+---+---+\n| ana | s3cr3t99 |\n+---+---+",
                &["Token: s3cr3t99"],
            ),
            (
                "\"name\",\"API key\"\n\"Ruiz, Ana\",\"abcdef99\"",
                &["API key: abcdef99"],
            ),
            (
                "user, password\nana, hunter22\nbob, hunter33",
                &["password: hunter22", "password: hunter33"],
            ),
            (
                "ID, Vorname, Geburtsdatum, Telefonnummer\n1, Max, 12.03.1985, 612345678",
                &["Geburtsdatum: 12.03.1985", "Telefonnummer: 612345678"],
            ),
            ("user;pass\nana;120453", &["user pass: 120453"]),
            ("Ort;Lat;Lon\nA;48.85;2.294", &["Lat: 48.85", "Lon: 2.294"]),
        ] {
            assert_eq!(read(text), values, "{text}");
        }
    }

    #[test]
    fn other_lines_are_no_tables_and_other_columns_say_nothing() {
        for text in [
            "Please reset my password, thanks\nBest regards, Robert",
            "login(user, password)\nsend(token, values)",
            "user, password = read()\nhost, settings = find()",
            "name;order number\nA;12345678",
            "test,pass,fail\nA,250000,12",
            "Host;Pass;Fail\nplc7;120453;12",
            "User;Pass;Fail\nana;120453;12",
            "word,token,count\nab,ab12,17",
            "password;user",
            "user;password\nana",
            "| Name | Password |\n|---|---|\n| Length | at least 12 characters |",
        ] {
            assert!(read(text).is_empty(), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn a_value_comes_from_its_cell() {
        let text = "user;password\nana;hunter22";
        let view = named(text).unwrap();
        let start = view.text.find("hunter").unwrap();
        assert_eq!(&text[view.origin(&(start..start + 8))], "hunter22");
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_not_much_more(text in "(ssn|phone|[a-zé0-9]|;|,|\\||\t|\n|\"|--){0,60}") {
            if let Some(view) = named(&text) {
                prop_assert!(view.text.len() <= 8 * text.len());
                for (at, c) in view.text.char_indices() {
                    prop_assert!(text.get(view.origin(&(at..at + c.len_utf8()))).is_some());
                }
            }
        }
    }
}
