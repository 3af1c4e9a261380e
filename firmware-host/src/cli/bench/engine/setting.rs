//! How the engine is set for one measurement.

use std::path::PathBuf;

use shoal_models::{
    engine::{EngineOptions, Speculation},
    plugin::Search,
};

use crate::config::Model;

/// What cases set differently. The default is one chat, no guessing ahead and nothing kept on disk.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Chats at once.
    pub slots: usize,
    /// Whether tokens are guessed ahead.
    pub speculation: Speculation,
    /// The folder of the states of fixed prompts.
    pub keep: Option<PathBuf>,
    /// Whether what a request read spares others reading it.
    pub prefix_cache: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            slots: 1,
            speculation: Speculation::Off,
            keep: None,
            prefix_cache: true,
        }
    }
}

/// What all cases share.
#[derive(Debug)]
pub struct Bench {
    model: Model,
    engine: EngineOptions,
    plugins: Search,
    rounds: u32,
}

impl Bench {
    /// Measures `rounds` times with `engine` on `model`.
    pub fn new(model: Model, engine: EngineOptions, plugins: Search, rounds: u32) -> Self {
        Self {
            model,
            engine,
            plugins,
            rounds,
        }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Where llama.cpp's plugins are.
    pub fn plugins(&self) -> &Search {
        &self.plugins
    }

    /// The model's name: that of its file.
    pub fn name(&self) -> String {
        let name = self.model.path.file_stem().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// CPU threads.
    pub fn threads(&self) -> u32 {
        self.engine.threads
    }

    /// The numbers of the rounds, from 1; 0 is for warming up.
    pub fn rounds(&self) -> std::ops::RangeInclusive<u32> {
        1..=self.rounds
    }

    /// How to load the model for one measurement.
    pub fn engine(&self, setting: &Setting) -> EngineOptions {
        EngineOptions {
            slots: setting.slots,
            speculation: setting.speculation,
            keep: setting.keep.clone(),
            prefix_cache: setting.prefix_cache,
            ..self.engine.clone()
        }
    }
}
