//! A person's answer to a question, signed.

use core::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::{
    name::{MAX_NAME, Name},
    question::MAX_DIGEST,
    signature::Signature,
    topic::Root,
};

/// The longest message that is taken as a decision, in bytes.
pub const MAX_DECISION: usize = 4096;
/// The shortest and the longest nonce, in characters.
const NONCE: core::ops::RangeInclusive<usize> = 16..=MAX_NONCE;
const MAX_NONCE: usize = 64;
/// The first line of what is signed.
const VERSION: &str = "shoal-decision-1";

/// The longest [`Statement`], in bytes: version, `SITE/APPLIANCE`, question, digest, choice, reach, name, nonce, a number.
pub const MAX_STATEMENT: usize = VERSION.len()
    + (MAX_NAME + 1 + MAX_NAME)
    + MAX_NAME
    + MAX_DIGEST
    + "approve".len()
    + "once".len()
    + MAX_NAME
    + MAX_NONCE
    + 20
    + 9;

/// What is signed: nine values, one a line, each with a line end.
pub type Statement = heapless::String<MAX_STATEMENT>;

/// What is published to `approvals/{id}/decision`, as JSON or CBOR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Who answers: a name under `[approvals.approvers]` of the policy.
    pub approver: Name,
    /// Yes or no.
    pub decision: Choice,
    /// For how long it holds.
    #[serde(default)]
    pub r#for: Reach,
    /// A word that this person never used before.
    pub nonce: Nonce,
    /// When it is no longer to be taken, in milliseconds since 1970-01-01 UTC; at most a day from now.
    pub expires_at: u64,
    /// Over [`Decision::statement`], by the approver's key.
    pub signature: Signature,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The text may leave.
    Approve,
    /// It stays.
    Deny,
}

impl Choice {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

/// For how long an approval holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// For the text that was shown, and nothing else.
    #[default]
    Once,
    /// For whatever the same task would have the same worker read, up to the same label.
    Task,
    /// For whatever tasks of the same origin would have the same worker read, up to the same label.
    Rule,
}

impl Reach {
    /// The name used on the wire, by the command line and by the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Task => "task",
            Self::Rule => "rule",
        }
    }

    /// What a name stands for.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Once, Self::Task, Self::Rule]
            .into_iter()
            .find(|reach| reach.as_str() == word)
    }
}

/// A word that is used once: 16 to 64 letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "heapless::String<MAX_NONCE>",
    into = "heapless::String<MAX_NONCE>"
)]
pub struct Nonce(heapless::String<MAX_NONCE>);

/// A text is no [`Nonce`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadNonce;

impl fmt::Display for BadNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a nonce has 16 to 64 letters and digits")
    }
}

impl core::error::Error for BadNonce {}

impl Nonce {
    /// Takes a text that is one.
    pub fn try_new(text: &str) -> Result<Self, BadNonce> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain || !NONCE.contains(&text.len()) {
            return Err(BadNonce);
        }
        heapless::String::try_from(text)
            .map(Self)
            .map_err(|_| BadNonce)
    }

    /// Of 16 random bytes, which the device must have from a true source.
    #[must_use]
    pub fn of(random: [u8; 16]) -> Self {
        let mut text = heapless::String::new();
        for byte in random {
            // Cannot fail: 32 characters.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The nonce as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<heapless::String<MAX_NONCE>> for Nonce {
    type Error = BadNonce;

    fn try_from(text: heapless::String<MAX_NONCE>) -> Result<Self, BadNonce> {
        Self::try_new(&text)
    }
}

impl From<Nonce> for heapless::String<MAX_NONCE> {
    fn from(nonce: Nonce) -> Self {
        nonce.0
    }
}

impl Decision {
    /// What its signature is over, as an answer to the question `id` with `digest` on the appliance of `root`. None where
    /// `id` or `digest` is longer than such a thing can be.
    #[must_use]
    pub fn statement(&self, root: &Root, id: &str, digest: &str) -> Option<Statement> {
        statement(self, root, id, digest)
    }
}

fn statement(said: &Decision, root: &Root, id: &str, digest: &str) -> Option<Statement> {
    let mut text = Statement::new();
    write!(
        text,
        "{VERSION}\n{}/{}\n{id}\n{digest}\n{}\n{}\n{}\n{}\n{}\n",
        root.site(),
        root.appliance(),
        said.decision.as_str(),
        said.r#for.as_str(),
        said.approver,
        said.nonce.as_str(),
        said.expires_at,
    )
    .ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    fn said(approver: &str, nonce: &str, expires_at: u64) -> Decision {
        Decision {
            approver: Name::try_new(approver).unwrap(),
            decision: Choice::Approve,
            r#for: Reach::Once,
            nonce: Nonce::try_new(nonce).unwrap(),
            expires_at,
            signature: Signature([0; 64]),
        }
    }

    #[test]
    fn the_statement_is_nine_lines_in_the_order_of_the_contract() {
        let root = Root::try_new("plant", "press").unwrap();
        let said = said("ada", "0123456789abcdef", 1_790_000_000_000);
        assert_eq!(
            said.statement(&root, "a1", "d1").unwrap(),
            "shoal-decision-1\nplant/press\na1\nd1\napprove\nonce\nada\n0123456789abcdef\n1790000000000\n"
        );
    }

    #[test]
    fn the_longest_statement_fits_and_a_longer_one_is_none() {
        let long = "x".repeat_to(64);
        let root = Root::try_new(&long, &long).unwrap();
        let said = said(&long, &long, u64::MAX);
        assert_eq!(
            said.statement(&root, &long, &long).unwrap().len(),
            MAX_STATEMENT
        );
        assert_eq!(said.statement(&root, &long, &"x".repeat_to(65)), None);
    }

    #[test]
    fn a_nonce_is_16_to_64_letters_and_digits() {
        for bad in ["0123456789abcde", "0123456789abcde-", "0123456789abcde\n"] {
            assert_eq!(Nonce::try_new(bad), Err(BadNonce), "{bad:?}");
        }
        assert!(Nonce::try_new(&"x".repeat_to(65)).is_err());
        assert_eq!(Nonce::of([0xa5; 16]).as_str().len(), 32);
    }

    trait Repeat {
        fn repeat_to(&self, n: usize) -> std::string::String;
    }

    impl Repeat for str {
        fn repeat_to(&self, n: usize) -> std::string::String {
            self.repeat(n)
        }
    }
}
