//! The commands as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Set up, run and test the appliance on this machine.
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
    /// Build an accelerator's plugin for the engine, into target/plugins.
    Plugin {
        /// Which.
        accelerator: Accelerator,
    },
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
    }
}
