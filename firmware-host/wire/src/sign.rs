//! Signing decisions on the device.

use ed25519_dalek::{Signer as _, SigningKey};

use crate::{
    decision::{Choice, Decision, Nonce, Reach},
    name::Name,
    question::Question,
    signature::Signature,
    topic::Root,
};

/// A decision without its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Who answers.
    pub approver: Name,
    /// Yes or no.
    pub decision: Choice,
    /// For how long it holds.
    pub reach: Reach,
    /// Used once.
    pub nonce: Nonce,
    /// In milliseconds since 1970-01-01 UTC.
    pub expires_at: u64,
}

impl Draft {
    /// Signs it as the answer to a question on the appliance of `root`. `secret` is the 32 bytes of an Ed25519 private key,
    /// which nobody else may have. None cannot come of a question that an appliance asked.
    #[must_use]
    pub fn sign(self, root: &Root, question: &Question, secret: &[u8; 32]) -> Option<Decision> {
        let mut decision = Decision {
            approver: self.approver,
            decision: self.decision,
            r#for: self.reach,
            nonce: self.nonce,
            expires_at: self.expires_at,
            signature: Signature([0; 64]),
        };
        let statement = decision.statement(root, question.id.as_str(), &question.digest)?;
        let signature = SigningKey::from_bytes(secret).sign(statement.as_bytes());
        decision.signature = Signature(signature.to_bytes());
        Some(decision)
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

    use super::*;
    use crate::question::Digest;

    #[test]
    fn what_a_device_signs_is_valid_for_the_library_that_the_appliance_verifies_with() {
        let root = Root::try_new("plant", "press").unwrap();
        let question = Question {
            id: Name::try_new("a1").unwrap(),
            task: Name::try_new("t1").unwrap(),
            worker: Name::try_new("cloud").unwrap(),
            expires_at: 1_790_000_000_000,
            digest: Digest::try_from("d1").unwrap(),
            people: 1,
            missing: None,
        };
        let draft = Draft {
            approver: Name::try_new("ada").unwrap(),
            decision: Choice::Deny,
            reach: Reach::Task,
            nonce: Nonce::of([7; 16]),
            expires_at: 1_790_000_000_000,
        };
        let secret = [9; 32];
        let signed = draft.sign(&root, &question, &secret).unwrap();
        let statement = signed.statement(&root, "a1", "d1").unwrap();
        let keys = Ed25519KeyPair::from_seed_unchecked(&secret).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, keys.public_key());
        key.verify(statement.as_bytes(), &signed.signature.0)
            .unwrap();
        let other = signed.statement(&root, "a1", "d2").unwrap();
        assert!(key.verify(other.as_bytes(), &signed.signature.0).is_err());
    }
}
