//! What a character stands for: digits, quotes, dashes and spaces of other scripts, look-alikes, and what is not seen.

use unicode_normalization::UnicodeNormalization;

/// Zeros of scripts that have decimal digits of their own; the other nine follow each.
const ZEROS: [u32; 17] = [
    0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0,
    0xf20, 0x1040, 0x17e0, 0x1810,
];

/// Letters that look like a Latin one, and that one.
const LOOKALIKES: [(&str, &str); 4] = [
    // Cyrillic.
    ("АВЕКМНОРСТУХЅІЈӀ", "ABEKMHOPCTYXSIJI"),
    ("аеорсухѕіјԁһԛԝӏк", "aeopcyxsijdhqwlk"),
    // Greek.
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),
    ("αονρικυγωητε", "aovpikuywnte"),
];

/// The ASCII character that `c` is a variant of, or `c` itself.
pub(super) fn plain(c: char) -> char {
    match c {
        '\0'..='\u{7f}' => c,
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => '-',
        '\u{fe52}' => '.',
        '\u{fe6b}' => '@',
        // Full-width forms and the letters of mathematics.
        '\u{ff01}'..='\u{ff5e}' | '\u{1d400}'..='\u{1d7ff}' => {
            std::iter::once(c).nfkc().next().unwrap_or(c)
        }
        _ => digit(c).unwrap_or(c),
    }
}

fn digit(c: char) -> Option<char> {
    ZEROS
        .iter()
        .find_map(|&zero| char::from_digit(u32::from(c).checked_sub(zero)?, 10))
}

/// The Latin letter that `c` looks like.
pub(super) fn latin(c: char) -> Option<char> {
    if !('\u{370}'..='\u{52f}').contains(&c) {
        return None;
    }
    LOOKALIKES.iter().find_map(|(theirs, ours)| {
        let place = theirs.chars().position(|other| other == c)?;
        ours.chars().nth(place)
    })
}

/// Soft hyphens, characters without width, marks of direction, selectors of a variant, tags.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_read_as_what_they_stand_for() {
        let read: String = "４１٣४𝟗＠．\u{2009}–\u{2212}Ａé"
            .chars()
            .map(plain)
            .collect();
        assert_eq!(read, "41349@. --Aé");
    }

    #[test]
    fn each_lookalike_has_its_latin_letter() {
        for (theirs, ours) in LOOKALIKES {
            assert_eq!(theirs.chars().count(), ours.chars().count());
            let read: String = theirs.chars().filter_map(latin).collect();
            assert_eq!(read, ours);
        }
        assert_eq!(latin('ж'), None);
    }
}
