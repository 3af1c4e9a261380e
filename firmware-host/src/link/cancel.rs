//! A wish to end a task: any message on `tasks/{id}/cancel`.
//!
//! Whoever may publish there may cancel what came by MQTT; the broker's access list says who that is. A task that came
//! over HTTP belongs to a key, so it is not cancelled from here. That a task is being ended shows in its state.

use shoal_conductor::id::TaskId;
use shoal_wire::Root;

use super::refusal::{Kind, Reason};
use crate::{
    appliance::{Appliance, CancelOutcome},
    store::StoreError,
};

/// All such topics.
pub(super) fn filter(root: &Root) -> String {
    format!("{}/+/cancel", root.tasks())
}

/// The id in such a topic.
pub(super) fn wanted<'a>(root: &Root, topic: &'a str) -> Option<&'a str> {
    let id = topic
        .strip_prefix(root.tasks().as_str())?
        .strip_prefix('/')?
        .strip_suffix("/cancel")?;
    (!id.contains('/')).then_some(id)
}

/// Cancels, or says why not.
pub(super) async fn take(appliance: &Appliance, id: &str) -> Result<Option<Reason>, StoreError> {
    let unknown = || Reason::new(Kind::Malformed, "there is no such task to cancel");
    let Ok(id) = TaskId::try_new(id) else {
        return Ok(Some(unknown()));
    };
    let Some(record) = appliance.store().task(&id).await? else {
        return Ok(Some(unknown()));
    };
    if !record.task.from.starts_with("mqtt:") {
        let words = "the task did not come by MQTT, so it is not cancelled from here";
        return Ok(Some(Reason::new(Kind::Unauthorised, words)));
    }
    match appliance.cancel(&id).await? {
        CancelOutcome::Cancelling => {
            tracing::info!(task = %id, "task cancelled by MQTT");
            Ok(None)
        }
        // Sent twice, or crossed with the end: the state says how the task ended.
        CancelOutcome::Ended(_) => Ok(None),
        CancelOutcome::Unknown => Ok(Some(unknown())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_names_the_task() {
        let root = Root::try_new("plant", "press").unwrap();
        let id = wanted(&root, "shoal/v1/plant/press/tasks/t1/cancel");
        assert_eq!(id, Some("t1"));
        for other in [
            "shoal/v1/plant/press/tasks/t1/state",
            "shoal/v1/plant/press/tasks/a/b/cancel",
            "shoal/v1/plant/press/tasks",
            "shoal/v1/plant/other/tasks/t1/cancel",
        ] {
            assert_eq!(wanted(&root, other), None, "{other}");
        }
        assert_eq!(filter(&root), "shoal/v1/plant/press/tasks/+/cancel");
    }
}
