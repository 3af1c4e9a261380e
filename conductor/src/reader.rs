//! Reads a text for what is sensitive: by the detectors, and by the sensitivity head on the backbone's states.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::{
    detect::{Detectors, Finding},
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
    detectors: Arc<Detectors>,
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
    /// Reads with the detectors, and with the head if there is one.
    pub(crate) fn new(
        detectors: Arc<Detectors>,
        head: Option<Arc<Sensitivity>>,
        backbone: Option<Arc<dyn Backbone>>,
    ) -> Self {
        Self {
            detectors,
            head,
            backbone,
            known: Mutex::default(),
        }
    }

    /// The detectors alone, for what needs no head: a text that was read before.
    pub(crate) fn detectors(&self) -> &Detectors {
        &self.detectors
    }

    /// Looks for what is sensitive in `text`. Where the head cannot be asked, nobody knows what the text holds, so that it is
    /// restricted, whatever is taken out of it.
    pub(crate) async fn read(
        &self,
        text: impl Into<String>,
        floor: Label,
        task: Option<&TaskId>,
    ) -> Labelled {
        let text = Labelled::new(text, floor, &self.detectors);
        match self.pieces(text.text(), task).await {
            Ok(pieces) => {
                let more = pieces.iter().map(|(span, class)| {
                    let kind = class.kind();
                    Finding {
                        span: span.clone(),
                        label: self.detectors.label_of(&kind),
                        kind,
                    }
                });
                let more = more.collect();
                text.with(more)
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
    use crate::{
        fake::FakeWorker,
        head::{
            net::{Net, Sizes},
            sensitivity::{Cuts, Norm, OUTPUTS},
            shape::SHAPE,
            states::Reading,
        },
        policy::Policy,
        worker::Place,
    };

    /// A head of one number a token that knows nothing.
    fn head() -> Sensitivity {
        let sizes = Sizes {
            state: 1,
            projected: 1,
            shape: SHAPE,
            hidden: 1,
            reach: 0,
            outputs: OUTPUTS,
        };
        let weights = sizes
            .matrices()
            .map(|(rows, columns)| vec![0.0; rows * columns]);
        Sensitivity {
            reading: Reading {
                layers: vec![0],
                ..Reading::default()
            },
            backbone: "00".repeat(32),
            norm: Norm {
                mean: vec![0.0],
                scale: vec![1.0],
            },
            nets: vec![Net::try_new(sizes, weights).unwrap()],
            cuts: Cuts {
                sensitive: 1.0,
                extend: 1.0,
                repeat: 1.0,
                begin: 0.0,
            },
        }
    }

    fn reader(head: Option<Sensitivity>, backbone: Option<Arc<dyn Backbone>>) -> Reader {
        let policy = Policy::parse("", Path::new(".")).unwrap();
        let detectors = Detectors::try_new(&policy).unwrap();
        Reader::new(Arc::new(detectors), head.map(Arc::new), backbone)
    }

    async fn label(reader: &Reader, text: &str) -> Label {
        reader.read(text, Label::Public, None).await.label()
    }

    #[tokio::test]
    async fn a_text_that_the_head_cannot_be_asked_about_is_restricted() {
        let silent = FakeWorker::saying("local", Place::Board, &[]);
        for backbone in [None, Some(silent as Arc<dyn Backbone>)] {
            let reader = reader(Some(head()), backbone);
            let text = reader.read("hello", Label::Public, None).await;
            // Not as a finding, which redaction would take away.
            assert_eq!(
                (text.floor(), text.findings().len()),
                (Label::Restricted, 0)
            );
            assert_eq!(label(&reader, " \n").await, Label::Public);
        }
    }

    #[tokio::test]
    async fn without_a_head_the_detectors_are_all_there_is() {
        let reader = reader(None, None);
        assert_eq!(label(&reader, "hello").await, Label::Public);
        assert_eq!(label(&reader, "a@b.example").await, Label::Confidential);
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
