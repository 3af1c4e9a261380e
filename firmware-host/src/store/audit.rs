//! Checks the record against its chain, and writes it out.

use std::{collections::HashSet, path::Path};

use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::Serialize;

use super::{
    Store, StoreError,
    chain::{self, Kind, Link},
    kept::{self, Standing},
};

/// The most faults that one check names.
const MOST: usize = 1_000;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// It is not as it was written.
    Changed,
    /// It is gone.
    Missing,
    /// It was not written by this program.
    Added,
    /// It stands in another's place.
    Reordered,
    /// The end of the chain is not what it was.
    Head,
    /// The store was replaced by an older copy of itself.
    SetBack,
}

/// One fault, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What is wrong.
    pub wrong: Wrong,
    /// The link, where it is about one.
    pub link: Option<i64>,
    /// In a sentence.
    pub said: String,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Links that were checked.
    pub links: i64,
    /// The last link, to be noted elsewhere and compared later.
    pub head: String,
    /// Every fault, in the order of the chain; at most a thousand.
    pub faults: Vec<Fault>,
}

impl Store {
    /// Checks every link and every row; takes long on a large store. `since` is a head that was noted before
    /// (`NUMBER:HASH`) and must still be in the chain.
    pub async fn audit(&self, since: Option<String>) -> Result<Audit, StoreError> {
        let apart = self.inner.path.with_file_name(kept::FILE);
        self.read(move |c| audit(c, &apart, since.as_deref())).await
    }
}

fn audit(c: &Connection, apart: &Path, since: Option<&str>) -> Result<Audit, StoreError> {
    // One picture of the file, while others go on writing; the head that is kept apart is compared before it.
    let standing = kept::standing(c, apart)?;
    c.execute_batch("BEGIN")?;
    let done = whole(c, &standing, since);
    c.execute_batch("COMMIT")?;
    done
}

fn whole(c: &Connection, standing: &Standing, since: Option<&str>) -> Result<Audit, StoreError> {
    let head = chain::head(c)?;
    let mut walk = Walk {
        c,
        faults: Vec::new(),
        purged: purged(c)?,
        gone: HashSet::new(),
    };
    let mut before = head.before.clone();
    let mut next = head.first;
    let mut select = c.prepare(
        "SELECT number, kind, task, item, detail, digest, hash FROM link ORDER BY number",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (link, hash) = read(row)?;
        if link.number > next {
            walk.missing(next, link.number - 1);
        }
        if link.number < head.first {
            walk.say(
                Wrong::Added,
                Some(link.number),
                "it is before the chain's beginning",
            );
        }
        // After a gap there is nothing to compare with.
        if link.number == next && link.hash(&before).as_slice() != hash {
            let said = "it was changed, or stands in another's place";
            walk.say(Wrong::Changed, Some(link.number), said);
        }
        walk.row(&link)?;
        next = link.number + 1;
        before = hash;
    }
    drop(rows);
    if next <= head.number {
        walk.missing(next, head.number);
    }
    let proof = chain::proof(c, &head.stated())?;
    if proof != head.proof {
        let said = "the head of the chain is not proven by the store's key: it was written by somebody else";
        walk.say(Wrong::Head, None, said);
    } else if next - 1 > head.number {
        walk.say(
            Wrong::Added,
            Some(head.number + 1),
            "links follow after the chain's head",
        );
    } else if next - 1 == head.number && before != head.hash {
        walk.say(
            Wrong::Head,
            None,
            "the last link is not the one that the head names",
        );
    }
    walk.unlinked()?;
    walk.apart(standing);
    if let Some(noted) = since {
        walk.noted(noted, &head)?;
    }
    walk.faults.truncate(MOST);
    Ok(Audit {
        links: head.number - head.first + 1,
        head: format!("{}:{}", head.number, hex::encode(&head.hash)),
        faults: walk.faults,
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Link, Vec<u8>)> {
    let link = Link {
        number: row.get(0)?,
        kind: row.get(1)?,
        task: row.get(2)?,
        item: row.get(3)?,
        detail: row.get(4)?,
        digest: row.get(5)?,
    };
    Ok((link, row.get(6)?))
}

/// Tasks that the chain says are purged.
fn purged(c: &Connection) -> Result<HashSet<i64>, StoreError> {
    let mut select = c.prepare("SELECT task FROM link WHERE kind = 'purged'")?;
    let all = select.query_map([], |row| row.get(0))?;
    Ok(all.collect::<Result<_, _>>()?)
}

struct Walk<'a> {
    c: &'a Connection,
    faults: Vec<Fault>,
    purged: HashSet<i64>,
    /// Tasks that are missing as a whole, which is said once.
    gone: HashSet<i64>,
}

impl Walk<'_> {
    fn say(&mut self, wrong: Wrong, link: Option<i64>, said: impl Into<String>) {
        let said = said.into();
        let said = match link {
            Some(number) => format!("link {number}: {said}"),
            None => said,
        };
        if self.faults.len() <= MOST {
            self.faults.push(Fault { wrong, link, said });
        }
    }

    fn missing(&mut self, from: i64, to: i64) {
        let said = if from == to {
            "it is missing from the chain".to_owned()
        } else {
            format!("it and the others up to link {to} are missing from the chain")
        };
        self.say(Wrong::Missing, Some(from), said);
    }

    /// A task's id, as the chain or else the task itself has it.
    fn name(&self, task: i64) -> Result<String, StoreError> {
        let id: Option<String> = self
            .c
            .prepare_cached(
                "SELECT coalesce((SELECT detail FROM link WHERE task = ?1 AND kind = 'accepted'),
                                 (SELECT id FROM task WHERE number = ?1))",
            )?
            .query_row([task], |row| row.get(0))?;
        Ok(id.unwrap_or_else(|| format!("number {task}")))
    }

    /// The row that a link is for.
    fn row(&mut self, link: &Link) -> Result<(), StoreError> {
        let Some(kind) = Kind::of(&link.kind) else {
            self.say(Wrong::Added, Some(link.number), "it is of no known kind");
            return Ok(());
        };
        if let Kind::Purged | Kind::SetBack = kind {
            let detail = link.detail.as_deref().unwrap_or_default();
            if chain::digest_of_detail(detail).as_slice() != link.digest {
                self.say(
                    Wrong::Changed,
                    Some(link.number),
                    "what it says was changed",
                );
            }
            if kind == Kind::SetBack {
                let said = format!(
                    "before it the store was, or may have been, replaced by an older copy; it {detail}"
                );
                self.say(Wrong::SetBack, Some(link.number), said);
            }
            return Ok(());
        }
        if self.purged.contains(&link.task) || self.gone.contains(&link.task) {
            return Ok(());
        }
        let found = chain::digest_of(self.c, kind, link.task, link.item)?;
        if found.is_some_and(|digest| digest.as_slice() == link.digest) {
            return Ok(());
        }
        let what = self.what(kind, link)?;
        if found.is_none() {
            if kind == Kind::Accepted {
                self.gone.insert(link.task);
            }
            self.say(
                Wrong::Missing,
                Some(link.number),
                format!("{what} is missing"),
            );
        } else if let Some(place) = self.elsewhere(kind, link)? {
            let said = format!("{what} was put in the place of line {place}");
            self.say(Wrong::Reordered, Some(link.number), said);
        } else {
            self.say(
                Wrong::Changed,
                Some(link.number),
                format!("{what} was changed"),
            );
        }
        Ok(())
    }

    /// The line of the same trace in whose place this one's text stands now.
    fn elsewhere(&self, kind: Kind, link: &Link) -> Result<Option<i64>, StoreError> {
        if kind != Kind::Event {
            return Ok(None);
        }
        let mut lines = self
            .c
            .prepare_cached("SELECT seq FROM trace WHERE task = ?1 AND seq != ?2")?;
        for seq in lines.query_map([link.task, link.item], |row| row.get::<_, i64>(0))? {
            let seq = seq?;
            let digest = chain::digest_of(self.c, kind, link.task, seq)?;
            if digest.is_some_and(|digest| digest.as_slice() == link.digest) {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    fn what(&self, kind: Kind, link: &Link) -> Result<String, StoreError> {
        let name = self.name(link.task)?;
        let approval = |word: &str| format!("{word} approval {} of task {name}", link.item);
        Ok(match kind {
            Kind::Accepted => format!("task {name}"),
            Kind::Event => format!("line {} of the trace of task {name}", link.item),
            Kind::Asked => approval("the question of"),
            Kind::Voted => format!("vote {} in task {name}", link.item),
            Kind::Decided => approval("the decision of"),
            Kind::Ruled => format!("standing approval {}", link.item),
            Kind::Revoked => format!("the end of standing approval {}", link.item),
            Kind::Ended => format!("the outcome of task {name}"),
            Kind::Purged | Kind::SetBack => "the note".to_owned(),
        })
    }

    /// Rows without a link.
    fn unlinked(&mut self) -> Result<(), StoreError> {
        const ROWS: [(&str, Kind); 8] = [
            ("SELECT number, 0 FROM task", Kind::Accepted),
            ("SELECT task, seq FROM trace", Kind::Event),
            ("SELECT task, number FROM approval", Kind::Asked),
            (
                "SELECT task, number FROM approval WHERE decision IS NOT NULL",
                Kind::Decided,
            ),
            (
                "SELECT number, 0 FROM task WHERE finished_at IS NOT NULL",
                Kind::Ended,
            ),
            (
                "SELECT approval.task, vote.number FROM vote
                 JOIN approval ON approval.number = vote.approval",
                Kind::Voted,
            ),
            (
                "SELECT coalesce(task, 0), number FROM standing",
                Kind::Ruled,
            ),
            (
                "SELECT coalesce(task, 0), number FROM standing WHERE revoked_at IS NOT NULL",
                Kind::Revoked,
            ),
        ];
        for (rows, kind) in ROWS {
            let mut select = self.c.prepare(rows)?;
            let mut linked = self
                .c
                .prepare("SELECT 1 FROM link WHERE task = ?1 AND kind = ?2 AND item = ?3")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let (task, item): (i64, i64) = (row.get(0)?, row.get(1)?);
                let known: Option<i64> = linked
                    .query_row((task, kind.as_str(), item), |row| row.get(0))
                    .optional()?;
                if known.is_some() {
                    continue;
                }
                let link = Link {
                    number: 0,
                    kind: String::new(),
                    task,
                    item,
                    detail: None,
                    digest: Vec::new(),
                };
                let what = self.what(kind, &link)?;
                self.say(
                    Wrong::Added,
                    None,
                    format!("{what} is not in the chain: it was added"),
                );
            }
        }
        Ok(())
    }

    /// A head that somebody noted.
    fn noted(&mut self, noted: &str, head: &chain::Head) -> Result<(), StoreError> {
        let parts = noted.split_once(':');
        let number = parts.and_then(|(number, _)| number.parse::<i64>().ok());
        let found: Option<Vec<u8>> = self
            .c
            .prepare("SELECT hash FROM link WHERE number = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        let same = found.is_some_and(|hash| parts.is_some_and(|(_, h)| h == hex::encode(hash)));
        if !same {
            let said = match number {
                Some(number) if number < head.first => {
                    format!(
                        "the noted head is before link {}, where the chain begins",
                        head.first
                    )
                }
                _ => "the noted head is not in the chain".to_owned(),
            };
            self.say(Wrong::Head, None, said);
        }
        Ok(())
    }

    fn apart(&mut self, standing: &Standing) {
        match standing {
            Standing::Good => {}
            Standing::None => {
                let said = format!(
                    "the head of the chain is not in {}: the file is missing",
                    kept::FILE
                );
                self.say(Wrong::Head, None, said);
            }
            Standing::Bad => {
                let said = format!("{} is not proven by the store's key", kept::FILE);
                self.say(Wrong::Head, None, said);
            }
            Standing::SetBack(kept) => {
                let said = format!(
                    "the store is not the one that was written last: {} names link {} with hash {}",
                    kept::FILE,
                    kept.number,
                    kept.hash
                );
                self.say(Wrong::SetBack, None, said);
            }
        }
    }
}
