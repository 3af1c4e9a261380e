//! Lines of a plant's logs and lists: readings, registers, dimensions, names of types.

use super::{dice::Dice, sample::Make};

/// Each makes one line, in which nothing is anybody's.
pub(super) const LINES: &[(&str, Make)] = &[
    ("values of 12 bits", |dice| {
        row(dice, 8, " ", |dice| dice.between(1000, 4095).to_string())
    }),
    ("values of 12 bits with zeros", |dice| {
        row(dice, 8, " ", |dice| format!("{:04}", dice.roll(4096)))
    }),
    ("registers", |dice| {
        row(dice, 8, " ", |dice| dice.roll(65536).to_string())
    }),
    ("values between commas", |dice| {
        row(dice, 8, ",", |dice| dice.between(1000, 4095).to_string())
    }),
    ("thousandths", |dice| row(dice, 6, " ", thousandths)),
    ("thousandths between semicolons", |dice| {
        row(dice, 6, ";", thousandths)
    }),
    ("values of three digits", |dice| {
        row(dice, 6, " ", |dice| dice.digits(3))
    }),
    ("bytes", |dice| {
        row(dice, 8, " ", |dice| format!("{:02X}", dice.roll(256)))
    }),
    ("dimensions", |dice| {
        let (a, b, c) = (dice.digits(3), dice.digits(3), dice.digits(4));
        format!("{a} {b} {c} mm")
    }),
    ("ways of a tool", |dice| {
        let (x, y) = (dice.roll(13), dice.roll(13));
        format!("x +{x}.{} y -{y}.{}", dice.digits(6), dice.digits(6))
    }),
    ("weights", |dice| {
        format!("ST,GS,+{}.{} kg", dice.digits(7), dice.roll(10))
    }),
    ("G-code", |dice| {
        let (x, y) = (thousandths(dice), thousandths(dice));
        format!("G01 X{x} Y{y} F{}", dice.between(100, 3000))
    }),
    ("drawings", |dice| {
        let (a, b, c) = (dice.digits(3), dice.digits(5), dice.digits(2));
        format!("dwg {a}-{b}-{c}")
    }),
    ("types", |dice| {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let (head, last) = (dice.text(letters, 2), dice.text("ABCD", 1));
        format!("type {head}{}{last}", dice.digits(6))
    }),
    ("pallets", |dice| format!("SSCC 380{}", dice.digits(15))),
    ("lots", |dice| {
        let (a, b, c) = (dice.digits(6), dice.digits(3), dice.digits(2));
        format!("LOT {a}-{b}-{c}")
    }),
    ("deliveries", |dice| {
        let (day, month) = (dice.between(1, 28), dice.between(1, 12));
        format!("Lieferung {day:02}.{month:02}.24 {} Stück", dice.digits(4))
    }),
    ("counts", |dice| {
        format!("PASS: {} FAIL: {}", dice.digits(7), dice.digits(2))
    }),
];

fn row(dice: &mut Dice, values: usize, joint: &str, make: Make) -> String {
    let values: Vec<String> = (0..values).map(|_| make(dice)).collect();
    values.join(joint)
}

fn thousandths(dice: &mut Dice) -> String {
    format!("{}.{:03}", dice.roll(100), dice.roll(1000))
}
