//! Values that look like something and are nothing.

use super::{dice::Dice, id, sample::Make};

/// What looks like something and is nothing.
pub(super) const OTHERS: &[Make] = &[
    |dice| format!("order {}", dice.digits(8)),
    |dice| format!("Auftrag {}", dice.digits(10)),
    |dice| format!("v{}.{}.{}", dice.roll(20), dice.roll(30), dice.roll(99)),
    |dice| {
        format!(
            "part {}-{}-{}",
            dice.text("ABCDEFGH", 2),
            dice.digits(5),
            dice.text("XYZ", 1)
        )
    },
    |dice| format!("Teil {}", dice.digits(7)),
    |dice| {
        format!(
            "2026-{:02}-{:02}T{:02}:15:{:02}Z",
            dice.between(1, 12),
            dice.between(1, 28),
            dice.roll(24),
            dice.roll(60)
        )
    },
    |dice| format!("on {}.{}.2025", dice.between(1, 28), dice.between(1, 12)),
    |dice| format!("ISBN 978-3-16-{}-{}", dice.digits(6), dice.roll(10)),
    |dice| format!("sha256 {}", dice.hex(64)),
    |dice| format!("commit {}", dice.hex(40)),
    |dice| {
        format!(
            "{}-{}-4{}-a{}-{}",
            dice.hex(8),
            dice.hex(4),
            dice.hex(3),
            dice.hex(3),
            dice.hex(12)
        )
    },
    |dice| {
        format!(
            "{}.{:03},{:02} EUR",
            dice.between(1, 99),
            dice.roll(1000),
            dice.roll(100)
        )
    },
    |dice| {
        format!(
            "${},{:03}.{:02}",
            dice.between(1, 99),
            dice.roll(1000),
            dice.roll(100)
        )
    },
    |dice| format!("{} rpm", dice.between(100, 9000)),
    |dice| format!("{}.{} bar", dice.roll(10), dice.roll(100)),
    |dice| format!("E{}", dice.between(10, 99)),
    |dice| format!("{} x {} mm", dice.between(10, 999), dice.between(10, 999)),
    |dice| format!("invoice 2025-{}", dice.digits(5)),
    |dice| format!("serial {}", dice.digits(9)),
    |dice| format!("EAN {}", dice.digits(13)),
    |dice| format!("uptime {}", dice.digits(10)),
    |dice| {
        format!(
            "article {}-{}-{}",
            dice.digits(3),
            dice.digits(2),
            dice.digits(4)
        )
    },
    |dice| wrong(dice, id::cpf),
    |dice| wrong(dice, id::cnpj),
    |dice| wrong(dice, id::fiscal),
    // In groups it would look like a telephone number.
    |dice| format!("NHS number {}", wrong(dice, id::health).replace(' ', "")),
    |dice| format!("BSN {}", wrong(dice, id::dutch)),
    |dice| format!("routing number {}", wrong(dice, id::routing)),
    |dice| format!("the ratio is {}.{}", dice.roll(10), dice.digits(9)),
    |dice| format!("batch {}{}", dice.text("ABC", 2), dice.digits(6)),
    |dice| format!("key-value store number {}", dice.roll(9)),
    |dice| {
        format!(
            "from {} to {}",
            dice.between(1990, 2026),
            dice.between(1990, 2026)
        )
    },
    |dice| {
        format!(
            "readings {}.{} {}.{} {}.{}",
            dice.roll(99),
            dice.digits(3),
            dice.roll(99),
            dice.digits(3),
            dice.roll(99),
            dice.digits(3)
        )
    },
];

/// A value whose last character is another one.
fn wrong(dice: &mut Dice, make: Make) -> String {
    let mut value = make(dice);
    let last = match value.pop().unwrap() {
        '9' => '0',
        'Z' => 'A',
        other => char::from_u32(u32::from(other) + 1).unwrap(),
    };
    value.push(last);
    value
}
