//! The default model as another download: in 16-bit floats (BF16), which take so many bytes that on any CPU something
//! else is faster.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// GGUF's numbers of types of values that are not as long as they are wide.
const STRING: u32 = 8;
const ARRAY: u32 = 9;
/// GGUF's numbers of types of tensors.
const F32: u32 = 0;
const Q4_1: u32 = 3;
const Q8_0: u32 = 8;
const BF16: u32 = 30;
/// GGUF's number of a file that is mostly of this type.
const MOSTLY_BF16: u32 = 32;
/// Numbers that share a scale.
const BLOCK: usize = 32;
/// Where tensors begin is a multiple of this.
const ALIGNMENT: usize = 32;

/// Writes the model in `source`, whose matrices are in Q4_1 and Q8_0, to `target` in BF16.
pub fn plain(source: &Path, target: &Path) -> Result<()> {
    let bytes = std::fs::read(source)?;
    let mut reader = Reader {
        bytes: &bytes,
        at: 8,
    };
    let tensors = reader.long()?;
    let mut file_type = None;
    for _ in 0..reader.long()? {
        let name = reader.string()?;
        let kind = reader.word()?;
        if name == b"general.file_type" {
            file_type = Some(reader.at);
        }
        reader.value(kind)?;
    }
    let tensors: Vec<Tensor> = (0..tensors)
        .map(|_| reader.tensor())
        .collect::<Result<_>>()?;
    let data = reader.at.next_multiple_of(ALIGNMENT);
    let mut out = bytes.get(..data).context("no data")?.to_vec();
    out[file_type.context("a file of no type")?..][..4].copy_from_slice(&MOSTLY_BF16.to_le_bytes());
    for tensor in &tensors {
        let stored = bytes.get(data + tensor.offset..).context("a cut tensor")?;
        let begin = out.len();
        let blocks = tensor.count / BLOCK;
        let kind = match tensor.kind {
            Q4_1 => {
                out.extend(stored.chunks(20).take(blocks).flat_map(four_bits));
                BF16
            }
            Q8_0 => {
                out.extend(stored.chunks(34).take(blocks).flat_map(eight_bits));
                BF16
            }
            F32 => {
                out.extend(stored.get(..4 * tensor.count).context("a cut tensor")?);
                F32
            }
            other => bail!("tensors of type {other} are not expected"),
        };
        out[tensor.at..][..4].copy_from_slice(&kind.to_le_bytes());
        out[tensor.at + 4..][..8].copy_from_slice(&((begin - data) as u64).to_le_bytes());
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    }
    Ok(std::fs::write(target, out)?)
}

/// What the header says of a tensor.
struct Tensor {
    /// Numbers in it.
    count: usize,
    kind: u32,
    /// Where it begins in the data.
    offset: usize,
    /// Where the header says type and beginning.
    at: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.bytes.get(self.at..).context("a cut header")?;
        self.at += N;
        Ok(*bytes.first_chunk().context("a cut header")?)
    }

    fn word(&mut self) -> Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Result<usize> {
        Ok(usize::try_from(u64::from_le_bytes(self.take()?))?)
    }

    fn string(&mut self) -> Result<&'a [u8]> {
        let length = self.long()?;
        self.at += length;
        self.bytes
            .get(self.at - length..self.at)
            .context("a cut header")
    }

    fn value(&mut self, kind: u32) -> Result<()> {
        match kind {
            STRING => {
                self.string()?;
            }
            ARRAY => {
                let kind = self.word()?;
                for _ in 0..self.long()? {
                    self.value(kind)?;
                }
            }
            0 | 1 | 7 => self.at += 1,
            2 | 3 => self.at += 2,
            4..=6 => self.at += 4,
            _ => self.at += 8,
        }
        Ok(())
    }

    fn tensor(&mut self) -> Result<Tensor> {
        self.string()?;
        let mut count = 1;
        for _ in 0..self.word()? {
            count *= self.long()?;
        }
        let at = self.at;
        Ok(Tensor {
            count,
            kind: self.word()?,
            offset: self.long()?,
            at,
        })
    }
}

/// Each number is a scale times four bits, plus the least number.
fn four_bits(block: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let (scale, least) = (half(block), half(&block[2..]));
    let low = block[4..20].iter().map(|byte| byte & 15);
    let high = block[4..20].iter().map(|byte| byte >> 4);
    low.chain(high)
        .flat_map(move |bits| brain(scale * f32::from(bits) + least))
}

/// Each number is a scale times a byte.
fn eight_bits(block: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let scale = half(block);
    block[2..34]
        .iter()
        .flat_map(move |byte| brain(scale * f32::from(byte.cast_signed())))
}

/// The 16-bit float (IEEE 754) that `bytes` begin with.
fn half(bytes: &[u8]) -> f32 {
    let bits = u16::from_le_bytes([bytes[0], bytes[1]]);
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, rest) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * rest * 2.0_f32.powi(-24),
        _ => sign * (1024.0 + rest) * 2.0_f32.powi(exponent - 25),
    }
}

/// The nearest 16-bit float with an exponent of 8 bits.
fn brain(number: f32) -> [u8; 2] {
    let bits = number.to_bits();
    let rounded = bits + 0x7FFF + (bits >> 16 & 1);
    [(rounded >> 16) as u8, (rounded >> 24) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_and_rounded() {
        let halves = [0x3C00_u16, 0xC248, 0x0001, 0x8000].map(|bits| half(&bits.to_le_bytes()));
        assert_eq!(halves, [1.0, -3.140_625, 2.0_f32.powi(-24), 0.0]);
        let rounded = [1.0, -3.140_625, 1.007].map(|number| u16::from_le_bytes(brain(number)));
        assert_eq!(rounded, [0x3F80, 0xC049, 0x3F81]);
    }
}
