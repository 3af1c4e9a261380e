use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{detect::Detectors, policy::Policy};

fn detectors() -> Detectors {
    let policy = r#"
[types]
note = "confidential"
[[dictionaries]]
type = "person"
words = ["Ana Ruiz", "Bo", "Müller", "Jane Smith", "Smiths", 'O"Neil']
[[dictionaries]]
type = "note"
words = ["line one\nline two"]
"#;
    Detectors::try_new(&Policy::parse(policy, Path::new(".")).unwrap()).unwrap()
}

fn redact(vault: &mut Vault, text: &str) -> String {
    let text = Labelled::new(text, Label::Public, &detectors());
    vault.learn([&text]);
    let text = vault.recognise(text);
    vault.redact(&text, |_| true, &mut Shown::default())
}

fn restore(vault: &Vault, form: Form, text: &str) -> String {
    Restorer::new(form, Shown::all()).whole(text, vault).text
}

fn restored(vault: &Vault, text: &str) -> String {
    restore(vault, Form::Text, text)
}

#[test]
fn the_same_thing_has_the_same_placeholder_and_comes_back() {
    let mut vault = Vault::default();
    let text = "Ana Ruiz <ana@plant.example> and bo@plant.example; ana@plant.example again";
    let masked = redact(&mut vault, text);
    assert_eq!(
        masked,
        "[PERSON_1] <[EMAIL_1]> and [EMAIL_2]; [EMAIL_1] again"
    );
    assert_eq!(
        redact(&mut vault, "tell bo@plant.example"),
        "tell [EMAIL_2]"
    );
    assert_eq!(restored(&vault, &masked), text);
}

#[test]
fn spellings_of_one_thing_have_one_placeholder() {
    let mut vault = Vault::default();
    let masked = redact(
        &mut vault,
        "Dr. Jane Smith, JANE SMITH, +49 171 1234567, +49-171-1234567, ANA@plant.example, ana@plant.example",
    );
    assert_eq!(
        masked,
        "Dr. [PERSON_1], [PERSON_1], [PHONE_1], [PHONE_1], [EMAIL_1], [EMAIL_1]"
    );
    assert_eq!(
        restored(&vault, "[PERSON_1], [PHONE_1]"),
        "Jane Smith, +49 171 1234567"
    );
}

#[test]
fn a_placeholder_shows_the_gender_and_number_that_the_text_shows() {
    let mut vault = Vault::default();
    let masked = redact(
        &mut vault,
        "Bo and Frau Müller met Herr Müller, the Smiths, Mrs. Jane Smith. Müller and Jane Smith left.",
    );
    assert_eq!(
        masked,
        "[PERSON_1] and Frau [PERSON_F_2] met Herr [PERSON_M_3], the [PERSON_PL_4], Mrs. [PERSON_F_5]. [PERSON_6] and \
         [PERSON_F_5] left."
    );
    // What was given out once stays, whatever is shown later.
    assert_eq!(
        redact(&mut vault, "Mr. Bo and Jane Smith"),
        "Mr. [PERSON_1] and [PERSON_F_5]"
    );
}

#[test]
fn a_name_that_is_shown_with_a_title_later_has_its_gender_from_the_start() {
    let mut vault = Vault::default();
    assert_eq!(
        redact(&mut vault, "Jane Smith called. Ask Mrs Jane Smith."),
        "[PERSON_F_1] called. Ask Mrs [PERSON_F_1]."
    );
}

#[test]
fn a_placeholder_comes_back_however_a_worker_wrote_it() {
    let mut vault = Vault::default();
    let _ = redact(&mut vault, "a@b.example, Ana Ruiz");
    for (written, expected) in [
        ("dear [email_1]", "dear a@b.example"),
        ("dear [Email_1]", "dear a@b.example"),
        (r"dear \[EMAIL\_1\]", "dear a@b.example"),
        ("**[EMAIL_1]**", "**a@b.example**"),
        ("[PERSON_1]'s and [PERSON_1]s", "Ana Ruiz's and Ana Ruizs"),
        ("user_[PERSON_1]_x", "user_Ana Ruiz_x"),
        (
            "[PERSON_1](mailto:[EMAIL_1])",
            "Ana Ruiz(mailto:a@b.example)",
        ),
    ] {
        assert_eq!(restored(&vault, written), expected);
    }
}

#[test]
fn a_placeholder_that_a_worker_made_up_stays() {
    let mut vault = Vault::default();
    let _ = redact(&mut vault, "a@b.example");
    assert_eq!(
        restored(
            &vault,
            r"[EMAIL_7] [EMAIL_] [] [x] a[1] [[EMAIL_1]] \[EMAIL\_7\] [EMAIL_01]"
        ),
        r"[EMAIL_7] [EMAIL_] [] [x] a[1] [a@b.example] \[EMAIL\_7\] [EMAIL_01]"
    );
}

#[test]
fn a_placeholder_that_a_worker_was_not_shown_stays() {
    let mut vault = Vault::default();
    let texts =
        ["a@b.example", "c@d.example"].map(|text| Labelled::new(text, Label::Public, &detectors()));
    vault.learn(&texts);
    let mut shown = Shown::default();
    let _ = vault.redact(&texts[1], |_| true, &mut shown);
    let restored = Restorer::new(Form::Text, shown).whole("[EMAIL_1] [EMAIL_2]", &vault);
    assert_eq!(restored.text, "[EMAIL_1] c@d.example");
}

#[test]
fn a_placeholder_of_one_task_restores_nothing_in_another() {
    let mut vault = Vault::default();
    let _ = redact(&mut vault, "a@b.example");
    let other = Vault::default();
    assert_eq!(restored(&other, "to [EMAIL_1]"), "to [EMAIL_1]");
}

#[test]
fn a_placeholder_in_the_task_is_never_given_out() {
    for (text, expected) in [
        (
            "template [EMAIL_1]: a@b.example",
            "template [EMAIL_1]: [EMAIL_2]",
        ),
        (
            "template [email_1]: a@b.example",
            "template [email_1]: [EMAIL_2]",
        ),
        (
            r"template \[EMAIL\_1\]: a@b.example",
            r"template \[EMAIL\_1\]: [EMAIL_2]",
        ),
        (
            "[EMAIL_1] [EMAIL_3] a@b.example c@d.example",
            "[EMAIL_1] [EMAIL_3] [EMAIL_2] [EMAIL_4]",
        ),
        ("[PERSON_F_1] Mrs. Bo", "[PERSON_F_1] Mrs. [PERSON_F_2]"),
    ] {
        let mut vault = Vault::default();
        let masked = redact(&mut vault, text);
        assert_eq!(masked, expected);
        assert_eq!(restored(&vault, &masked), text);
    }
}

#[test]
fn a_placeholder_in_one_message_is_not_given_to_what_another_holds() {
    let mut vault = Vault::default();
    let texts = ["write to a@b.example", "keep [EMAIL_1] as it is"]
        .map(|text| Labelled::new(text, Label::Public, &detectors()));
    vault.learn(&texts);
    let masked = vault.redact(&texts[0], |_| true, &mut Shown::default());
    assert_eq!(masked, "write to [EMAIL_2]");
    assert_eq!(restored(&vault, texts[1].text()), texts[1].text());
}

#[test]
fn what_is_put_into_json_or_code_is_escaped_there() {
    let mut vault = Vault::default();
    let masked = redact(&mut vault, "O\"Neil; line one\nline two");
    assert_eq!(masked, "[PERSON_1]; [NOTE_1]");
    let json = r#"{"to": "[PERSON_1]", "[note_1]": ["x [NOTE_1]"]}"#;
    let value: serde_json::Value =
        serde_json::from_str(&restore(&vault, Form::Json, json)).unwrap();
    assert_eq!(value["to"], "O\"Neil");
    assert_eq!(value["line one\nline two"][0], "x line one\nline two");
    // The same where a text begins like JSON, and in a code block; prose has it as it is.
    assert_eq!(restored(&vault, json), restore(&vault, Form::Json, json));
    assert_eq!(
        restored(&vault, "\"[PERSON_1]\"\n```py\nx = '[NOTE_1]'\n```\n"),
        "\"O\"Neil\"\n```py\nx = 'line one\\nline two'\n```\n"
    );
}

#[test]
fn what_was_escaped_already_is_not_escaped_again() {
    let policy = "[types]\npath = \"confidential\"\n[[dictionaries]]\ntype = \"path\"\nwords = ['D:\\\\new', 'C:\\temp']";
    let detectors = Detectors::try_new(&Policy::parse(policy, Path::new(".")).unwrap()).unwrap();
    let mut vault = Vault::default();
    let text = Labelled::new(
        r#"{"path": "D:\\new"} and C:\temp"#,
        Label::Public,
        &detectors,
    );
    vault.learn([&text]);
    let masked = vault.redact(&text, |_| true, &mut Shown::default());
    assert_eq!(masked, r#"{"path": "[PATH_1]"} and [PATH_2]"#);
    let answer = restore(&vault, Form::Json, r#"["[PATH_1]", "[PATH_2]"]"#);
    assert_eq!(answer, r#"["D:\\new", "C:\\temp"]"#);
}

#[test]
fn what_was_replaced_once_is_known_where_no_detector_sees_it() {
    let mut vault = Vault::default();
    let _ = redact(&mut vault, "call +49 171 1234567");
    let found = vault.find("ring <+49 171 1234567>, not 49 171");
    let mut spans: Vec<_> = found.into_iter().map(|finding| finding.span).collect();
    spans.dedup();
    assert_eq!(spans, vec![6..21]);
}

#[test]
fn beyond_its_limit_things_are_replaced_for_good() {
    let mut vault = Vault::default();
    let text: String = (0..=MAX_ENTRIES)
        .map(|n| format!("u{n}@b.example "))
        .collect();
    let masked = redact(&mut vault, &text);
    assert!(vault.overflowed());
    assert!(masked.ends_with(&format!("[EMAIL_{MAX_ENTRIES}] [EMAIL] ")));
    assert!(!masked.contains("@b.example"));
}

#[test]
fn the_vault_does_not_print_what_it_holds() {
    let mut vault = Vault::default();
    let _ = redact(&mut vault, "a@b.example");
    assert!(!format!("{vault:?}").contains("a@b"));
}

fn in_pieces<'t>(vault: &Vault, form: Form, pieces: impl IntoIterator<Item = &'t str>) -> String {
    let mut restorer = Restorer::new(form, Shown::all());
    let mut out = String::new();
    for piece in pieces {
        out.push_str(&restorer.push(piece, vault));
    }
    out + &restorer.finish(vault)
}

#[test]
fn however_a_stream_is_cut_it_restores_to_the_same() {
    let mut vault = Vault::default();
    let _ = redact(
        &mut vault,
        "Ana Ruiz, Frau Müller: ana@plant.example O\"Neil",
    );
    for (form, text) in [
        (
            Form::Text,
            r"Dear [PERSON_1], \[EMAIL\_1\] [email_1][[x] [PERSON_F_2]s é\\[PERSON_3",
        ),
        (
            Form::Json,
            r#"{"a": ["[PERSON_3]", "\\[PERSON\\_3\\] \"[PERSON_1]"]}"#,
        ),
        (
            Form::Text,
            "So:\n````py\nx = '[PERSON_3]'; y = \"[PERSON_3]\"\n````\n\"[PERSON_3]\"",
        ),
    ] {
        let whole = restore(&vault, form, text);
        assert!(
            whole.contains("O\\\"Neil") || whole.contains("Müllers"),
            "{whole}"
        );
        let cuts: Vec<usize> = (0..=text.len())
            .filter(|&at| text.is_char_boundary(at))
            .collect();
        for (i, &first) in cuts.iter().enumerate() {
            for &second in &cuts[i..] {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(in_pieces(&vault, form, pieces), whole, "{first} {second}");
            }
        }
        let each = text.split_inclusive(|_| true);
        assert_eq!(in_pieces(&vault, form, each), whole);
    }
}

proptest! {
    #[test]
    fn pieces_of_any_size_restore_to_the_same_as_the_whole(
        text in "(\\[EMAIL_1\\]|\\\\\\[email\\\\_1\\\\\\]|\\[EMAIL_|\\[|\\]|\\\\|\"|'|```|\n|\\{|é|[a-z ]|EMAIL_1\\]){0,40}",
        cuts in prop::collection::vec(0usize..200, 0..12),
    ) {
        let mut vault = Vault::default();
        let _ = redact(&mut vault, "a@b.example");
        let mut ends: Vec<usize> = cuts
            .into_iter()
            .filter(|&cut| cut <= text.len() && text.is_char_boundary(cut))
            .chain([text.len()])
            .collect();
        ends.sort_unstable();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let pieces = starts.zip(&ends).map(|(start, &end)| &text[start..end]);
        prop_assert_eq!(in_pieces(&vault, Form::Text, pieces), restored(&vault, &text));
    }

    #[test]
    fn redaction_is_undone_by_restoring(text in "(Ana Ruiz|Bo|a@b\\.example|\\[EMAIL_1\\]|\\\\|[c-z\\[\\]_ ]|\\+49 171 1234567){0,20}") {
        let mut vault = Vault::default();
        let masked = redact(&mut vault, &text);
        // A thing comes back as it was spelled first.
        prop_assert_eq!(restored(&vault, &masked).to_lowercase(), text.to_lowercase());
    }
}
