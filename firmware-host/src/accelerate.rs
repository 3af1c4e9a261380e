//! Where the model's layers go: as the config says, else as was measured, else as the board's profile says.
//!
//! A driver may crash, so this process loads an accelerator's plugin only after another one, this program started
//! again, has used it. The CPU alone needs none of this.

use std::{ffi::OsString, time::Duration};

use serde::Serialize;
use shoal_boards::{ALL_LAYERS, Report};
use shoal_models::{
    offload::{Key, Probe, Speed, Trial, Verdict, Verdicts, judge},
    plugin::{self, Device, Search},
};

use crate::config::Config;

/// How long a driver has to say which devices there are.
const LISTING: Duration = Duration::from_secs(30);
/// How long a trial of speed has, with loading the model.
const MEASURING: Duration = Duration::from_secs(180);

/// When to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// If it is not known yet; this holds up the first start.
    IfNew,
    /// Not now; what is not known is the CPU's.
    Never,
    /// Again, whatever is known.
    Again,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Layers on the accelerator; 0 is the CPU alone.
    pub gpu_layers: u32,
    /// Why, in a sentence.
    pub reason: String,
    /// Whether the config asks for an accelerator that cannot be used.
    pub refused: bool,
    /// The devices that the plugins found.
    pub devices: Vec<Device>,
    /// What was measured.
    pub verdict: Option<Verdict>,
}

impl Choice {
    fn cpu(reason: impl Into<String>) -> Self {
        Self {
            gpu_layers: 0,
            reason: reason.into(),
            refused: false,
            devices: Vec::new(),
            verdict: None,
        }
    }
}

/// Where plugins are looked for.
#[must_use]
pub fn search(config: &Config) -> Search {
    Search::new(config.model.plugins.as_deref())
}

/// Chooses. Blocks, for minutes where it measures.
pub fn choose(config: &Config, board: &Report, measure: Measure) -> Choice {
    let wanted = config.model.gpu_layers;
    if wanted == Some(0) && measure != Measure::Again {
        return Choice::cpu("the config says 0 GPU layers");
    }
    let mut choice = match devices(config) {
        Ok(devices) => chosen(config, board, measure, devices),
        Err(reason) => Choice::cpu(reason),
    };
    choice.refused = choice.gpu_layers == 0 && wanted.is_some_and(|layers| layers > 0);
    choice
}

/// The devices that take layers, or why there are none.
fn devices(config: &Config) -> Result<Vec<Device>, String> {
    if plugin::find(&search(config)).accelerators.is_empty() {
        return Err("no accelerator's plugin is installed".to_owned());
    }
    let listed: Trial<Vec<Device>> = trial(config, "devices", Vec::new(), LISTING);
    match listed {
        Err(trouble) => Err(format!(
            "the accelerators' plugins are not used: asking them for their devices {trouble}"
        )),
        Ok(devices) if devices.is_empty() => {
            Err("the accelerators' plugins found no device".to_owned())
        }
        Ok(devices) => Ok(devices),
    }
}

fn chosen(config: &Config, board: &Report, measure: Measure, devices: Vec<Device>) -> Choice {
    let names: Vec<String> = devices.iter().map(Device::to_string).collect();
    let first = names.first().cloned().unwrap_or_default();
    let with = |gpu_layers, reason, verdict| Choice {
        gpu_layers,
        reason,
        refused: false,
        devices,
        verdict,
    };
    let forced = config.model.gpu_layers;
    if let Some(layers) = forced.filter(|_| measure != Measure::Again) {
        let reason = format!("the config says {layers} layers on {first}");
        return with(layers, reason, None);
    }
    let threads = threads(config, board);
    let key = match Key::try_new(&config.model.path, threads, ALL_LAYERS, names) {
        Ok(key) => key,
        Err(error) => return with(0, format!("the model cannot be looked at: {error}"), None),
    };
    let verdicts = Verdicts::of(&config.data);
    let known = verdicts.recall(&key);
    let verdict = match (known, measure) {
        (Some(verdict), Measure::IfNew | Measure::Never) => verdict,
        (None, Measure::Never) => return with(0, "it is not measured yet".to_owned(), None),
        (None, Measure::IfNew) if profile_says_no(board) => {
            return with(0, board.board.profile.offload.why.clone(), None);
        }
        (None, Measure::IfNew) | (_, Measure::Again) => {
            let verdict = measured(config, threads, &first);
            if let Err(error) = verdicts.keep(key, verdict.clone()) {
                tracing::warn!(%error, "what was measured cannot be kept, so it is measured at each start");
            }
            verdict
        }
    };
    let layers = if verdict.offload { ALL_LAYERS } else { 0 };
    with(layers, verdict.reason.clone(), Some(verdict))
}

/// A board that somebody described knows its GPU; a generic profile does not.
fn profile_says_no(board: &Report) -> bool {
    !board.board.profile.is_generic() && board.decision.gpu_layers == 0
}

fn measured(config: &Config, threads: u32, name: &str) -> Verdict {
    tracing::info!(
        device = name,
        "the accelerator is measured against the CPU; this is done once"
    );
    let speed = |layers: u32| -> Trial<Speed> {
        let arguments = [
            OsString::from("--model"),
            config.model.path.clone().into(),
            "--threads".into(),
            threads.to_string().into(),
            "--gpu-layers".into(),
            layers.to_string().into(),
        ];
        trial(config, "speed", arguments.into(), MEASURING)
    };
    judge(name, speed(ALL_LAYERS), || speed(0))
}

fn threads(config: &Config, board: &Report) -> u32 {
    let decided = board.decision.threads.into();
    config.model.threads.unwrap_or(decided)
}

/// This program, started again.
fn trial<T: serde::de::DeserializeOwned>(
    config: &Config,
    what: &str,
    more: Vec<OsString>,
    limit: Duration,
) -> Trial<T> {
    let program = std::env::current_exe().map_err(|error| {
        format!("cannot be started, since this program cannot find itself: {error}")
    })?;
    let mut arguments: Vec<OsString> = vec!["try".into(), what.into()];
    if let Some(folder) = &config.model.plugins {
        arguments.extend(["--plugins".into(), folder.clone().into()]);
    }
    arguments.extend(more);
    let probe = Probe {
        program,
        arguments,
        limit,
    };
    probe.run()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Places;
    use shoal_boards::Roots;

    fn config(data: &std::path::Path, text: &str) -> Config {
        let places = Places {
            data: data.to_owned(),
            config: data.join("shoal.toml"),
        };
        Config::parse(text, &places).unwrap()
    }

    fn board(name: &str) -> Report {
        let boards = concat!(env!("CARGO_MANIFEST_DIR"), "/../boards/tests/fixtures");
        Report::of(&Roots::at(format!("{boards}/{name}")))
    }

    fn mali() -> Vec<Device> {
        vec![Device {
            name: "Vulkan0".to_owned(),
            description: "Mali-G610".to_owned(),
            memory: 0,
        }]
    }

    #[test]
    fn a_board_whose_cpu_is_known_to_be_faster_is_not_measured() {
        let data = tempfile::tempdir().unwrap();
        let config = config(data.path(), "[model]\npath = \"m.gguf\"\n");
        std::fs::write(data.path().join("m.gguf"), "weights").unwrap();
        for name in ["pi5", "rk3588"] {
            let board = board(name);
            let choice = chosen(&config, &board, Measure::IfNew, mali());
            assert_eq!(choice.gpu_layers, 0);
            assert_eq!(choice.reason, board.board.profile.offload.why);
        }
    }

    #[test]
    fn what_was_measured_outweighs_the_profile_and_the_config_outweighs_both() {
        let data = tempfile::tempdir().unwrap();
        let text = "[model]\npath = \"m.gguf\"\n";
        let measured = config(data.path(), text);
        let model = data.path().join("m.gguf");
        std::fs::write(&model, "weights").unwrap();
        let board = board("rk3588");
        let threads = threads(&measured, &board);
        let names = mali().iter().map(Device::to_string).collect();
        let key = Key::try_new(&model, threads, ALL_LAYERS, names).unwrap();
        let speed = |rate| {
            Ok(Speed {
                prefill: rate,
                decode: rate,
            })
        };
        let verdict = judge("Vulkan0 (Mali-G610)", speed(50.0), || speed(10.0));
        Verdicts::of(data.path()).keep(key, verdict).unwrap();
        let choice = chosen(&measured, &board, Measure::Never, mali());
        assert_eq!(choice.gpu_layers, ALL_LAYERS);
        let forced = config(data.path(), &format!("{text}gpu_layers = 7\n"));
        let choice = chosen(&forced, &board, Measure::IfNew, mali());
        assert_eq!(choice.gpu_layers, 7);
        assert_eq!(
            choice.reason,
            "the config says 7 layers on Vulkan0 (Mali-G610)"
        );
    }

    #[test]
    fn without_a_plugin_a_wish_of_the_config_is_refused_in_words() {
        let data = tempfile::tempdir().unwrap();
        let forced = config(data.path(), "[model]\ngpu_layers = 7\n");
        let choice = choose(&forced, &board("x86-64"), Measure::IfNew);
        assert_eq!((choice.gpu_layers, choice.refused), (0, true), "{choice:?}");
        let off = config(data.path(), "[model]\ngpu_layers = 0\n");
        let choice = choose(&off, &board("x86-64"), Measure::IfNew);
        assert_eq!((choice.gpu_layers, choice.refused), (0, false));
    }
}
