//! Values without check digits, as people write them.

use super::{dice::Dice, id};

const NAMES: [&str; 8] = [
    "ana", "jane.doe", "müller", "li.wei", "o.brien", "k_ito", "sofia", "jan-piet",
];
const HOSTS: [&str; 5] = ["plant", "corp", "werk-nord", "mail.clinic", "acme"];

pub(super) fn email(dice: &mut Dice) -> String {
    let number = dice.roll(99);
    format!(
        "{}{number}@{}.{}",
        dice.pick(&NAMES),
        dice.pick(&HOSTS),
        dice.pick(&["com", "de", "example", "co.uk"])
    )
}

pub(super) fn spoken(dice: &mut Dice) -> String {
    let name = dice.pick(&["jane", "ana", "ito", "sofia"]);
    let host = dice.pick(&["corp", "plant", "acme"]);
    match dice.roll(4) {
        0 => format!("{name} at {host} dot com"),
        1 => format!("{name} [at] {host} [dot] com"),
        2 => format!("{name}(at){host}.com"),
        _ => format!("{name} @ {host}.com"),
    }
}

pub(super) fn phone(dice: &mut Dice) -> String {
    match dice.roll(5) {
        0 => format!("+49 171 {}", dice.digits(7)),
        1 => format!("({}) 555-0{}", dice.between(202, 989), dice.digits(3)),
        2 => format!("0171 {}", dice.digits(7)),
        3 => format!("+44 7700 900{}", dice.digits(3)),
        _ => format!("06 {}", id::grouped(&dice.digits(8), &[2, 2, 2, 2], " ")),
    }
}

pub(super) fn ip(dice: &mut Dice) -> String {
    match dice.roll(2) {
        0 => format!(
            "10.{}.{}.{}",
            dice.roll(256),
            dice.roll(256),
            dice.roll(256)
        ),
        _ => format!("2001:db8::{}:{}", dice.hex(4), dice.between(1, 9)),
    }
}

pub(super) fn mac(dice: &mut Dice) -> String {
    id::grouped(&dice.hex(12), &[2, 2, 2, 2, 2, 2], dice.pick(&[":", "-"]))
}

pub(super) fn key(dice: &mut Dice) -> String {
    match dice.roll(8) {
        0 => format!("sk-proj-{}", dice.base62(48)),
        1 => format!("ghp_{}", dice.base62(36)),
        2 => format!("AKIA{}", dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
        3 => format!("glpat-{}", dice.base62(20)),
        4 => format!("xoxb-{}-{}", dice.digits(12), dice.base62(24)),
        5 => format!("SG.{}.{}", dice.base62(22), dice.base62(43)),
        6 => format!(
            "eyJ{}.eyJ{}.{}",
            dice.base62(20),
            dice.base62(40),
            dice.base62(43)
        ),
        _ => format!("npm_{}", dice.base62(36)),
    }
}

pub(super) fn password(dice: &mut Dice) -> String {
    format!(
        "{}{}{}",
        dice.pick(&["hunter", "Sommer", "swordfish"]),
        dice.digits(3),
        dice.pick(&["!x", "", "#A"])
    )
}

pub(super) fn document(dice: &mut Dice) -> String {
    match dice.roll(3) {
        0 => dice.text("CFGHJK", 1) + &dice.digits(8),
        1 => dice.digits(9),
        _ => dice.text("AB", 2) + &dice.digits(7),
    }
}

pub(super) fn pan(dice: &mut Dice) -> String {
    format!(
        "{}P{}{}{}",
        dice.text("ABCXYZ", 3),
        dice.text("ABKS", 1),
        dice.digits(4),
        dice.text("ABC", 1)
    )
}

pub(super) fn day(dice: &mut Dice) -> String {
    let (day, month, year) = (
        dice.between(1, 28),
        dice.between(1, 12),
        dice.between(1930, 2010),
    );
    match dice.roll(5) {
        0 => format!("{day:02}/{month:02}/{year}"),
        1 => format!("{day}.{month}.{year}"),
        2 => format!("{year}-{month:02}-{day:02}"),
        3 => format!("{day}. März {year}"),
        _ => format!("March {day}, {year}"),
    }
}

pub(super) fn postcode(dice: &mut Dice) -> String {
    dice.digits(5)
}

pub(super) fn british(dice: &mut Dice) -> String {
    format!(
        "{}{} {}{}",
        dice.pick(&["SW", "M", "EH", "B", "LS"]),
        dice.between(1, 9),
        dice.between(1, 9),
        dice.text("ABDEFGH", 2)
    )
}

pub(super) fn street(dice: &mut Dice) -> String {
    let number = dice.between(1, 400);
    match dice.roll(5) {
        0 => format!(
            "{number} {} Street",
            dice.pick(&["Baker", "Old Mill", "Main"])
        ),
        1 => format!("Lange Straße {number}"),
        2 => format!("{number} rue de la {}", dice.pick(&["Paix", "Gare"])),
        3 => format!("Calle Mayor {number}"),
        _ => format!("Via Roma, {number}"),
    }
}

pub(super) fn gps(dice: &mut Dice) -> String {
    format!(
        "{}.{}, {}.{}",
        dice.between(1, 89),
        dice.digits(5),
        dice.between(1, 179),
        dice.digits(5)
    )
}

pub(super) fn plate(dice: &mut Dice) -> String {
    match dice.roll(4) {
        0 => format!(
            "{}-{} {}",
            dice.pick(&["B", "M", "HH", "KA"]),
            dice.text("ABMX", 2),
            dice.between(1, 9999)
        ),
        1 => format!(
            "{}{} {}",
            dice.text("ABKL", 2),
            dice.between(51, 74),
            dice.text("ABCD", 3)
        ),
        2 => format!(
            "{}-{}-{}",
            dice.text("ABCD", 2),
            dice.digits(3),
            dice.text("ABCD", 2)
        ),
        _ => format!(
            "{}-{}-{}",
            dice.digits(2),
            dice.text("BDFG", 3),
            dice.roll(10)
        ),
    }
}

pub(super) fn account(dice: &mut Dice) -> String {
    let length = dice.between(7, 12);
    dice.digits(length)
}

pub(super) fn bic(dice: &mut Dice) -> String {
    format!(
        "{}{}{}",
        dice.pick(&["COBA", "DEUT", "BNPA", "INGB"]),
        dice.pick(&["DE", "FR", "NL"]),
        dice.pick(&["FF", "2A", "FFXXX", "PP"])
    )
}

pub(super) fn url(dice: &mut Dice) -> String {
    format!(
        "https://{}.example/{}?id={}",
        dice.pick(&["wiki", "mes", "shop"]),
        dice.text("abcdef", 5),
        dice.roll(1000)
    )
}

pub(super) fn host(dice: &mut Dice) -> String {
    format!(
        "{}{}.{}",
        dice.pick(&["plc", "hmi-", "srv"]),
        dice.between(1, 99),
        dice.pick(&["local", "plant.lan", "corp.internal"])
    )
}
