//! Whether an accelerator is worth its layers: measured once, in another process, and remembered.
//!
//! A small GPU that shares its memory with the CPU is often the slower of the two, and a driver may crash or hang. So
//! this program starts itself again for each trial ([`probe`]); a trial that crashes or takes too long says no. The
//! outcome is kept in the data folder ([`memory`]) for as long as model, devices and llama.cpp stay the same.

mod bench;
mod memory;
mod probe;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::{
    bench::{BenchError, BenchOptions, bench},
    memory::{Key, Memory, Remembered},
    probe::Probe,
};

/// Tokens that are read in a trial.
pub const READ: u32 = 256;
/// Tokens that are written in a trial.
pub const WRITTEN: u32 = 32;
/// Tokens of the answer that a comparison is for.
const ANSWER: f64 = 128.0;
/// An accelerator must take at most this part of the CPU's time, for it takes memory and power as well.
const WORTH: f64 = 0.9;

/// How fast a model was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Tokens read a second.
    pub prefill: f64,
    /// Tokens written a second.
    pub decode: f64,
}

impl Speed {
    /// Seconds for a question of 256 tokens and an answer of 128.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        f64::from(READ) / self.prefill + ANSWER / self.decode
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} tokens a second read, {:.1} written",
            self.prefill, self.decode
        )
    }
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trial<T> {
    /// It went well.
    Done(T),
    /// The process was ended by a fault, most likely the driver's.
    Crashed {
        /// How, as the operating system says it.
        how: String,
    },
    /// It took too long and was ended.
    TimedOut {
        /// The time that it had, in seconds.
        seconds: u64,
    },
    /// It could not be done.
    Failed {
        /// Why.
        reason: String,
    },
}

impl<T> Trial<T> {
    /// What went wrong, in words; none if nothing did.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Done(_) => None,
            Self::Crashed { how } => Some(format!("it crashed ({how})")),
            Self::TimedOut { seconds } => Some(format!("it did not end within {seconds} s")),
            Self::Failed { reason } => Some(reason.clone()),
        }
    }
}

/// What was decided, and from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Whether layers go to the accelerator.
    pub offload: bool,
    /// Why, in a sentence.
    pub reason: String,
    /// The trial on the accelerator.
    pub accelerator: Trial<Speed>,
    /// The trial on the CPU.
    pub cpu: Trial<Speed>,
}

/// Compares the trials of the device that people know as `name` and of the CPU.
#[must_use]
pub fn judge(name: &str, accelerator: Trial<Speed>, cpu: Trial<Speed>) -> Verdict {
    let (offload, reason) = match (&accelerator, &cpu) {
        (Trial::Done(there), Trial::Done(here)) => compare(name, there, here),
        (Trial::Done(_), other) => {
            let trouble = other.trouble().unwrap_or_default();
            (
                true,
                format!("{name} works, and the CPU does not: {trouble}"),
            )
        }
        (other, _) => {
            let trouble = other.trouble().unwrap_or_default();
            (false, format!("{name} is not used: {trouble}"))
        }
    };
    Verdict {
        offload,
        reason,
        accelerator,
        cpu,
    }
}

fn compare(name: &str, there: &Speed, here: &Speed) -> (bool, String) {
    let (accelerator, cpu) = (there.seconds(), here.seconds());
    // A rate of nothing makes the time infinite or undefined; that is never worth it.
    let offload = accelerator.is_finite() && accelerator <= cpu * WORTH;
    let relation = match offload {
        true => "is faster than the CPU",
        false if accelerator <= cpu => "is hardly faster than the CPU, which is used",
        false => "is slower than the CPU, which is used",
    };
    let reason = format!(
        "{name} {relation}: {accelerator:.1} s against {cpu:.1} s for a question of {READ} tokens and an answer of \
         {ANSWER:.0}"
    );
    (offload, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(prefill: f64, decode: f64) -> Trial<Speed> {
        Trial::Done(Speed { prefill, decode })
    }

    #[test]
    fn the_faster_one_for_a_whole_question_is_taken() {
        let verdict = judge("Vulkan0", speed(1000.0, 50.0), speed(100.0, 40.0));
        assert!(verdict.offload);
        begins(
            &verdict.reason,
            "Vulkan0 is faster than the CPU: 2.8 s against 5.8 s",
        );
        let verdict = judge("Vulkan0", speed(1000.0, 5.0), speed(100.0, 40.0));
        assert!(!verdict.offload);
        begins(
            &verdict.reason,
            "Vulkan0 is slower than the CPU, which is used: 25.9 s",
        );
        let verdict = judge("Vulkan0", speed(105.0, 42.0), speed(100.0, 40.0));
        assert!(!verdict.offload);
        begins(&verdict.reason, "Vulkan0 is hardly faster than the CPU");
    }

    #[test]
    fn whatever_goes_wrong_on_the_accelerator_means_the_cpu() {
        let troubles = [
            Trial::Crashed {
                how: "signal: 11 (SIGSEGV)".to_owned(),
            },
            Trial::TimedOut { seconds: 180 },
            Trial::Failed {
                reason: "there is too little memory".to_owned(),
            },
            speed(0.0, 0.0),
            speed(f64::NAN, 1.0),
        ];
        for trouble in troubles {
            let verdict = judge("CUDA0", trouble.clone(), speed(1.0, 1.0));
            assert!(!verdict.offload, "{verdict:?}");
        }
    }

    #[test]
    fn a_cpu_that_cannot_do_it_leaves_the_accelerator() {
        let verdict = judge("CUDA0", speed(9.0, 9.0), Trial::TimedOut { seconds: 180 });
        assert!(verdict.offload);
        assert!(verdict.reason.contains("180 s"), "{}", verdict.reason);
    }

    fn begins(said: &str, with: &str) {
        assert!(said.starts_with(with), "{said}");
    }
}
