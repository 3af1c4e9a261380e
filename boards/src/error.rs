//! What can go wrong here.

/// A failure of this crate. Detection itself has none.
#[derive(Debug, thiserror::Error)]
pub enum BoardsError {
    /// A profile's TOML is not valid.
    #[error("read the board profile: {source}")]
    Profile {
        /// What the parser said, with the line.
        #[from]
        source: toml::de::Error,
    },
    /// A profile is valid TOML and wrong all the same.
    #[error("check the board profile {name}: {problem}")]
    Inconsistent {
        /// The profile's name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The operating system would not say how it is doing.
    #[error("read the board's health from the operating system: {reason}")]
    Health {
        /// What the reader said.
        reason: String,
    },
}
