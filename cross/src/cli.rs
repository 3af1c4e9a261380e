//! The commands as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Set up, run, test and measure the appliance on this machine.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Install what is missing on this system and fetch the default model.
    Setup,
    /// Set up, build for this machine's CPU, start a broker if none answers,
    /// and run the appliance until Ctrl-C.
    Run(RunArgs),
    /// Set up, build for this machine's CPU, and run every test.
    Test(TestArgs),
    /// Measure, side by side with others in one run.
    #[command(subcommand)]
    Bench(Bench),
    /// Build an accelerator's plugin for the engine, into target/plugins.
    Plugin {
        /// Which.
        accelerator: Accelerator,
    },
    /// Compile the wire types' example for a microcontroller, and measure what
    /// it takes.
    Wire,
}

#[derive(Subcommand)]
pub enum Bench {
    /// Measure the engine against llama.cpp's own tools, built here from the
    /// same llama.cpp.
    Engine(EngineArgs),
    /// Measure how fast tasks are kept and reports leave, against mosquitto's
    /// own QoS 1 with persistence.
    Queue(QueueArgs),
}

#[derive(Args)]
pub struct QueueArgs {
    /// How many tasks, messages and reports.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub tasks: u32,
    /// Print one JSON object; all else goes to standard error.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct EngineArgs {
    /// How often each pair is measured; the median is told.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: u32,
    /// The model file [default: the one that the appliance runs].
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// The file that the model was prepared from, to compare with it.
    #[arg(long, value_name = "FILE")]
    pub downloaded: Option<PathBuf>,
    /// Threads of both sides [default: the machine's].
    #[arg(long, value_name = "N")]
    pub threads: Option<u32>,
    /// Measure this alone; may be given several times.
    #[arg(long, value_name = "CASE")]
    pub case: Vec<String>,
    /// Print one JSON object; all else goes to standard error.
    #[arg(long)]
    pub json: bool,
}

/// The accelerators whose plugins can be built here.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Accelerator {
    /// Any GPU with a Vulkan driver.
    Vulkan,
}

#[derive(Args)]
pub struct RunArgs {
    /// The folder for all that the appliance keeps [default: data, beside
    /// Cargo.toml].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What follows `--` goes to `shoal serve`.
    #[arg(last = true, value_name = "ARGS")]
    pub serve: Vec<String>,
}

#[derive(Args)]
pub struct TestArgs {
    /// Build the Vulkan plugin too, and test the engine with it on a GPU that
    /// is software.
    #[arg(long)]
    pub accelerator: bool,
    /// What follows `--` goes to `cargo test`, as in `-- -p shoal-boards`.
    #[arg(last = true, value_name = "ARGS")]
    pub cargo: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn help_reads_well() {
        let mut cli = Cli::command();
        cli.clone().debug_assert();
        cli.build();
        insta::assert_snapshot!("help", cli.render_long_help());
        for name in ["run", "test", "plugin"] {
            let command = cli.find_subcommand_mut(name).unwrap();
            insta::assert_snapshot!(format!("help_{name}"), command.render_long_help());
        }
        let bench = cli.find_subcommand_mut("bench").unwrap();
        let engine = bench.find_subcommand_mut("engine").unwrap();
        insta::assert_snapshot!("help_bench_engine", engine.render_long_help());
    }
}
