//! The engine's cases, each on both sides in turns.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{
    chats::{Api, Together, about_one, frame, percentile, questions},
    llama::Llama,
    ours::{Ours, Outcome},
    row::{Ahead, Round, Row, Target},
};
use crate::{
    appliance::{Appliance, Setup, client},
    place::workspace,
};

/// Bytes in a megabyte.
const MEGABYTE: f64 = 1e6;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Writing one answer.
    Decode,
    /// Reading one prompt.
    Prefill,
    /// So many chats at once, with nothing in common.
    Chats(u32),
    /// As many questions at once about one document.
    Document(u32),
    /// A second plan with the same system prompt.
    Plan,
    /// What a decision by the routing head reads.
    Decision,
    /// The first token after a restart.
    Restart,
    /// Writing by a JSON schema.
    Json,
    /// Guessing tokens ahead.
    Ngram,
    /// The prepared model against the one that it was made of, as we read that and as llama.cpp does.
    Prepared,
    /// Memory beside the model.
    Memory,
}

impl Case {
    /// All, in the order of the table.
    pub const ALL: [Self; 12] = [
        Self::Decode,
        Self::Prefill,
        Self::Chats(4),
        Self::Chats(8),
        Self::Document(8),
        Self::Plan,
        Self::Decision,
        Self::Restart,
        Self::Json,
        Self::Ngram,
        Self::Prepared,
        Self::Memory,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Prefill => "prefill",
            Self::Chats(4) => "chats-4",
            Self::Chats(_) => "chats-8",
            Self::Document(_) => "document-8",
            Self::Plan => "plan",
            Self::Decision => "decision",
            Self::Restart => "restart",
            Self::Json => "json",
            Self::Ngram => "ngram",
            Self::Prepared => "prepared",
            Self::Memory => "memory",
        }
    }

    /// The case of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name() == name)
    }
}

/// Rows of the table, and what else there is to say.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The rows.
    pub rows: Vec<Row>,
    /// A line each.
    pub notes: Vec<String>,
}

/// Both sides, on one model.
#[derive(Debug)]
pub struct Comparison {
    /// Ours.
    pub ours: Ours,
    /// Theirs.
    pub llama: Llama,
    /// The model.
    pub model: PathBuf,
    /// What the model was prepared from.
    pub downloaded: Option<PathBuf>,
    /// CPU threads of both sides.
    pub threads: u32,
    /// How often each pair is measured.
    pub rounds: u32,
}

impl Comparison {
    /// Measures one case. Nothing comes of one that lacks what it compares with.
    pub async fn measure(&self, case: Case) -> Result<Measured> {
        match case {
            Case::Decode => self.decode().await.map(only),
            Case::Prefill => self.prefill().await.map(only),
            Case::Chats(slots) | Case::Document(slots) => self.chats(case, slots).await,
            Case::Plan => self.plan().await.map(only),
            Case::Decision => self.decision().await.map(only),
            Case::Restart => self.restart().await.map(only),
            Case::Json => self.json().await.map(only),
            Case::Ngram => self.ngram().await,
            Case::Prepared => match &self.downloaded {
                Some(downloaded) => self.prepared(downloaded).await,
                None => Ok(Measured::default()),
            },
            Case::Memory => self.memory().await.map(only),
        }
    }

    async fn decode(&self) -> Result<Option<Row>> {
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            let ours = self.ours.one(&self.model, "decode").await?.side;
            let tokens = ours.tokens;
            let other = self.llama.decode(&self.model, tokens, ours.input).await?;
            rounds.push(Round {
                ours: ours.rate,
                other,
            });
        }
        Ok(faster(
            "decode",
            "writing, against llama-bench",
            0.97,
            &rounds,
        ))
    }

    async fn prefill(&self) -> Result<Option<Row>> {
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            let ours = self.ours.one(&self.model, "prefill").await?.side;
            let other = self.llama.prefill(&self.model, ours.tokens).await?;
            rounds.push(Round {
                ours: ours.rate,
                other,
            });
        }
        Ok(faster(
            "prefill",
            "reading, against llama-bench",
            0.97,
            &rounds,
        ))
    }

    async fn chats(&self, case: Case, slots: u32) -> Result<Measured> {
        let appliance = self.appliance(slots).await?;
        let key = appliance.admin()?;
        let url = format!("http://{}", appliance.address());
        let ours = Api::new(client(), url, Some(key));
        let server = self.llama.serve(&self.model, slots).await?;
        let other = Api::new(client(), server.url(), None);
        let questions = |round, count| match case {
            Case::Document(_) => about_one(round, count),
            _ => questions(round, count),
        };
        let warm = questions(0, 1);
        ours.together(&warm).await?;
        other.together(&warm).await?;
        let mut both = Vec::new();
        for round in 1..=self.rounds {
            let questions = questions(round, slots);
            both.push((
                ours.together(&questions).await?,
                other.together(&questions).await?,
            ));
        }
        server.stop().await?;
        let rounds: Vec<Round> = both
            .iter()
            .map(|(ours, other)| Round {
                ours: ours.rate,
                other: other.rate,
            })
            .collect();
        let asked = match case {
            Case::Document(_) => format!("{slots} questions on one document"),
            _ => format!("{slots} chats at once"),
        };
        let what = format!("{asked}, against llama-server");
        let row = faster(case.name(), &what, 1.05, &rounds);
        let (ours, other): (Vec<Together>, Vec<Together>) = both.into_iter().unzip();
        let note = format!(
            "{asked}: first words after {} (median) and {} (95 %) s; llama-server {} and {} s",
            firsts(&ours, 50),
            firsts(&ours, 95),
            firsts(&other, 50),
            firsts(&other, 95)
        );
        Ok(Measured {
            rows: row.into_iter().collect(),
            notes: vec![note],
        })
    }

    async fn appliance(&self, slots: u32) -> Result<Appliance> {
        Setup::new()?
            .model(&self.model)
            .threads(self.threads)
            .config(&format!("[limits]\nmax_running = {slots}\n"))
            .start()
            .await
    }

    async fn plan(&self) -> Result<Option<Row>> {
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            let outcome = self.ours.one(&self.model, "plan").await?;
            rounds.push(Round {
                ours: outcome.side.seconds,
                other: against(&outcome)?.seconds,
            });
        }
        Ok(sooner(
            "plan",
            "second plan, against the first",
            5.0,
            &rounds,
        ))
    }

    async fn restart(&self) -> Result<Option<Row>> {
        let frame = frame();
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("system.txt");
        std::fs::write(&file, &frame)?;
        let more = ["--system".into(), file];
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            let outcomes = self.ours.case(&self.model, "restart", &more).await?;
            let ours = outcomes.first().context("nothing was measured")?;
            let server = self.llama.serve(&self.model, 1).await?;
            let api = Api::new(client(), server.url(), None);
            let answer = api.ask(Some(&frame), "Why did press 7 stop?", 8).await?;
            server.stop().await?;
            rounds.push(Round {
                ours: ours.side.seconds,
                other: answer.first.as_secs_f64(),
            });
        }
        let what = "first token after a restart, against llama-server";
        Ok(sooner("restart", what, 5.0, &rounds))
    }

    async fn decision(&self) -> Result<Option<Row>> {
        let what = "reading for the routing head's decision, against for an answer";
        self.ours_twice("decision", what, 0.91).await
    }

    async fn json(&self) -> Result<Option<Row>> {
        let what = "writing by a JSON schema, against freely";
        self.ours_twice("json", what, 0.95).await
    }

    /// A case in which our own program compares two ways of its own, whose ratio is to be at least `target`.
    async fn ours_twice(&self, case: &str, what: &str, target: f64) -> Result<Option<Row>> {
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            rounds.push(rates(&self.ours.one(&self.model, case).await?)?);
        }
        Ok(faster(case, what, target, &rounds))
    }

    async fn ngram(&self) -> Result<Measured> {
        let tasks = [
            ("ngram-rewrite", "guessing ahead in a rewrite", 1.3),
            ("ngram-chat", "guessing ahead in a chat", 0.97),
        ];
        let mut rounds = tasks.map(|_| Vec::new());
        for _ in 0..self.rounds {
            let outcomes = self.ours.case(&self.model, "ngram", &[]).await?;
            for (outcome, rounds) in outcomes.iter().zip(&mut rounds) {
                rounds.push(rates(outcome)?);
            }
        }
        let rows = tasks.iter().zip(&rounds);
        let rows = rows.filter_map(|((case, what, target), r)| {
            faster(case, &format!("{what}, against not"), *target, r)
        });
        Ok(Measured {
            rows: rows.collect(),
            notes: Vec::new(),
        })
    }

    async fn prepared(&self, downloaded: &Path) -> Result<Measured> {
        let (mut against_ours, mut against_llama) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let side = self.ours.one(&self.model, "prefill").await?.side;
            let ours = side.rate;
            let other = self.ours.one(downloaded, "prefill").await?.side.rate;
            against_ours.push(Round { ours, other });
            let other = self.llama.prefill(downloaded, side.tokens).await?;
            against_llama.push(Round { ours, other });
        }
        let speed = [
            (
                "prepared",
                "reading, prepared model against downloaded",
                against_ours,
            ),
            (
                "prepared-llama",
                "reading, prepared, against llama-bench on download",
                against_llama,
            ),
        ]
        .map(|(case, what, rounds)| faster(case, what, 3.0, &rounds));
        // The same numbers come of the same file, so that one round is enough.
        let text = workspace().join("README.md");
        let perplexity = Round {
            ours: self.llama.perplexity(&self.model, &text).await?,
            other: self.llama.perplexity(downloaded, &text).await?,
        };
        let quality = Row::compared(
            "perplexity",
            "perplexity, prepared model against downloaded",
            "",
            Ahead::Neither,
            Target::AtMost(1.02),
            &[perplexity],
        );
        Ok(Measured {
            rows: speed.into_iter().flatten().chain(quality).collect(),
            notes: Vec::new(),
        })
    }

    async fn memory(&self) -> Result<Option<Row>> {
        let mut values = Vec::new();
        for _ in 0..self.rounds {
            let outcome = self.ours.one(&self.model, "memory").await?;
            values.push(outcome.above.context("memory was not measured")? / MEGABYTE);
        }
        Ok(Row::alone(
            "memory",
            "memory at rest beside weights and cache",
            "MB",
            Target::AtMost(60.0),
            &values,
        ))
    }
}

fn only(row: Option<Row>) -> Measured {
    Measured {
        rows: row.into_iter().collect(),
        notes: Vec::new(),
    }
}

fn faster(case: &str, what: &str, target: f64, rounds: &[Round]) -> Option<Row> {
    let target = Target::AtLeast(target);
    Row::compared(case, what, "tokens/s", Ahead::More, target, rounds)
}

fn sooner(case: &str, what: &str, target: f64, rounds: &[Round]) -> Option<Row> {
    let target = Target::AtLeast(target);
    Row::compared(case, what, "s", Ahead::Less, target, rounds)
}

fn rates(outcome: &Outcome) -> Result<Round> {
    Ok(Round {
        ours: outcome.side.rate,
        other: against(outcome)?.rate,
    })
}

fn against(outcome: &Outcome) -> Result<super::ours::Side> {
    outcome
        .against
        .with_context(|| format!("{} was compared with nothing", outcome.case))
}

fn firsts(rounds: &[Together], percent: usize) -> String {
    let all: Vec<f64> = rounds.iter().flat_map(|r| r.first.clone()).collect();
    format!("{:.2}", percentile(&all, percent))
}

#[cfg(test)]
mod tests {
    use super::Case;

    #[test]
    fn every_case_is_found_by_its_name() {
        for case in Case::ALL {
            assert_eq!(Case::named(case.name()), Some(case));
        }
        assert_eq!(Case::named("chats-5"), None);
    }
}
