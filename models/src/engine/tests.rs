//! The engine with the real model.

mod attention;
mod kernels;
mod length;
mod many;
mod matmul;
mod twice;
mod watch;

use shoal_conductor::prompt::{Format, Message, Speaker};
use shoal_conductor::worker::Finish;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{ask, ask_briefly, engine, model_path, options, worker};

async fn complete(prompt: Prompt) -> Reply {
    engine().complete(prompt, Call::default()).await.unwrap()
}

#[tokio::test]
async fn a_chat_is_answered_and_streamed() {
    let (stream, mut pieces) = mpsc::channel(1);
    let call = Call {
        stream: Some(stream),
        ..Call::default()
    };
    let engine = engine();
    let reader = async {
        let mut all = String::new();
        while let Some(piece) = pieces.recv().await {
            all.push_str(&piece);
        }
        all
    };
    let prompt = ask_briefly("What is the capital of Japan?", 32);
    let (reply, streamed) = tokio::join!(engine.complete(prompt, call), reader);
    let reply = reply.unwrap();
    assert!(reply.text.contains("Tokyo"), "{}", reply.text);
    assert_eq!(reply.finish, Finish::Stop);
    assert_eq!(reply.text, streamed);
    assert!(reply.usage.output.0 > 0 && reply.usage.input.0 > 10);
}

#[tokio::test]
async fn greedy_says_the_same_each_time_and_whatever_the_cache_holds() {
    let engine = Engine::load(options()).unwrap();
    let prompt = || ask_briefly("Name three parts of a centrifugal pump.", 16);
    let say = |p| async { engine.complete(p, Call::default()).await.unwrap() };
    let first = say(prompt()).await;
    let second = say(prompt()).await;
    assert_eq!(first.usage.cached, Tokens(0));
    assert_eq!(second.usage.cached.0, second.usage.input.0 - 1);
    assert_eq!(first.text, second.text);
    say(ask_briefly("Name three parts of a bicycle.", 8)).await;
    let third = say(prompt()).await;
    // The other prompt did not push it out.
    assert_eq!(third.usage.cached, second.usage.cached);
    assert_eq!(first.text, third.text);
    assert_eq!(first.finish, Finish::Length);
    assert_eq!(first.usage.output, Tokens(16));
}

#[tokio::test]
async fn the_seed_decides_and_heat_varies() {
    let prompt = |seed| {
        let mut prompt = ask_briefly("Tell me a short story about the sea.", 24);
        prompt.sampling.temperature = 1.2;
        prompt.sampling.top_p = 0.95;
        prompt.sampling.seed = Some(seed);
        prompt
    };
    let first = complete(prompt(7)).await.text;
    assert_eq!(first, complete(prompt(7)).await.text);
    assert_ne!(first, complete(prompt(8)).await.text);
}

#[tokio::test]
async fn an_answer_ends_before_a_stop_text_that_spans_tokens() {
    let free = complete(ask_briefly("What is the capital of Japan?", 32))
        .await
        .text;
    // From the middle of one word to the middle of the next, so across tokens.
    let at = free.find("capital of").expect(&free);
    let stop = free[at + 3..at + 9].to_owned();
    let mut prompt = ask_briefly("What is the capital of Japan?", 32);
    prompt.sampling.stop = vec!["never said".into(), stop];
    let (stream, mut pieces) = mpsc::channel(64);
    let call = Call {
        stream: Some(stream),
        ..Call::default()
    };
    let reply = engine().complete(prompt, call).await.unwrap();
    assert_eq!(reply.text, free[..at + 3]);
    assert_eq!(reply.finish, Finish::Stop);
    let mut streamed = String::new();
    while let Some(piece) = pieces.recv().await {
        streamed.push_str(&piece);
    }
    assert_eq!(streamed, reply.text);
}

#[tokio::test]
async fn a_schema_shapes_the_answer() {
    let schema = serde_json::json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 40},
            "population": {"type": "integer"},
            "kind": {"enum": ["town", "capital"]},
        },
        "required": ["city", "population", "kind"],
        "additionalProperties": false,
    });
    let mut prompt = ask_briefly("Describe Paris as JSON.", 120);
    prompt.format = Format::JsonSchema(schema);
    let reply = complete(prompt).await;
    assert_eq!(reply.finish, Finish::Stop, "{}", reply.text);
    let value: serde_json::Value = serde_json::from_str(&reply.text).unwrap();
    assert!(value["city"].is_string());
    assert!(value["population"].is_i64());
    assert!(["town", "capital"].contains(&value["kind"].as_str().unwrap()));
    assert_eq!(value.as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn a_grammar_shapes_the_answer() {
    let mut prompt = ask_briefly("Is the sky blue?", 16);
    prompt.format = Format::Grammar("start: \"verdict: \" (\"ACCEPT\" | \"REVISE\")".into());
    prompt.sampling.temperature = 1.0;
    let text = complete(prompt).await.text;
    assert!(
        ["verdict: ACCEPT", "verdict: REVISE"].contains(&text.as_str()),
        "{text}"
    );
}

#[tokio::test]
async fn any_json_object_parses() {
    let mut prompt = ask_briefly("Give me a JSON object with a name and an age.", 200);
    prompt.format = Format::Json;
    let reply = complete(prompt).await;
    if reply.finish == Finish::Stop {
        let value: serde_json::Value = serde_json::from_str(&reply.text).unwrap();
        assert!(value.is_object());
    } else {
        assert!(reply.text.starts_with('{'), "{}", reply.text);
    }
}

#[tokio::test]
async fn bad_formats_are_named_and_do_no_harm() {
    let bad = [
        Format::Grammar("start: (".into()),
        Format::JsonSchema(serde_json::json!({"type": "no such type"})),
        Format::JsonSchema(serde_json::json!({"$ref": "#/nowhere"})),
    ];
    for format in bad {
        let mut prompt = ask_briefly("Hello", 4);
        prompt.format = format.clone();
        let error = engine()
            .complete(prompt, Call::default())
            .await
            .unwrap_err();
        assert!(
            matches!(error, WorkerError::Format { .. }),
            "{format:?}: {error}"
        );
    }
    complete(ask_briefly("Hello", 4)).await;
}

#[tokio::test]
async fn cancelling_ends_the_call_and_frees_the_engine() {
    let engine = Engine::load(options()).unwrap();
    let cancel = CancellationToken::new();
    let (stream, mut pieces) = mpsc::channel(1);
    let call = Call {
        stream: Some(stream),
        cancel: cancel.clone(),
        ..Call::default()
    };
    let mut prompt = ask_briefly("Count for ever.", 900);
    prompt.format = Format::Grammar("start: /(one two )+/".into());
    let canceller = async {
        pieces.recv().await;
        cancel.cancel();
    };
    let (reply, ()) = tokio::join!(engine.complete(prompt, call), canceller);
    assert!(matches!(reply, Err(WorkerError::Cancelled)));
    engine
        .complete(ask_briefly("Hi", 1), Call::default())
        .await
        .unwrap();
    // 900 tokens are 900 batches; the first job was given up long before.
    assert!(engine.ticks() < 800, "{}", engine.ticks());
}

#[tokio::test]
async fn a_dropped_call_frees_the_engine_too() {
    let engine = Engine::load(options()).unwrap();
    let (stream, mut pieces) = mpsc::channel(1);
    let mut prompt = ask_briefly("Count for ever.", 900);
    prompt.format = Format::Grammar("start: /(one two )+/".into());
    let call = Call {
        stream: Some(stream),
        ..Call::default()
    };
    tokio::select! {
        _ = engine.complete(prompt, call) => panic!("it cannot have ended"),
        _ = pieces.recv() => {}
    }
    engine
        .complete(ask_briefly("Hi", 1), Call::default())
        .await
        .unwrap();
    assert!(engine.ticks() < 800, "{}", engine.ticks());
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_nobody_else() {
    let engine = engine();
    let (stream, pieces) = mpsc::channel(1);
    let call = Call {
        stream: Some(stream),
        ..Call::default()
    };
    let stuck = engine.complete(ask_briefly("Tell me a story.", 40), call);
    tokio::pin!(stuck);
    tokio::select! {
        biased;
        _ = &mut stuck => panic!("its pieces cannot all have been read"),
        reply = complete(ask_briefly("What is the capital of Japan?", 24)) => assert!(reply.text.contains("Tokyo")),
    }
    drop(pieces);
    assert_eq!(stuck.await.unwrap().finish, Finish::Length);
}

#[tokio::test]
async fn calls_at_once_are_all_answered_and_one_too_many_is_told() {
    let engine = Engine::load(EngineOptions {
        queue: 4,
        ..options()
    })
    .unwrap();
    let calls = (0..4).map(|i| {
        let prompt = ask_briefly(&format!("What is {i} plus {i}?"), 8);
        engine.complete(prompt, Call::default())
    });
    for reply in futures::future::join_all(calls).await {
        assert!(!reply.unwrap().text.is_empty());
    }
    let calls = (0..40).map(|_| engine.complete(ask_briefly("Hello", 8), Call::default()));
    let replies = futures::future::join_all(calls).await;
    let full = |r: &Result<Reply, WorkerError>| {
        matches!(
            r,
            Err(WorkerError::Overloaded {
                retry_after: Some(_),
                ..
            })
        )
    };
    assert!(replies.iter().any(full));
    assert!(replies.iter().all(|r| r.is_ok() || full(r)));
    assert!(replies.iter().filter(|r| r.is_ok()).count() >= 4);
    // The count falls after the answer is given.
    tokio::task::spawn_blocking(move || {
        while engine.jobs() > 0 {
            std::thread::yield_now()
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_hidden_state_is_as_wide_as_the_model_and_the_same_each_time() {
    let engine = engine();
    let first = engine.hidden("The pump vibrates at 50 Hz.").await.unwrap();
    let other = engine
        .hidden("Invoice number 4711 is overdue.")
        .await
        .unwrap();
    let again = engine.hidden("The pump vibrates at 50 Hz.").await.unwrap();
    assert_eq!(first.len(), engine.info().width);
    assert_eq!(first.len(), 576);
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(first.iter().all(|x| x.is_finite()) && first.iter().any(|x| *x != 0.0));
    // The first numbers as a computation of the same weights without quantized activations gives them.
    for (ours, exact) in first
        .iter()
        .zip([0.292, 0.211, -0.231, -0.677, 1.794, -0.107])
    {
        assert!((ours - exact).abs() < 0.15, "{ours} and {exact}");
    }
    // The last token is not read.
    let tail = engine.hidden("The pump vibrates at 50 Hz!").await.unwrap();
    assert_eq!(first, tail);
}

#[tokio::test]
async fn hidden_states_have_their_limits() {
    let engine = engine();
    assert!(matches!(
        engine.hidden("a").await,
        Err(WorkerError::Refused { status: 400, .. })
    ));
    assert!(matches!(
        engine.hidden(&"word ".repeat(300)).await,
        Err(WorkerError::TooLong { limit: 256, .. })
    ));
}

#[tokio::test]
async fn a_prompt_of_nothing_is_refused() {
    let error = engine()
        .complete(Prompt::default(), Call::default())
        .await
        .unwrap_err();
    assert!(matches!(error, WorkerError::Refused { status: 400, .. }));
}

#[tokio::test]
async fn several_roles_and_any_characters_are_taken() {
    let mut prompt = ask_briefly("", 4);
    prompt.messages = vec![
        Message::new(Speaker::System, "Be brief. \u{0} {{ 7 * 7 }} {% raw %}"),
        Message::new(Speaker::User, "grüße \u{1F30A}"),
        Message::new(Speaker::Assistant, "Hello!"),
        Message::new(Speaker::User, ""),
    ];
    complete(prompt).await;
}

#[test]
fn the_model_says_what_it_is() {
    let engine = engine();
    let info = engine.info();
    assert_eq!((info.parameters, info.width), (134_515_008, 576));
    assert_eq!((info.context, info.trained_context), (1024, 8192));
    assert_eq!(info.quantization, Some("Q4_1"));
    assert!(info.own_template);
    assert!(info.name.contains("SmolLM2"), "{}", info.name);
    assert_eq!(Backbone::context(&engine), Tokens(1024));
}

#[test]
fn bad_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let load = || {
        Engine::load(EngineOptions {
            path: path.clone(),
            ..options()
        })
        .map(|_| ())
        .unwrap_err()
    };
    assert!(matches!(load(), LoadError::Missing(_)));
    std::fs::write(&path, vec![0x5A; 100_000]).unwrap();
    assert!(matches!(
        load(),
        LoadError::BadFile {
            source: crate::gguf::GgufError::Magic(_),
            ..
        }
    ));
    let whole = std::fs::read(model_path()).unwrap();
    for length in [3, 1000, 2_000_000, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = load();
        assert!(
            matches!(
                error,
                LoadError::BadFile {
                    source: crate::gguf::GgufError::Truncated { .. },
                    ..
                }
            ),
            "{error}"
        );
    }
    let mut foreign = whole;
    let at = foreign.windows(5).position(|w| w == b"llama").unwrap();
    foreign[at..at + 5].copy_from_slice(b"nobdy");
    std::fs::write(&path, &foreign).unwrap();
    let error = load();
    assert!(
        matches!(&error, LoadError::Rejected { reason, .. } if reason.contains("nobdy")),
        "{error}"
    );
}

#[test]
fn a_model_that_does_not_fit_is_not_loaded() {
    let error = Engine::load(EngineOptions {
        memory: Some(50_000_000),
        ..options()
    });
    assert!(matches!(
        error.map(|_| ()).unwrap_err(),
        LoadError::OutOfMemory {
            available: 50_000_000,
            ..
        }
    ));
}

#[test]
fn a_cache_that_does_not_fit_is_as_long_as_one_request() {
    let load = |memory| {
        Engine::load(EngineOptions {
            memory: Some(memory),
            kv_tokens: 1 << 20,
            ..options()
        })
    };
    assert_eq!(load(220_000_000).unwrap().info().cells, 1024);
    assert!(matches!(
        load(150_000_000),
        Err(LoadError::OutOfMemory { .. })
    ));
}

#[tokio::test]
async fn the_last_handle_takes_the_thread_with_it() {
    let engine = Engine::load(options()).unwrap();
    let pulse = Arc::downgrade(&engine.shared.pulse);
    let clone = engine.clone();
    drop(engine);
    clone
        .complete(ask_briefly("Hi", 1), Call::default())
        .await
        .unwrap();
    drop(clone);
    assert!(pulse.upgrade().is_none());
}

#[tokio::test]
async fn errors_name_the_worker_that_was_asked() {
    let id = worker("local");
    let error = engine()
        .complete_as(&id, Priority::Step, Prompt::default(), Call::default())
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("local refused"), "{error}");
}
