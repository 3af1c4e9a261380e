//! The sensitivity head: which words of a text are sensitive, and what they are.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    class::Class,
    decode,
    net::{Input, Net, Sizes},
    shape::{SHAPE, shapes},
    states::{Reading, States},
    tensors::{Array, Tensors, TensorsError},
    words::{pooled, words},
};

/// The version of the file.
const VERSION: &str = "shoal-sensitivity/1";
/// Numbers beyond this many standard deviations are taken for that many.
const BOUND: f32 = 6.0;
/// The most networks of one head.
const MAX_NETS: usize = 8;
/// What one unit of a lesson's states stands for, in standard deviations.
pub const STEP: f32 = BOUND / 127.0;
/// Outputs: whether a word is sensitive, whether a piece begins with it, and its class.
pub const OUTPUTS: usize = 2 + Class::ALL.len();

/// From which output on a word is taken for sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cuts {
    /// By itself.
    pub sensitive: f32,
    /// Next to one that is.
    pub extend: f32,
    /// Where the same word is elsewhere in the text.
    pub repeat: f32,
    /// From which output on it begins a piece.
    pub begin: f32,
}

/// How states are brought to one scale: mean and standard deviation of each number.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// The means.
    pub mean: Vec<f32>,
    /// What a difference is multiplied with.
    pub scale: Vec<f32>,
}

/// A head. Networks that were taught apart vote with the mean of their outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// How the backbone is to be read.
    pub reading: Reading,
    /// The SHA-256 of the model file that it was taught on, in hex.
    pub backbone: String,
    /// The scale of the states.
    pub norm: Norm,
    /// The networks.
    pub nets: Vec<Net>,
    /// The cuts.
    pub cuts: Cuts,
}

/// Why a head cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeadError {
    /// Not a file of arrays.
    #[error("the head cannot be read: {0}; fetch it again or run `shoal learn`")]
    File(#[from] TensorsError),
    /// Another version or incomplete.
    #[error(
        "the head does not fit this program: {0}; take the one that came with it or run `shoal learn`"
    )]
    Form(String),
    /// Taught on another model.
    #[error(
        "the head was taught on the model with SHA-256 {expected} and the model here has {found}; take that model, or run `shoal learn` with this one"
    )]
    Backbone {
        /// The head's.
        expected: String,
        /// The one there is.
        found: String,
    },
    /// States that are not of the width that the head takes.
    #[error(
        "the model gives {found} numbers for a token and the head takes {expected}; run `shoal learn` with this model"
    )]
    Width {
        /// The head's.
        expected: usize,
        /// The model's.
        found: usize,
    },
}

impl Norm {
    /// Of rows as wide as `width`.
    #[must_use]
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a [f32]>, width: usize) -> Self {
        let (mut sum, mut squares) = (vec![0.0f64; width], vec![0.0f64; width]);
        let mut count = 0u32;
        for row in rows {
            for ((sum, square), value) in sum.iter_mut().zip(&mut squares).zip(row) {
                *sum += f64::from(*value);
                *square += f64::from(*value).powi(2);
            }
            count += 1;
        }
        let count = f64::from(count.max(1));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "as precise as the states are"
        )]
        let narrow = |value: f64| value as f32;
        let means: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
        let scale = squares.iter().zip(&means).map(|(square, mean)| {
            let variance = (square / count - mean * mean).max(0.0);
            narrow(1.0 / (variance.sqrt() + 1e-3))
        });
        Self {
            scale: scale.collect(),
            mean: means.into_iter().map(narrow).collect(),
        }
    }

    /// Brings rows to the scale, within bounds.
    pub fn apply(&self, rows: &mut [f32]) {
        for row in rows.chunks_mut(self.mean.len().max(1)) {
            for ((value, mean), scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                *value = ((*value - mean) * scale).clamp(-BOUND, BOUND);
            }
        }
    }

    /// Rows of the scale in units of [`STEP`].
    #[must_use]
    pub fn steps(rows: &[f32]) -> Vec<i8> {
        #[expect(clippy::cast_possible_truncation, reason = "within the bounds")]
        let narrow = |value: &f32| (value / STEP).round() as i8;
        rows.iter().map(narrow).collect()
    }
}

impl Sensitivity {
    /// The head of a file, for whatever model.
    pub fn try_from_bytes(bytes: &[u8]) -> Result<Self, HeadError> {
        Self::read(Tensors::try_from_bytes(bytes)?)
    }

    /// The same if it was taught on this model: the SHA-256 of its file, or of the file that it was made from.
    pub fn for_backbone(self, backbone: &str) -> Result<Self, HeadError> {
        if self.backbone != backbone {
            return Err(HeadError::Backbone {
                expected: self.backbone,
                found: backbone.to_owned(),
            });
        }
        Ok(self)
    }

    fn read(tensors: Tensors) -> Result<Self, HeadError> {
        let form = |reason: String| HeadError::Form(reason);
        let Tensors {
            metadata,
            mut arrays,
        } = tensors;
        let said = |name: &str| {
            let value = metadata.get(name).map(String::as_str);
            value.ok_or_else(|| HeadError::Form(format!("it says no \"{name}\"")))
        };
        if said("format")? != VERSION {
            return Err(form(format!("its format is \"{}\"", said("format")?)));
        }
        let reading: Reading = serde_json::from_str(said("reading")?)
            .map_err(|error| form(format!("its reading: {error}")))?;
        if said("reading_sha256")? != hash(&reading) {
            return Err(form("its reading has another hash than it says".into()));
        }
        if reading.window <= reading.overlap || reading.layers.is_empty() {
            return Err(form("its reading has no layers or no step".into()));
        }
        let cuts: Cuts = serde_json::from_str(said("cuts")?)
            .map_err(|error| form(format!("its cuts: {error}")))?;
        let number = |name: &str| -> Result<usize, HeadError> {
            let bad = |error| HeadError::Form(format!("its \"{name}\": {error}"));
            said(name)?.parse::<u16>().map(usize::from).map_err(bad)
        };
        let mut take = |name: String, shape: [usize; 2]| -> Result<Vec<f32>, HeadError> {
            let array = arrays.remove(&name).filter(|array| array.shape == shape);
            let array = array
                .ok_or_else(|| HeadError::Form(format!("no array \"{name}\" of {shape:?}")))?;
            if array.values.iter().any(|value| !value.is_finite()) {
                return Err(HeadError::Form(format!(
                    "\"{name}\" has a value that is no number"
                )));
            }
            Ok(array.values)
        };
        let sizes = Sizes {
            state: number("state")?,
            projected: number("projected")?,
            shape: number("shape")?,
            hidden: number("hidden")?,
            reach: number("reach")?,
            outputs: number("outputs")?,
        };
        if sizes.shape != SHAPE || sizes.outputs != OUTPUTS || sizes.reach > 16 {
            return Err(form(
                "it was made for words described in another way".into(),
            ));
        }
        let norm = Norm {
            mean: take("mean".into(), [1, sizes.state])?,
            scale: take("scale".into(), [1, sizes.state])?,
        };
        let count = number("nets")?;
        if count == 0 || count > MAX_NETS {
            return Err(form(format!("it has {count} networks")));
        }
        let mut nets = Vec::new();
        for net in 0..count {
            let mut weights: [Vec<f32>; 4] = Default::default();
            for (matrix, (weights, (rows, columns))) in
                weights.iter_mut().zip(sizes.matrices()).enumerate()
            {
                *weights = take(format!("net{net}.{matrix}"), [rows, columns])?;
            }
            nets.extend(Net::try_new(sizes, weights));
        }
        Ok(Self {
            backbone: said("backbone_sha256")?.to_owned(),
            reading,
            norm,
            nets,
            cuts,
        })
    }

    /// The bytes of its file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut tensors = Tensors::default();
        let mut say = |name: &str, value: String| tensors.metadata.insert(name.to_owned(), value);
        say("format", VERSION.to_owned());
        say("backbone_sha256", self.backbone.clone());
        say("reading", json(&self.reading));
        say("reading_sha256", hash(&self.reading));
        say("cuts", json(&self.cuts));
        say("nets", self.nets.len().to_string());
        if let Some(net) = self.nets.first() {
            let sizes = net.sizes();
            say("state", sizes.state.to_string());
            say("projected", sizes.projected.to_string());
            say("shape", sizes.shape.to_string());
            say("hidden", sizes.hidden.to_string());
            say("reach", sizes.reach.to_string());
            say("outputs", sizes.outputs.to_string());
        }
        let mut put = |name: String, shape: [usize; 2], values: &[f32]| {
            let values = values.to_vec();
            tensors.arrays.insert(name, Array { shape, values });
        };
        put("mean".into(), [1, self.norm.mean.len()], &self.norm.mean);
        put("scale".into(), [1, self.norm.scale.len()], &self.norm.scale);
        for (number, net) in self.nets.iter().enumerate() {
            let matrices = net.weights.iter().zip(net.sizes().matrices());
            for (matrix, (weights, (rows, columns))) in matrices.enumerate() {
                put(format!("net{number}.{matrix}"), [rows, columns], weights);
            }
        }
        tensors.to_bytes()
    }

    /// What is sensitive in `text`, whose states are `states`: pieces in bytes, in order, not overlapping.
    pub fn find(
        &self,
        text: &str,
        states: &States,
    ) -> Result<Vec<(Range<usize>, Class)>, HeadError> {
        let words = words(text);
        let outputs = self.outputs(text, &words, states)?;
        Ok(self.pieces(text, &words, &outputs))
    }

    /// The pieces that these outputs stand for.
    #[must_use]
    pub fn pieces(
        &self,
        text: &str,
        words: &[Range<usize>],
        outputs: &[f32],
    ) -> Vec<(Range<usize>, Class)> {
        decode::pieces(text, words, outputs, OUTPUTS, &self.cuts)
    }

    /// The networks' mean outputs, [`OUTPUTS`] for each word.
    pub fn outputs(
        &self,
        text: &str,
        words: &[Range<usize>],
        states: &States,
    ) -> Result<Vec<f32>, HeadError> {
        let expected = self.norm.mean.len();
        if states.width != expected && !words.is_empty() {
            let found = states.width;
            return Err(HeadError::Width { expected, found });
        }
        let mut pooled = pooled(words, states, self.reading.layers.len());
        self.norm.apply(&mut pooled);
        let shapes = shapes(text, words);
        Ok(self.vote(Input {
            states: &pooled,
            shapes: &shapes,
        }))
    }

    /// The networks' mean outputs.
    #[must_use]
    pub fn vote(&self, input: Input<'_>) -> Vec<f32> {
        vote(&self.nets, input)
    }
}

/// The mean outputs of some networks.
pub(super) fn vote(nets: &[Net], input: Input<'_>) -> Vec<f32> {
    let mut sum: Vec<f32> = Vec::new();
    for net in nets {
        let outputs = net.outputs(input);
        sum.resize(outputs.len(), 0.0);
        for (sum, value) in sum.iter_mut().zip(outputs) {
            *sum += value;
        }
    }
    let count = u16::try_from(nets.len().max(1)).unwrap_or(u16::MAX);
    for sum in &mut sum {
        *sum /= f32::from(count);
    }
    sum
}

/// Values of ours can always be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The SHA-256 of a way of reading, in hex.
fn hash(reading: &Reading) -> String {
    hex::encode(Sha256::digest(json(reading)))
}

/// A head on states of one number, which takes a word for one of this class where that number is above nought.
#[cfg(test)]
pub(crate) fn believing(class: usize) -> Sensitivity {
    let sizes = Sizes {
        state: 1,
        projected: 1,
        shape: SHAPE,
        hidden: 1,
        reach: 0,
        outputs: OUTPUTS,
    };
    let mut weights = sizes
        .matrices()
        .map(|(rows, columns)| vec![0.0; rows * columns]);
    for matrix in &mut weights[..3] {
        matrix[0] = 1.0;
    }
    let [.., outputs] = &mut weights;
    outputs[0] = 1.0;
    outputs[OUTPUTS] = -0.5;
    outputs[2 + class] = 1.0;
    Sensitivity {
        reading: Reading {
            layers: vec![0],
            ..Reading::default()
        },
        backbone: "00".repeat(32),
        norm: Norm {
            mean: vec![0.0],
            scale: vec![1.0],
        },
        nets: Net::try_new(sizes, weights).into_iter().collect(),
        cuts: Cuts {
            sensitive: 0.0,
            extend: 0.0,
            repeat: 0.0,
            begin: 0.0,
        },
    }
}
