//! Batches that end before they are computed.

use llama_cpp_2::token::LlamaToken;

use super::{
    super::{
        batch::Batch,
        context::{Context, DecodeError, Shape, Want},
        pace::Pace,
        queue::Shares,
        resident::Resident,
        watch::Watch,
    },
    many::{alike, instructions},
    *,
};

#[test]
fn a_batch_that_was_ended_leaves_the_cache_as_it_was() {
    let model = Arc::new(load::model(&options()).unwrap());
    let tokens = model
        .vocab()
        .tokenize(instructions().as_bytes(), true, false);
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
async fn a_lone_prompt_is_preempted_once_and_goes_on_where_it_was() {
    let options = options();
    let header = load::header(&options.path).unwrap();
    let room = load::room(&header, &options).unwrap();
    let model = Arc::new(load::model(&options).unwrap());
    let mut resident = Resident::try_new(model, &header, &options, room).unwrap();
    let jobs = Arc::default();
    let answer = |resident: &mut Resident, inflow: &Inflow| {
        resident.evict_idle();
        // As a slow board has it, so that a batch is longer alone than together.
        resident.pace = Pace::default();
        resident.pace.note(64, Duration::from_millis(500));
        let (done, mut reply) = oneshot::channel();
        let prompt = ask_briefly(
            &format!("{} Which rule is about pump 7?", instructions()),
            6,
        );
        let work = Work::Complete {
            prompt: Box::new(prompt),
            pieces: None,
            done,
        };
        let job = Job {
            priority: Priority::Step,
            task: None,
            cancel: CancellationToken::new(),
            place: Place::try_new(&jobs, 9).unwrap(),
            work,
        };
        let request = resident.prepare(job).unwrap();
        assert!(resident.admit(request).is_none());
        let mut reads = Vec::new();
        loop {
            resident.step(&mut Shares::default(), inflow);
            let Some(request) = resident.running.first() else {
                return (reads, reply.try_recv().unwrap().unwrap().text);
            };
            reads.push((request.read, request.preempted));
        }
    };
    let inflow = Inflow::default();
    let (reads, alone) = answer(&mut resident, &inflow);
    assert!(reads[0].0 > 128 && !reads[0].1, "{reads:?}");
    inflow.comes(Priority::Decision);
    let (reads, text) = answer(&mut resident, &inflow);
    assert_eq!(reads[0], (0, true));
    // What follows is short, and no longer ended for anybody.
    assert!((1..=128).contains(&reads[1].0), "{reads:?}");
    assert!(alike(&text, &alone), "{text} and {alone}");
}

#[tokio::test]
async fn a_prompt_says_what_it_says_alone_whoever_comes_while_it_is_read() {
    let engine = Engine::load(options()).unwrap();
    let long = || {
        ask_briefly(
            &format!("{} Which rule is about pump 7?", instructions()),
            24,
        )
    };
    let short = || ask_briefly("What is the capital of Japan?", 2);
    let alone = engine.complete(long(), Call::default()).await.unwrap();
    let brief = engine.complete(short(), Call::default()).await.unwrap();
    // However fast it is read, it is written for longer.
    assert!(alone.usage.output.0 > 8, "{alone:?}");
    engine.relieve(Relief::Caches);
    let comes = async {
        let ticks = engine.ticks();
        while engine.ticks() == ticks {
            tokio::task::yield_now().await;
        }
        engine.complete(short(), Call::default()).await
    };
    let ended = std::sync::Mutex::new(Vec::new());
    let first = async {
        let reply = engine.complete(long(), Call::default()).await;
        ended.lock().unwrap().push("long");
        reply
    };
    let second = async {
        let reply = comes.await;
        ended.lock().unwrap().push("short");
        reply
    };
    let (reply, other) = tokio::join!(first, second);
    let (reply, other) = (reply.unwrap(), other.unwrap());
    assert!(alike(&reply.text, &alone.text), "{reply:?} and {alone:?}");
    assert!(alike(&other.text, &brief.text), "{other:?} and {brief:?}");
    assert_eq!(*ended.lock().unwrap(), ["short", "long"]);
}
