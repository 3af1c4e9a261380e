//! `cargo xtask wire`: what the wire types take on a device.
//!
//! The example firmware is compiled for a Cortex-M4F, which has no standard library, so a dependency that needs one fails
//! the build. Flash and RAM are read off the linked program. The stack is measured on this machine, whose pointers are
//! twice as long as the device's.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

use crate::build;
use crate::place::Place;
use crate::say;

const TARGET: &str = "thumbv7em-none-eabihf";

/// Compiles, measures and tells.
pub fn command(place: &Place) -> Result<ExitCode> {
    provide(place)?;
    for (features, name) in [("", "without signing"), ("sign", "with signing")] {
        let size = firmware(place, features)?;
        say::step(
            "wire",
            &format!(
                "{:>7} bytes of flash, {} of RAM, {name}",
                size.flash, size.ram
            ),
        );
    }
    let mut stack = build::cargo(place);
    stack.args([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "-p",
        "shoal-wire",
    ]);
    stack.args(["--features", "sign", "--example", "stack"]);
    build::run(&mut stack)?;
    Ok(ExitCode::SUCCESS)
}

/// The target's core library, which rustup has.
fn provide(place: &Place) -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup
        .args(["target", "add", TARGET])
        .current_dir(&place.root);
    build::run(&mut rustup).with_context(|| format!("fetch the target {TARGET}"))
}

fn firmware(place: &Place, features: &str) -> Result<Size> {
    let mut compile = build::cargo(place);
    compile.args(["build", "--quiet", "--profile", "firmware", "--locked"]);
    compile.args(["-p", "shoal-wire-firmware", "--target", TARGET]);
    compile.args(["--features", features]);
    build::run(&mut compile)?;
    let program = format!("target/{TARGET}/firmware/shoal-wire-firmware");
    size_of(&place.root.join(program))
}

/// What a program takes, in bytes.
#[derive(Debug, PartialEq, Eq)]
struct Size {
    /// Code and constants, start-up code with them.
    flash: u32,
    /// Variables, without the stack.
    ram: u32,
}

fn size_of(program: &Path) -> Result<Size> {
    let bytes = std::fs::read(program).with_context(|| format!("read {}", program.display()))?;
    let size =
        loaded(&bytes).with_context(|| format!("{} is no ELF program", program.display()))?;
    ensure!(size.flash > 0, "{} is empty", program.display());
    Ok(size)
}

/// Sums the segments that are loaded, of a little-endian ELF file of 32 bits.
fn loaded(elf: &[u8]) -> Option<Size> {
    const LOAD: u32 = 1;
    const RAM: u32 = 0x2000_0000;
    let word = |at: usize| Some(u32::from_le_bytes(elf.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?));
    if elf.get(..6)? != b"\x7fELF\x01\x01" {
        return None;
    }
    let first = usize::try_from(word(28)?).ok()?;
    let (length, count) = (usize::from(half(42)?), usize::from(half(44)?));
    let mut size = Size { flash: 0, ram: 0 };
    for segment in (0..count).map(|n| first + n * length) {
        if word(segment)? == LOAD {
            size.flash += word(segment + 16)?;
            if word(segment + 8)? >= RAM {
                size.ram += word(segment + 20)?;
            }
        }
    }
    Some(size)
}

#[cfg(test)]
mod tests {
    use super::{Size, loaded};

    #[test]
    fn segments_count_as_flash_by_what_is_in_the_file_and_as_ram_by_where_they_go() {
        let mut elf = vec![0u8; 52 + 2 * 32];
        elf[..6].copy_from_slice(b"\x7fELF\x01\x01");
        elf[28] = 52;
        elf[42] = 32;
        elf[44] = 2;
        let mut segment = |n: usize, fields: [u32; 6]| {
            for (at, field) in fields.into_iter().enumerate() {
                let at = 52 + n * 32 + at * 4;
                elf[at..at + 4].copy_from_slice(&field.to_le_bytes());
            }
        };
        segment(0, [1, 0, 0x0800_0000, 0, 900, 900]);
        segment(1, [1, 0, 0x2000_0000, 0, 8, 24]);
        assert_eq!(
            loaded(&elf),
            Some(Size {
                flash: 908,
                ram: 24
            })
        );
        assert_eq!(loaded(b"\x7fELF\x02\x01"), None);
    }
}
