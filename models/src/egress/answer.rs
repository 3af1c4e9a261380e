//! What comes back, piece by piece, up to a limit.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use reqwest::{Response, header::CONTENT_TYPE};
use shoal_conductor::{id::WorkerId, worker::WorkerError};

use super::retry;

/// A provider's answer whose head came and whose body is still to be read.
#[derive(Debug)]
pub(crate) struct Answer {
    response: Response,
    worker: WorkerId,
    left: usize,
    silence: Duration,
}

impl Answer {
    pub(super) fn new(
        response: Response,
        worker: WorkerId,
        limit: usize,
        silence: Duration,
    ) -> Self {
        Self {
            response,
            worker,
            left: limit,
            silence,
        }
    }

    /// Whether it comes as server-sent events.
    pub(crate) fn is_stream(&self) -> bool {
        let kind = self.response.headers().get(CONTENT_TYPE);
        kind.and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
    }

    /// The body as it comes. The first error ends it.
    pub(crate) fn pieces(self) -> impl Stream<Item = Result<Vec<u8>, WorkerError>> + Send {
        stream::unfold(Some(self), |answer| async {
            let mut answer = answer?;
            match answer.next().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(answer))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// The whole body.
    pub(crate) async fn whole(self) -> Result<Vec<u8>, WorkerError> {
        let mut all = Vec::new();
        let mut pieces = std::pin::pin!(self.pieces());
        while let Some(piece) = pieces.next().await {
            all.extend(piece?);
        }
        Ok(all)
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, WorkerError> {
        let piece = self.response.chunk().await;
        let piece = piece.map_err(|e| retry::late(&self.worker, &e, self.silence))?;
        let Some(piece) = piece else { return Ok(None) };
        let Some(left) = self.left.checked_sub(piece.len()) else {
            return Err(WorkerError::BrokeOff {
                worker: self.worker.clone(),
                reason: "the answer is longer than the limit".into(),
            });
        };
        self.left = left;
        Ok(Some(piece.to_vec()))
    }
}
