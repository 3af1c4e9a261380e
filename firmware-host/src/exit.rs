//! How the program ends: the exit code, and the sentence that goes with it.

use std::{fmt, io, process::ExitCode};

/// Why the program ended, as scripts and service managers read it; the numbers are those of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It worked: a task that was done, checks that all passed.
    Done = 0,
    /// The thing asked for was tried and failed.
    Failed = 1,
    /// A wrong command line, or a config or policy that cannot be used.
    Usage = 64,
    /// The model file is damaged.
    CorruptModel = 65,
    /// The model file is not there.
    NoModel = 66,
    /// `shoal serve` does not run, or runs already, or its port is taken.
    Unavailable = 69,
    /// A fault in this program.
    Internal = 70,
    /// The data folder or the store cannot be made or opened.
    CannotCreate = 73,
    /// Not now; the same again may work later.
    TryAgain = 75,
    /// No permission, or a key that is not valid.
    Denied = 77,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What a command could not do: a sentence for a person and the code for a script.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The code.
    pub exit: Exit,
    /// What happened, in what, and what to do.
    pub message: String,
}

impl Fault {
    /// A fault with its sentence.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }

    /// For something that was tried and did not work.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// For a wrong command line or file.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// For what should not happen.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(Exit::Internal, message)
    }

    /// For a file or folder that cannot be made or opened.
    pub fn create(what: impl fmt::Display, error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::PermissionDenied => Exit::Denied,
            _ => Exit::CannotCreate,
        };
        Self::new(exit, format!("{what}: {error}"))
    }
}

/// Standard output that cannot be written; a reader that went away is how `| head` ends.
impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, String::new()),
            _ => Self::new(Exit::Internal, format!("cannot write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_one_may_not_write_is_a_matter_of_permission() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(Fault::create("/x", &denied).exit, Exit::Denied);
        let other = io::Error::from(io::ErrorKind::NotADirectory);
        assert_eq!(Fault::create("/x", &other).exit, Exit::CannotCreate);
    }
}
