//! What the magnetic stripe of a payment card holds (ISO/IEC 7813): its number with all that follows it.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Kind, card,
    pattern::{Raw, compiled},
};

/// `%B4111111111111111^DOE/JANE^2512101…?`, `;4111111111111111=2512101…?`.
static TRACK: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?-u)(?:%?\bB(?<first>[0-9]{12,19})\^[ -\]_-~]{2,26}\^[0-9]{4}(?:[0-9A-Za-z ]{0,60}\?|[0-9A-Za-z]{0,60})",
        r"|;?\b(?<second>[0-9]{12,19})=[0-9]{4,40}\??)",
    ))
});

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    let tracks = TRACK.captures_iter(text).filter_map(|groups| {
        let number = groups.name("first").or_else(|| groups.name("second"))?;
        let whole = groups.get(0)?;
        card::is_card(number.as_str()).then(|| (whole.range(), Kind::CARD))
    });
    found.extend(tracks);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    #[test]
    fn tracks_are_found_whole() {
        for track in [
            "%B4111111111111111^DOE/JANE^25121010000000000000?",
            "B5555555555554444^RUIZ/ANA MARIA ^2512101",
            ";4111111111111111=25121010000000000000?",
            "378282246310005=2512101",
        ] {
            let text = format!("swiped {track} twice");
            assert_eq!(pieces(&text, |found| find(&text, found)), [track]);
        }
    }

    #[test]
    fn other_numbers_before_other_signs_are_none() {
        for text in [
            "id 4111111111111112=2512",
            "x=4111111111111111",
            "B4111111111111111^2 is a power",
        ] {
            assert!(pieces(text, |found| find(text, found)).is_empty(), "{text}");
        }
    }
}
