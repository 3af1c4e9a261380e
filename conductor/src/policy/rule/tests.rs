use std::path::Path;

use super::*;

fn policy(text: &str) -> Policy {
    Policy::parse(text, Path::new(".")).unwrap()
}

const ALARM: &str = r#"
[[rule]]
name = "alarm"
topic = "plant/+/alarm"
when = ["level >= 3", "state == \"fault\""]
prompt = "Press {topic.2} reports {code} at {temperature.value} °C. What now? {{}}"
label = "internal"
every_minutes = 5
"#;

fn ask(policy: &Policy, payload: &str) -> Result<Asked, NotAsked> {
    policy.rules[0].ask(policy, "plant/press-7/alarm", payload.as_bytes())
}

#[test]
fn a_message_that_matches_fills_the_prompt() {
    let policy = policy(ALARM);
    let rule = &policy.rules[0];
    assert!(rule.matches("plant/press-7/alarm"));
    assert!(!rule.matches("plant/press-7/alarm/x"));
    let asked = ask(
        &policy,
        r#"{"level": 3.0, "state": "fault", "code": "E42", "temperature": {"value": 71.5}}"#,
    );
    let asked = asked.unwrap();
    assert_eq!(
        asked.prompt,
        "Press press-7 reports E42 at 71.5 °C. What now? {}"
    );
    assert_eq!(asked.label, Label::Internal);
}

#[test]
fn what_makes_no_task_says_why() {
    let policy = policy(ALARM);
    let said = |payload: &str| ask(&policy, payload).unwrap_err().to_string();
    insta::assert_snapshot!(said(r#"{"level": 2}"#), @"the condition level >= 3 does not hold");
    insta::assert_snapshot!(said(r#"{"level": "9"}"#), @r#"the condition level >= 3 cannot be told: "level" is a text, no number"#);
    insta::assert_snapshot!(said("high"), @r#"the condition level >= 3 cannot be told: the message has no field "level""#);
    insta::assert_snapshot!(said(r#"{"level": 3, "state": "fault", "code": null}"#), @r#"the message has no field "code", which the prompt needs"#);
    let long = format!("\"{}\"", "x".repeat(MAX_PAYLOAD));
    assert_eq!(ask(&policy, &long), Err(NotAsked::Long(MAX_PAYLOAD + 2)));
    let rule = &policy.rules[0];
    assert_eq!(
        rule.ask(&policy, "plant/x/alarm", &[0xff]),
        Err(NotAsked::NotText)
    );
}

#[test]
fn plain_messages_and_lists_are_read_too() {
    let rule = |when: &str, prompt: &str| {
        policy(&format!(
            "[[rule]]\nname = \"a\"\ntopic = \"a/#\"\nwhen = [{when}]\nprompt = {prompt:?}"
        ))
    };
    let plain = rule("'payload > 80'", "{payload} {topic}");
    let asked = plain.rules[0].ask(&plain, "a/b", b"80.5").unwrap();
    assert_eq!(asked.prompt, "80.5 a/b");
    let list = rule(
        "'code in [\"E1\", \"E2\"]', 'ok != true'",
        "{parts.1.id} {parts}",
    );
    let message = br#"{"code": "E2", "ok": false, "parts": [1, {"id": 7}]}"#;
    let asked = list.rules[0].ask(&list, "a", message).unwrap();
    assert_eq!(asked.prompt, r#"7 [1,{"id":7}]"#);
}

#[test]
fn the_label_is_the_highest_of_rule_topic_and_fields_and_never_lower() {
    let with = |prompt: &str, more: &str| {
        let policy = policy(&format!(
            "[[rule]]\nname = \"a\"\ntopic = \"ward/+\"\nprompt = {prompt:?}\n{more}"
        ));
        let message = br#"{"patient": {"name": "Ana", "bed": {"no": 3}}, "ward": "3"}"#;
        policy.rules[0]
            .ask(&policy, "ward/3", message)
            .unwrap()
            .label
    };
    let field =
        "[[source]]\nfield = \"patient.name\"\ntype = \"patient\"\nlabel = \"restricted\"\n";
    let below =
        "[[source]]\nfield = \"patient.**\"\ntype = \"patient\"\nlabel = \"confidential\"\n";
    let topic = "[[source]]\ntopic = \"ward/#\"\nlabel = \"confidential\"\n";
    assert_eq!(with("{ward}", field), Label::Public);
    assert_eq!(with("{patient.name}", field), Label::Restricted);
    assert_eq!(with("{patient}", field), Label::Restricted);
    assert_eq!(with("{patient.bed.no}", below), Label::Confidential);
    assert_eq!(with("{patient.bed.no}", field), Label::Public);
    assert_eq!(with("{ward}", topic), Label::Confidential);
    assert_eq!(
        with("{ward}", "[sources]\nmqtt = \"internal\""),
        Label::Internal
    );
}

#[test]
fn what_appliances_say_themselves_makes_no_task() {
    let policy = policy("[[rule]]\nname = \"a\"\ntopic = \"#\"\nprompt = \"x\"");
    let rule = &policy.rules[0];
    assert!(rule.matches("a/b"));
    assert!(!rule.matches("shoal/v1/plant/line3/tasks/t1/result"));
    assert!(!rule.matches("$SYS/broker/uptime"));
}

#[test]
fn mistakes_name_the_rule_and_say_what_to_do() {
    let fault = |text: &str| {
        let head = "[[rule]]\nname = \"a\"\n";
        let error = Policy::parse(&format!("{head}{text}"), Path::new("."));
        error.unwrap_err().to_string()
    };
    insta::assert_snapshot!(fault("topic = \"a/#/b\"\nprompt = \"x\""), @r#"rule[0].topic: "a/#/b" is no topic filter: '#' stands at its end"#);
    insta::assert_snapshot!(fault("topic = \"a/b+\"\nprompt = \"x\""), @r#"rule[0].topic: "a/b+" is no topic filter: '+' and '#' stand alone between slashes"#);
    insta::assert_snapshot!(fault("topic = \"shoal/v1/#\"\nprompt = \"x\""), @"rule[0].topic: no rule is about a broker's or an appliance's own topics");
    insta::assert_snapshot!(fault("topic = \"a/b\"\nprompt = \"{topic.3}\""), @r#"rule[0].prompt: "topic.3" is no level of the topic: they are counted from 1 to 2"#);
    insta::assert_snapshot!(fault("topic = \"a/b\"\nprompt = \"{topics.2}\""), @r#"rule[0].prompt: "topics.2" is no field; did you mean "topic.2"?"#);
    insta::assert_snapshot!(fault("topic = \"a\"\nprompt = \"{a\""), @"rule[0].prompt: a '{' stands alone: a field is {name}, and a brace itself is written twice");
    insta::assert_snapshot!(fault("topic = \"a\"\nprompt = \"x\"\nwhen = [\"level => 3\"]"), @r#"rule[0].when: "level => 3" is no condition: a field, one of == != < <= > >= in, and a JSON value, as `level >= 3`, `state == "fault"` or `code in ["E42", "E43"]`"#);
    insta::assert_snapshot!(fault("topic = \"a\"\nprompt = \"x\"\nevery_minutes = 0"), @"rule[0].every_minutes: 0 is not from 1 to 10080");
    insta::assert_snapshot!(fault("topic = \"a\"\npromt = \"x\""), @"line 4, column 1: unknown field `promt`, expected one of `name`, `topic`, `when`, `prompt`, `label`, `every_minutes`, `model`, `reasoning_effort`, `max_tokens`; did you mean `prompt`?");
}
