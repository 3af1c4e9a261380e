use super::*;

fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(text, Path::new("."))
}

fn fault(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn an_empty_policy_is_cautious() {
    let policy = parse("").unwrap();
    assert_eq!(
        Label::ALL.map(|label| policy.escalation(label).as_str()),
        ["free", "redact", "approve", "never"]
    );
    assert!(policy.workers.is_empty());
    assert_eq!(policy.label_of(&Kind::EMAIL), Label::Confidential);
    let unheard_of = Kind::try_new("recipe").unwrap();
    assert_eq!(policy.label_of(&unheard_of), Label::Restricted);
    assert_eq!(policy.warnings(), Vec::<String>::new());
}

#[test]
fn faults_are_named_with_their_place_and_what_to_do() {
    insta::assert_snapshot!(fault("[workers.cloud]\nclearence = \"public\""), @"line 2, column 1: unknown field `clearence`, expected one of `clearance`, `price_in`, `price_out`, `strength`, `skills`, `watts`; did you mean `clearance`?");
    insta::assert_snapshot!(fault("[escalation]\npublic = \"fre\""), @"line 2, column 10: unknown variant `fre`, expected one of `free`, `redact`, `approve`, `never`; did you mean `free`?");
    insta::assert_snapshot!(fault("[workers.\"a b\"]\nclearance = \"public\""), @"workers.a b: an id may hold letters, digits, '.', '_' and '-', not ' '");
    insta::assert_snapshot!(fault("[workers.cloud]\nclearance = \"public\"\nprice_in = -1.0"), @"workers.cloud.price_in: -1 is not an amount of dollars");
    insta::assert_snapshot!(fault("[workers.cloud]\nclearance = \"public\"\nstrength = 101"), @"workers.cloud.strength: 101 is not from 0 to 100");
    insta::assert_snapshot!(fault("[limits]\nstep_seconds = 0"), @"limits.step_seconds: 0 is not from 1 to 86400");
    insta::assert_snapshot!(fault("[[dictionaries]]\ntype = \"recipe\"\nwords = [\"X9\"]"), @r#"dictionaries[0]: the type "recipe" has no label: add `recipe = "confidential"` to [types]"#);
    let long = format!(
        "[[dictionaries]]\ntype = \"person\"\nwords = [\"{}\"]",
        "Ana ".repeat(70)
    );
    insta::assert_snapshot!(fault(&long), @r#"dictionaries[0]: "Ana Ana Ana Ana Ana Ana …" is longer than 256 bytes: put one word or phrase on each line"#);
    insta::assert_snapshot!(fault("[[dictionaries]]\ntype = \"person\"\nfile = \"nowhere.txt\""), @"cannot read ./nowhere.txt: No such file or directory (os error 2)");
}

#[test]
fn word_lists_come_from_files_beside_the_policy() {
    let folder = std::env::temp_dir().join(format!("shoal-policy-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("staff.txt"), "# operators\nAna Ruiz\n\n Bo \n").unwrap();
    let text = "[[dictionaries]]\ntype = \"person\"\nfile = \"staff.txt\"\nwords = [\"Cy\"]";
    let policy = Policy::parse(text, &folder);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(
        policy.unwrap().dictionaries[0].words,
        ["Cy", "Ana Ruiz", "Bo"]
    );
}

#[test]
fn rules_that_contradict_each_other_are_warned_of() {
    let lax = parse("[escalation]\nconfidential = \"free\"").unwrap();
    assert_eq!(
        lax.warnings(),
        ["escalation.confidential = \"free\" is laxer than escalation.internal = \"redact\""]
    );
    let shut = "[escalation]\npublic = \"never\"\ninternal = \"never\"\nconfidential = \"never\"";
    assert_eq!(
        parse(shut).unwrap().warnings(),
        ["every escalation is \"never\", so no remote worker is ever called"]
    );
}
