//! `shoal try`: what this program has another of itself do, because it may crash. Not for people.

use std::{io::Write, path::PathBuf};

use clap::Subcommand;
use shoal_models::{
    offload::{BenchOptions, bench},
    plugin::{Search, load_accelerators, load_cpu},
};

use crate::exit::{Exit, Fault};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Print the accelerators' devices
    Devices {
        /// The folder with plugins that the config names
        #[arg(long, value_name = "DIR")]
        plugins: Option<PathBuf>,
    },
    /// Print how fast a model is
    Speed {
        /// The folder with plugins that the config names
        #[arg(long, value_name = "DIR")]
        plugins: Option<PathBuf>,
        /// The GGUF file
        #[arg(long, value_name = "FILE")]
        model: PathBuf,
        /// CPU threads
        #[arg(long)]
        threads: u32,
        /// Layers on the accelerator
        #[arg(long)]
        gpu_layers: u32,
    },
}

/// Does it. Blocks; there is nothing else to do.
pub fn run(action: Action, out: &mut dyn Write) -> Result<Exit, Fault> {
    match action {
        Action::Devices { plugins } => {
            let search = Search::new(plugins.as_deref());
            load_cpu(&search).map_err(Fault::internal)?;
            super::json(out, &load_accelerators(&search))?;
        }
        Action::Speed {
            plugins,
            model,
            threads,
            gpu_layers,
        } => {
            let options = BenchOptions {
                model,
                threads,
                gpu_layers,
                search: Search::new(plugins.as_deref()),
            };
            super::json(out, &bench(&options).map_err(Fault::internal)?)?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}
