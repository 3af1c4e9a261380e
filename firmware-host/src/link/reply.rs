//! Where an answer goes: response topic, correlation data and user properties, as far as they can be kept and used.

use shoal_wire::Root;

use super::{broker::Delivery, request};
use crate::store::{Moment, ReplyTo};

/// The longest correlation data that is kept.
const MAX_CORRELATION: usize = 1024;
/// The longest response topic, in bytes.
const MAX_RESPONSE_TOPIC: usize = 512;
/// The most levels of a response topic; brokers end the connection over one with too many.
const MAX_LEVELS: usize = 32;
/// The most user properties that a result gives back.
const MAX_PROPERTIES: usize = 16;
/// Their names and values together, in bytes.
const MAX_PROPERTY_BYTES: usize = 1024;

/// Where the result of a message goes, and what goes with it.
pub(super) fn reply_to(delivery: &Delivery, now: Moment) -> Result<ReplyTo, String> {
    if let Some(topic) = &delivery.response_topic {
        check_topic(topic)?;
    }
    let correlation = delivery.correlation.as_ref();
    if correlation.is_some_and(|data| data.len() > MAX_CORRELATION) {
        return Err(format!(
            "correlation data has at most {MAX_CORRELATION} bytes"
        ));
    }
    let properties = &delivery.properties;
    let bytes = properties
        .iter()
        .map(|(name, value)| name.len() + value.len());
    if properties.len() > MAX_PROPERTIES || bytes.sum::<usize>() > MAX_PROPERTY_BYTES {
        return Err(format!(
            "there are at most {MAX_PROPERTIES} user properties, with {MAX_PROPERTY_BYTES} bytes together"
        ));
    }
    Ok(ReplyTo {
        topic: delivery.response_topic.clone(),
        correlation: delivery.correlation.clone(),
        fingerprint: Some(request::fingerprint(delivery)),
        properties: properties.clone(),
        expires_at: delivery.expiry.map(|left| now.after(left)),
    })
}

/// The sender chooses where we publish, so it may not choose what others take for our or another appliance's word.
fn check_topic(topic: &str) -> Result<(), String> {
    if topic.is_empty() || topic.len() > MAX_RESPONSE_TOPIC {
        return Err(format!(
            "a response topic has 1 to {MAX_RESPONSE_TOPIC} bytes"
        ));
    }
    if topic.split('/').count() > MAX_LEVELS {
        return Err(format!("a response topic has at most {MAX_LEVELS} levels"));
    }
    if topic.contains(unfit) {
        return Err("a response topic has no control characters".to_owned());
    }
    if topic.contains(['+', '#']) || topic.starts_with('$') {
        return Err("a response topic has no wildcards and does not begin with '$'".to_owned());
    }
    if topic.starts_with(Root::PREFIX) {
        return Err(format!("a response topic is not below {}", Root::PREFIX));
    }
    Ok(())
}

/// Control characters and what Unicode calls noncharacters: MQTT lets a broker end the connection over them.
fn unfit(c: char) -> bool {
    let code = u32::from(c);
    c.is_control() || code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_topic_cannot_speak_for_an_appliance() {
        for bad in [
            "",
            "a/+",
            "a/#",
            "$SYS/x",
            "shoal/v1/a/b/tasks",
            "shoal/v1/a/b/status",
        ] {
            assert!(check_topic(bad).is_err(), "{bad:?}");
        }
        assert!(check_topic("plc/7/answers").is_ok());
    }

    #[test]
    fn a_response_topic_cannot_make_the_broker_hang_up() {
        let levels = |n: usize| vec!["a"; n].join("/");
        let bad = ["a\u{1}b", "a\nb", "a\u{7f}b", "a\u{ffff}", "a\u{fdd0}"];
        for bad in bad.map(str::to_owned).into_iter().chain([levels(33)]) {
            assert!(check_topic(&bad).is_err(), "{bad:?}");
        }
        assert!(check_topic(&levels(32)).is_ok());
        assert!(check_topic("werk/öl/答え").is_ok());
    }

    #[test]
    fn more_than_can_be_given_back_is_refused() {
        let with = |properties| Delivery {
            properties,
            expiry: Some(std::time::Duration::from_secs(5)),
            ..Delivery::default()
        };
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let fine = reply_to(&with(vec![pair("job", "7".into())]), Moment(1_000)).unwrap();
        assert_eq!(fine.properties, [pair("job", "7".into())]);
        assert_eq!(fine.expires_at, Some(Moment(6_000)));
        let many = vec![pair("a", String::new()); MAX_PROPERTIES + 1];
        let long = vec![pair("a", "x".repeat(MAX_PROPERTY_BYTES))];
        for bad in [many, long] {
            let refused = reply_to(&with(bad), Moment(0)).unwrap_err();
            assert!(refused.contains("user properties"), "{refused}");
        }
    }
}
