//! Whether an accelerator is worth its layers: measured once, in another process, and remembered.
//!
//! A small GPU that shares its memory with the CPU is often the slower of the two, and a driver may crash or hang. So
//! this program starts itself again for each trial ([`Probe`]); a trial that crashes or takes too long says no. The
//! outcome is kept in the data folder ([`Verdicts`]) for as long as model, devices and llama.cpp stay the same.

mod bench;
mod probe;
mod verdicts;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::{
    bench::{BenchError, BenchOptions, bench},
    probe::Probe,
    verdicts::{Key, Verdicts},
};

/// Tokens that are read in a trial, unless that would take long.
pub const READ: u32 = 256;
/// Tokens that are written in a trial, unless that would take long.
pub const WRITTEN: u32 = 32;
/// Tokens of the answer that a comparison is for.
const ANSWER: f64 = 128.0;
/// An accelerator must take at most this part of the CPU's time, for it takes memory and power as well.
const WORTH: f64 = 0.9;

/// What came of a trial, or why nothing did, in words that go on after "it".
pub type Trial<T> = Result<T, String>;

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

/// What was decided, and from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Whether layers go to the accelerator.
    pub offload: bool,
    /// Why, in a sentence.
    pub reason: String,
    /// How fast the accelerator was.
    pub accelerator: Option<Speed>,
    /// How fast the CPU was, where that was asked.
    pub cpu: Option<Speed>,
}

/// Compares the trial of the device that people know as `name` with that of the CPU, which is made only if the first
/// went well.
pub fn judge(name: &str, accelerator: Trial<Speed>, cpu: impl FnOnce() -> Trial<Speed>) -> Verdict {
    let no = |reason: String| Verdict {
        offload: false,
        reason,
        accelerator: None,
        cpu: None,
    };
    let there = match accelerator {
        Ok(speed) => speed,
        Err(trouble) => return no(format!("{name} is not used: it {trouble}")),
    };
    match cpu() {
        Ok(here) => {
            let (offload, reason) = compare(name, &there, &here);
            Verdict {
                offload,
                reason,
                accelerator: Some(there),
                cpu: Some(here),
            }
        }
        Err(trouble) => Verdict {
            offload: true,
            accelerator: Some(there),
            ..no(format!("{name} works, and the CPU does not: it {trouble}"))
        },
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
        Ok(Speed { prefill, decode })
    }

    fn begins(said: &str, with: &str) {
        assert!(said.starts_with(with), "{said}");
    }

    #[test]
    fn the_faster_one_for_a_whole_question_is_taken() {
        let against =
            |prefill, decode| judge("Vulkan0", speed(prefill, decode), || speed(100.0, 40.0));
        let verdict = against(1000.0, 50.0);
        assert!(verdict.offload);
        begins(
            &verdict.reason,
            "Vulkan0 is faster than the CPU: 2.8 s against 5.8 s",
        );
        let verdict = against(1000.0, 5.0);
        assert!(!verdict.offload);
        begins(
            &verdict.reason,
            "Vulkan0 is slower than the CPU, which is used: 25.9 s",
        );
        let verdict = against(105.0, 42.0);
        assert!(!verdict.offload);
        begins(&verdict.reason, "Vulkan0 is hardly faster than the CPU");
    }

    #[test]
    fn whatever_goes_wrong_on_the_accelerator_means_the_cpu() {
        let troubles = [
            Err("crashed (signal: 11 (SIGSEGV))".to_owned()),
            speed(0.0, 0.0),
            speed(f64::NAN, 1.0),
        ];
        for trouble in troubles {
            let verdict = judge("CUDA0", trouble, || speed(1.0, 1.0));
            assert!(!verdict.offload, "{verdict:?}");
        }
    }

    #[test]
    fn a_cpu_that_cannot_do_it_leaves_the_accelerator() {
        let late = || Err("did not end within 180 s".to_owned());
        let verdict = judge("CUDA0", speed(9.0, 9.0), late);
        assert!(verdict.offload);
        assert!(verdict.reason.contains("180 s"), "{}", verdict.reason);
    }
}
