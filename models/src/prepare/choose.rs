//! Which of the measured ways is taken.

use serde::{Deserialize, Serialize};

use super::recipe::AS_DOWNLOADED;

/// Tokens of a prompt and of an answer in the work that speed is weighed by. A conductor reads the task, the workers
/// and the replies of earlier steps, and writes a short plan or verdict: about twenty tokens read for one written.
const READ: f64 = 1000.0;
/// See [`READ`].
const WRITTEN: f64 = 50.0;
/// How much faster than the download something must be to be worth a second file, as a factor.
const LEAST_GAIN: f64 = 1.05;

/// What is known of one way to store the weights. What was not found out is not there, and the remark says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The recipe's name; the download is among them.
    pub recipe: String,
    /// The file's length in bytes.
    pub bytes: Option<u64>,
    /// Its perplexity on the sample, divided by the download's.
    pub perplexity: Option<f64>,
    /// How fast a prompt is read, divided by the download's speed.
    pub prefill: Option<f64>,
    /// How fast an answer is written, divided by the download's speed.
    pub decode: Option<f64>,
    /// Why it was not measured to the end.
    pub remark: Option<String>,
}

/// How fast the download is, in tokens a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Of a prompt that is read.
    pub prefill: f64,
    /// Of an answer that is written.
    pub decode: f64,
}

/// What may be taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The most that the perplexity may be, divided by the download's.
    pub perplexity: f64,
    /// Bytes that the weights may take, if that is bounded.
    pub memory: Option<u64>,
}

impl Row {
    /// Seconds for the work that speed is weighed by, if both speeds were measured.
    fn seconds(&self, pace: Pace) -> Option<f64> {
        let speed = |share: Option<f64>, pace: f64| {
            share
                .map(|share| share * pace)
                .filter(|s| s.is_finite() && *s > 0.0)
        };
        let read = READ / speed(self.prefill, pace.prefill)?;
        Some(read + WRITTEN / speed(self.decode, pace.decode)?)
    }

    fn is_download(&self) -> bool {
        self.recipe == AS_DOWNLOADED
    }

    /// Whether it may be taken: good enough, and small enough.
    fn is_within(&self, bounds: Bounds) -> bool {
        let good = self.perplexity.is_some_and(|p| p <= bounds.perplexity);
        let small = self
            .bytes
            .is_some_and(|bytes| bounds.memory.is_none_or(|memory| bytes <= memory));
        good && small
    }
}

/// The fastest row that is good enough and fits; the download where nothing is clearly faster. Of equals, the first.
#[must_use]
pub fn choose(rows: &[Row], pace: Pace, bounds: Bounds) -> Option<&Row> {
    let download = rows.iter().find(|row| row.is_download());
    let slowest = download
        .and_then(|row| row.seconds(pace))
        .map_or(f64::INFINITY, |seconds| seconds / LEAST_GAIN);
    rows.iter()
        .filter(|row| !row.is_download() && row.is_within(bounds))
        .filter_map(|row| Some((row, row.seconds(pace)?)))
        .filter(|(_, seconds)| *seconds <= slowest)
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(row, _)| row)
        .or(download)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        prefill: 360.0,
        decode: 150.0,
    };

    fn row(recipe: &str, bytes: u64, perplexity: f64, prefill: f64, decode: f64) -> Row {
        Row {
            recipe: recipe.to_owned(),
            bytes: Some(bytes),
            perplexity: Some(perplexity),
            prefill: Some(prefill),
            decode: Some(decode),
            remark: None,
        }
    }

    fn rows() -> Vec<Row> {
        vec![
            row(AS_DOWNLOADED, 98, 1.0, 1.0, 1.0),
            row("small", 77, 1.05, 4.4, 1.6),
            row("mixed", 110, 1.015, 3.4, 1.3),
            row("wide", 145, 1.001, 2.3, 1.0),
        ]
    }

    fn chosen(rows: &[Row], memory: Option<u64>) -> &str {
        let bounds = Bounds {
            perplexity: 1.02,
            memory,
        };
        &choose(rows, PACE, bounds).unwrap().recipe
    }

    #[test]
    fn the_fastest_of_those_that_are_good_enough_wins() {
        assert_eq!(chosen(&rows(), None), "mixed");
        let mut better = rows();
        better[1].perplexity = Some(1.02);
        assert_eq!(chosen(&better, None), "small");
        better.reverse();
        assert_eq!(chosen(&better, None), "small");
    }

    #[test]
    fn what_does_not_fit_the_memory_is_not_taken() {
        assert_eq!(chosen(&rows(), Some(109)), AS_DOWNLOADED);
        assert_eq!(chosen(&rows(), Some(110)), "mixed");
        // The download is what there is, whether it fits or not.
        assert_eq!(chosen(&rows(), Some(1)), AS_DOWNLOADED);
    }

    #[test]
    fn reading_weighs_more_than_writing() {
        let rows = [
            row(AS_DOWNLOADED, 98, 1.0, 1.0, 1.0),
            row("writes fast", 98, 1.0, 1.0, 2.0),
            row("reads fast", 98, 1.0, 2.0, 1.0),
        ];
        assert_eq!(chosen(&rows, None), "reads fast");
    }

    #[test]
    fn a_gain_within_the_noise_is_no_reason_for_a_second_file() {
        let mut rows = vec![
            row(AS_DOWNLOADED, 98, 1.0, 1.0, 1.0),
            row("alike", 98, 1.0, 1.04, 1.04),
        ];
        assert_eq!(chosen(&rows, None), AS_DOWNLOADED);
        rows[1] = row("faster", 98, 1.0, 1.1, 1.1);
        assert_eq!(chosen(&rows, None), "faster");
    }

    #[test]
    fn of_equals_the_first_wins_and_what_was_not_measured_never() {
        let mut rows = rows();
        rows.push(Row {
            recipe: "twin".into(),
            ..rows[2].clone()
        });
        assert_eq!(chosen(&rows, None), "mixed");
        for hole in [Some(0.0), Some(f64::NAN), None] {
            rows[2].prefill = hole;
            assert_eq!(chosen(&rows, None), "twin");
        }
        let bounds = Bounds {
            perplexity: 1.02,
            memory: None,
        };
        assert_eq!(choose(&[], PACE, bounds), None);
    }
}
