//! What a GGUF file says of itself, read in safe code, so that no cut or foreign file reaches llama.cpp.
//!
//! The layout is that of GGUF versions 2 and 3 (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>): magic,
//! version, counts, key-values, tensor descriptions, then the tensors' bytes. Every length is checked against the
//! file's before anything is allocated for it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek as _, SeekFrom},
    path::Path,
};

use sha2::{Digest as _, Sha256};

/// The longest text value that is kept, in bytes; longer ones are skipped.
const MAX_TEXT: u64 = 4096;
/// The most key-values and tensors; real files have some hundreds.
const MAX_ENTRIES: u64 = 1 << 20;

/// Why a file is not a usable GGUF file.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("it is not a GGUF file: it begins with {0:02x?}")]
    Magic([u8; 4]),
    /// A layout that this program does not know.
    #[error("it has GGUF version {0}; versions 2 and 3 are known")]
    Version(u32),
    /// It ends before what its header promises; the download may have broken off.
    #[error("it is cut short: {needed} bytes are needed and it has {have}")]
    Truncated {
        /// The bytes that its header tells of, as far as it could be read.
        needed: u64,
        /// Its length in bytes.
        have: u64,
    },
    /// It contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

/// What the header says.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// The file's length in bytes.
    pub bytes: u64,
    /// The number of weights.
    pub parameters: u64,
    /// Tells this file's contents from any other's, in hexadecimal digits: the SHA-256 of its length, its header and
    /// samples of its weights, since reading gigabytes at every start would take minutes.
    pub fingerprint: String,
    texts: BTreeMap<String, String>,
    numbers: BTreeMap<String, u64>,
}

impl Header {
    /// Reads the header of the file at `path` and checks that all its tensors lie within the file.
    pub fn read(path: &Path) -> Result<Self, GgufError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let reader = Reader {
            inner: BufReader::with_capacity(1 << 16, file),
            at: 0,
            length,
        };
        let (mut header, end) = reader.header()?;
        header.fingerprint = fingerprint(path, end, length)?;
        Ok(header)
    }

    /// The kind of network, such as `llama`.
    #[must_use]
    pub fn architecture(&self) -> Option<&str> {
        self.text("general.architecture")
    }

    /// The name its makers gave it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.text("general.name")
    }

    /// How the weights are stored, such as `Q4_1`; `None` if the file does not say or the number is unknown.
    #[must_use]
    pub fn quantization(&self) -> Option<&'static str> {
        let known = *self.numbers.get("general.file_type")?;
        FILE_TYPES
            .iter()
            .find(|(number, _)| *number == known)
            .map(|(_, name)| *name)
    }

    /// Whether it can turn text into tokens; files of projectors and adapters cannot.
    #[must_use]
    pub fn has_tokenizer(&self) -> bool {
        self.text("tokenizer.ggml.model").is_some()
    }

    /// The bytes that keys and values of `tokens` tokens take at 16 bits, or 0 if the file does not say enough.
    #[must_use]
    pub fn cache_bytes(&self, tokens: u64) -> u64 {
        self.cache_bytes_per_token()
            .unwrap_or(0)
            .saturating_mul(tokens)
    }

    fn cache_bytes_per_token(&self) -> Option<u64> {
        let layers = self.number("block_count")?;
        let heads = self.number("attention.head_count")?.max(1);
        let kv_heads = self.number("attention.head_count_kv").unwrap_or(heads);
        let width = self.number("embedding_length")? / heads;
        let key = self.number("attention.key_length").unwrap_or(width);
        let value = self.number("attention.value_length").unwrap_or(width);
        let per_layer = kv_heads.checked_mul(key.checked_add(value)?)?;
        layers.checked_mul(per_layer)?.checked_mul(2)
    }

    fn number(&self, key: &str) -> Option<u64> {
        let architecture = self.architecture()?;
        self.numbers.get(&format!("{architecture}.{key}")).copied()
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }
}

/// Samples of the weights, and the length of each in bytes.
const SAMPLES: u64 = 64;
const SAMPLE: u64 = 4096;

fn fingerprint(path: &Path, header: u64, length: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    hasher.update(length.to_le_bytes());
    io::copy(&mut (&mut file).take(header), &mut hasher)?;
    let weights = length.saturating_sub(header);
    for sample in 0..SAMPLES {
        // Short of overflow for any file that a disk can hold.
        let at = header + weights / SAMPLES * sample;
        file.seek(SeekFrom::Start(at))?;
        io::copy(&mut (&mut file).take(SAMPLE), &mut hasher)?;
    }
    Ok(hex::encode(hasher.finalize()))
}

struct Reader<R> {
    inner: BufReader<R>,
    at: u64,
    length: u64,
}

impl<R: Read + io::Seek> Reader<R> {
    /// The header and where it ends.
    fn header(mut self) -> Result<(Header, u64), GgufError> {
        let magic = self.array()?;
        if &magic != b"GGUF" {
            return Err(GgufError::Magic(magic));
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(version));
        }
        let tensors = self.count("it names too many tensors")?;
        let pairs = self.count("it has too many key-values")?;
        let mut header = Header {
            bytes: self.length,
            ..Header::default()
        };
        for _ in 0..pairs {
            self.pair(&mut header)?;
        }
        self.tensors(tensors, &mut header)?;
        Ok((header, self.at))
    }

    fn pair(&mut self, header: &mut Header) -> Result<(), GgufError> {
        let key = self
            .string()?
            .ok_or(GgufError::Damaged("a key is too long"))?;
        let kind = self.u32()?;
        match kind {
            STRING => {
                if let Some(text) = self.string()? {
                    header.texts.insert(key, text);
                } else {
                    header.texts.insert(key, String::new());
                }
            }
            ARRAY => self.skip_array()?,
            _ => {
                if let Some(number) = self.scalar(kind)? {
                    header.numbers.insert(key, number);
                }
            }
        }
        Ok(())
    }

    fn scalar(&mut self, kind: u32) -> Result<Option<u64>, GgufError> {
        let width = scalar_width(kind)?;
        let mut bytes = [0; 8];
        self.fill(bytes.get_mut(..width).unwrap_or_default())?;
        let whole = u64::from_le_bytes(bytes);
        // Kinds 0, 2, 4 and 10 are unsigned, 1, 3, 5 and 11 signed; the rest are no counts.
        let sign = 1_u64 << (width * 8 - 1);
        Ok(match kind {
            0 | 2 | 4 | 10 => Some(whole),
            1 | 3 | 5 | 11 if whole & sign == 0 => Some(whole),
            _ => None,
        })
    }

    fn skip_array(&mut self) -> Result<(), GgufError> {
        let kind = self.u32()?;
        let items = self.u64()?;
        match kind {
            STRING => {
                // Each takes at least the eight bytes of its length.
                self.need(items.saturating_mul(8))?;
                for _ in 0..items {
                    let bytes = self.u64()?;
                    self.skip(bytes)?;
                }
                Ok(())
            }
            ARRAY => Err(GgufError::Damaged("it has an array of arrays")),
            _ => self.skip(items.saturating_mul(scalar_width(kind)? as u64)),
        }
    }

    fn tensors(&mut self, count: u64, header: &mut Header) -> Result<(), GgufError> {
        let mut end = 0_u64;
        for _ in 0..count {
            self.string()?
                .ok_or(GgufError::Damaged("a tensor's name is too long"))?;
            let (elements, bytes) = self.shape()?;
            let from = self.u64()?;
            end = end.max(from.checked_add(bytes).ok_or(TOO_LARGE)?);
            header.parameters = header.parameters.saturating_add(elements);
        }
        let align = *header.numbers.get("general.alignment").unwrap_or(&32);
        if !align.is_power_of_two() {
            return Err(GgufError::Damaged("its alignment is no power of two"));
        }
        let start = self.at.checked_next_multiple_of(align).ok_or(TOO_LARGE)?;
        let needed = start.checked_add(end).ok_or(TOO_LARGE)?;
        if needed > self.length {
            return Err(self.truncated(needed));
        }
        Ok(())
    }

    /// A tensor's number of elements and bytes; an unknown kind counts no bytes.
    fn shape(&mut self) -> Result<(u64, u64), GgufError> {
        let dimensions = self.u32()?;
        if !(1..=4).contains(&dimensions) {
            return Err(GgufError::Damaged("a tensor has no 1 to 4 dimensions"));
        }
        let mut elements = 1_u64;
        for _ in 0..dimensions {
            elements = elements.checked_mul(self.u64()?).ok_or(TOO_LARGE)?;
        }
        let kind = self.u32()?;
        let Some((_, block, size)) = TENSOR_TYPES.iter().find(|(number, ..)| *number == kind)
        else {
            return Ok((elements, 0));
        };
        if !elements.is_multiple_of(*block) {
            return Err(GgufError::Damaged("a tensor does not fill its blocks"));
        }
        let bytes = (elements / block).checked_mul(*size).ok_or(TOO_LARGE)?;
        Ok((elements, bytes))
    }

    /// A text, or `None` if it is longer than [`MAX_TEXT`] and was skipped.
    fn string(&mut self) -> Result<Option<String>, GgufError> {
        let bytes = self.u64()?;
        if bytes > MAX_TEXT {
            self.skip(bytes)?;
            return Ok(None);
        }
        self.need(bytes)?;
        let mut text = vec![0; usize::try_from(bytes).unwrap_or_default()];
        self.fill(&mut text)?;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }

    fn count(&mut self, too_many: &'static str) -> Result<u64, GgufError> {
        let count = self.u64()?;
        if count > MAX_ENTRIES {
            return Err(GgufError::Damaged(too_many));
        }
        Ok(count)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), GgufError> {
        self.need(bytes)?;
        let step = i64::try_from(bytes).map_err(|_| TOO_LARGE)?;
        self.inner.seek_relative(step)?;
        self.at += bytes;
        Ok(())
    }

    fn need(&self, bytes: u64) -> Result<(), GgufError> {
        let needed = self.at.saturating_add(bytes);
        if needed > self.length {
            return Err(self.truncated(needed));
        }
        Ok(())
    }

    fn truncated(&self, needed: u64) -> GgufError {
        GgufError::Truncated {
            needed,
            have: self.length,
        }
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<(), GgufError> {
        self.need(into.len() as u64)?;
        self.inner.read_exact(into)?;
        self.at += into.len() as u64;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array()?))
    }
}

const TOO_LARGE: GgufError = GgufError::Damaged("a size is out of all bounds");
const STRING: u32 = 8;
const ARRAY: u32 = 9;

fn scalar_width(kind: u32) -> Result<usize, GgufError> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(GgufError::Damaged("a value is of no known kind")),
    }
}

/// `general.file_type` and its name.
#[rustfmt::skip]
const FILE_TYPES: &[(u64, &str)] = &[
    (0, "F32"), (1, "F16"), (2, "Q4_0"), (3, "Q4_1"), (7, "Q8_0"), (8, "Q5_0"), (9, "Q5_1"), (10, "Q2_K"),
    (11, "Q3_K_S"), (12, "Q3_K_M"), (13, "Q3_K_L"), (14, "Q4_K_S"), (15, "Q4_K_M"), (16, "Q5_K_S"), (17, "Q5_K_M"),
    (18, "Q6_K"), (19, "IQ2_XXS"), (20, "IQ2_XS"), (21, "Q2_K_S"), (22, "IQ3_XS"), (23, "IQ3_XXS"), (24, "IQ1_S"),
    (25, "IQ4_NL"), (26, "IQ3_S"), (27, "IQ3_M"), (28, "IQ2_S"), (29, "IQ2_M"), (30, "IQ4_XS"), (31, "IQ1_M"),
    (32, "BF16"), (36, "TQ1_0"), (37, "TQ2_0"), (38, "MXFP4"),
];

/// A tensor's type, the elements of one block, and the block's bytes.
#[rustfmt::skip]
const TENSOR_TYPES: &[(u32, u64, u64)] = &[
    (0, 1, 4), (1, 1, 2), (2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34), (9, 32, 36),
    (10, 256, 84), (11, 256, 110), (12, 256, 144), (13, 256, 176), (14, 256, 210), (15, 256, 292),
    (16, 256, 66), (17, 256, 74), (18, 256, 98), (19, 256, 50), (20, 32, 18), (21, 256, 110), (22, 256, 82),
    (23, 256, 136), (24, 1, 1), (25, 1, 2), (26, 1, 4), (27, 1, 8), (28, 1, 8), (29, 256, 56), (30, 1, 2),
    (34, 256, 54), (35, 256, 66), (39, 32, 17),
];

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::testing::model_path;

    fn parse(bytes: &[u8]) -> Result<Header, GgufError> {
        Reader {
            inner: BufReader::new(Cursor::new(bytes)),
            at: 0,
            length: bytes.len() as u64,
        }
        .header()
        .map(|(header, _)| header)
    }

    #[test]
    fn the_default_model_says_what_it_is() {
        let header = Header::read(&model_path()).unwrap();
        assert_eq!(header.quantization(), Some("Q4_1"));
        assert_eq!(header.architecture(), Some("llama"));
        assert_eq!(header.parameters, 134_515_008);
        assert!(header.has_tokenizer());
        // 30 layers of keys and values, 3 heads of 64 each, 2 bytes a number.
        assert_eq!(header.cache_bytes(1), 30 * 2 * 3 * 64 * 2);
    }

    #[test]
    fn other_files_are_told_apart() {
        assert!(matches!(parse(b"PK\x03\x04...."), Err(GgufError::Magic(_))));
        assert!(matches!(parse(b"GG"), Err(GgufError::Truncated { .. })));
        assert!(matches!(
            parse(b"GGUF\x09\0\0\0"),
            Err(GgufError::Version(9))
        ));
    }

    #[test]
    fn every_cut_of_a_header_is_an_error_and_no_panic() {
        let whole = std::fs::read(model_path()).unwrap();
        for length in (0..4096).chain([10_000, 100_000, 1_000_000, whole.len() - 1]) {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn promised_lengths_allocate_nothing() {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(u64::MAX.to_le_bytes());
        assert!(matches!(parse(&bytes), Err(GgufError::Truncated { .. })));
    }
}
