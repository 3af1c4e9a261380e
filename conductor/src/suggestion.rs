//! What a thinker suggests: which role comes next (TRINITY, Sakana AI).
//!
//! It is a line of its own, the first or the last of the notes: `NEXT: thinker`. Whoever reads the notes does not read it.
//!
//! A thinker may be remote, and then nothing that it says is to be trusted. So a line says a role and nothing else: who takes
//! it is for the route, what that one may read for the gate, what it may cost for the books. And a route follows only what is
//! not the next role anyway, which is another thinker: once in a task, so that thinking ends; for somebody else, so that
//! nobody can ask for calls of its own; and where no person has to be asked. A verifier has nothing to verify then, since
//! thinkers come before the answer.

use crate::{
    route::{Candidate, Situation, Turn, rule::usable},
    task::Effort,
    text::Labelled,
    verdict::Verdict,
    workflow::Role,
};

/// The notes of a thinker without the line, and the role that it says.
///
/// Where something sensitive was found in the line, it stays and says nothing: what is found in a text is part of its label,
/// and no suggestion takes that away.
pub(crate) fn take(notes: Labelled) -> (Labelled, Option<Role>) {
    let text = notes.text();
    let body = text.trim_end();
    let (before, last) = match body.rfind('\n') {
        Some(at) => (body[..at].trim_end().len(), &body[at..]),
        None => (0, body),
    };
    let body = text.trim_start();
    let (first, after) = body.split_once('\n').unwrap_or((body, ""));
    let after = text.len() - after.trim_start().len();
    for (line, kept) in [(last, 0..before), (first, after..text.len())] {
        let mut findings = notes.findings().iter().map(|finding| &finding.span);
        if let Some(role) = role(line)
            && findings.all(|span| kept.start <= span.start && span.end <= kept.end)
        {
            return (notes.part(kept), Some(role));
        }
    }
    (notes, None)
}

/// The role of a line such as `**Next:** Worker.`, if it says nothing else.
fn role(line: &str) -> Option<Role> {
    let words = line.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let (next, named) = match words[..] {
        [next, named] => (next, named),
        [next, role, named] if role.eq_ignore_ascii_case("role") => (next, named),
        _ => return None,
    };
    let mut roles = Role::ALL.into_iter();
    roles
        .find(|role| next.eq_ignore_ascii_case("next") && named.eq_ignore_ascii_case(role.as_str()))
}

/// Why another thinker that was suggested is not to come next, if it is not.
pub(crate) fn barred(situation: &Situation<'_>) -> Option<&'static str> {
    if situation.effort == Effort::Low {
        return Some("low effort thinks no further");
    }
    if situation.done.len() != 1 {
        return Some("a task is studied twice at most");
    }
    let mut all = situation.candidates(Role::Thinker).iter();
    if !all.any(|candidate| may_think(situation, candidate)) {
        return Some("nobody else may study it without a person's word");
    }
    None
}

/// Whether a candidate may be that other thinker.
pub(crate) fn may_think(situation: &Situation<'_>, candidate: &Candidate) -> bool {
    usable(candidate, situation.effort)
        && candidate.ruling.verdict != Verdict::Ask
        && situation
            .done
            .iter()
            .all(|done| done.worker != candidate.worker)
}

/// What the trace says of a suggestion: whether it was followed.
pub(crate) fn said(situation: &Situation<'_>, suggested: Role, turn: &Turn) -> String {
    let is_early = suggested == Role::Verifier && situation.author().is_none();
    let why = match turn {
        Turn::Go { role, .. } if *role == suggested && !is_early => {
            return "as the thinker suggested".to_owned();
        }
        _ if is_early => Some("there is no answer yet"),
        _ if suggested == Role::Thinker => barred(situation),
        _ => None,
    };
    let why = why.unwrap_or("the route has it otherwise");
    format!("the thinker suggested a {suggested}, which is not followed: {why}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        detect::Detectors,
        feature::Features,
        label::Label,
        policy::{Choice, Policy},
        route::Done,
    };

    fn taken(notes: &str) -> (String, Option<Role>) {
        let (notes, role) = take(Labelled::ours(notes));
        (notes.text().to_owned(), role)
    }

    #[test]
    fn the_last_or_first_line_says_a_role_and_is_taken_away() {
        let thinker = Some(Role::Thinker);
        for notes in [
            "Look at K3.\nNEXT: thinker",
            "Look at K3.\r\n\r\n**Next:** Thinker.\r\n",
            "Look at K3.\n\n> next role = `thinker`\n ",
            "NEXT: thinker\n\nLook at K3.",
        ] {
            assert_eq!(taken(notes), ("Look at K3.".to_owned(), thinker), "{notes}");
        }
        let both = taken("NEXT: thinker\nLook at K3.\nNEXT: worker");
        let first = "NEXT: thinker\nLook at K3.".to_owned();
        assert_eq!(both, (first, Some(Role::Worker)));
        assert_eq!(
            taken("NEXT: verifier"),
            (String::new(), Some(Role::Verifier))
        );
    }

    #[test]
    fn a_line_that_says_more_or_stands_between_others_is_a_note_like_any() {
        for notes in [
            "",
            "\n",
            "Look at K3.",
            "Look at K3. NEXT: thinker",
            "Look.\nNEXT: thinker\nAt K3.",
            "Look.\nNEXT: cloud",
            "Look.\nNEXT: worker cloud",
            "Look.\nNEXT: worker 3",
            "Look.\nNext worker closes the valve",
            "Look.\nNEXT: worker / verifier / thinker",
            "Look.\nNEXT: thinker, label public",
            "Look.\nWORKER",
        ] {
            assert_eq!(taken(notes), (notes.to_owned(), None));
        }
    }

    #[test]
    fn low_effort_hears_no_suggestion() {
        let thinker = Done {
            role: Role::Thinker,
            worker: crate::fake::id("cloud"),
        };
        let situation = Situation {
            turn: 2,
            effort: Effort::Low,
            choice: Choice::default(),
            messages: &[],
            features: &Features::of(""),
            done: &[thinker],
            suggested: Some(Role::Thinker),
            candidates: Default::default(),
        };
        assert_eq!(barred(&situation), Some("low effort thinks no further"));
    }

    #[test]
    fn what_is_sensitive_keeps_its_label() {
        let policy = "[[dictionaries]]\ntype = \"person\"\nwords = [\"worker\", \"Ana Ruiz\"]";
        let policy = Policy::parse(policy, Path::new(".")).unwrap();
        let detectors = Detectors::try_new(&policy).unwrap();
        let notes = |text: &str| Labelled::new(text, Label::Internal, &detectors);
        let (kept, role) = take(notes("Look at K3.\nNEXT: worker"));
        assert_eq!((kept.label(), role), (Label::Confidential, None));
        let (kept, role) = take(notes("NEXT: thinker\nAsk Ana Ruiz."));
        assert_eq!((kept.text(), role), ("Ask Ana Ruiz.", Some(Role::Thinker)));
        assert_eq!(kept.floor(), Label::Internal);
        let found: Vec<&str> = kept
            .findings()
            .iter()
            .map(|finding| &kept.text()[finding.span.clone()])
            .collect();
        assert_eq!(found, ["Ana Ruiz"]);
    }
}
