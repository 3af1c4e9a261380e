//! What Home Assistant is told of the appliance: one message for each thing that it shows.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shoal_wire::Root;

use super::HomeOptions;
use crate::store::ApprovalRecord;

/// The things, and where they are said.
pub(super) struct Entities {
    prefix: String,
    node: String,
    root: Root,
    telemetry_seconds: u64,
}

impl Entities {
    pub(super) fn new(options: &HomeOptions, root: &Root) -> Self {
        // A dot is no character of a discovery topic.
        let node = format!("shoal-{}-{}", root.site(), root.appliance()).replace('.', "_");
        Self {
            prefix: options.prefix.clone(),
            node,
            root: root.clone(),
            telemetry_seconds: options.telemetry.as_secs(),
        }
    }

    /// All that is said of this appliance.
    pub(super) fn filter(&self) -> String {
        format!("{}/+/{}/+/config", self.prefix, self.node)
    }

    /// What is there as long as the appliance is.
    pub(super) fn lasting(&self) -> BTreeMap<String, Vec<u8>> {
        let telemetry = self.root.telemetry();
        let measured = |name: &str, field: &str, more: Value| {
            let mut said = json!({
                "name": name,
                "state_topic": telemetry.as_str(),
                "value_template": format!("{{{{ value_json.{field} }}}}"),
                "state_class": "measurement",
                // Three that are missing are a silence.
                "expire_after": self.telemetry_seconds * 3,
            });
            merge(&mut said, more);
            said
        };
        let status = json!({
            "name": "Status",
            "state_topic": self.root.status().as_str(),
            "value_template": "{{ 'ON' if value == 'online' else 'OFF' }}",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
        });
        let temperature = json!({
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "suggested_display_precision": 1,
        });
        let memory = json!({"unit_of_measurement": "%", "icon": "mdi:memory", "entity_category": "diagnostic"});
        let tasks = json!({"icon": "mdi:clipboard-list"});
        let questions = json!({"icon": "mdi:account-question"});
        let waiting = json!({"icon": "mdi:tray-full", "entity_category": "diagnostic"});
        [
            ("binary_sensor", "status", status),
            (
                "sensor",
                "temperature",
                // A board without a sensor leaves the field out.
                measured(
                    "Board temperature",
                    "temperature_c | default(none)",
                    temperature,
                ),
            ),
            (
                "sensor",
                "memory",
                measured("Memory left", "memory_available_percent", memory),
            ),
            (
                "sensor",
                "tasks",
                measured("Open tasks", "tasks_open", tasks),
            ),
            (
                "sensor",
                "approvals",
                measured("Open approvals", "approvals_open", questions),
            ),
            (
                "sensor",
                "outbox",
                measured("Waiting reports", "outbox_messages", waiting),
            ),
        ]
        .into_iter()
        .map(|(component, name, said)| self.entity(component, name, said))
        .collect()
    }

    /// A button to approve and one to deny.
    pub(super) fn buttons(&self, record: &ApprovalRecord) -> BTreeMap<String, Vec<u8>> {
        let question = &record.question;
        let so_far = match record.approved.len() {
            0 => String::new(),
            have => format!(" ({have} of {} said yes)", question.people),
        };
        let id = question.id.as_str();
        let button = |word: &str, title: &str, icon: &str| {
            let said = json!({
                "name": format!("{title}{so_far}: {} for task {}", question.worker, question.task),
                "command_topic": self.root.press(id).as_str(),
                "payload_press": format!("{word} {}", question.digest),
                "qos": 1,
                "retain": false,
                "icon": icon,
            });
            self.entity("button", &format!("{word}-{}", id.replace('.', "_")), said)
        };
        BTreeMap::from([
            button("approve", "Approve", "mdi:check"),
            button("deny", "Deny", "mdi:close"),
        ])
    }

    fn entity(&self, component: &str, name: &str, mut said: Value) -> (String, Vec<u8>) {
        let node = &self.node;
        let common = json!({
            "unique_id": format!("{node}-{name}"),
            "object_id": format!("{node}-{name}"),
            "availability_topic": self.root.status().as_str(),
            "availability_template": "{{ 'online' if value == 'online' else 'offline' }}",
            "device": {
                "identifiers": [node],
                "name": format!("Shoal {}", self.root.appliance()),
                "manufacturer": "Shoal",
                "model": "Appliance",
                "sw_version": env!("CARGO_PKG_VERSION"),
            },
            "origin": {"name": "shoal", "sw_version": env!("CARGO_PKG_VERSION")},
        });
        merge(&mut said, common);
        if name == "status"
            && let Some(fields) = said.as_object_mut()
        {
            // It says itself whether the appliance is there.
            fields.retain(|field, _| !field.starts_with("availability"));
        }
        let topic = format!("{}/{component}/{node}/{name}/config", self.prefix);
        (topic, said.to_string().into_bytes())
    }
}

fn merge(said: &mut Value, more: Value) {
    if let (Some(said), Value::Object(more)) = (said.as_object_mut(), more) {
        said.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shoal_conductor::{
        desk::Question,
        id::{ApprovalId, TaskId, WorkerId},
        label::Label,
    };

    use super::*;
    use crate::store::{Moment, Vote};

    #[test]
    fn what_home_assistant_is_told_is_what_its_schema_was_tried_on() {
        let options = HomeOptions {
            enabled: true,
            prefix: "homeassistant".to_owned(),
            approvals: true,
            telemetry: Duration::from_secs(60),
        };
        let root = Root::try_new("plant.7", "line3").unwrap();
        let all = Entities::new(&options, &root).lasting();
        let shown: BTreeMap<String, Value> = all
            .into_iter()
            .map(|(topic, said)| (topic, serde_json::from_slice(&said).unwrap()))
            .collect();
        let text = serde_json::to_string_pretty(&shown).unwrap();
        insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    }

    #[test]
    fn a_button_says_how_many_have_said_yes() {
        let options = HomeOptions {
            enabled: true,
            prefix: "homeassistant".to_owned(),
            approvals: true,
            telemetry: Duration::from_secs(60),
        };
        let entities = Entities::new(&options, &Root::try_new("plant", "line3").unwrap());
        let mut record = ApprovalRecord {
            question: Question {
                id: ApprovalId::try_new("a1").unwrap(),
                task: TaskId::try_new("t1").unwrap(),
                step: 1,
                worker: WorkerId::try_new("cloud").unwrap(),
                label: Label::Confidential,
                read: Label::Confidential,
                by_message: false,
                rule: String::new(),
                shown: Vec::new(),
                digest: "d1".into(),
                expires_after: 60,
                people: 2,
            },
            asked_at: Moment(0),
            expires_at: Moment(60_000),
            approved: Vec::new(),
            missing: 2,
            decision: None,
            decided_at: None,
        };
        let names = |record: &ApprovalRecord| {
            let buttons = entities.buttons(record).into_values();
            let names = buttons.map(|said| {
                let said: Value = serde_json::from_slice(&said).unwrap();
                said["name"].as_str().unwrap().to_owned()
            });
            names.collect::<Vec<_>>()
        };
        assert_eq!(
            names(&record),
            ["Approve: cloud for task t1", "Deny: cloud for task t1"]
        );
        record.approved.push(Vote {
            by: "api:ada".into(),
            at: Moment(1),
        });
        assert_eq!(
            names(&record),
            [
                "Approve (1 of 2 said yes): cloud for task t1",
                "Deny (1 of 2 said yes): cloud for task t1"
            ]
        );
    }
}
