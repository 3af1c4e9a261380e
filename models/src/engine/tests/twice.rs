use shoal_conductor::{
    head::{
        SHIPPED,
        sensitivity::Sensitivity,
        states::{Reading, States},
    },
    worker::Backbone as _,
};

use super::*;
use crate::{catalogue::DEFAULT, testing::options};

const TEXT: &str = "Ana Ruiz of Altona Pumps asked Bo about line 3, 刘 too.";

fn reading() -> Reading {
    Reading {
        layers: vec![3, 20],
        window: 40,
        overlap: 8,
        ..Reading::default()
    }
}

async fn states(engine: &Engine, text: &str, reading: &Reading) -> States {
    engine.states(text, reading, None).await.unwrap()
}

/// The cosine of the angle between two states.
fn likeness(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[tokio::test]
async fn every_token_has_its_states_after_each_layer() {
    let engine = engine();
    let found = states(&engine, TEXT, &reading()).await;
    assert_eq!(found.width, 2 * engine.info().width);
    assert_eq!(found.ends.last(), Some(&TEXT.len()));
    assert_eq!(found.values.len(), found.ends.len() * found.width);
    assert!(found.values.iter().all(|value| value.is_finite()));
    let first = Reading {
        layers: vec![20],
        ..reading()
    };
    let alone = states(&engine, TEXT, &first).await;
    for (one, both) in alone.values.chunks(576).zip(found.values.chunks(1152)) {
        assert!(likeness(one, &both[576..]) > 0.999);
    }
}

#[tokio::test]
async fn a_token_knows_what_comes_after_it() {
    let engine = engine();
    let found = states(&engine, "Paris went home.", &reading()).await;
    let other = states(&engine, "Paris is a city.", &reading()).await;
    assert_eq!(found.ends[0], other.ends[0]);
    // The same first token; were it read once, its states would be the same too.
    assert!(likeness(&found.values[576..1152], &other.values[576..1152]) < 0.999);
}

#[tokio::test]
async fn a_long_text_is_read_in_pieces_and_beside_others_as_alone() {
    let engine = engine();
    let text = TEXT.repeat(6);
    let alone = states(&engine, &text, &reading()).await;
    assert!(alone.ends.len() > 2 * reading().window);
    assert_eq!(alone.values.len(), alone.ends.len() * alone.width);
    let (reading, call) = (reading(), Call::default());
    let (beside, reply) = tokio::join!(
        states(&engine, &text, &reading),
        engine.complete(ask("Count to ten."), call)
    );
    reply.unwrap();
    assert_eq!(alone.ends, beside.ends);
    for (a, b) in alone.values.chunks(576).zip(beside.values.chunks(576)) {
        assert!(likeness(a, b) > 0.99);
    }
}

#[tokio::test]
async fn texts_that_begin_alike_are_read_at_once_as_alone_and_leave_chats_as_they_are() {
    // In many batches, so that one could begin with what another has read.
    let engine = Engine::load(EngineOptions {
        chunk: 32,
        ..options()
    })
    .unwrap();
    let reading = Reading {
        layers: vec![16],
        window: 512,
        overlap: 0,
        between: String::new(),
        once: true,
        ..Reading::default()
    };
    let texts = ["Why?", "How?", "When?"].map(|end| format!("{}{end}", TEXT.repeat(4)));
    // The prompt begins with the token that begins every text.
    let chat = || engine.hidden_of(ask("Count to ten."));
    let told = chat().await.unwrap();
    let mut alone = Vec::new();
    for text in &texts {
        alone.push(states(&engine, text, &reading).await);
    }
    engine.relieve(Relief::Caches);
    let [one, two, three] = &texts;
    let (one, two, three, beside) = tokio::join!(
        states(&engine, one, &reading),
        states(&engine, two, &reading),
        states(&engine, three, &reading),
        chat()
    );
    for (together, alone) in [one, two, three].iter().zip(&alone) {
        assert_eq!(together.values.len(), together.ends.len() * together.width);
        assert_eq!(together.values.len(), alone.values.len());
        for (a, b) in together.values.chunks(576).zip(alone.values.chunks(576)) {
            assert!(likeness(a, b) > 0.99);
        }
    }
    let beside = likeness(&beside.unwrap(), &told);
    assert!(beside > 0.99, "{beside}");
}

#[tokio::test]
async fn a_text_that_is_too_long_and_a_layer_that_is_not_there_are_errors() {
    let engine = engine();
    let short = Reading {
        most: 10,
        ..reading()
    };
    let error = engine.states(TEXT, &short, None).await.unwrap_err();
    assert!(
        matches!(error, WorkerError::TooLong { limit: 10, .. }),
        "{error}"
    );
    for layer in [29, 30, 999] {
        let reading = Reading {
            layers: vec![layer],
            ..reading()
        };
        let error = engine.states(TEXT, &reading, None).await.unwrap_err();
        assert!(matches!(error, WorkerError::Internal { .. }), "{error}");
    }
    assert_eq!(states(&engine, "", &reading()).await, States::default());
}

#[tokio::test]
async fn the_head_that_is_shipped_finds_names_places_and_organisations_with_the_default_model() {
    let head = Sensitivity::try_from_bytes(SHIPPED).unwrap();
    let head = head.for_backbone(DEFAULT.sha256).unwrap();
    let engine = Engine::load(EngineOptions {
        hidden_context: 1024,
        ..options()
    })
    .unwrap();
    let mut found = Vec::new();
    for text in [
        "My name is Martha Okafor and I live in Lisbon.",
        "Scott had given Ömür his address: 95 199 Beach Road",
        "How do I compute the derivative of a polynomial?",
    ] {
        let states = states(&engine, text, &head.reading).await;
        let pieces = head.find(text, &states).unwrap();
        found.push(
            pieces
                .into_iter()
                .map(|(span, class)| format!("{} {}", class.kind(), &text[span]))
                .collect::<Vec<_>>()
                .join(", "),
        );
    }
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 3] = [
    "person Martha Okafor, location Lisbon",
    "person Scott, person Ömür, address 95, address 199 Beach Road",
    "",
];
