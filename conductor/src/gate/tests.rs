use std::path::Path;

use super::*;
use crate::fake::id;

const POLICY: &str = r#"
[escalation]
public = "free"
internal = "redact"
confidential = "redact"
restricted = "never"
[workers.cloud]
clearance = "internal"
[workers.open]
clearance = "public"
[workers.old-npu]
clearance = "internal"
"#;

fn gate(policy: &str) -> Gate {
    let policy = Arc::new(Policy::parse(policy, Path::new(".")).unwrap());
    let detectors = Arc::new(Detectors::try_new(&policy).unwrap());
    Gate::new(policy, detectors)
}

fn draft(gate: &Gate, text: &str, floor: Label) -> Draft {
    Draft {
        messages: vec![(Speaker::User, Labelled::new(text, floor, &gate.detectors))],
        fixed: 0,
        format: Format::Text,
        sampling: Sampling::default(),
        frame: Label::Public,
    }
}

fn judged(policy: &str, worker: &str, place: Place, text: &str, floor: Label) -> (Verdict, String) {
    let gate = gate(policy);
    let ruling = gate.judge(&id(worker), place, &draft(&gate, text, floor));
    (ruling.verdict, ruling.rule)
}

#[test]
fn each_label_gets_the_verdict_of_its_rule() {
    use Label::{Confidential, Internal, Public, Restricted};
    let remote = |text, floor| judged(POLICY, "cloud", Place::Remote, text, floor);
    let rule = |text: &str| text.to_owned();
    assert_eq!(
        remote("hi", Public),
        (Verdict::Run, rule("escalation.public = \"free\""))
    );
    assert_eq!(
        remote("hi", Internal),
        (Verdict::Run, rule("escalation.internal = \"redact\""))
    );
    assert_eq!(
        remote("to a@b.example", Public),
        (
            Verdict::Redact,
            rule("escalation.confidential = \"redact\"")
        )
    );
    assert_eq!(
        remote("hi", Confidential),
        (
            Verdict::Refuse,
            rule("workers.cloud.clearance = \"internal\"")
        )
    );
    assert_eq!(
        remote("hi", Restricted),
        (Verdict::Refuse, rule("escalation.restricted = \"never\""))
    );
    assert_eq!(
        remote("card 4111111111111111", Public),
        (Verdict::Refuse, rule("escalation.restricted = \"never\""))
    );
}

#[test]
fn a_worker_that_policy_does_not_know_gets_nothing_if_it_is_remote() {
    let (verdict, rule) = judged(POLICY, "stranger", Place::Remote, "hi", Label::Public);
    assert_eq!(
        (verdict, rule.as_str()),
        (Verdict::Refuse, "no [workers.stranger] in the policy")
    );
    let (verdict, _) = judged(POLICY, "local", Place::Board, "hi", Label::Restricted);
    assert_eq!(verdict, Verdict::Run);
}

#[test]
fn clearance_binds_on_the_board_too() {
    let (verdict, rule) = judged(POLICY, "old-npu", Place::Board, "hi", Label::Confidential);
    assert_eq!(verdict, Verdict::Refuse);
    assert_eq!(rule, "workers.old-npu.clearance = \"internal\"");
}

#[test]
fn what_is_above_the_clearance_is_replaced_even_where_its_label_may_leave_freely() {
    let policy = POLICY.replace("internal = \"redact\"", "internal = \"free\"");
    let gate = gate(&policy);
    let draft = draft(&gate, "plc 10.0.0.7", Label::Public);
    let mut vault = Vault::default();
    let (_, passage) = gate.pass(&id("open"), Place::Remote, &draft, &mut vault);
    let Passage::Clear(permit) = passage else {
        panic!("{passage:?}")
    };
    assert_eq!(permit.left.unwrap()[0].content, "plc [IP_1]");
    let (_, passage) = gate.pass(&id("cloud"), Place::Remote, &draft, &mut vault);
    let Passage::Clear(permit) = passage else {
        panic!("{passage:?}")
    };
    assert_eq!(permit.left.unwrap()[0].content, "plc 10.0.0.7");
}

#[test]
fn a_stricter_rule_of_a_lower_label_holds_for_what_is_left() {
    let policy = POLICY.replace("public = \"free\"", "public = \"approve\"");
    let (verdict, rule) = judged(
        &policy,
        "cloud",
        Place::Remote,
        "to a@b.example",
        Label::Public,
    );
    assert_eq!(
        (verdict, rule.as_str()),
        (Verdict::Ask, "escalation.public = \"approve\"")
    );
}

#[test]
fn what_one_message_gives_away_is_replaced_in_every_other() {
    let gate = gate(POLICY);
    let text = |text: &str| Labelled::new(text, Label::Public, &gate.detectors);
    let mut draft = draft(&gate, "", Label::Public);
    draft.messages = vec![
        (Speaker::User, text("it is 5550143, really")),
        (Speaker::User, text("tel. 5550143")),
    ];
    let (ruling, passage) = gate.pass(&id("cloud"), Place::Remote, &draft, &mut Vault::default());
    assert_eq!(ruling.verdict, Verdict::Redact);
    let Passage::Clear(permit) = passage else {
        panic!("{passage:?}")
    };
    let left = permit.left.unwrap();
    assert_eq!(left[0].content, "it is [PHONE_1], really");
    assert_eq!(left[1].content, "tel. [PHONE_1]");
}

#[test]
fn an_approval_is_for_exactly_the_text_that_was_shown() {
    let policy = POLICY.replace("confidential = \"redact\"", "confidential = \"approve\"");
    let gate = gate(&policy);
    let yes = Decision::Approved { by: "ana".into() };
    let petition = |text: &str| {
        let draft = draft(&gate, text, Label::Public);
        match gate
            .pass(&id("cloud"), Place::Remote, &draft, &mut Vault::default())
            .1
        {
            Passage::Ask(petition) => petition,
            other => panic!("{other:?}"),
        }
    };
    let question = petition("to a@b.example").question(ApprovalId::fresh(), TaskId::fresh(), 1, 60);
    assert_eq!(question.shown[0].content, "to [EMAIL_1]");
    let permit = petition("to a@b.example").decided(&question, &yes).unwrap();
    assert_eq!(permit.left.unwrap(), question.shown);
    assert!(
        petition("for a@b.example")
            .decided(&question, &yes)
            .is_none()
    );
    for no in [Decision::Denied { by: "ana".into() }, Decision::Expired] {
        assert!(petition("to a@b.example").decided(&question, &no).is_none());
    }
}

#[test]
fn a_schema_that_holds_something_sensitive_cannot_be_redacted_and_stays() {
    let gate = gate(POLICY);
    let draft = Draft {
        frame: Label::Confidential,
        ..draft(&gate, "hi", Label::Public)
    };
    let ruling = gate.judge(&id("cloud"), Place::Remote, &draft);
    assert_eq!(ruling.verdict, Verdict::Refuse);
    assert_eq!(ruling.reaches, Label::Confidential);
}

#[test]
fn a_prompt_cleared_for_one_worker_opens_for_no_other() {
    let gate = gate(POLICY);
    let draft = draft(&gate, "hi", Label::Public);
    let (_, passage) = gate.pass(&id("cloud"), Place::Remote, &draft, &mut Vault::default());
    let Passage::Clear(permit) = passage else {
        panic!("{passage:?}")
    };
    assert!(permit.prompt.open(&id("open")).is_err());
}

#[test]
fn what_a_message_gives_away_keeps_a_stop_text_or_schema_that_holds_it_on_the_board() {
    let gate = gate(POLICY);
    let with = |format: Format, stop: &[&str]| {
        let mut draft = draft(&gate, "tel. 5550143", Label::Public);
        draft.format = format;
        draft.sampling.stop = stop.iter().map(ToString::to_string).collect();
        let (ruling, _) = gate.pass(&id("cloud"), Place::Remote, &draft, &mut Vault::default());
        ruling.verdict
    };
    let schema = |text: &str| Format::JsonSchema(serde_json::json!({"enum": [text]}));
    assert_eq!(with(Format::Text, &[]), Verdict::Redact);
    assert_eq!(with(Format::Text, &["5550143"]), Verdict::Refuse);
    assert_eq!(with(schema("5550143"), &[]), Verdict::Refuse);
    assert_eq!(with(schema("x"), &[]), Verdict::Redact);
}

#[test]
fn the_strictest_rule_of_all_that_is_in_a_text_holds() {
    let policy = POLICY
        .replace("confidential = \"redact\"", "confidential = \"never\"")
        .replace("restricted = \"never\"", "restricted = \"redact\"");
    let (verdict, rule) = judged(
        &policy,
        "cloud",
        Place::Remote,
        "card 4111111111111111 of a@b.example",
        Label::Public,
    );
    assert_eq!(
        (verdict, rule.as_str()),
        (Verdict::Refuse, "escalation.confidential = \"never\"")
    );
}

#[test]
fn a_message_that_looks_like_a_schema_has_another_digest() {
    let prompt = |messages: &[&str], stop: &[&str]| Prompt {
        messages: messages
            .iter()
            .map(|text| Message::new(Speaker::System, *text))
            .collect(),
        sampling: Sampling {
            stop: stop.iter().map(ToString::to_string).collect(),
            ..Sampling::default()
        },
        ..Prompt::default()
    };
    let (one, other) = (
        prompt(&["a"], &["x"]),
        prompt(&["a", "stop texts: [\"x\"]"], &[]),
    );
    assert_eq!(shown(&one), shown(&other));
    assert_ne!(
        digest(&id("cloud"), &one, 1),
        digest(&id("cloud"), &other, 1)
    );
    assert_ne!(digest(&id("cloud"), &one, 1), digest(&id("cloud"), &one, 2));
}
