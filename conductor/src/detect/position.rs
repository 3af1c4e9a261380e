//! Places on the earth: degrees with their direction, or two decimal fractions that are named as such or fine enough.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    cue::{Cues, Topic},
    pattern::{Raw, compiled, matches},
    way,
};

/// `48°51'29.6"N, 2°17'40"E`, `48.8582 N 2.2945 E`, `N 48.8582 E 2.2945`.
static DIRECTED: LazyLock<Regex> = LazyLock::new(|| {
    let angle = r#"[0-9]{1,3}(?:\.[0-9]{1,8})?\s?(?:°|º|deg)?\s?(?:[0-9]{1,2}(?:\.[0-9]{1,6})?\s?['′’]\s?)?(?:[0-9]{1,2}(?:\.[0-9]{1,6})?\s?(?:["″”]|''|′′))?"#;
    compiled(&format!(
        r"(?-u:\b){angle}\s?[NS](?-u:\b)[,;/]?\s{{0,3}}{angle}\s?[EWO](?-u:\b)|(?-u:\b)[NS]\s?{angle}[,;/]?\s{{0,3}}[EWO]\s?{angle}"
    ))
});

/// `48.85824, 2.29451`, or the other way round as in GeoJSON.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?-u)[+-]?\b(?<lat>[0-9]{1,3}\.[0-9]{3,15})(?:,[ ]{0,2}|;[ ]{0,2}|[ ]{1,2}|/)(?<lon>[+-]?[0-9]{1,3}\.[0-9]{3,15})\b",
    )
});

/// The same with a comma before the fraction: `48,8582; 2,2945`.
static COMMAS: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?-u)[+-]?\b[0-9]{1,3},[0-9]{4,15}(?:;[ ]{0,2}|[ ]{1,2}|/)[+-]?[0-9]{1,3},[0-9]{4,15}\b",
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
    let directed = DIRECTED.find_iter(text).filter(|m| is_angle(m.as_str()));
    found.extend(directed.map(|m| (m.range(), Kind::GPS)));
    matches(&NMEA, text, &Kind::GPS, found);
    for groups in PAIR.captures_iter(text) {
        let Some(whole) = groups.get(0) else { continue };
        let (span, pair) = (whole.range(), [&groups["lat"], &groups["lon"]]);
        if is_place(pair)
            && (cues.near(Topic::Position, &span)
                || is_marked(text, &span)
                || (is_alone(text, &span)
                    && (is_fine(pair) || (is_precise(pair) && cues.near(Topic::Spot, &span)))))
        {
            found.push((span, Kind::GPS));
        }
    }
    if cues.any(Topic::Position) || cues.any(Topic::Spot) {
        let pairs = COMMAS
            .find_iter(text)
            .map(|pair| pair.range())
            .filter(|span| cues.near(Topic::Position, span) || cues.near(Topic::Spot, span));
        let named = NAMED
            .captures_iter(text)
            .filter_map(|groups| groups.name("v").map(|value| value.range()))
            .filter(|span| !is_reading(&text[span.end..]));
        found.extend(pairs.chain(named).map(|span| (span, Kind::GPS)));
    }
}

/// Whether signs or fine fractions make degrees of numbers beside letters: `N2O4` is a gas, and `2.5 N, 40 W` a force and a
/// power.
fn is_angle(directed: &str) -> bool {
    directed.contains(['°', 'º', '\'', '′', '’'])
        || directed
            .split(|c: char| !(c.is_ascii_digit() || c == '.'))
            .filter(|number| !number.is_empty())
            .all(|number| places(number) >= 3)
}

/// Whether one may be a latitude and the other a longitude.
fn is_place([first, second]: [&str; 2]) -> bool {
    let (first, second) = (size(first), size(second));
    first.min(second) <= 90.0 && first.max(second) <= 180.0
}

fn size(number: &str) -> f64 {
    number.parse::<f64>().map_or(f64::MAX, f64::abs)
}

/// Whether a unit stands behind a number; those of the sky's directions are none here.
fn is_reading(behind: &str) -> bool {
    way::is_measured(behind) && !behind.trim_start().starts_with(['N', 'W'])
}

/// `geo:` or the `@` of a map's address stands before it.
fn is_marked(text: &str, span: &Range<usize>) -> bool {
    let before = &text[..span.start];
    before.ends_with("geo:")
        || before.ends_with("POINT(")
        || before.ends_with("POINT (")
        || before.ends_with('@')
        || before.ends_with("q=")
        || before.ends_with("ll=")
}

fn places(number: &str) -> usize {
    number.split_once('.').map_or(0, |(_, places)| places.len())
}

/// Whether both are finer than the thousandths of a millimetre of which machines speak.
fn is_precise(pair: [&str; 2]) -> bool {
    pair.into_iter().all(|number| places(number) >= 4)
}

/// Whether both have as many places as places on the earth do, the latitude first.
fn is_fine(pair: [&str; 2]) -> bool {
    size(pair[0]) <= 90.0
        && pair
            .into_iter()
            .all(|number| (5..=8).contains(&places(number)))
}

/// Whether a comma joins the pair, no third number makes it a row of readings, and no unit a length.
fn is_alone(text: &str, span: &Range<usize>) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    let joint = |c: char| matches!(c, ' ' | ',' | ';' | '\t' | '-' | '[' | '(' | '+');
    let before = text[..span.start].trim_end_matches(joint).ends_with(digit);
    let behind = &text[span.end..];
    let after = behind.trim_start_matches(joint).starts_with(digit);
    text[span.clone()].contains(',') && !before && !after && !is_reading(behind)
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
        for (text, place) in [
            ("\"coordinates\": [-122.4194,37.7749]", "-122.4194,37.7749"),
            ("\"coordinates\":[139.6917,35.6895]", "139.6917,35.6895"),
            ("POINT(-122.4194 37.7749)", "-122.4194 37.7749"),
            ("Koordinaten: 48,7758; 9,1829", "48,7758; 9,1829"),
            ("lat: 48.85 N", "48.85"),
        ] {
            assert_eq!(found_in(text), [place], "{text}");
        }
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
            "TCP coordinates 12.345, 45.678, 78.901 (mm)",
            "TCP coordinates 12.3456, 45.6789, 78.9012",
            "Koordinaten der Bohrung: 12.345 45.678",
            "location: 12.345, 45.678 on the panel drawing",
            "Position 12.3456 45.6789 reached",
            "hole pitch 12.34567,45.67890 mm",
            "Preload 12.5 N, 3.0 W dissipated",
            "Spring force 2.5 N 40 W heater",
            "p99 lat 12.34 ms",
            "lat=12.34ms",
        ] {
            assert!(found_in(text).is_empty(), "{text}: {:?}", found_in(text));
        }
    }
}
