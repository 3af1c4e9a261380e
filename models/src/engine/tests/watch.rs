//! Batches that end before they are computed.

use llama_cpp_2::token::LlamaToken;

use super::{
    super::{
        batch::Batch,
        context::{Context, DecodeError, Shape, Want},
        watch::Watch,
    },
    *,
};

fn rules() -> String {
    (1..48)
        .map(|n| format!("Rule {n}: valve {n} is opened by hand before pump {n} starts. "))
        .collect()
}

#[test]
fn a_batch_that_was_ended_leaves_the_cache_as_it_was() {
    let model = Arc::new(load::model(&options()).unwrap());
    let tokens = model.vocab().tokenize(rules().as_bytes(), true, false);
    let context = || {
        let shape = Shape {
            cells: 512,
            sequences: 1,
            batch: 512,
            threads: 1,
        };
        Context::try_new(Arc::clone(&model), shape).unwrap()
    };
    let read = |context: &mut Context, range: std::ops::Range<usize>, watch| {
        let mut batch = Batch::default();
        for at in range.clone() {
            let token: LlamaToken = tokens[at];
            batch.add(token, at, 0, at + 1 == range.end);
        }
        let want = Want {
            watch,
            ..Want::default()
        };
        context.decode(&mut batch, want)
    };
    let gone = CancellationToken::new();
    gone.cancel();
    let watch = Watch {
        callers: vec![gone],
        newcomers: None,
    };
    let (mut disturbed, mut fresh) = (context(), context());
    read(&mut disturbed, 0..100, None).unwrap();
    let ended = read(&mut disturbed, 100..300, Some(watch));
    assert!(matches!(ended, Err(DecodeError::Stopped)), "{ended:?}");
    read(&mut disturbed, 100..300, None).unwrap();
    read(&mut fresh, 0..100, None).unwrap();
    read(&mut fresh, 100..300, None).unwrap();
    let logits = disturbed.logits(199).unwrap();
    assert_eq!(logits, fresh.logits(199).unwrap());
    assert!(logits.iter().any(|logit| *logit != 0.0));
}

#[tokio::test]
async fn a_prompt_says_what_it_says_alone_whoever_comes_while_it_is_read() {
    let engine = Engine::load(options()).unwrap();
    let long = || ask_briefly(&format!("{} Which rule is about pump 7?", rules()), 6);
    let short = || ask_briefly("What is the capital of Japan?", 8);
    let alone = engine.complete(long(), Call::default()).await.unwrap();
    let brief = engine.complete(short(), Call::default()).await.unwrap();
    engine.relieve(Relief::Caches);
    let comes = async {
        let ticks = engine.ticks();
        while engine.ticks() == ticks {
            tokio::task::yield_now().await;
        }
        engine.complete(short(), Call::default()).await
    };
    let (reply, other) = tokio::join!(engine.complete(long(), Call::default()), comes);
    assert_eq!(reply.unwrap().text, alone.text);
    assert_eq!(other.unwrap().text, brief.text);
}
