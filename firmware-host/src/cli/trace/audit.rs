//! `shoal trace --verify`, `--export` and `--purge`.

use std::{fmt::Write as _, io::Write, time::Duration};

use serde_json::json;
use shoal_conductor::{id::TaskId, label::Label};

use crate::{
    exit::{Exit, Fault},
    store::{Audit, Moment, Store},
};

/// Checks the whole record.
pub async fn verify(
    store: &Store,
    since: Option<&str>,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let audit = store.audit(since.map(str::to_owned)).await?;
    if as_json {
        crate::cli::json(out, &audit)?;
    } else {
        write!(out, "{}", shown(&audit))?;
    }
    Ok(if audit.faults.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn shown(audit: &Audit) -> String {
    let mut shown = String::new();
    for fault in &audit.faults {
        // Writing to a string does not fail.
        let _ = writeln!(shown, "{}", fault.said);
    }
    let _ = match audit.faults.len() {
        0 => writeln!(
            shown,
            "the record is whole: {} links, nothing was changed, removed or added",
            audit.links
        ),
        1 => writeln!(
            shown,
            "the record is not whole: 1 fault in {} links",
            audit.links
        ),
        n => writeln!(
            shown,
            "the record is not whole: {n} faults in {} links",
            audit.links
        ),
    };
    let _ = writeln!(
        shown,
        "head {}\nnote it elsewhere; `shoal trace --verify --since HEAD` checks that it is still in the chain",
        audit.head
    );
    shown
}

/// Writes the record out, as far as it is still there.
pub async fn export(store: &Store, id: Option<&str>, out: &mut dyn Write) -> Result<Exit, Fault> {
    let task = match id {
        None => None,
        Some(id) => {
            let unknown = || Fault::failed(format!("there is no task \"{id}\""));
            let task = TaskId::try_new(id).map_err(|_| unknown())?;
            store.standing(&task).await?.ok_or_else(unknown)?;
            Some(task)
        }
    };
    let mut after = 0;
    loop {
        let lines = store.export(task.as_ref(), after).await?;
        let Some(last) = lines.last() else {
            return Ok(Exit::Done);
        };
        after = last.link;
        for line in &lines {
            let text = serde_json::to_string(line).map_err(Fault::internal)?;
            writeln!(out, "{text}")?;
        }
    }
}

/// Forgets what has this label.
pub async fn purge(
    store: &Store,
    label: Label,
    older_than: u16,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let days = Duration::from_secs(u64::from(older_than) * 24 * 60 * 60);
    let before = Moment::now().before(days);
    let purged = store.purge(label, before, "by hand").await?;
    if as_json {
        crate::cli::json(out, &json!({"purged": purged, "label": label}))?;
    } else {
        writeln!(
            out,
            "{purged} finished tasks with label {label} are gone, with their traces; the chain says so"
        )?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Fault as Found, Wrong};

    #[test]
    fn a_whole_record_and_a_broken_one_are_told_in_words() {
        let mut audit = Audit {
            links: 12,
            head: "12:ab".into(),
            faults: Vec::new(),
        };
        insta::assert_snapshot!(shown(&audit), @r#"
the record is whole: 12 links, nothing was changed, removed or added
head 12:ab
note it elsewhere; `shoal trace --verify --since HEAD` checks that it is still in the chain
"#);
        audit.faults.push(Found {
            wrong: Wrong::Changed,
            link: Some(7),
            said: "link 7: line 3 of the trace of task t1 was changed".into(),
        });
        insta::assert_snapshot!(shown(&audit), @r#"
link 7: line 3 of the trace of task t1 was changed
the record is not whole: 1 fault in 12 links
head 12:ab
note it elsewhere; `shoal trace --verify --since HEAD` checks that it is still in the chain
"#);
    }
}
