//! A provider for tests: a second real appliance as a remote worker, behind a recorder.

use anyhow::Result;

use crate::{
    appliance::{Appliance, Setup},
    recorder::Recorder,
};

/// The name of the remote worker.
pub const CLOUD: &str = "cloud";

/// A second appliance that does what it is asked, and everything that it was sent.
#[derive(Debug)]
pub struct Provider {
    /// The appliance.
    pub appliance: Appliance,
    /// What stands before it.
    pub recorder: Recorder,
    key: String,
}

impl Provider {
    /// Starts one.
    pub async fn start() -> Result<Self> {
        let appliance = Setup::new()?.start().await?;
        let recorder = Recorder::before(appliance.address()).await?;
        let key = appliance.key("customer", &[]).await?;
        Ok(Self {
            appliance,
            recorder,
            key,
        })
    }

    /// Makes it the remote worker [`CLOUD`] of an appliance that is being set up.
    pub fn serves(&self, setup: Setup) -> Result<Setup> {
        setup.remote(CLOUD, self.recorder.address(), "local", &self.key)
    }
}
