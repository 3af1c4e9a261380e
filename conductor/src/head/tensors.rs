//! Files of named arrays, in the safetensors format: the length of a header as 8 bytes, little end first, the header
//! as a JSON object, and the arrays' bytes one after another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::half::{from_half, to_half};

/// The longest header, in bytes; a head has a few arrays.
const MAX_HEADER: u64 = 64 << 10;

/// Named arrays, and what the file says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors {
    /// Texts by name.
    pub metadata: BTreeMap<String, String>,
    /// The arrays, rounded to 16 bits when written.
    pub arrays: BTreeMap<String, Array>,
}

/// One array.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Row by row.
    pub values: Vec<f32>,
}

/// Why a file is none of this kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorsError {
    /// Too short, or not of this format.
    #[error("it is no safetensors file: {0}")]
    Form(String),
    /// An array of a kind that we do not write.
    #[error("its array \"{0}\" is not a matrix of 16-bit numbers")]
    Kind(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

impl Tensors {
    /// The bytes of a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        let metadata: serde_json::Map<_, _> = self
            .metadata
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        header.insert("__metadata__".into(), metadata.into());
        let mut data = Vec::new();
        for (name, array) in &self.arrays {
            let begin = data.len();
            data.extend(
                array
                    .values
                    .iter()
                    .flat_map(|value| to_half(*value).to_le_bytes()),
            );
            let entry = serde_json::json!({
                "dtype": "F16",
                "shape": array.shape,
                "data_offsets": [begin, data.len()],
            });
            header.insert(name.clone(), entry);
        }
        let mut header = serde_json::Value::from(header).to_string().into_bytes();
        // So that the arrays begin at a multiple of 8.
        while header.len() % 8 != 0 {
            header.push(b' ');
        }
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(data);
        bytes
    }

    /// Reads the bytes of a file.
    pub fn try_from_bytes(bytes: &[u8]) -> Result<Self, TensorsError> {
        let form = |reason: &str| TensorsError::Form(reason.to_owned());
        let (length, rest) = bytes
            .split_first_chunk()
            .ok_or_else(|| form("it is too short"))?;
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER {
            return Err(form("its header is too long"));
        }
        let length = usize::try_from(length).map_err(|_| form("its header is too long"))?;
        let (header, data) = rest
            .split_at_checked(length)
            .ok_or_else(|| form("it ends within its header"))?;
        let header: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(header).map_err(|error| form(&error.to_string()))?;
        let mut tensors = Self::default();
        for (name, value) in header {
            if name == "__metadata__" {
                tensors.metadata =
                    serde_json::from_value(value).map_err(|error| form(&error.to_string()))?;
                continue;
            }
            let entry: Entry =
                serde_json::from_value(value).map_err(|error| form(&error.to_string()))?;
            let [begin, end] = entry.data_offsets;
            let data = data
                .get(begin..end)
                .ok_or_else(|| form("it ends within an array"))?;
            let &[rows, columns] = entry.shape.as_slice() else {
                return Err(TensorsError::Kind(name));
            };
            let bytes = rows
                .checked_mul(columns)
                .and_then(|count| count.checked_mul(2));
            if entry.dtype != "F16" || bytes != Some(data.len()) {
                return Err(TensorsError::Kind(name));
            }
            let values = data
                .as_chunks()
                .0
                .iter()
                .map(|pair| from_half(u16::from_le_bytes(*pair)));
            let array = Array {
                shape: [rows, columns],
                values: values.collect(),
            };
            tensors.arrays.insert(name, array);
        }
        Ok(tensors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Tensors {
        let array = |shape: [usize; 2], values: &[f32]| Array {
            shape,
            values: values.to_vec(),
        };
        Tensors {
            metadata: BTreeMap::from([("format".into(), "1".into())]),
            arrays: BTreeMap::from([
                ("a".into(), array([2, 2], &[1.0, -2.5, 0.0, 1024.0])),
                ("b".into(), array([1, 1], &[0.5])),
            ]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Tensors::try_from_bytes(&sample().to_bytes()), Ok(sample()));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_an_error() {
        let bytes = sample().to_bytes();
        for length in 0..bytes.len() {
            assert!(
                Tensors::try_from_bytes(&bytes[..length]).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn other_kinds_of_arrays_are_refused() {
        let mut bytes = sample().to_bytes();
        let at = bytes.windows(3).position(|w| w == b"F16").unwrap();
        bytes[at + 1..at + 3].copy_from_slice(b"32");
        assert_eq!(
            Tensors::try_from_bytes(&bytes),
            Err(TensorsError::Kind("a".into()))
        );
    }
}
