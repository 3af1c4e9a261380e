//! What the tests share.

pub(crate) mod provider;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use shoal_conductor::{
    cleared::Cleared,
    detect::Detectors,
    gate::{Draft, Gate, Passage},
    id::WorkerId,
    label::Label,
    policy::Policy,
    prompt::{Message, Prompt, Speaker},
    text::Labelled,
    vault::Vault,
    worker::Place,
};

use crate::engine::{Engine, EngineOptions};

/// The default model's file.
pub(crate) fn model_path() -> PathBuf {
    let path = std::env::var_os("SHOAL_MODEL").map_or_else(
        || {
            PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("../target/models/SmolLM2-135M-Instruct.Q4_1.gguf")
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "the default model is not at {}; run `cargo xtask test`, which fetches it, or name it in SHOAL_MODEL",
        path.display()
    );
    path
}

/// The default model, loaded once for all tests that do not need their own.
pub(crate) fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE
        .get_or_init(|| Engine::load(options()).expect("the default model loads"))
        .clone()
}

/// How the tests run the default model.
pub(crate) fn options() -> EngineOptions {
    EngineOptions {
        context: 1024,
        hidden_context: 256,
        // The tests run side by side; more threads than cores would wait for each other.
        threads: 1,
        ..EngineOptions::new(worker("backbone"), model_path())
    }
}

/// A worker's id.
pub(crate) fn worker(id: &str) -> WorkerId {
    WorkerId::try_new(id).unwrap()
}

/// A prompt of one message.
pub(crate) fn ask(text: &str) -> Prompt {
    Prompt {
        messages: vec![Message::new(Speaker::User, text)],
        ..Prompt::default()
    }
}

/// A prompt of one message, answered in at most `tokens`.
pub(crate) fn ask_briefly(text: &str, tokens: u32) -> Prompt {
    let mut prompt = ask(text);
    prompt.sampling.max_tokens = tokens;
    prompt
}

/// The prompt as the gate clears it for `worker`, as if that ran on the board.
pub(crate) fn cleared(prompt: Prompt, worker: &WorkerId) -> Cleared<Prompt> {
    let policy = Arc::new(Policy::parse("", Path::new(".")).unwrap());
    let detectors = Arc::new(Detectors::try_new(&policy).unwrap());
    let draft = Draft {
        messages: prompt
            .messages
            .into_iter()
            .map(|m| (m.role, Labelled::ours(m.content)))
            .collect(),
        fixed: prompt.fixed,
        format: prompt.format,
        sampling: prompt.sampling,
        frame: Label::Public,
    };
    let gate = Gate::new(policy, detectors);
    let (_, passage) = gate.pass(worker, Place::Board, &draft, &mut Vault::default());
    match passage {
        Passage::Clear(permit) => permit.prompt,
        other => panic!("{other:?}"),
    }
}
