//! Text is sealed before it is in the file, whatever its label: what no detector knows may be a secret all the same.
//!
//! ChaCha20-Poly1305 (RFC 8439) with a random nonce of 96 bits; the sealed form is a version byte, the nonce, and the text
//! with its tag. Each is bound to its place (`task:ID:content` and the like), so a text moved to another row does not
//! open. The keys for sealing, for the chain's head and for blinding what is only compared come from the one key of
//! [`source`] by HMAC-SHA256 over their names.
//!
//! SQL statements call `seal` and `unseal` as functions, so that no statement holds a text that another has to seal.
//! Columns of text have base64, columns of bytes the bytes.

pub mod source;

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use rusqlite::{
    Connection, Error,
    functions::{Context, FunctionFlags},
    types::{Value, ValueRef},
};

use self::source::Master;

/// The first byte of what is sealed in this way.
const VERSION: u8 = 1;

/// Why a text cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SealError {
    #[error("no random numbers to seal a text")]
    Random,
    #[error(
        "a sealed text does not open: it was changed or moved; `shoal trace --verify` says which"
    )]
    Broken,
}

/// The keys, ready for use.
pub(super) struct Sealer {
    aead: LessSafeKey,
    mac: hmac::Key,
    blind: hmac::Key,
}

impl Sealer {
    pub(super) fn new(master: &Master) -> Result<Self, SealError> {
        let aead = UnboundKey::new(&CHACHA20_POLY1305, &master.derive("shoal seal 1"))
            .map_err(|_| SealError::Broken)?;
        let mac = |name| hmac::Key::new(hmac::HMAC_SHA256, &master.derive(name));
        Ok(Self {
            aead: LessSafeKey::new(aead),
            mac: mac("shoal chain 1"),
            blind: mac("shoal blind 1"),
        })
    }

    fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0u8; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
        let mut text = plain.to_vec();
        let place = Aad::from(place.as_bytes());
        self.aead
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place, &mut text)
            .map_err(|_| SealError::Broken)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut text);
        Ok(sealed)
    }

    fn unseal(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(SealError::Broken)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Broken)?;
        let mut text = text.to_vec();
        let plain = self
            .aead
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut text)
            .map_err(|_| SealError::Broken)?;
        Ok(plain.to_vec())
    }

    /// The proof that whoever wrote `bytes` had the key.
    pub(super) fn mac(&self, bytes: &[u8]) -> Vec<u8> {
        hmac::sign(&self.mac, bytes).as_ref().to_vec()
    }
}

/// Gives a connection the functions `seal`, `unseal`, `blind` and `proof`; NULL stays NULL.
pub(super) fn install(c: &Connection, sealer: &Arc<Sealer>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    let ours = sealer.clone();
    c.create_scalar_function("seal", 2, flags, move |call| {
        let place: String = call.get(0)?;
        Ok(match call.get_raw(1) {
            ValueRef::Null => Value::Null,
            ValueRef::Text(text) => {
                let sealed = ours.seal(&place, text).map_err(failed)?;
                Value::Text(STANDARD_NO_PAD.encode(sealed))
            }
            other => Value::Blob(ours.seal(&place, other.as_blob()?).map_err(failed)?),
        })
    })?;
    let ours = sealer.clone();
    c.create_scalar_function("unseal", 2, flags, move |call| {
        let place: String = call.get(0)?;
        Ok(match call.get_raw(1) {
            ValueRef::Null => Value::Null,
            ValueRef::Text(text) => {
                let sealed = STANDARD_NO_PAD
                    .decode(text)
                    .map_err(|_| failed(SealError::Broken))?;
                let plain = ours.unseal(&place, &sealed).map_err(failed)?;
                Value::Text(String::from_utf8(plain).map_err(|_| failed(SealError::Broken))?)
            }
            other => Value::Blob(ours.unseal(&place, other.as_blob()?).map_err(failed)?),
        })
    })?;
    let ours = sealer.clone();
    c.create_scalar_function("blind", 1, flags, move |call| {
        Ok(bytes(call)?.map(|bytes| hmac::sign(&ours.blind, bytes).as_ref().to_vec()))
    })?;
    let ours = sealer.clone();
    c.create_scalar_function("proof", 1, flags, move |call| {
        Ok(bytes(call)?.map(|bytes| ours.mac(bytes)))
    })
}

fn bytes<'a>(call: &'a Context<'_>) -> rusqlite::Result<Option<&'a [u8]>> {
    Ok(match call.get_raw(0) {
        ValueRef::Null => None,
        ValueRef::Text(text) => Some(text),
        other => Some(other.as_blob()?),
    })
}

fn failed(error: SealError) -> Error {
    Error::UserFunctionError(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&Master::from_bytes([7; 32])).unwrap()
    }

    #[test]
    fn a_sealed_text_opens_at_its_place_alone_and_not_when_a_bit_is_changed() {
        let sealer = sealer();
        let sealed = sealer.seal("task:t1:content", b"recipe").unwrap();
        assert_eq!(
            sealer.unseal("task:t1:content", &sealed).unwrap(),
            b"recipe"
        );
        assert_eq!(
            sealer.unseal("task:t2:content", &sealed),
            Err(SealError::Broken)
        );
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(sealer.unseal("task:t1:content", &bad).is_err(), "byte {at}");
        }
        assert!(sealer.unseal("task:t1:content", &sealed[..12]).is_err());
        let again = sealer.seal("task:t1:content", b"recipe").unwrap();
        assert_ne!(sealed, again);
    }

    #[test]
    fn the_functions_keep_the_type_of_what_they_seal() {
        let c = Connection::open_in_memory().unwrap();
        install(&c, &Arc::new(sealer())).unwrap();
        let row: (String, Vec<u8>, Option<String>, bool) = c
            .query_row(
                "SELECT unseal('p', seal('p', 'text')), unseal('p', seal('p', x'00ff')),
                        unseal('p', seal('p', NULL)), typeof(seal('p', 'text')) = 'text'",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .unwrap();
        assert_eq!(row, ("text".to_owned(), vec![0, 255], None, true));
        let moved = c.query_row("SELECT unseal('q', seal('p', 'text'))", [], |_| Ok(()));
        assert!(moved.unwrap_err().to_string().contains("does not open"));
    }
}
