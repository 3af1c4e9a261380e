//! An answer as it is written, and then how it ended.

use futures::future::BoxFuture;
use shoal_conductor::{id::TaskId, task::Outcome};
use tokio::sync::mpsc;

use super::hand::Handed;
use crate::{appliance::Appliance, store::StoreError};

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// A piece of the answer.
    Piece(String),
    /// How it ended. Nothing comes after it.
    End(Result<Outcome, StoreError>),
}

/// Reads an answer piece by piece.
pub struct Reading {
    text: Option<mpsc::Receiver<String>>,
    outcome: BoxFuture<'static, Result<Outcome, StoreError>>,
    end: Option<Result<Outcome, StoreError>>,
}

impl Reading {
    /// Of a task that was just accepted.
    pub fn new(appliance: Appliance, handed: &mut Handed) -> Self {
        let id: TaskId = handed.id.clone();
        Self {
            text: handed.text.take(),
            outcome: Box::pin(async move { appliance.outcome(&id).await }),
            end: None,
        }
    }

    /// Waits for what comes next; may be dropped while it waits without losing anything.
    pub async fn next(&mut self) -> Next {
        loop {
            let Some(text) = &mut self.text else {
                return Next::End(match self.end.take() {
                    Some(end) => end,
                    None => (&mut self.outcome).await,
                });
            };
            if self.end.is_some() {
                match text.recv().await {
                    Some(piece) => return Next::Piece(piece),
                    None => self.text = None,
                }
                continue;
            }
            tokio::select! {
                biased;
                piece = text.recv() => match piece {
                    Some(piece) => return Next::Piece(piece),
                    None => self.text = None,
                },
                end = &mut self.outcome => {
                    self.end = Some(end);
                    text.close();
                }
            }
        }
    }
}
