//! A signature in hex.

use core::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

const BYTES: usize = 64;

/// An Ed25519 signature (RFC 8032); on the wire 128 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "heapless::String<128>", into = "heapless::String<128>")]
pub struct Signature(pub [u8; BYTES]);

/// A text is no [`Signature`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature;

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a signature has 128 hexadecimal digits")
    }
}

impl core::error::Error for BadSignature {}

impl TryFrom<heapless::String<128>> for Signature {
    type Error = BadSignature;

    fn try_from(text: heapless::String<128>) -> Result<Self, BadSignature> {
        if text.len() != 2 * BYTES {
            return Err(BadSignature);
        }
        let mut bytes = [0; BYTES];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Ok(Self(bytes))
    }
}

fn digit(character: u8) -> Result<u8, BadSignature> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        b'A'..=b'F' => Ok(character - b'A' + 10),
        _ => Err(BadSignature),
    }
}

impl From<Signature> for heapless::String<128> {
    fn from(signature: Signature) -> Self {
        let mut text = Self::new();
        // Cannot fail: two digits a byte.
        let _ = write!(text, "{signature}");
        text
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
