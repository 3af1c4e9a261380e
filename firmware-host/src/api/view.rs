//! Tasks and traces as the API shows them and the command line reads them.

use serde::{Deserialize, Serialize};
use shoal_conductor::{
    id::{TaskId, WorkerId},
    label::Label,
    limits::TaskLimits,
    task::{Answer, Effort, State},
    trace::Event,
};

use super::error::{ApiError, ErrorDetail};
use crate::store::{Entry, TaskHead, TaskRecord};

/// A task as it stands. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// Its name.
    pub id: TaskId,
    /// Where it stands.
    pub state: State,
    /// Who was asked to do it.
    pub model: String,
    /// The label it came with; the trace has the one that was found.
    pub label: Label,
    /// How much thinking it may cost.
    pub effort: Effort,
    /// Who handed it in.
    pub from: String,
    /// The only workers it may use, where its key or request says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<Vec<WorkerId>>,
    /// What its request allows it.
    #[serde(default, skip_serializing_if = "TaskLimits::is_none")]
    pub limits: TaskLimits,
    /// When it was accepted.
    pub accepted_at: u64,
    /// When it ended.
    pub finished_at: Option<u64>,
    /// What came out; not in a list.
    pub answer: Option<Answer>,
    /// Why nothing did.
    pub error: Option<ErrorDetail>,
    /// Where more is to be read.
    pub links: Links,
}

/// Paths about one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The task itself.
    pub task: String,
    /// Its changes as they happen.
    pub events: String,
    /// Its trace.
    pub trace: String,
}

impl From<TaskRecord> for TaskView {
    fn from(record: TaskRecord) -> Self {
        let (answer, failure) = match record.outcome {
            None => (None, None),
            Some(Ok(answer)) => (Some(answer), None),
            Some(Err(failure)) => (None, Some(failure)),
        };
        let head = TaskHead {
            id: record.task.id,
            target: record.task.target,
            label: record.task.label,
            effort: record.task.effort,
            from: record.task.from,
            workers: record.task.workers,
            limits: record.task.limits,
            state: record.state,
            failure,
            accepted_at: record.accepted_at,
            finished_at: record.finished_at,
        };
        Self {
            answer,
            ..head.into()
        }
    }
}

/// A task of a list, without its answer.
impl From<TaskHead> for TaskView {
    fn from(head: TaskHead) -> Self {
        let id = head.id;
        Self {
            links: Links {
                task: format!("/api/tasks/{id}"),
                events: format!("/api/tasks/{id}/events"),
                trace: format!("/api/traces/{id}"),
            },
            id,
            state: head.state,
            model: head.target.to_string(),
            label: head.label,
            effort: head.effort,
            from: head.from,
            workers: head.workers,
            limits: head.limits,
            accepted_at: head.accepted_at.0,
            finished_at: head.finished_at.map(|at| at.0),
            answer: None,
            error: head
                .failure
                .map(|failure| ApiError::of_failure(&failure).body().error),
        }
    }
}

/// A whole trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceView {
    /// The task.
    pub task: TaskView,
    /// What happened, in order.
    pub entries: Vec<EntryView>,
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryView {
    /// From 1.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What.
    pub event: Event,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at.0,
            event: entry.event,
        }
    }
}

impl TraceView {
    /// From the store's records.
    #[must_use]
    pub fn new(record: TaskRecord, entries: Vec<Entry>) -> Self {
        Self {
            task: record.into(),
            entries: entries.into_iter().map(EntryView::from).collect(),
        }
    }
}
