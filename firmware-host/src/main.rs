//! The program `shoal`; all it does is in the library.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use shoal::{
    cli::{self, Cli},
    exit::Exit,
};
use tracing_subscriber::EnvFilter;

#[expect(
    clippy::print_stderr,
    reason = "the one place that tells a person why it ended"
)]
fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wanted = !error.use_stderr();
            return match error.print() {
                Ok(()) if wanted => Exit::Done.into(),
                _ => Exit::Usage.into(),
            };
        }
    };
    tracing_subscriber::fmt()
        .compact()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| cli.default_log().into()),
        )
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    std::panic::set_hook(Box::new(|fault| {
        // Its words may repeat a task's text, which is not for the log.
        let place = fault.location().map(ToString::to_string);
        tracing::error!(place, "a fault in the program");
    }));
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a crypto provider was installed already");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("shoal: cannot start: {error}");
            return Exit::Internal.into();
        }
    };
    match runtime.block_on(cli::run(cli, &mut std::io::stdout())) {
        Ok(exit) => exit.into(),
        Err(fault) => {
            if !fault.message.is_empty() {
                eprintln!("shoal: {fault}");
            }
            fault.exit.into()
        }
    }
}
