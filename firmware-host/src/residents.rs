//! The further models on this board, which share what memory the backbone leaves.

use std::sync::Arc;

use shoal_boards::Report;
use shoal_conductor::worker::Worker;
use shoal_models::{
    engine::EngineOptions,
    residence::{Residence, ResidentWorker},
};

use crate::config::{Config, Resident};

/// Takes in every model that can be used; says of the others that they cannot. Reads files.
pub fn take_in(
    config: &Config,
    board: &Report,
    taken: u64,
    degraded: &mut Vec<String>,
) -> (Residence, Vec<Arc<dyn Worker>>) {
    let board_has = board.decision.memory_budget.get();
    let budget = config.limits.models_bytes;
    let residence = Residence::new(budget.unwrap_or_else(|| board_has.saturating_sub(taken)));
    let mut workers: Vec<Arc<dyn Worker>> = Vec::new();
    for resident in &config.residents {
        match join(&residence, resident, config, board) {
            Ok(worker) => workers.push(Arc::new(worker)),
            Err(error) => {
                tracing::warn!(model = %resident.id, %error, "a model is left out");
                degraded.push("a model on the board cannot be used and is left out".to_owned());
            }
        }
    }
    (residence, workers)
}

fn join(
    residence: &Residence,
    resident: &Resident,
    config: &Config,
    board: &Report,
) -> Result<ResidentWorker, shoal_models::engine::LoadError> {
    let mut options = EngineOptions::new(resident.id.clone(), &resident.path);
    let threads = resident.threads.or(config.model.threads);
    options.threads = threads.unwrap_or(board.decision.threads.into());
    options.context = resident.context.unwrap_or(board.decision.context);
    options.kv_tokens = options.context;
    options.hidden_context = 0;
    options.keep = Some(config.data.join("states").join(resident.id.as_str()));
    residence.join(options)
}
