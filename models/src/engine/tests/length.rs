//! Prompts that fit, and prompts that do not.

use super::*;

async fn too_long(prompt: Prompt) -> (u64, u64) {
    let error = engine()
        .complete(prompt, Call::default())
        .await
        .unwrap_err();
    let WorkerError::TooLong { tokens, limit, .. } = error else {
        panic!("{error}");
    };
    (tokens, limit)
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_says_by_how_much() {
    let long = "word ".repeat(2000);
    let error = engine()
        .complete(ask(&long), Call::default())
        .await
        .unwrap_err();
    let WorkerError::TooLong {
        worker,
        tokens,
        limit,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((worker.as_str(), limit), ("backbone", 1023));
    assert!(tokens > 2000);
}

#[tokio::test]
async fn the_answer_is_cut_where_the_context_ends() {
    let mut prompt = ask_briefly(&"word ".repeat(980), 500);
    prompt.format = Format::Grammar("start: /a+/".into());
    let reply = complete(prompt).await;
    assert_eq!(reply.finish, Finish::Length);
    assert_eq!(reply.usage.input.0 + reply.usage.output.0, 1024);
}

#[tokio::test]
async fn a_prompt_may_leave_room_for_one_token() {
    // By a grammar, since a model may also say nothing.
    let words = |n: usize| {
        let mut prompt = ask_briefly(&" word".repeat(n), 4);
        prompt.format = Format::Grammar("start: /a+/".into());
        prompt
    };
    // Each further word is one more token.
    let around = complete(words(10)).await.usage.input.0 as usize - 10;
    let full = complete(words(1023 - around)).await;
    assert_eq!(full.usage.input, Tokens(1023));
    assert_eq!(full.usage.input.0 + full.usage.output.0, 1024);
    assert_eq!(too_long(words(1024 - around)).await, (1024, 1023));
}

#[tokio::test]
async fn megabytes_are_refused_by_their_length() {
    let words = (3 << 20) / "word ".len();
    let text = "word ".repeat(words);
    let (tokens, limit) = too_long(ask(&text)).await;
    // Had it been tokenized, the number would be that of the words.
    assert!(tokens > limit && tokens < words as u64 / 2, "{tokens}");
    let error = engine().hidden(&text).await.unwrap_err();
    let WorkerError::TooLong { tokens, limit, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(limit, 256);
    assert!(tokens > limit && tokens < words as u64 / 2, "{tokens}");
}

#[tokio::test]
async fn thousands_of_messages_are_too_long_in_the_usual_words() {
    let messages = vec![Message::new(Speaker::User, "Hi"); 2_000];
    let (tokens, limit) = too_long(Prompt {
        messages,
        ..Prompt::default()
    })
    .await;
    assert_eq!(limit, 1023);
    assert!(tokens > limit && tokens < 2_000 * 10, "{tokens}");
}
