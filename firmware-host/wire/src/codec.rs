//! Messages as bytes: JSON (RFC 8259) or CBOR (RFC 8949), both with the fields' names.
//!
//! An appliance takes either: a CBOR message begins with a byte that no text begins with. What it publishes is JSON.

use core::fmt;

use minicbor::encode::write::Cursor;
use serde::{Serialize, de::DeserializeOwned};

/// How deep the objects and lists of a message may stand in each other.
const MAX_DEPTH: usize = 16;

/// Why bytes are no message, or a message no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The buffer is too small for the message.
    Full,
    /// The bytes are no message of this type, or one of its texts is longer than there is room for.
    Form,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the buffer is too small for the message",
            Self::Form => "the bytes are no message of this type, or a text in it is too long",
        })
    }
}

impl core::error::Error for CodecError {}

/// Writes a message as JSON into `buffer`, and gives the part that it takes.
pub fn to_json<'a, T: Serialize>(
    message: &T,
    buffer: &'a mut [u8],
) -> Result<&'a [u8], CodecError> {
    let length = serde_json_core::to_slice(message, buffer).map_err(|_| CodecError::Full)?;
    Ok(&buffer[..length])
}

/// Reads a JSON message. `scratch` is where a text with escapes is put together, one at a time, so it must be as long as
/// the longest text of the message, whether `T` has it or not. With an empty one texts are taken as they are written,
/// escapes and all, which is enough for ids and states: [`crate::ResultHead`] is read so from an answer of any length.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8], scratch: &mut [u8]) -> Result<T, CodecError> {
    // What is skipped is skipped by recursion, and a device's stack is small.
    if depth(bytes) > MAX_DEPTH {
        return Err(CodecError::Form);
    }
    let read = if scratch.is_empty() {
        serde_json_core::from_slice(bytes)
    } else {
        serde_json_core::from_slice_escaped(bytes, scratch)
    };
    read.map(|(message, _)| message)
        .map_err(|_| CodecError::Form)
}

/// How deep brackets stand in each other, at most.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut most) = (0usize, 0);
    let (mut text, mut escaped) = (false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'[' | b'{' if !text => {
                depth += 1;
                most = most.max(depth);
            }
            b']' | b'}' if !text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// Writes a message as CBOR into `buffer`, and gives the part that it takes.
pub fn to_cbor<'a, T: Serialize>(
    message: &T,
    buffer: &'a mut [u8],
) -> Result<&'a [u8], CodecError> {
    let mut serializer = minicbor_serde::Serializer::new(Cursor::new(&mut *buffer));
    message
        .serialize(&mut serializer)
        .map_err(|_| CodecError::Full)?;
    let length = serializer.into_encoder().into_writer().position();
    Ok(&buffer[..length])
}

/// Reads a CBOR message.
pub fn from_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if !is_shallow(bytes) {
        return Err(CodecError::Form);
    }
    minicbor_serde::from_slice(bytes).map_err(|_| CodecError::Form)
}

/// Whether nothing in a CBOR message is deeper than [`MAX_DEPTH`], nor tagged: its reader keeps no count. What is no CBOR
/// is left to the reader.
fn is_shallow(bytes: &[u8]) -> bool {
    // Of each list and map that is open, the items that are still to come; of an endless one, so many that none is the last.
    let mut open: heapless::Vec<u64, MAX_DEPTH> = heapless::Vec::new();
    let mut at = 0;
    while let Some(&head) = bytes.get(at) {
        at += 1;
        let (kind, short) = (head >> 5, head & 0x1f);
        let wide = match short {
            24..=27 => 1 << (short - 24),
            _ => 0,
        };
        let Some(argument) = bytes.get(at..at + wide) else {
            return true;
        };
        at += wide;
        let number = argument.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
        let number = if wide == 0 { u64::from(short) } else { number };
        let items = match (kind, short) {
            (2 | 3, 0..=27) => {
                at = at.saturating_add(usize::try_from(number).unwrap_or(usize::MAX));
                0
            }
            (4 | 5, 31) => u64::MAX,
            (4, _) => number,
            (5, _) => number.saturating_mul(2),
            (6, _) | (2 | 3, 31) => return false,
            (7, 31) => {
                open.pop();
                0
            }
            _ => 0,
        };
        if items > 0 {
            if open.push(items).is_err() {
                return false;
            }
            continue;
        }
        // An item has ended, and with it all that it was the last of.
        while let Some(left) = open.last_mut() {
            *left = left.saturating_sub(1);
            if *left > 0 {
                break;
            }
            open.pop();
        }
    }
    true
}

/// Whether a message is CBOR: it begins with a map, whose first byte cannot begin UTF-8.
#[must_use]
pub const fn is_cbor(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0xa0..=0xbf))
}
