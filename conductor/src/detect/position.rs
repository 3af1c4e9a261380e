//! Places on the earth: degrees with their direction, or two decimal fractions that are named as such or fine enough.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    cue::{Cues, Topic},
    pattern::{Raw, compiled, matches},
};

/// `48°51'29.6"N, 2°17'40"E`, `48.8582 N 2.2945 E`, `N 48.8582 E 2.2945`.
static DIRECTED: LazyLock<Regex> = LazyLock::new(|| {
    let angle = r#"[0-9]{1,3}(?:\.[0-9]{1,8})?\s?(?:°|º|deg)?\s?(?:[0-9]{1,2}(?:\.[0-9]{1,6})?\s?['′’]\s?)?(?:[0-9]{1,2}(?:\.[0-9]{1,6})?\s?(?:["″”]|''|′′))?"#;
    compiled(&format!(
        r"(?-u:\b){angle}\s?[NS](?-u:\b)[,;/]?\s{{0,3}}{angle}\s?[EWO](?-u:\b)|(?-u:\b)[NS]\s?{angle}[,;/]?\s{{0,3}}[EWO]\s?{angle}"
    ))
});

/// `48.85824, 2.29451`.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?-u)[+-]?\b(?<lat>[0-9]{1,2}\.[0-9]{3,15})(?:,[ ]{0,2}|;[ ]{0,2}|[ ]{1,2}|/)(?<lon>[+-]?[0-9]{1,3}\.[0-9]{3,15})\b",
    )
});

/// `lat: 48.85`, `"longitude": 2.29`.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"(?i)(?-u:\b)(?:lat(?:itude)?|lon(?:gitude)?|lng|breitengrad|längengrad|latitud|longitud|latitudine|longitudine)["']?\s?[:=]?\s?["']?(?<v>[+-]?[0-9]{1,3}\.[0-9]{2,15})"#,
    )
});

/// Degrees and minutes in one, as receivers write them (NMEA 0183): `4807.038,N,01131.000,E`.
static NMEA: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?-u)\b[0-9]{4}\.[0-9]{1,8},[NS],[01][0-9]{4}\.[0-9]{1,8},[EW]\b"));

pub(super) fn find(text: &str, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    // `N2O4` is a gas.
    let directed = DIRECTED
        .find_iter(text)
        .filter(|m| m.as_str().contains(['°', 'º', '.', '\'', '′']));
    found.extend(directed.map(|m| (m.range(), Kind::GPS)));
    matches(&NMEA, text, &Kind::GPS, found);
    for groups in PAIR.captures_iter(text) {
        let Some(whole) = groups.get(0) else { continue };
        if is_place(&groups["lat"], &groups["lon"])
            && (cues.near(Topic::Position, &whole.range())
                || (is_precise(&groups["lat"], &groups["lon"])
                    && cues.near(Topic::Spot, &whole.range()))
                || is_marked(text, &whole.range())
                || is_fine(&groups["lat"], &groups["lon"], text, &whole.range()))
        {
            found.push((whole.range(), Kind::GPS));
        }
    }
    if cues.any(Topic::Position) || cues.any(Topic::Spot) {
        let named = NAMED
            .captures_iter(text)
            .filter_map(|groups| groups.name("v").map(|value| value.range()));
        found.extend(named.map(|span| (span, Kind::GPS)));
    }
}

fn is_place(latitude: &str, longitude: &str) -> bool {
    let within = |text: &str, most: f64| text.parse::<f64>().is_ok_and(|value| value.abs() <= most);
    within(latitude, 90.0) && within(longitude, 180.0)
}

/// `geo:` or the `@` of a map's address stands before it.
fn is_marked(text: &str, span: &Range<usize>) -> bool {
    let before = &text[..span.start];
    before.ends_with("geo:")
        || before.ends_with('@')
        || before.ends_with("q=")
        || before.ends_with("ll=")
}

fn places(number: &str) -> usize {
    number.split_once('.').map_or(0, |(_, places)| places.len())
}

/// Whether both are finer than the thousandths of a millimetre of which machines speak.
fn is_precise(latitude: &str, longitude: &str) -> bool {
    places(latitude) >= 4 && places(longitude) >= 4
}

/// Whether both have as many places as places on the earth do, and no third number makes them a row of readings.
fn is_fine(latitude: &str, longitude: &str, text: &str, span: &Range<usize>) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    let joint = |c: char| matches!(c, ' ' | ',' | ';' | '\t' | '-' | '[' | '(' | '+');
    let before = text[..span.start].trim_end_matches(joint).ends_with(digit);
    let after = text[span.end..]
        .trim_start_matches(joint)
        .starts_with(digit);
    (5..=8).contains(&places(latitude))
        && (5..=8).contains(&places(longitude))
        && text[span.clone()].contains(',')
        && !before
        && !after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::pieces;

    fn found_in(text: &str) -> Vec<&str> {
        pieces(text, |found| find(text, &Cues::of(text), found))
    }

    #[test]
    fn places_are_found_in_their_usual_forms() {
        for place in [
            "48°51'29.6\"N 2°17'40.2\"E",
            "48.8582° N, 2.2945° E",
            "N 48.8582 E 2.2945",
            "48.85824, 2.29451",
            "-33.856784, 151.215297",
        ] {
            assert_eq!(found_in(&format!("meet at {place}!")), [place]);
        }
        assert_eq!(found_in("GPS: 48.858, 2.294"), ["48.858, 2.294"]);
        assert_eq!(found_in("position 48.8582, 2.2945"), ["48.8582, 2.2945"]);
        for sentence in [
            "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47",
            "$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A",
        ] {
            assert_eq!(found_in(sentence), ["4807.038,N,01131.000,E"]);
        }
        assert_eq!(found_in("geo:48.858,2.294"), ["48.858,2.294"]);
        assert_eq!(
            found_in("{\"lat\": 48.85, \"lon\": 2.29}"),
            ["48.85", "2.29"]
        );
    }

    #[test]
    fn readings_are_no_places() {
        for text in [
            "12.345, 23.456, 34.567",
            "1.23456, 2.34567, 3.45678",
            "x = 48.858, y = 2.294",
            "48.858 2.294",
            "99.12345, 2.29451",
            "5 N and 3 E",
            "NO2 to N2O4 in air",
            "N2 O4",
            "tool position 12.345, 34.567",
            "Breite 12.345, 23.456",
            "$PX,4807.038,A,01131.000,B",
        ] {
            assert!(found_in(text).is_empty(), "{text}: {:?}", found_in(text));
        }
    }
}
