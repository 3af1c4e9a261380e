use super::{
    outcome::Table,
    teach::{Lessons, Plan},
    *,
};
use crate::head::random::Random;

/// A backbone with states of this width.
const WIDTH: usize = 12;

/// Prompts whose first two state numbers say what they ask for, and four workers that differ in it.
fn world(rows: usize) -> (Table, Vec<Look>) {
    let mut random = Random::new(8);
    let mut table = Table {
        workers: ["a", "b", "c", "d"].map(str::to_owned).into(),
        rows: Vec::new(),
    };
    let mut looks = Vec::new();
    for at in 0..rows {
        let states: Vec<f32> = (0..2 * WIDTH).map(|_| random.normal()).collect();
        let [x, y] = [states[0], states[1]];
        let chance = |logit: f32| 1.0 / (1.0 + (-logit).exp());
        let chances = [
            chance(3.0 * x),
            chance(-3.0 * x),
            chance(2.0 * y),
            chance(x + y),
        ];
        let scores = chances.map(|chance| Some(f32::from(u8::from(random.unit() < chance))));
        table.rows.push(outcome::Outcome {
            id: at.to_string(),
            prompt: format!("prompt {at}"),
            scores: scores.into(),
        });
        looks.push(Look::new("a prompt", &states));
    }
    (table, looks)
}

fn plan() -> Plan {
    Plan {
        threads: 2,
        ..Plan::default()
    }
}

fn head(judge: Judge) -> Routing {
    Routing {
        backbone: "ab".repeat(32),
        reading: reading(),
        judge,
        roles: None,
        approvals: Approvals::default(),
    }
}

fn learnt(table: &Table, looks: &[Look], rows: usize) -> Judge {
    let rows: Vec<usize> = (0..rows).collect();
    Lessons { table, looks }.learn(&rows, &plan())
}

/// The mean score of whoever has the best chance, on the rows from `first` on.
fn chosen(judge: &Judge, table: &Table, looks: &[Look], first: usize) -> f32 {
    let rows = &table.rows[first..];
    let mut sum = 0.0;
    for (row, look) in rows.iter().zip(&looks[first..]) {
        let factors = judge.factors(look);
        let best = (0..table.workers.len())
            .max_by(|&a, &b| {
                let chance = |at: usize| judge.chance(&table.workers[at], &factors);
                chance(a)
                    .unwrap_or(0.0)
                    .total_cmp(&chance(b).unwrap_or(0.0))
            })
            .unwrap();
        sum += row.scores[best].unwrap();
    }
    sum / f32::from(u16::try_from(rows.len()).unwrap())
}

#[test]
fn what_the_states_tell_is_learnt_and_the_chances_are_calibrated() {
    let (table, looks) = world(1_200);
    let judge = learnt(&table, &looks, 800);
    let chosen = chosen(&judge, &table, &looks, 800);
    // The best single worker has about a half, and who knows the chances gets 0.87.
    assert!(chosen > 0.8, "{chosen}");
    let pairs = (800..1_200).flat_map(|row| {
        let chances = head(judge.clone()).judge_look(&looks[row]);
        let scores = table.rows[row].scores.clone();
        chances.into_values().zip(scores.into_iter().flatten())
    });
    let off = curve::calibration_error(pairs);
    assert!(off < 0.06, "{off}");
}

#[test]
fn threads_do_not_matter() {
    let (table, looks) = world(150);
    let rows: Vec<usize> = (0..150).collect();
    let lessons = Lessons {
        table: &table,
        looks: &looks,
    };
    let one = Plan {
        threads: 1,
        ..plan()
    };
    assert_eq!(lessons.learn(&rows, &one), lessons.learn(&rows, &plan()));
}

#[test]
fn scores_may_be_missing() {
    let (mut table, looks) = world(1_200);
    let mut random = Random::new(2);
    for row in &mut table.rows[..800] {
        for score in &mut row.scores {
            if random.unit() < 0.5 {
                *score = None;
            }
        }
    }
    let chosen = chosen(&learnt(&table, &looks, 800), &table, &looks, 800);
    assert!(chosen > 0.77, "{chosen}");
}

#[test]
fn a_worker_that_learning_did_not_know_joins_by_a_hundred_tasks() {
    let (table, looks) = world(1_200);
    let full = chosen(&learnt(&table, &looks, 800), &table, &looks, 800);
    let mut without = table.clone();
    for row in &mut without.rows {
        row.scores[3] = None;
    }
    let mut judge = learnt(&without, &looks, 800);
    assert!(!judge.abilities.contains_key("d"));
    let seen: Vec<_> = (0..100)
        .map(|row| {
            (
                judge.factors(&looks[row]),
                table.rows[row].scores[3].unwrap(),
            )
        })
        .collect();
    judge.join("d", &seen);
    let joined = chosen(&judge, &table, &looks, 800);
    assert!(joined > full - 0.03, "{joined} {full}");
}

#[test]
fn a_file_gives_the_same_head_and_every_misfit_is_an_error() {
    let (table, looks) = world(120);
    let head = head(learnt(&table, &looks, 120));
    let read = Routing::try_from_bytes(&head.to_bytes()).unwrap();
    assert_eq!(read.to_bytes(), head.to_bytes());
    for look in &looks[..20] {
        for (worker, chance) in head.judge_look(look) {
            assert!((read.judge_look(look)[&worker] - chance).abs() < 5e-3);
        }
    }
    assert!(matches!(
        read.clone().for_backbone("other"),
        Err(HeadError::Backbone { .. })
    ));
    let wrong = States {
        width: WIDTH + 1,
        ..States::default()
    };
    assert_eq!(
        read.chances("x", &wrong),
        Err(HeadError::Width {
            expected: WIDTH,
            found: WIDTH + 1
        })
    );
    let mut other = head.clone();
    other.reading.layers = vec![3];
    let mut tensors = Tensors::try_from_bytes(&other.to_bytes()).unwrap();
    tensors
        .metadata
        .insert("prompt_format_sha256".into(), prompt_format(&reading()));
    let error = Routing::try_from_bytes(&tensors.to_bytes()).unwrap_err();
    insta::assert_snapshot!(error, @"the head does not fit this program: prompts are shown to it in another way than here; take the one that came with it or run `shoal learn`");
    tensors
        .metadata
        .insert("format".into(), "shoal-routing/1".into());
    assert!(Routing::try_from_bytes(&tensors.to_bytes()).is_err());
}

#[test]
fn the_way_of_reading_is_pinned() {
    insta::assert_snapshot!(prompt_format(&reading()));
    insta::assert_snapshot!(json(&reading()), @r#"{"layers":[16],"window":2048,"overlap":0,"between":"","most":2048,"once":true}"#);
}

#[test]
fn outputs_of_a_learnt_head_are_pinned() {
    let (table, looks) = world(120);
    let head = head(learnt(&table, &looks, 120));
    let rounded: Vec<Vec<String>> = looks[..3]
        .iter()
        .map(|look| {
            let chances = head.judge_look(look);
            chances
                .values()
                .map(|chance| format!("{chance:.2}"))
                .collect()
        })
        .collect();
    insta::assert_debug_snapshot!(rounded);
}

#[test]
fn roles_go_along_with_a_head_and_broken_ones_are_refused() {
    let (table, looks) = world(200);
    let mut head = head(learnt(&table, &looks, 200));
    assert_eq!(
        Routing::try_from_bytes(&head.to_bytes()).unwrap().roles,
        None
    );
    head.roles = Some(roles::Roles::default());
    let bytes = head.to_bytes();
    assert_eq!(Routing::try_from_bytes(&bytes).unwrap().roles, head.roles);
    let mut tensors = Tensors::try_from_bytes(&bytes).unwrap();
    tensors.arrays.get_mut("roles").unwrap().shape = [roles::FACTS, 4];
    let broken = Routing::try_from_bytes(&tensors.to_bytes()).unwrap_err();
    assert!(broken.to_string().contains("roles"), "{broken}");
}

#[test]
fn what_people_said_goes_along_with_a_head_and_what_is_none_of_it_is_refused() {
    let (table, looks) = world(120);
    let mut head = head(learnt(&table, &looks, 120));
    assert!(
        !Tensors::try_from_bytes(&head.to_bytes())
            .unwrap()
            .metadata
            .contains_key("approvals")
    );
    head.approvals = serde_json::from_str(r#"{"cloud":{"yes":1,"no":7}}"#).unwrap();
    let bytes = head.to_bytes();
    let read = Routing::try_from_bytes(&bytes).unwrap();
    assert_eq!(read.approvals, head.approvals);
    let mut tensors = Tensors::try_from_bytes(&bytes).unwrap();
    for wrong in [
        "7",
        r#"{"cloud":{"yes":-1,"no":0}}"#,
        r#"{"cloud":{"yes":1,"no":0,"so":1}}"#,
    ] {
        tensors.metadata.insert("approvals".into(), wrong.into());
        let broken = Routing::try_from_bytes(&tensors.to_bytes()).unwrap_err();
        assert!(broken.to_string().contains("approvals"), "{broken}");
    }
}
