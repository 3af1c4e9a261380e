//! Many requests at once, prefixes that stay, and answers that end early.

use futures::future::join_all;
use serde_json::json;

use super::*;

fn fixed(system: &str, text: &str, tokens: u32) -> Prompt {
    let mut prompt = ask_briefly(text, tokens);
    prompt
        .messages
        .insert(0, Message::new(Speaker::System, system));
    prompt.fixed = 1;
    prompt
}

pub(super) fn instructions() -> String {
    (1..40)
        .map(|n| format!("Rule {n}: valve {n} is opened by hand before pump {n} starts. "))
        .collect()
}

/// llama.cpp computes batches of other shapes in another order, so two words that are as likely may change places.
pub(super) fn alike(one: &str, other: &str) -> bool {
    let same = one.bytes().zip(other.bytes());
    same.take_while(|(a, b)| a == b).count() > 8
}

#[tokio::test]
async fn calls_at_once_share_batches_and_say_what_they_say_alone() {
    let engine = Engine::load(EngineOptions {
        prefix_cache: false,
        ..options()
    })
    .unwrap();
    let prompts: Vec<_> = ["Japan", "France", "Italy", "Spain"]
        .iter()
        .map(|land| ask_briefly(&format!("What is the capital of {land}?"), 24))
        .collect();
    let mut alone = Vec::new();
    for prompt in &prompts {
        let reply = engine.complete(prompt.clone(), Call::default()).await;
        alone.push(reply.unwrap());
    }
    let before = engine.ticks();
    let calls = prompts
        .iter()
        .map(|prompt| engine.complete(prompt.clone(), Call::default()));
    let together: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let batches = engine.ticks() - before;
    let written: u64 = together.iter().map(|reply| reply.usage.output.0).sum();
    assert!(batches < written, "{batches} batches for {written} tokens");
    let pairs = alone.iter().zip(&together);
    let same = pairs.filter(|(one, other)| alike(&one.text, &other.text));
    assert!(same.count() >= 3, "{alone:?} and {together:?}");
}

#[tokio::test]
async fn a_fixed_prompt_outlives_a_restart_and_a_damaged_state_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let load = || {
        Engine::load(EngineOptions {
            keep: Some(folder.path().to_owned()),
            ..options()
        })
        .unwrap()
    };
    let system = instructions();
    let prompt = || fixed(&system, "Which rule is about pump 7?", 12);
    let engine = load();
    let first = engine.complete(prompt(), Call::default()).await.unwrap();
    assert_eq!(first.usage.cached, Tokens(0));
    let state = || {
        let mut entries = std::fs::read_dir(folder.path()).ok()?.flatten();
        entries.find_map(|e| {
            e.path()
                .extension()
                .is_some_and(|x| x == "state")
                .then(|| e.path())
        })
    };
    // It is written by a thread of its own.
    while state().is_none() {
        tokio::task::yield_now().await;
    }
    drop(engine);

    let engine = load();
    let second = engine.complete(prompt(), Call::default()).await.unwrap();
    assert!(second.usage.cached.0 > 400, "{:?}", second.usage);
    assert_eq!(first.text, second.text);
    drop(engine);

    let path = state().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let engine = load();
    let third = engine.complete(prompt(), Call::default()).await.unwrap();
    assert_eq!(third.usage.cached, Tokens(0));
    assert_eq!(first.text, third.text);
}

#[tokio::test]
async fn what_a_request_left_comes_back_from_the_shelf() {
    let engine = Engine::load(EngineOptions {
        kv_tokens: 2048,
        ..options()
    })
    .unwrap();
    let rules = instructions();
    let ask = async |text: &str| {
        let mut prompt = ask_briefly(text, 4);
        let system = Message::new(Speaker::System, &rules);
        prompt.messages.insert(0, system);
        engine.complete(prompt, Call::default()).await.unwrap()
    };
    let first = ask("Which rule is about pump 7?").await;
    let again = ask("Which rule is about pump 7?").await;
    assert_eq!(again.usage.cached.0, again.usage.input.0 - 1);
    assert_eq!(again.text, first.text);
    let other = ask("How many rules are there?").await;
    assert!(other.usage.cached.0 > 500, "{:?}", other.usage);
}

#[tokio::test]
async fn what_is_used_in_part_stays_on_the_shelf() {
    let engine = Engine::load(options()).unwrap();
    let ask = async |text: &str| {
        let prompt = ask_briefly(text, 4);
        engine.complete(prompt, Call::default()).await.unwrap()
    };
    let first = ask("Which valve of pump 7 do I open first after a long pause?").await;
    // They have little more in common than what the template begins with.
    let other = ask("Name a colour.").await;
    assert!(other.usage.cached.0 >= 8, "{:?}", other.usage);
    let again = ask("Which valve of pump 7 do I open first after a long pause?").await;
    assert_eq!(again.usage.cached.0, again.usage.input.0 - 1);
    assert_eq!(again.text, first.text);
    assert_eq!(ask("Name a colour.").await.text, other.text);
}

#[tokio::test]
async fn prompts_that_begin_alike_are_read_once_though_they_come_at_once() {
    // In many batches, so that they meet half-way.
    let engine = Engine::load(EngineOptions {
        chunk: 64,
        ..options()
    })
    .unwrap();
    let rules = instructions();
    let asked = |number: usize| {
        let mut prompt = ask_briefly(&format!("Which rule is about pump {number}?"), 6);
        let system = Message::new(Speaker::System, &rules);
        prompt.messages.insert(0, system);
        prompt
    };
    let alone = engine.complete(asked(7), Call::default()).await.unwrap();
    engine.relieve(Relief::Caches);
    let calls = (4..10).map(|number| engine.complete(asked(number), Call::default()));
    let cancel = CancellationToken::new();
    let first = engine.complete(
        asked(3),
        Call {
            cancel: cancel.clone(),
            ..Call::default()
        },
    );
    let hidden = engine.hidden_of(asked(3));
    // The one that reads for the others goes before it has read all.
    let gone = async {
        let ticks = engine.ticks();
        while engine.ticks() < ticks + 2 {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (first, replies, state, ()) = tokio::join!(first, join_all(calls), hidden, gone);
    assert!(first.is_err());
    assert_eq!(state.unwrap().len(), engine.info().width);
    let replies: Vec<_> = replies.into_iter().map(Result::unwrap).collect();
    assert_eq!(replies[3].text, alone.text);
    let read: u64 = replies
        .iter()
        .map(|reply| reply.usage.input.0 - reply.usage.cached.0)
        .sum();
    assert!(
        read < 2 * alone.usage.input.0,
        "{read} tokens were read for {replies:?}"
    );
}

#[tokio::test]
async fn the_state_of_a_prompt_leaves_the_cache_for_its_answer() {
    let engine = Engine::load(options()).unwrap();
    let prompt = || ask_briefly("Why does a centrifugal pump lose its prime?", 4);
    let state = engine.hidden_of(prompt()).await.unwrap();
    assert_eq!(state.len(), engine.info().width);
    let reply = engine.complete(prompt(), Call::default()).await.unwrap();
    // All but the last token, which gives the first word.
    assert_eq!(reply.usage.cached.0, reply.usage.input.0 - 1);
}

#[tokio::test]
async fn what_a_schema_leaves_no_choice_of_takes_no_batch() {
    let engine = Engine::load(options()).unwrap();
    let mut prompt = ask_briefly("How many wheels has a car?", 100);
    prompt.format = Format::JsonSchema(json!({
        "type": "object",
        "properties": {"number_of_wheels_of_the_vehicle": {"enum": [2, 4]}},
        "required": ["number_of_wheels_of_the_vehicle"],
        "additionalProperties": false,
    }));
    let reply = engine.complete(prompt, Call::default()).await.unwrap();
    let value: serde_json::Value = serde_json::from_str(&reply.text).unwrap();
    assert!(value["number_of_wheels_of_the_vehicle"].is_i64());
    assert_eq!(reply.finish, Finish::Stop);
    assert!(
        engine.ticks() < reply.usage.output.0,
        "{} batches for {} tokens",
        engine.ticks(),
        reply.usage.output.0
    );
}

#[tokio::test]
async fn an_answer_without_a_choice_is_given_and_ends_where_its_room_does() {
    let engine = Engine::load(options()).unwrap();
    let say = async |grammar: &str, tokens| {
        let mut prompt = ask_briefly("Say it.", tokens);
        prompt.format = Format::Grammar(grammar.into());
        engine.complete(prompt, Call::default()).await.unwrap()
    };
    let words = "start: \"the seal of pump seven leaks and must be replaced\"";
    let whole = say(words, 60).await;
    assert_eq!(
        whole.text,
        "the seal of pump seven leaks and must be replaced"
    );
    assert_eq!(whole.finish, Finish::Stop);
    let cut = say(words, 3).await;
    assert_eq!((cut.finish, cut.usage.output), (Finish::Length, Tokens(3)));
    assert!(whole.text.starts_with(&cut.text) && !cut.text.is_empty());
    let none = say(words, 0).await;
    assert_eq!((none.text.as_str(), none.finish), ("", Finish::Length));
}

#[tokio::test]
async fn guesses_change_the_number_of_batches_and_not_the_text() {
    let text = "The pump in hall 3 was stopped at 06:10 because the seal leaked. The seal was replaced at 07:40 and \
                the pump was started again at 08:05 by the early shift.";
    let prompt = ask_briefly(&format!("Repeat this text word for word:\n{text}"), 60);
    let say = async |speculation| {
        let engine = Engine::load(EngineOptions {
            speculation,
            ..options()
        })
        .unwrap();
        let reply = engine.complete(prompt.clone(), Call::default()).await;
        (reply.unwrap(), engine.ticks())
    };
    let (plain, batches) = say(Speculation::Off).await;
    let (guessed, fewer) = say(Speculation::Always).await;
    assert!(fewer < batches, "{fewer} and {batches}");
    let same = plain.text.bytes().zip(guessed.text.bytes());
    let same = same.take_while(|(a, b)| a == b).count();
    // Up to where two words are as likely, as above.
    assert!(same > 20, "{:?} and {:?}", plain.text, guessed.text);
}

#[tokio::test]
async fn hundreds_of_requests_in_a_tiny_cache_all_end() {
    let engine = Engine::load(EngineOptions {
        context: 192,
        kv_tokens: 256,
        hidden_context: 64,
        queue: 300,
        slots: 6,
        ..options()
    })
    .unwrap();
    let calls = (0..300_u32).map(|n| {
        let engine = engine.clone();
        async move {
            let cancel = CancellationToken::new();
            let call = Call {
                cancel: cancel.clone(),
                ..Call::default()
            };
            if n % 7 == 3 {
                return engine
                    .hidden(&format!("Valve {n} is open."))
                    .await
                    .map(|_| ());
            }
            let words = "word ".repeat((n % 30) as usize * if n % 50 == 49 { 20 } else { 1 });
            let mut prompt = ask_briefly(&format!("{n}: {words}"), 1 + n % 9);
            if n % 5 == 0 {
                prompt.sampling.temperature = 1.0;
            }
            if n % 11 == 0 {
                prompt.format = Format::Json;
            }
            let answer = engine.complete(prompt, call);
            if n % 4 != 1 {
                return answer.await.map(|_| ());
            }
            let cancelling = async {
                for _ in 0..n {
                    tokio::task::yield_now().await;
                }
                cancel.cancel();
            };
            tokio::join!(answer, cancelling).0.map(|_| ())
        }
    });
    let (mut answered, mut cancelled, mut refused) = (0, 0, 0);
    for outcome in join_all(calls).await {
        match outcome {
            Ok(()) => answered += 1,
            Err(WorkerError::Cancelled) => cancelled += 1,
            Err(WorkerError::TooLong { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(answered + cancelled + refused, 300);
    assert!(
        answered > 150 && cancelled > 0 && refused > 0,
        "{answered} {cancelled} {refused}"
    );
    while engine.jobs() > 0 {
        tokio::task::yield_now().await;
    }
    // And it goes on as before.
    let reply = engine
        .complete(
            ask_briefly("What is the capital of Japan?", 24),
            Call::default(),
        )
        .await;
    assert!(reply.unwrap().text.contains("Tokyo"));
}
