//! The routing head: how likely each worker is to do a prompt well.
//!
//! After TRINITY (Sakana AI) the backbone reads the prompt once and a small head on its hidden states decides. What is
//! different: chances of success instead of a choice, so that price and time can be weighed against them; and workers that
//! are not built in, each being a vector that some calibration tasks give.

pub mod ability;
pub mod approval;
pub mod baseline;
mod component;
pub mod curve;
pub mod judge;
pub mod likeness;
pub mod look;
pub mod measure;
pub mod outcome;
pub mod roles;
mod solve;
mod symmetric;
pub mod teach;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use self::{
    ability::Ability,
    approval::Approvals,
    judge::{Judge, Scale},
    likeness::{DIRECTIONS, LANDMARKS, Likeness},
    look::{BUCKETS, Look, PLAIN},
    roles::{FACTS, Move, Roles},
};
use super::{
    sensitivity::{HeadError, Norm},
    states::{Reading, States},
    tensors::{Array, Tensors},
};

/// The version of the file.
const VERSION: &str = "shoal-routing/2";
/// The most factors and the most workers.
const MOST: usize = 1_024;

/// A head.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// The SHA-256 of the model file that it was taught on, in hex.
    pub backbone: String,
    /// How the backbone is to be read.
    pub reading: Reading,
    /// What was learnt.
    pub judge: Judge,
    /// How turns are chosen; none is by the rule.
    pub roles: Option<Roles>,
    /// What people said when they were asked whether a worker may read a step.
    pub approvals: Approvals,
}

/// The way of reading that routing heads are taught with: once, and no further than the layers that help.
#[must_use]
pub fn reading() -> Reading {
    Reading {
        layers: vec![16],
        window: 2_048,
        overlap: 0,
        between: String::new(),
        most: 2_048,
        once: true,
    }
}

/// The hash of all that decides what a head is shown of a prompt, in hex.
#[must_use]
pub fn prompt_format(reading: &Reading) -> String {
    let mut hash = Sha256::new();
    hash.update(look::FORMAT);
    // A few numbers and a text are always JSON.
    hash.update(serde_json::to_vec(reading).unwrap_or_default());
    hex::encode(hash.finalize())
}

impl Routing {
    /// The chance of each worker that the head knows, for a prompt with these states of [`look::bounded`] of it.
    pub fn chances(
        &self,
        prompt: &str,
        states: &States,
    ) -> Result<BTreeMap<String, f32>, HeadError> {
        let expected = self.judge.scale.width().saturating_sub(PLAIN) / 2;
        if states.width != expected {
            let found = states.width;
            return Err(HeadError::Width { expected, found });
        }
        Ok(self.judge_look(&Look::new(prompt, &look::pooled(states))))
    }

    /// The same of what is seen of it.
    #[must_use]
    pub fn judge_look(&self, look: &Look) -> BTreeMap<String, f32> {
        let factors = self.judge.factors(look);
        let workers = self.judge.abilities.iter();
        workers
            .map(|(worker, ability)| (worker.clone(), ability.chance(&factors)))
            .collect()
    }

    /// The head, if it was taught on this model.
    pub fn for_backbone(self, found: &str) -> Result<Self, HeadError> {
        if self.backbone == found {
            return Ok(self);
        }
        Err(HeadError::Backbone {
            expected: self.backbone,
            found: found.to_owned(),
        })
    }

    /// The bytes of its file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let judge = &self.judge;
        let workers: Vec<&String> = judge.abilities.keys().collect();
        let metadata = [
            ("format", VERSION.to_owned()),
            ("backbone_sha256", self.backbone.clone()),
            ("reading", json(&self.reading)),
            ("prompt_format_sha256", prompt_format(&self.reading)),
            ("width", judge.scale.width().to_string()),
            ("factors", judge.factors.to_string()),
            ("directions", judge.likeness.count.to_string()),
            ("landmarks", judge.likeness.len().to_string()),
            ("workers", json(&workers)),
        ];
        let asked = (!self.approvals.is_empty()).then(|| ("approvals", json(&self.approvals)));
        let abilities: Vec<f32> = judge.abilities.values().flat_map(|a| a.0.clone()).collect();
        let width = judge.scale.width();
        let arrays = [
            ("mean", [1, width], judge.scale.norm.mean.clone()),
            ("scale", [1, width], judge.scale.norm.scale.clone()),
            ("rarity", [1, BUCKETS], judge.scale.rarity.clone()),
            (
                "directions",
                [width.saturating_sub(PLAIN), judge.likeness.count],
                judge.likeness.directions.clone(),
            ),
            (
                "landmarks",
                [judge.likeness.count, judge.likeness.len()],
                judge.likeness.landmarks.clone(),
            ),
            (
                "weights",
                [
                    teach::weights_rows(width + judge.likeness.len()),
                    judge.factors,
                ],
                judge.weights.clone(),
            ),
            ("abilities", [workers.len(), judge.factors + 1], abilities),
        ];
        let roles = self.roles.iter().map(|roles| {
            let shape = [Move::ALL.len(), FACTS];
            ("roles", shape, roles.weights().to_vec())
        });
        Tensors {
            metadata: metadata
                .into_iter()
                .chain(asked)
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            arrays: arrays
                .into_iter()
                .chain(roles)
                .map(|(name, shape, values)| (name.to_owned(), Array { shape, values }))
                .collect(),
        }
        .to_bytes()
    }

    /// Reads the bytes of a file. Anything that this program does not know is an error.
    pub fn try_from_bytes(bytes: &[u8]) -> Result<Self, HeadError> {
        let Tensors {
            metadata,
            mut arrays,
        } = Tensors::try_from_bytes(bytes)?;
        let said = |name: &str| {
            let value = metadata.get(name).map(String::as_str);
            value.ok_or_else(|| HeadError::Form(format!("it says no \"{name}\"")))
        };
        let parsed = |name: &str, error: &dyn std::fmt::Display| {
            HeadError::Form(format!("its \"{name}\": {error}"))
        };
        if said("format")? != VERSION {
            let reason = format!("its format is \"{}\"", said("format")?);
            return Err(HeadError::Form(reason));
        }
        let reading: Reading =
            serde_json::from_str(said("reading")?).map_err(|error| parsed("reading", &error))?;
        if said("prompt_format_sha256")? != prompt_format(&reading) {
            let reason = "prompts are shown to it in another way than here";
            return Err(HeadError::Form(reason.to_owned()));
        }
        let number = |name: &str| -> Result<usize, HeadError> {
            let number: usize = said(name)?.parse().map_err(|error| parsed(name, &error))?;
            (number <= usize::from(u16::MAX))
                .then_some(number)
                .ok_or_else(|| parsed(name, &"too large"))
        };
        let (width, factors) = (number("width")?, number("factors")?);
        let (directions, landmarks) = (number("directions")?, number("landmarks")?);
        if directions > DIRECTIONS || landmarks > LANDMARKS || (directions == 0) != (landmarks == 0)
        {
            return Err(parsed("landmarks", &"none, or too many"));
        }
        let workers: Vec<String> =
            serde_json::from_str(said("workers")?).map_err(|error| parsed("workers", &error))?;
        if factors == 0 || factors > MOST || workers.len() > MOST {
            return Err(parsed("factors", &"none, or too many"));
        }
        let mut take = |name: &str, shape: [usize; 2]| -> Result<Vec<f32>, HeadError> {
            let array = arrays.remove(name).filter(|array| array.shape == shape);
            let array = array
                .ok_or_else(|| HeadError::Form(format!("no array \"{name}\" of {shape:?}")))?;
            if array.values.iter().any(|value| !value.is_finite()) {
                return Err(parsed(name, &"a value that is no number"));
            }
            Ok(array.values)
        };
        let scale = Scale {
            norm: Norm {
                mean: take("mean", [1, width])?,
                scale: take("scale", [1, width])?,
            },
            rarity: take("rarity", [1, BUCKETS])?,
        };
        let likeness = Likeness {
            directions: take("directions", [width.saturating_sub(PLAIN), directions])?,
            landmarks: take("landmarks", [directions, landmarks])?,
            count: directions,
        };
        let weights = take("weights", [teach::weights_rows(width + landmarks), factors])?;
        let abilities = take("abilities", [workers.len(), factors + 1])?;
        let abilities = abilities.chunks_exact(factors + 1);
        let abilities = abilities.map(|numbers| Ability(numbers.to_vec()));
        let roles = match arrays.remove("roles") {
            Some(array) => {
                let fits = array.shape == [Move::ALL.len(), FACTS];
                let roles = Roles::try_new(array.values).filter(|_| fits);
                Some(roles.ok_or_else(|| HeadError::Form("its roles are none".to_owned()))?)
            }
            None => None,
        };
        let approvals = match metadata.get("approvals") {
            Some(said) => {
                serde_json::from_str(said).map_err(|error| parsed("approvals", &error))?
            }
            None => Approvals::default(),
        };
        Ok(Self {
            backbone: said("backbone_sha256")?.to_owned(),
            reading,
            judge: Judge {
                scale,
                likeness,
                factors,
                weights,
                abilities: workers.into_iter().zip(abilities).collect(),
            },
            roles,
            approvals,
        })
    }
}

/// What a head's file says of itself; these are always JSON.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
