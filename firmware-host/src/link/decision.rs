//! One signed decision in: a person's answer to a question, by whoever holds the key.
//!
//! The message on `approvals/{id}/decision` is a [`Decision`] as JSON or CBOR. Its signature is Ed25519 (RFC 8032) over the
//! lines of [`Decision::statement`], by the key that `[approvals.approvers]` of the policy has for this approver.
//!
//! What is signed names appliance, question, and digest of worker and text, so it answers nothing else. Sent again it is
//! the same person's word again, which counts once; and it is not taken after it has expired, nor with more than
//! [`LONGEST`] to go.

use std::time::Duration;

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Serialize;
use shoal_conductor::id::ApprovalId;
use shoal_wire::{Choice, Decision, MAX_DECISION, Root, codec};

use super::{intake::Later, refusal::Kind};
use crate::{
    appliance::Appliance,
    store::{Ballot, Class, DecideOutcome, Message, Moment, StoreError},
};

/// The longest time that a decision may be under way.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a decision is not counted. The words repeat nothing of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("a decision is a JSON object with approver, decision, nonce, expires_at and signature")]
    Form,
    #[error("there is no such question, or it has its answer")]
    Unknown,
    #[error("no approver of this name is in [approvals.approvers] of the policy")]
    Stranger,
    #[error("the signature is not this approver's over this question on this appliance")]
    Signature,
    #[error("the decision has expired, or would hold for more than a day")]
    Expired,
    #[error("this approver has approved already; another person must")]
    Again,
}

impl Refused {
    const fn kind(self) -> Kind {
        match self {
            Self::Form | Self::Unknown => Kind::Malformed,
            Self::Stranger | Self::Signature => Kind::Unauthorised,
            Self::Expired => Kind::Expired,
            Self::Again => Kind::Conflict,
        }
    }
}

#[derive(Serialize)]
struct Refusal<'a> {
    approval: &'a str,
    state: &'static str,
    error: String,
}

/// Counts a decision, or says on the topic for errors why not; the kind of that refusal. Once this is `Ok`, it is safe to acknowledge it.
pub(super) async fn take(
    appliance: &Appliance,
    root: &Root,
    id: &str,
    payload: &[u8],
) -> Result<Option<Kind>, Later> {
    let refused = match count(appliance, root, id, payload).await? {
        Ok(outcome) => {
            tracing::info!(approval = id, ?outcome, "a signed decision is counted");
            return Ok(None);
        }
        Err(refused) => refused,
    };
    tracing::warn!(reason = %refused, "a signed decision is not counted");
    let refusal = Refusal {
        approval: id,
        state: "refused",
        error: refused.to_string(),
    };
    let payload = serde_json::to_vec(&refusal).map_err(|e| StoreError::Value {
        what: "a refusal".to_owned(),
        reason: e.to_string(),
    })?;
    let message = Message::new(Class::Event, root.errors().as_str(), payload);
    appliance.store().post(message).await?;
    Ok(Some(refused.kind()))
}

async fn count(
    appliance: &Appliance,
    root: &Root,
    id: &str,
    payload: &[u8],
) -> Result<Result<DecideOutcome, Refused>, StoreError> {
    let (Ok(approval), Some(said)) = (ApprovalId::try_new(id), read(payload)) else {
        return Ok(Err(Refused::Form));
    };
    let Some(record) = appliance.store().approval(&approval).await? else {
        return Ok(Err(Refused::Unknown));
    };
    let policy = appliance.conductor().policy();
    let Some(key) = policy.approvers.get(said.approver.as_str()) else {
        return Ok(Err(Refused::Stranger));
    };
    let Some(statement) = said.statement(root, id, &record.question.digest) else {
        return Ok(Err(Refused::Unknown));
    };
    let key = UnparsedPublicKey::new(&ED25519, key);
    let valid = key.verify(statement.as_bytes(), &said.signature.0);
    if valid.is_err() {
        return Ok(Err(Refused::Signature));
    }
    let now = Moment::now();
    let expires_at = Moment(said.expires_at);
    if expires_at <= now || expires_at > now.after(LONGEST) {
        return Ok(Err(Refused::Expired));
    }
    let ballot = Ballot {
        yes: said.decision == Choice::Approve,
        by: format!("mqtt:{}", said.approver),
        reach: said.r#for,
        proof: Some(format!("{statement}{}", said.signature)),
    };
    Ok(match appliance.store().vote(&approval, ballot).await? {
        DecideOutcome::AlreadyDecided { .. } | DecideOutcome::Expired | DecideOutcome::Unknown => {
            Err(Refused::Unknown)
        }
        DecideOutcome::Again => Err(Refused::Again),
        counted => Ok(counted),
    })
}

fn read(payload: &[u8]) -> Option<Decision> {
    if payload.len() > MAX_DECISION {
        return None;
    }
    if codec::is_cbor(payload) {
        return codec::from_cbor(payload).ok();
    }
    serde_json::from_slice(payload).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use shoal_conductor::{
        desk::{Desk as _, Question},
        id::{TaskId, WorkerId},
        label::Label,
        policy::Policy,
        trace,
    };
    use shoal_wire::{Name, Nonce, Reach, Signature};

    use super::*;
    use crate::{
        appliance::{ApplianceLimits, fake::Fake},
        store::{Insertion, Store, tests::task},
    };

    struct Person {
        name: &'static str,
        keys: Ed25519KeyPair,
    }

    fn person(name: &'static str, seed: u8) -> Person {
        let keys = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        Person { name, keys }
    }

    impl Person {
        fn says(&self, id: &str, digest: &str, decision: Choice) -> Decision {
            let mut said = Decision {
                approver: Name::try_new(self.name).unwrap(),
                decision,
                r#for: Reach::Once,
                nonce: Nonce::try_new("0123456789abcdef").unwrap(),
                expires_at: Moment::now().after(Duration::from_secs(60)).0,
                signature: Signature([0; 64]),
            };
            self.sign(&mut said, id, digest);
            said
        }

        fn sign(&self, said: &mut Decision, id: &str, digest: &str) {
            let statement = said.statement(&root(), id, digest).unwrap();
            let signature = self.keys.sign(statement.as_bytes());
            said.signature = Signature(signature.as_ref().try_into().unwrap());
        }
    }

    fn root() -> Root {
        Root::try_new("plant", "press").unwrap()
    }

    /// An open question for two people, and who may answer it.
    struct Desk {
        _folder: tempfile::TempDir,
        appliance: Appliance,
        fake: Arc<Fake>,
        asked: Question,
        ada: Person,
        bob: Person,
    }

    impl Desk {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path()).await.unwrap();
            store.report_under(Some(root())).await.unwrap();
            let limits = ApplianceLimits { max_open_tasks: 9 };
            let fake = Fake::new();
            let appliance = fake.appliance(&store, limits, 2);
            let (ada, bob) = (person("ada", 1), person("bob", 2));
            let key = |person: &Person| hex::encode(person.keys.public_key().as_ref());
            let text = format!(
                "[approvals.approvers]\nada = \"{}\"\nbob = \"{}\"\n",
                key(&ada),
                key(&bob)
            );
            let policy = Policy::parse(&text, std::path::Path::new("/")).unwrap();
            appliance.conductor().adopt(policy).unwrap();
            let accepting = crate::store::Accepting {
                task: task("t1"),
                reply: None,
                max_open: 9,
            };
            assert_eq!(store.accept(accepting).await.unwrap(), Insertion::Fresh);
            let asked = Question {
                id: ApprovalId::fresh(),
                task: TaskId::try_new("t1").unwrap(),
                step: 1,
                worker: WorkerId::try_new("cloud").unwrap(),
                label: Label::Confidential,
                read: Label::Confidential,
                by_message: false,
                rule: String::new(),
                shown: Vec::new(),
                digest: "d1".into(),
                expires_after: 600,
                people: 2,
            };
            let waiting = store.clone();
            let question = asked.clone();
            tokio::spawn(async move { waiting.ask(&question).await });
            while store.approvals(true).await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            Self {
                _folder: folder,
                appliance,
                fake,
                asked,
                ada,
                bob,
            }
        }

        async fn take(&self, said: &Decision) -> Result<DecideOutcome, Refused> {
            let payload = serde_json::to_vec(said).unwrap();
            count(&self.appliance, &root(), self.asked.id.as_str(), &payload)
                .await
                .unwrap()
        }

        async fn decision(&self) -> Option<trace::Decision> {
            let record = self.appliance.store().approval(&self.asked.id).await;
            record.unwrap().unwrap().decision
        }
    }

    #[tokio::test]
    async fn two_different_people_approve_and_one_of_them_twice_does_not() {
        let desk = Desk::new().await;
        let id = desk.asked.id.as_str();
        let yes = desk.ada.says(id, "d1", Choice::Approve);
        let counted = Ok(DecideOutcome::Counted { have: 1, need: 2 });
        assert_eq!(desk.take(&yes).await, counted);
        // Sent again, and said again in other words.
        assert_eq!(desk.take(&yes).await, Err(Refused::Again));
        let mut again = desk.ada.says(id, "d1", Choice::Approve);
        again.nonce = Nonce::try_new("fedcba9876543210").unwrap();
        desk.ada.sign(&mut again, id, "d1");
        assert_eq!(desk.take(&again).await, Err(Refused::Again));
        // The same person by another way.
        let by_key = Ballot::new(true, "api:ada");
        let store = desk.appliance.store();
        let outcome = store.vote(&desk.asked.id, by_key).await.unwrap();
        assert_eq!(outcome, DecideOutcome::Again);
        assert_eq!(desk.decision().await, None);
        let yes = desk.bob.says(id, "d1", Choice::Approve);
        assert_eq!(desk.take(&yes).await, Ok(DecideOutcome::Decided));
        let by = "mqtt:ada and mqtt:bob".to_owned();
        assert_eq!(
            desk.decision().await,
            Some(trace::Decision::Approved { by })
        );
        assert_eq!(desk.take(&yes).await, Err(Refused::Unknown));
        assert_eq!(store.audit(None).await.unwrap().faults, []);
        assert_eq!(desk.fake.calls(), 0);
    }

    #[tokio::test]
    async fn what_was_signed_for_something_else_answers_nothing() {
        let desk = Desk::new().await;
        let id = desk.asked.id.as_str();
        let other = desk.ada.says("another", "d1", Choice::Approve);
        assert_eq!(desk.take(&other).await, Err(Refused::Signature));
        let text = desk.ada.says(id, "d2", Choice::Approve);
        assert_eq!(desk.take(&text).await, Err(Refused::Signature));
        let mut turned = desk.ada.says(id, "d1", Choice::Deny);
        turned.decision = Choice::Approve;
        assert_eq!(desk.take(&turned).await, Err(Refused::Signature));
        let mut wider = desk.ada.says(id, "d1", Choice::Approve);
        wider.r#for = Reach::Rule;
        assert_eq!(desk.take(&wider).await, Err(Refused::Signature));
        let mut as_bob = desk.ada.says(id, "d1", Choice::Approve);
        as_bob.approver = Name::try_new("bob").unwrap();
        desk.ada.sign(&mut as_bob, id, "d1");
        assert_eq!(desk.take(&as_bob).await, Err(Refused::Signature));
        let eve = person("eve", 3).says(id, "d1", Choice::Approve);
        assert_eq!(desk.take(&eve).await, Err(Refused::Stranger));
        let mut late = desk.ada.says(id, "d1", Choice::Approve);
        for expires_at in [Moment(1), Moment::now().after(LONGEST * 2)] {
            late.expires_at = expires_at.0;
            desk.ada.sign(&mut late, id, "d1");
            assert_eq!(desk.take(&late).await, Err(Refused::Expired));
        }
        let store = desk.appliance.store();
        take(&desk.appliance, &root(), id, b"{}").await.unwrap();
        let said = store.undelivered(100, usize::MAX).await.unwrap();
        let last = &said.last().unwrap().message;
        assert!(last.topic.ends_with("/errors"), "{last:?}");
        assert_eq!(desk.decision().await, None);
        // One no is enough.
        let no = desk.bob.says(id, "d1", Choice::Deny);
        assert_eq!(desk.take(&no).await, Ok(DecideOutcome::Decided));
        let by = "mqtt:bob".to_owned();
        assert_eq!(desk.decision().await, Some(trace::Decision::Denied { by }));
    }
}
