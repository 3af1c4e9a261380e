//! The worker against a real server.

use std::time::Duration;

use serde_json::json;
use shoal_conductor::{
    prompt::Format,
    unit::Tokens,
    worker::{Finish, Usage},
};
use tokio::sync::mpsc;

use super::*;
use crate::{
    egress::EgressOptions,
    testing::{
        ask, cleared,
        provider::{End, Provider, Script},
        worker,
    },
};

const KEY: &str = "sk-0123456789abcdef";

fn options(base_url: &str) -> OpenAiOptions {
    OpenAiOptions {
        key: Some(Secret::try_new(KEY, "test".into()).unwrap()),
        ..OpenAiOptions::new(worker("cloud"), base_url, "big-1")
    }
}

fn egress(change: impl FnOnce(&mut EgressOptions)) -> Egress {
    let mut options = EgressOptions {
        backoff: Duration::from_millis(1),
        ..EgressOptions::default()
    };
    change(&mut options);
    Egress::try_new(options).unwrap()
}

fn at(base_url: &str) -> OpenAiWorker {
    OpenAiWorker::try_new(options(base_url), egress(|_| {})).unwrap()
}

async fn run(worker: &OpenAiWorker, prompt: Prompt) -> Result<Reply, WorkerError> {
    worker
        .run(cleared(prompt, worker.id()), Call::default())
        .await
}

fn said(text: &str) -> String {
    json!({"choices": [{"delta": {"content": text}, "finish_reason": null}]}).to_string()
}

fn finished(reason: &str) -> String {
    json!({"choices": [{"delta": {}, "finish_reason": reason}]}).to_string()
}

fn counted() -> String {
    json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 4}}})
    .to_string()
}

fn good() -> Script {
    let events = vec![
        said("Hel"),
        said("lo"),
        finished("stop"),
        counted(),
        "[DONE]".into(),
    ];
    Script::Events(events, End::Close)
}

fn status(status: u16, header: (&'static str, &'static str), body: &str) -> Script {
    Script::Whole(status, header, body.into())
}

const PLAIN: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_certificate_of_the_sites_own_is_trusted_once_it_is_named() {
    let (provider, certificate) = Provider::start_tls([good()]).await;
    let refused = run(&at(&provider.base_url), ask("Hi")).await.unwrap_err();
    assert!(
        matches!(refused, WorkerError::Unreachable { .. }),
        "{refused}"
    );
    assert!(provider.seen().is_empty());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, certificate).unwrap();
    let trusting = egress(|options| options.extra_ca = Some(path));
    let worker = OpenAiWorker::try_new(options(&provider.base_url), trusting).unwrap();
    assert_eq!(run(&worker, ask("Hi")).await.unwrap().text, "Hello");
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_streams_and_the_server_sees_this_alone() {
    let provider = Provider::start([good()]).await;
    let cloud = at(&provider.base_url);
    let (stream, mut pieces) = mpsc::channel(8);
    let call = Call {
        stream: Some(stream),
        ..Call::default()
    };
    let reply = cloud
        .run(cleared(ask("Say hello."), cloud.id()), call)
        .await
        .unwrap();
    assert_eq!((reply.text.as_str(), reply.finish), ("Hello", Finish::Stop));
    let usage = Usage {
        input: Tokens(9),
        cached: Tokens(4),
        output: Tokens(3),
    };
    assert_eq!(reply.usage, usage);
    assert_eq!(pieces.recv().await.as_deref(), Some("Hel"));
    assert_eq!(pieces.recv().await.as_deref(), Some("lo"));
    assert_eq!(pieces.recv().await, None);
    let seen = provider.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "POST /v1/chat/completions");
    let body: Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(
        body,
        json!({
            "model": "big-1",
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": 512,
            "temperature": 0.0,
            "stream": true,
            "stream_options": {"include_usage": true},
        })
    );
    let mut names: Vec<_> = seen[0].headers.keys().map(|k| k.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent"
        ]
    );
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {KEY}"));
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let body = json!({"choices": [{"message": {"role": "assistant", "content": "Four."}, "finish_reason": "length"}]});
    let provider = Provider::start([status(200, PLAIN, &body.to_string())]).await;
    let reply = run(&at(&provider.base_url), ask("12345678")).await.unwrap();
    assert_eq!(
        (reply.text.as_str(), reply.finish),
        ("Four.", Finish::Length)
    );
    // Four bytes a token where the server does not count.
    assert_eq!(
        (reply.usage.input, reply.usage.output),
        (Tokens(2), Tokens(2))
    );
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let busy = || status(429, ("retry-after", "0"), "{}");
    let provider = Provider::start([busy(), status(503, PLAIN, "{}"), good()]).await;
    assert_eq!(
        run(&at(&provider.base_url), ask("Hi")).await.unwrap().text,
        "Hello"
    );
    assert_eq!(provider.seen().len(), 3);
}

#[tokio::test]
async fn a_server_that_stays_busy_is_left_alone() {
    let provider = Provider::start((0..9).map(|_| status(429, ("retry-after", "0"), "{}"))).await;
    let error = run(&at(&provider.base_url), ask("Hi")).await.unwrap_err();
    assert!(matches!(
        error,
        WorkerError::Overloaded {
            retry_after: Some(Duration::ZERO),
            ..
        }
    ));
    assert_eq!(provider.seen().len(), 3);
}

#[tokio::test]
async fn a_long_wait_is_the_callers_to_decide() {
    let provider = Provider::start([status(503, ("retry-after", "3600"), "{}")]).await;
    let error = run(&at(&provider.base_url), ask("Hi")).await.unwrap_err();
    let WorkerError::Overloaded { retry_after, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_passed_on_short_and_without_the_key() {
    for code in [400, 401, 403, 404, 422] {
        let words = format!("Incorrect API key provided: {KEY}. {}", "blah ".repeat(200));
        let body = json!({"error": {"message": words}}).to_string();
        let provider = Provider::start([status(code, PLAIN, &body)]).await;
        let error = run(&at(&provider.base_url), ask("Hi")).await.unwrap_err();
        let WorkerError::Refused { status, reason, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(*status, code);
        assert!(
            reason.starts_with("Incorrect API key provided: ***."),
            "{reason}"
        );
        assert!(reason.len() < 400);
        assert_eq!(provider.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Provider::start([good()]).await;
    let place: &'static str = Box::leak(format!("{}/chat/completions", other.base_url).into());
    for code in [301, 302, 307, 308] {
        let provider = Provider::start([status(code, ("location", place), "")]).await;
        let error = run(&at(&provider.base_url), ask("secret plans"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, WorkerError::Refused { status, .. } if status == code),
            "{error}"
        );
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn what_may_have_been_done_is_never_done_twice() {
    let again = || Script::Events(vec![said("Hel")], End::Break);
    let stopped = || Script::Events(vec![said("Hel")], End::Close);
    let error = || {
        Script::Events(
            vec![
                said("Hel"),
                json!({"error": {"message": "boom"}}).to_string(),
            ],
            End::Close,
        )
    };
    let rubbish = || Script::Events(vec!["<html>".into()], End::Close);
    let inner = || status(500, PLAIN, "{}");
    for script in [again, stopped, error, rubbish, inner] {
        let provider = Provider::start([script(), good()]).await;
        let error = run(&at(&provider.base_url), ask("Hi")).await.unwrap_err();
        assert!(matches!(error, WorkerError::BrokeOff { .. }), "{error}");
        assert!(error.may_have_run());
        assert_eq!(provider.seen().len(), 1);
    }
}

#[tokio::test]
async fn silence_ends_at_the_limit() {
    let limit = Duration::from_millis(200);
    let hanging = || Script::Events(vec![said("Hel")], End::Hang);
    for script in [(|| Script::Silence) as fn() -> Script, hanging] {
        let provider = Provider::start([script(), good()]).await;
        let egress = egress(|o| o.silence = limit);
        let cloud = OpenAiWorker::try_new(options(&provider.base_url), egress).unwrap();
        let error = run(&cloud, ask("Hi")).await.unwrap_err();
        assert!(
            matches!(error, WorkerError::TimedOut { limit: l, .. } if l == limit),
            "{error}"
        );
        assert_eq!(provider.seen().len(), 1);
    }
}

#[tokio::test]
async fn cancelling_ends_a_call_to_a_silent_server() {
    let provider = Provider::start([Script::Events(vec![said("Hel")], End::Hang)]).await;
    let cloud = at(&provider.base_url);
    let (stream, mut pieces) = mpsc::channel(8);
    let call = Call {
        stream: Some(stream),
        ..Call::default()
    };
    let cancel = call.cancel.clone();
    let (error, ()) = tokio::join!(cloud.run(cleared(ask("Hi"), cloud.id()), call), async {
        pieces.recv().await.unwrap();
        cancel.cancel();
    });
    assert!(matches!(error, Err(WorkerError::Cancelled)));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let provider = Provider::start([]).await;
    let base_url = provider.base_url.clone();
    provider.stop().await;
    let error = run(&at(&base_url), ask("Hi")).await.unwrap_err();
    assert!(matches!(error, WorkerError::Unreachable { .. }), "{error}");
    assert!(!error.may_have_run());
}

#[tokio::test]
async fn tls_that_does_not_come_about_is_unreachable_and_sends_nothing() {
    let provider = Provider::start([]).await;
    let base_url = provider.base_url.replace("http:", "https:");
    let error = run(&at(&base_url), ask("Hi")).await.unwrap_err();
    assert!(matches!(error, WorkerError::Unreachable { .. }), "{error}");
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let events = (0..100).map(|_| said(&"x".repeat(1000))).collect();
    let provider = Provider::start([Script::Events(events, End::Hang)]).await;
    let egress = egress(|o| o.max_answer = 10_000);
    let cloud = OpenAiWorker::try_new(options(&provider.base_url), egress).unwrap();
    let error = run(&cloud, ask("Hi")).await.unwrap_err();
    assert!(
        error.to_string().contains("longer than the limit"),
        "{error}"
    );
}

#[tokio::test]
async fn stop_texts_hold_even_if_the_server_ignores_them() {
    let events = vec![
        said("one E"),
        said("ND two"),
        finished("stop"),
        "[DONE]".into(),
    ];
    let provider = Provider::start([Script::Events(events, End::Close)]).await;
    let mut prompt = ask("Hi");
    prompt.sampling.stop = vec!["END".into()];
    let reply = run(&at(&provider.base_url), prompt).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.finish), ("one ", Finish::Stop));
}

#[tokio::test]
async fn a_filtered_answer_is_no_answer() {
    let events = vec![said("Hel"), finished("content_filter"), "[DONE]".into()];
    let provider = Provider::start([Script::Events(events, End::Close)]).await;
    let error = run(&at(&provider.base_url), ask("Hi")).await.unwrap_err();
    assert!(
        matches!(error, WorkerError::Refused { status: 200, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_prompt_for_another_worker_stays_here() {
    let provider = Provider::start([good()]).await;
    let cloud = at(&provider.base_url);
    let other = cleared(ask("Hi"), &worker("somebody-else"));
    let error = cloud.run(other, Call::default()).await.unwrap_err();
    assert!(matches!(error, WorkerError::NotForYou(_)));
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn a_grammar_stays_here() {
    let provider = Provider::start([good()]).await;
    let mut prompt = ask("Hi");
    prompt.format = Format::Grammar("start: \"a\"".into());
    let error = run(&at(&provider.base_url), prompt).await.unwrap_err();
    assert!(matches!(error, WorkerError::Format { .. }));
    assert!(provider.seen().is_empty());
}

#[test]
fn options_that_make_no_sense_are_told() {
    let make = |o| OpenAiWorker::try_new(o, egress(|_| {}));
    let mut wrong = options("https://api.example.com/v1");
    wrong.place = Place::Board;
    assert!(matches!(make(wrong), Err(OpenAiError::NotOnBoard { .. })));
    let mut right = options("http://127.0.0.1:8081/v1");
    right.place = Place::Board;
    assert_eq!(make(right).unwrap().place(), Place::Board);
    assert!(matches!(
        make(options("http://10.1.2.3/v1")),
        Err(OpenAiError::Url { .. })
    ));
    let mut nameless = options("https://api.example.com/v1");
    nameless.model.clear();
    assert!(matches!(make(nameless), Err(OpenAiError::NoModel { .. })));
    assert!(!format!("{:?}", at("https://api.example.com/v1")).contains(KEY));
}

#[tokio::test]
async fn an_end_without_a_reason_is_one_only_of_servers_that_never_give_any() {
    let event = json!({"choices": [{"delta": {"content": "Hi"}}],
        "usage": {"prompt_tokens": null, "completion_tokens": null}})
    .to_string();
    let events = |end| Script::Events(vec![event.clone()], end);
    let provider =
        Provider::start([events(End::Close), events(End::Close), events(End::Break)]).await;
    let strict = run(&at(&provider.base_url), ask("Hello")).await;
    assert!(
        matches!(strict, Err(WorkerError::BrokeOff { .. })),
        "{strict:?}"
    );
    let mut options = options(&provider.base_url);
    options.unsaid_end = true;
    let npu = OpenAiWorker::try_new(options, egress(|_| {})).unwrap();
    let reply = run(&npu, ask("Hello")).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.finish), ("Hi", Finish::Stop));
    assert_eq!(reply.usage.output, Tokens(1));
    let broken = run(&npu, ask("Hello")).await;
    assert!(
        matches!(broken, Err(WorkerError::BrokeOff { .. })),
        "{broken:?}"
    );
}
