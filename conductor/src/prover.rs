//! Where programs are run to see whether they are right.

use async_trait::async_trait;

/// Runs programs that models wrote, where they can do no harm.
#[async_trait]
pub trait Prover: Send + Sync {
    /// Runs a Python program to its end; an error says in a line why it did not come to it. One that cannot be run here says
    /// nothing.
    async fn prove(&self, program: &str) -> Result<(), String>;
}
