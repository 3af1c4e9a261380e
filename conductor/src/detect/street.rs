//! Street addresses, as far as a form tells: street and number, with the flat, postcode and place that follow.

use std::{ops::Range, sync::LazyLock};

use regex::{Captures, Match, Regex};

use super::{
    Kind,
    cue::{Cues, Topic},
    pattern::{Raw, compiled, matches},
    way,
    word::window_before,
};

/// As many bytes before an address say whose it is.
const REACH: usize = 48;

/// A flat or floor behind a house number: `Apt 12`, `#4`, `/2/14` as in Vienna, `, 3º B` as in Spain.
const FLAT: &str = r"(?:,?\s{1,3}(?:(?i:apt|apartment|suite|ste|unit|flat|floor|fl|room|no)(?:\.|\s|\s?#)\s?|#\s?)(?:[A-Za-z]?-?[0-9][0-9A-Za-z-]{0,4}|[A-Za-z])(?-u:\b)|(?:/[0-9]{1,3}){1,3}(?-u:\b)|,\s?[0-9]{1,2}\.?[ºª°](?:\s?[A-Z0-9]{1,3}(?-u:\b))?)?";

/// Postcode and place, or place, state and postcode.
const PLACE: &str = r"(?<place>(?:,?\s{1,3}|\s[|·•–-]\s|\sin\s)(?:[A-Z]{1,2}-)?[0-9]{4,5}(?:\s[A-Z]{2})?\s(?<town>\p{Lu}[\p{L}’'-]+)(?:\s\p{Lu}[\p{L}’'-]+(?-u:\b))?|,\s{1,3}\p{Lu}[\p{L}’'. -]+,?\s[A-Z]{2}\s[0-9]{5}(?:-[0-9]{4})?(?-u:\b))?";

/// One way to write a street, with the flat and the place behind it.
fn street(pattern: &str) -> Regex {
    compiled(&format!("{pattern}{FLAT}{PLACE}"))
}

/// `12 Long Lane`.
static NUMBER_FIRST: LazyLock<Regex> = LazyLock::new(|| {
    street(
        r"(?-u:\b)(?<part>[0-9]{1,5}[A-Za-z]?(?:-[0-9]{1,4})?,?\s(?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West|St)\.?\s)?(?:(?:\p{Lu}[\p{L}'’.-]*|[0-9]{1,3}(?:st|nd|rd|th))\s){1,4}(?:(?:Street|Avenue|Road|Lane|Drive|Boulevard|Court|Place|Square|Terrace|Parkway|Highway|Crescent|Way|Close|Circle|Trail|Grove|Gardens|Mews|Walk|Row|STREET|AVENUE|ROAD|LANE|DRIVE|BOULEVARD|PARKWAY|HIGHWAY|AVE|RD|BLVD)(?-u:\b)|(?:St|Ave|Rd|Ln|Dr|Blvd|Ct|Pl|Sq|Ter|Pkwy|Hwy|Cres|Cir)(?-u:\b)\.?))",
    )
});

/// `Lange Straße 12`, `Hoofdstraat 12`.
static NUMBER_LAST: LazyLock<Regex> = LazyLock::new(|| {
    street(
        r"(?-u:\b)(?<name>(?:\p{Lu}[\p{L}.-]*[ -]){0,3}\p{Lu}[\p{L}-]+(?:straße|strasse|str\.?|weg|platz|allee|gasse|damm|ufer|chaussee|steig|graben|straat|laan|plein|gracht|kade|dijk|singel)|(?:\p{Lu}[\p{L}.-]*[ -]){1,3}(?:Straße|Strasse|Str\.?|Weg|Platz|Allee|Gasse|Ring|Damm|Ufer)|\p{Lu}{2}\p{Lu}+(?:STRASSE|STRAßE|STR\.?|WEG|PLATZ|ALLEE|GASSE|STRAAT|LAAN)|Straße des [0-9]{1,2}\. \p{Lu}\p{L}+)[\s.][1-9][0-9]{0,3}(?:\s?[a-hA-H](?-u:\b))?(?:-[0-9]{1,4})?",
    )
});

/// `12 bis, rue de la Paix`.
static FRENCH: LazyLock<Regex> = LazyLock::new(|| {
    street(
        r"(?-u:\b)[0-9]{1,4}(?:\s?(?:bis|ter|quater))?,?\s(?:(?i:rue|avenue|boulevard|place|chemin|impasse|allée|quai|route|square|passage|faubourg)|(?:av|bd|pl)\.?|cours)\s(?:(?:de la|de l['’]|des|du|de|d['’]|la|le|les|l['’])\s?)?(?:[0-9]{1,2}\s(?:janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre)\s?(?:[0-9]{4}(?-u:\b))?|\p{Lu}[\p{L}'’-]+(?:[ -](?:(?:de|du|des|la|le)\s)?\p{Lu}[\p{L}'’-]+){0,3})",
    )
});

/// `Calle Mayor 12`, `Via Roma, 12`, `Rua Augusta, 1200`.
static ROMANCE: LazyLock<Regex> = LazyLock::new(|| {
    street(
        r"(?-u:\b)(?:(?:Calle|C/|Avenida|Avda\.?|Av\.|Plaza|Pza\.|Paseo|Pº|Camino|Ronda|Carretera|Travesía|Via|Viale|V\.le|Piazza|P\.zza|Corso|C\.so|Largo|Vicolo|Rua|R\.|Travessa|Praça|Alameda|Estrada|Rue|ul\.)\s?(?:(?:de la|de los|de las|del|della|dei|delle|degli|dos|das|do|da|de|di|la|el)\s)?(?:[0-9]{1,2}\s(?:de\s)?)?\p{Lu}[\p{L}'’.-]+(?:\s(?:(?:de la|de los|del|della|dei|dos|das|do|da|de|di|e|y)\s)?\p{Lu}[\p{L}'’.-]+){0,3}|Gran V[ií]a),?\s(?:n[.ºo°]{1,2}\s?)?[0-9]{1,5}(?-u:\b)",
    )
});

/// Streets that sound like any place, a number of at most three digits last: `Am Markt 5`, `via Roma 12`. In German they
/// have a capital within a sentence too.
const GERMAN: &str = r"(?:Am|Im|An de[rmn]|Auf de[rm]|In de[rn]|Zum|Zur|Beim|Hinter de[rm]|Unter den|Vor dem)\s(?:\p{Lu}[\p{L}-]+\s){1,2}[1-9][0-9]{0,2}(?:\s?[a-hA-H](?-u:\b))?";
const SMALL: &str = r"(?:via|viale|piazza|corso|vicolo|calle|avenida|plaza|rua)\s(?:(?:de la|de los|del|della|dei|delle|dos|das|do|da|de|di)\s)?(?:\p{Lu}[\p{L}'’.-]+,?\s){1,3}(?:n[.ºo°]{1,2}\s?)?[1-9][0-9]{0,2}(?-u:\b)";

/// Such a street with postcode and place.
static PLACED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        r"(?-u:\b)(?:{GERMAN}|{SMALL})(?<place>,\s|\r?\n)(?:[A-Z]{{1,2}}-)?[0-9]{{5}}\s(?<town>\p{{Lu}}[\p{{L}}’'-]+)"
    ))
});

/// Such a street right behind a word for an address; a small one needs more, as "address via Port 5" says.
static ADDRESSED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        r"^(?:\s?[:=]|\s(?:ist|lautet|is))?\s{{1,3}}(?<v>{GERMAN})"
    ))
});

static ADDRESSED_SMALL: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        r"^(?:\s?[:=]|\s(?:in|en|a|na|no|em|è|es))\s{{1,3}}(?<v>{SMALL})"
    ))
});

/// What is counted rather than a town: `Im Werk 5, 12345 Teile`.
const COUNTED: [&str; 12] = [
    "Einheiten",
    "Euro",
    "EUR",
    "Hübe",
    "Liter",
    "Meter",
    "Stück",
    "Stunden",
    "Takte",
    "Teile",
    "Umdrehungen",
    "Zyklen",
];

static BOX: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?-u:\b)(?:P\.?\s?O\.?\s?Box|Postfach|Boîte postale|Apartado(?: de correos)?|Postbus|Casella postale|Caixa postal)\s[0-9][0-9 ]{0,7}[0-9](?-u:\b)",
    )
});

/// What a text calls an address: a number, words, and a postcode or another number, to the end of the line or sentence.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^(?i:[\s:=]|(?-u:\b)(?:is|ist|est|es|è|at|to|in|am|unter|en|a|au)(?-u:\b)){0,6}(?<v>[0-9]{1,5}[A-Za-z]?,?(?:\s[\p{L}'’.-]+){1,5}(?:,?\s[0-9]{4,6})?)(?:[,.;\n]|$)",
    )
});

/// A name with a capital, or a word for a street.
static STREET: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"\p{Lu}|(?:street|avenue|road|lane|drive|boulevard|square|straße|strasse|str\.?|weg|platz|allee|gasse|straat|laan)(?:\s|$)|(?-u:\b)(?:rue|calle|via|rua|piazza)\s",
    )
});

/// The address of a device rather than of a person.
static DEVICE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?-u:\b)(?:modbus|slave|node|profi(?:bus|net)|i2c|can|bus|register|memory|speicher|ip|mac|device|geräte|start|base|plc|sps|e-?mail|web)[ _-]?(?:address|adress?e?|adres|dirección|indirizzo|endereço)(?-u:\b)[^\pL]{0,4}(?:is|ist|est)?[^\pL]{0,4}$",
    )
});

pub(super) fn find(text: &str, cues: &Cues<'_>, found: &mut Vec<Raw>) {
    if !text.contains(|c: char| c.is_ascii_digit()) {
        return;
    }
    for pattern in [&FRENCH, &BOX] {
        matches(pattern, text, &Kind::ADDRESS, found);
    }
    let streets = ROMANCE.find_iter(text).map(|street| street.range());
    let streets = streets.filter(|span| {
        let (street, behind) = (&text[span.clone()], &text[span.end..]);
        // With its number before it, it is French.
        let found = street.starts_with("Rue ") && ends_with_digit(text[..span.start].trim_end());
        !found && !way::is_means(street) && !way::is_measured(behind)
    });
    found.extend(streets.map(|span| (span, Kind::ADDRESS)));
    for pattern in [&NUMBER_FIRST, &NUMBER_LAST] {
        let streets = pattern.captures_iter(text).filter_map(|groups| {
            let whole = groups.get(0)?;
            let behind = &text[whole.end()..];
            let machine = groups
                .name("name")
                .is_some_and(|name| way::is_technical(name.as_str(), behind))
                || groups
                    .name("part")
                    .is_some_and(|part| way::is_part(part.as_str()));
            (is_placed(&groups) || !machine).then(|| whole.range())
        });
        found.extend(streets.map(|span| (span, Kind::ADDRESS)));
    }
    let placed = PLACED.captures_iter(text).filter_map(|groups| {
        is_placed(&groups).then(|| groups.get(0).map(|whole| whole.range()))?
    });
    found.extend(placed.map(|span| (span, Kind::ADDRESS)));
    for addressed in [&ADDRESSED, &ADDRESSED_SMALL] {
        let streets = cues.values(Topic::Address, addressed);
        found.extend(streets.map(|span| (span, Kind::ADDRESS)));
    }
    let named = cues.values(Topic::Address, &NAMED);
    let named = named.filter(|span| is_home(text, span)).map(|span| {
        let length = text[span.clone()].trim_end_matches('.').len();
        span.start..span.start + length
    });
    found.extend(named.map(|span| (span, Kind::ADDRESS)));
}

/// Whether a place stands behind a street, rather than what is counted.
fn is_placed(groups: &Captures<'_>) -> bool {
    let counted = |town: Match<'_>| COUNTED.contains(&town.as_str());
    groups.name("place").is_some() && !groups.name("town").is_some_and(counted)
}

/// Whether what a text calls an address is that of a person or a company.
fn is_home(text: &str, span: &Range<usize>) -> bool {
    let written = text[span.clone()].trim_end_matches('.');
    let name = written.trim_start_matches(|c: char| c.is_ascii_digit());
    let first = name.split_whitespace().next().unwrap_or_default();
    let street = ends_with_digit(name) || STREET.is_match(name);
    street
        && !way::is_measured(first.trim_end_matches('.'))
        && !DEVICE.is_match(window_before(text, span.start, REACH))
}

fn ends_with_digit(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streets(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        find(text, &Cues::of(text), &mut found);
        found.dedup();
        found.into_iter().map(|(span, _)| &text[span]).collect()
    }

    #[test]
    fn streets_are_found_with_what_belongs_to_them() {
        for street in [
            "221B Baker Street",
            "1600 Amphitheatre Pkwy, Mountain View, CA 94043",
            "350 Fifth Ave Apt 12",
            "Lange Straße 12",
            "Hauptstr. 5a, 10115 Berlin",
            "Hoofdstraat 12, 1012 AB Amsterdam",
            "12 bis, rue de la Paix, 75002 Paris",
            "Calle Mayor 12",
            "Via Roma, 12",
            "Avenida Paulista, 1578",
            "Bahnhofstr 5",
            "Am Markt 5, 10115 Berlin",
            "An der Mühle 12\nD-70173 Stuttgart",
            "via Roma 12, 00184 Roma",
            "Arbeitsplatz 12, 10115 Berlin",
            "P.O. Box 1234",
            "Postfach 10 20 30",
            "HAUPTSTRASSE 12, 70173 STUTTGART",
            "123 MAIN STREET",
            "3 bd Voltaire, 75011 Paris",
            "45 cours Lafayette",
            "12 rue du 8 mai 1945",
            "Rue de la Loi 16, 1000 Bruxelles",
            "Gran Vía 32",
            "Pº de la Castellana 100",
            "V.le Monza 12",
            "Via 25 Aprile 12",
            "Rua 25 de Abril, 12",
            "Hauptstr.12",
            "Straße des 17. Juni 135",
            "ul. Marszałkowska 12/5",
            "C/ Mayor, 12, 3º B, 28013 Madrid",
            "Mariahilfer Straße 88a/2/14, 1070 Wien",
            "Hauptstraße 12 | 70173 Stuttgart",
            "Lange Straße 12 in 70173 Stuttgart",
            "12 Long Lane, Unit 4B",
        ] {
            let text = format!("we deliver to\n{street}.");
            assert_eq!(streets(&text)[0], street, "{text}");
        }
        assert_eq!(
            streets("my address is 19 pierre delannoyplaats 5600"),
            ["19 pierre delannoyplaats 5600"]
        );
        assert_eq!(streets("Anschrift: Am Markt 5"), ["Am Markt 5"]);
        assert_eq!(streets("sie wohnt An der Mühle 12a."), ["An der Mühle 12a"]);
        assert_eq!(streets("abita in via Roma 12"), ["via Roma 12"]);
        assert_eq!(streets("40 Rue de la Loi 421"), ["40 Rue de la Loi"]);
        assert_eq!(streets("I live at 12 main street."), ["12 main street"]);
        assert_eq!(
            streets("Transportstraße 12 steht still, Lange Straße 1 steht offen"),
            ["Lange Straße 1"]
        );
    }

    #[test]
    fn other_numbers_and_ways_are_none() {
        for text in [
            "10 cars drove down the street",
            "Via the gateway at port 8080",
            "Ring 3 is open",
            "the place is full, 12 people",
            "address 0x40001000 holds 12 words",
            "Considering 0.1 M of it",
            "Am Montag 5 Teile",
            "Im Werk 5, 12345 Teile",
            "Bremsweg 12 - 10000 Zyklen",
            "Gran Total 250",
            "Müller et al. Weber 2020",
            "Set the address via Port 5",
            "via Modbus 12, 00184 ok",
            "Via Modbus TCP 502",
            "Via Port 8080",
            "An der Maschine 12",
            "Bremsweg 45 m",
            "Steckplatz 3",
            "O-Ring 12",
            "400 V Drive",
            "3 Phase Drive",
            "Modbus address: 40001 Motor speed",
            "The slave address is 12 bits wide.",
            "Axis X moved to 120 mm. No fault.",
            "Sensor located at 3 meters above floor.",
            "Profibus-Adresse: 12 Antrieb links",
            "We ship to 12 plants.",
            "12 Valve Close",
            "Alarm 104 Door Close timeout",
            "6 Hole Bolt Circle",
            "6 Robot Place",
            "10 North Conveyor Lane jam",
            "Move 3 Pallet Row A",
            "132 ABB Drive fault",
            "Palettierstraße 2",
            "Beschichtungsstraße 1",
            "Regalplatz 12",
            "Profinet-Ring 2",
            "MRP-Ring 1",
            "Bohrweg 25",
            "Av. Speed 1200 rpm",
            "Largo Total 250 mm",
            "Corso Pistone 120 mm",
        ] {
            assert!(streets(text).is_empty(), "{text}: {:?}", streets(text));
        }
    }
}
