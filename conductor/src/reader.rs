//! Reads a text for what detectors cannot see: by the sensitivity head on the backbone's states.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::{
    detect::Detectors,
    head::{
        class::Class,
        sensitivity::{HeadError, Sensitivity},
    },
    id::TaskId,
    label::Label,
    text::Labelled,
    worker::{Backbone, WorkerError},
};

/// The most texts whose pieces are remembered: a task's text is read for each of its steps.
const REMEMBERED: usize = 512;

/// Pieces of a text, each with its class.
type Pieces = Arc<[(Range<usize>, Class)]>;

/// Reads texts.
pub(crate) struct Reader {
    head: Option<Arc<Sensitivity>>,
    backbone: Option<Arc<dyn Backbone>>,
    /// By the text's SHA-256. No text is kept.
    known: Mutex<HashMap<[u8; 32], Pieces>>,
}

/// Why the head could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// There is no backbone.
    #[error("there is no model on this board to read it with")]
    NoBackbone,
    /// The backbone did not give its states.
    #[error(transparent)]
    Backbone(#[from] WorkerError),
    /// The head does not fit what it gave.
    #[error(transparent)]
    Head(#[from] HeadError),
}

impl Reader {
    /// Reads with the head, if there is one.
    pub(crate) fn new(head: Option<Arc<Sensitivity>>, backbone: Option<Arc<dyn Backbone>>) -> Self {
        Self {
            head,
            backbone,
            known: Mutex::default(),
        }
    }

    /// `text` with what the head finds in it, labelled as `detectors` label it. Where the head cannot be asked, nobody knows
    /// what the text holds, so that it is restricted, whatever is taken out of it.
    pub(crate) async fn read(
        &self,
        text: Labelled,
        detectors: &Detectors,
        task: Option<&TaskId>,
    ) -> Labelled {
        match self.pieces(text.text(), task).await {
            Ok(pieces) => {
                let more = pieces
                    .iter()
                    .map(|(span, class)| detectors.finding(span.clone(), class.kind()));
                text.with(more.collect())
            }
            Err(error) => {
                tracing::warn!(task = task.map(tracing::field::display), %error, "a text could not be read for what is sensitive; it stays on the board");
                text.raised(Label::Restricted)
            }
        }
    }

    async fn pieces(&self, text: &str, task: Option<&TaskId>) -> Result<Pieces, ReadError> {
        let Some(head) = &self.head else {
            return Ok(Arc::default());
        };
        if text.trim().is_empty() {
            return Ok(Arc::default());
        }
        let name: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if let Some(pieces) = self.recall(&name) {
            return Ok(pieces);
        }
        let backbone = self.backbone.as_ref().ok_or(ReadError::NoBackbone)?;
        let states = backbone.states(text, &head.reading, task).await?;
        let pieces: Pieces = head.find(text, &states)?.into();
        self.remember(name, Arc::clone(&pieces));
        Ok(pieces)
    }

    fn recall(&self, name: &[u8; 32]) -> Option<Pieces> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).cloned()
    }

    fn remember(&self, name: [u8; 32], pieces: Pieces) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(name, pieces);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{fake::FakeWorker, head::sensitivity::believing, policy::Policy, worker::Place};

    fn head() -> Sensitivity {
        believing(0)
    }

    async fn read(
        head: Option<Sensitivity>,
        backbone: Option<Arc<dyn Backbone>>,
        text: &str,
    ) -> Labelled {
        let policy = Policy::parse("", Path::new(".")).unwrap();
        let detectors = Detectors::try_new(&policy).unwrap();
        let reader = Reader::new(head.map(Arc::new), backbone);
        let text = Labelled::new(text, Label::Public, &detectors);
        reader.read(text, &detectors, None).await
    }

    #[tokio::test]
    async fn a_text_that_the_head_cannot_be_asked_about_is_restricted() {
        let silent = FakeWorker::saying("local", Place::Board, &[]);
        for backbone in [None, Some(silent as Arc<dyn Backbone>)] {
            let text = read(Some(head()), backbone.clone(), "hello").await;
            // Not as a finding, which redaction would take away.
            assert_eq!(
                (text.floor(), text.findings().len()),
                (Label::Restricted, 0)
            );
            let blank = read(Some(head()), backbone, " \n").await;
            assert_eq!(blank.label(), Label::Public);
        }
    }

    #[tokio::test]
    async fn without_a_head_the_detectors_are_all_there_is() {
        let label = async |text| read(None, None, text).await.label();
        assert_eq!(label("hello").await, Label::Public);
        assert_eq!(label("a@b.example").await, Label::Confidential);
    }

    #[test]
    fn a_head_that_is_written_is_read_and_fits_no_other_model() {
        let head = head();
        let again = Sensitivity::try_from_bytes(&head.to_bytes()).unwrap();
        assert_eq!(again, head);
        let error = again.for_backbone("11").unwrap_err().to_string();
        assert!(error.contains("run `shoal learn`"), "{error}");
    }

    #[test]
    fn a_head_of_another_version_or_with_a_missing_array_is_an_error_that_says_what_to_do() {
        let bytes = head().to_bytes();
        for (old, new) in [
            ("sensitivity/1", "sensitivity/9"),
            ("net0.3", "net0.9"),
            ("\\\"overlap\\\":64", "\\\"overlap\\\":63"),
        ] {
            let text = bytes.clone();
            let at = text
                .windows(old.len())
                .position(|window| window == old.as_bytes())
                .unwrap();
            let mut changed = text;
            changed[at..at + new.len()].copy_from_slice(new.as_bytes());
            let error = Sensitivity::try_from_bytes(&changed)
                .unwrap_err()
                .to_string();
            assert!(error.contains("run `shoal learn`"), "{error}");
        }
    }
}
