//! Ways and places that are no streets: `Bremsweg 45 mm`, `Steckplatz 3`, `400 V Drive`.

use std::sync::LazyLock;

use regex::Regex;

use super::pattern::compiled;

/// How the name of a German street ends, and what stands before that in the words of machines, plants and warehouses. A
/// stem of fewer than four letters is the whole of what stands before.
const TECHNICAL: &[(&[&str], &str)] = &[
    (
        &["weg"],
        "anhalte arbeits aus beschleunigungs bohr brems daten dosier fahr feder flucht förder füge gleit hin hub kolben \
         kommunikations kriech lauf lern lösungs luft mess press rettungs rück schalt signal spann stell strom tast \
         transport um ventil verschiebe vorschub werkzeug",
    ),
    (
        &["platz"],
        "ablage abstell arbeits bestück computer einbau greif kommissionier kontroll lade lager lande liege löt \
         magazin montage pack paletten park pc prüf regal rüst schweiß sitz speicher start steck steh stell test werkzeug",
    ),
    (
        &["straße", "strasse", "str.", "str"],
        "abfüll bearbeitungs beschichtungs fertigungs förder karosserie lackier montage palettier press pressen \
         produktions prüf rohbau schweiß sortier takt transfer transport verpackungs walz wasch",
    ),
    // Konstr., Distr., Registr.
    (&["str", "str."], "ab con di kon regi"),
    (&["steig"], "bahn"),
    (&["graben"], "entwässerungs kabel leitungs rohr"),
    (&["gasse"], "regal rettungs"),
    (
        &["ring"],
        "dicht dichtungs glasfaser kolben lager mrp profinet simmer token",
    ),
];

/// Before a way or a place that has no name of its own.
const ARTICLES: [&str; 9] = [
    "das", "der", "die", "dieser", "ein", "erster", "jeder", "kein", "max.",
];

/// English streets that are words of machines too, and what stands before them there.
const PARTS: &[(&[&str], &str)] = &[
    (
        &["dr", "drive", "row"],
        " a abb ac all axes axis belt bit chain conveyor danfoss dc direct disk drive flash frequency front gear hard hp \
         hydraulic hz kv kw lenze linear motor nm pallet phase pole power rear roller screw servo sew siemens speed \
         spindle stepper tape usb v vac variable vdc vfd w wheel ",
    ),
    (
        &["close"],
        " breaker clamp contactor damper door gate valve ",
    ),
    (&["cir", "circle"], " bolt hole pitch "),
    (&["pl", "place"], " pick robot "),
    (&["lane", "ln"], " agv conveyor robot "),
];

/// What a message goes by: `Via Modbus TCP 502`.
const MEANS: &str = " bluetooth bus can canopen channel com ethercat ethernet fax gateway gprs gsm hart http https i2c io-link \
    kanal lan lora lorawan lte modbus mqtt nfc opc pin port profibus profinet rs232 rs485 serial sftp sms spi ssh tcp udp \
    usb vlan vpn wifi wlan zigbee ";

/// What stands behind a length, a time or an amount.
static UNIT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^ ?(?:(?:[mcµnk]?m|m?s|min|k?g|t|m?[VAW]|k[VWN]|[kM]?Hz|bar|Nm?|l|Liter|Meter|Sekunden|Stück|Grad|Prozent|pcs|rpm|U/min)(?:[^\p{L}.]|$)|%|°)",
    )
});

/// What stands behind a number of things or of events.
static COUNT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(concat!(
        r"(?i)^ ?(?:ciclos|cicli|counts|cycles|grad|liter|parts|pcs|peças|pezzi|pieces|piezas|pièces|pulses|rev|stk|stück",
        r"|times|uhr|units|zyklen)(?:[^\p{L}.]|$)",
    ))
});

/// Whether it says that things are counted.
pub(super) fn is_counted(behind: &str) -> bool {
    COUNT.is_match(behind)
}

/// Whether what stands behind a number says that it is a length, a time or an amount.
pub(super) fn is_measured(behind: &str) -> bool {
    UNIT.is_match(behind)
}

/// Whether a German street's name and what stands behind its number are rather those of a machine.
pub(super) fn is_technical(name: &str, behind: &str) -> bool {
    let name = name.to_lowercase();
    let mut words = name.rsplit(' ');
    let (last, previous) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let stemmed = TECHNICAL.iter().any(|(ends, stems)| {
        ends.iter()
            .filter_map(|end| last.strip_suffix(end))
            .any(|stem| match stem.trim_end_matches('-') {
                "" => has_stem(previous, stems) || ARTICLES.contains(&previous),
                stem => has_stem(stem, stems),
            })
    });
    stemmed || is_measured(behind)
}

/// One letter is an axis, or the form of a ring.
fn has_stem(stem: &str, stems: &str) -> bool {
    stem.chars().count() == 1
        || stems
            .split_whitespace()
            .any(|known| stem == known || (known.chars().count() > 3 && stem.ends_with(known)))
}

/// Whether an Italian street is rather the way that a message goes: the first word of its name says it.
pub(super) fn is_means(street: &str) -> bool {
    let name = street
        .strip_prefix("Via ")
        .and_then(|name| name.split([' ', '-', ',']).next());
    name.is_some_and(|name| MEANS.contains(&format!(" {} ", name.to_lowercase())))
}

/// Whether an English street, its number first, is rather a part of a machine: the last word of its name says it.
pub(super) fn is_part(street: &str) -> bool {
    let street = street.to_lowercase();
    let mut words = street.split_whitespace().rev();
    let kind = words.next().unwrap_or_default().trim_end_matches('.');
    let last = words.next().unwrap_or_default();
    let last = format!(" {last} ");
    PARTS
        .iter()
        .any(|(kinds, words)| kinds.contains(&kind) && words.contains(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_machines_are_told_from_streets() {
        for (name, behind) in [
            ("Bremsweg", ""),
            ("Verfahrweg", ""),
            ("Handarbeitsplatz", ""),
            ("O-Ring", ""),
            ("O Ring", ""),
            ("Takt Straße", ""),
            ("Kein Platz", ""),
            ("Fertigungsstraße", ""),
            ("Langer Weg", " mm"),
            ("Langer Weg", "%"),
        ] {
            assert!(is_technical(name, behind), "{name}");
        }
        for (name, behind) in [
            ("Feldweg", ""),
            ("Museumweg", ""),
            ("Parkweg", ", Berlin"),
            ("Marktplatz", " is open"),
            ("Langer Weg", " m\u{fc}de"),
            ("Hauptstr.", "\n"),
            ("Hauptstr.", " W. Meier"),
            ("Bahngasse", ""),
            ("Messplatz", ""),
        ] {
            assert!(!is_technical(name, behind), "{name}{behind}");
        }
        assert!(is_part("400 V Drive") && is_part("3 Phase Dr."));
        assert!(!is_part("350 W Park Drive") && !is_part("12 Spindle Close"));
        assert!(!is_part("12 Park Drive") && !is_part("350 Front Street"));
    }
}
