//! Workers and conductors put to the proof by the real binary: which worker is right, and whether several are worth it.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::Setup,
    provider::CLOUD,
    scripted::{Line, Scripted},
    wait::until,
};

const POLICY: &str =
    "[workers.cloud]\nclearance = \"internal\"\nstrength = 80\nprice_in = 1.0\nprice_out = 2.0\n";

/// What the provider says to each task, and whether that is right.
const SAID: [(&str, &str, &str, bool); 4] = [
    (
        "What is 48213 + 9127? Give the number alone.",
        r#"{"kind":"number","value":57340}"#,
        "57340",
        true,
    ),
    (
        "Write a Python function `twice(x)` that returns twice x. Answer with the code alone.",
        r#"{"kind":"tests","value":["assert twice(4) == 8"]}"#,
        "```python\ndef twice(x):\n    return x * 2\n```",
        true,
    ),
    (
        "Write a Python function `half(x)` that returns half of x. Answer with the code alone.",
        r#"{"kind":"tests","value":"assert half(4) == 2"}"#,
        "def half(x):\n    return x / 3",
        false,
    ),
    (
        "Give 31 bolts of M8 as a JSON object with the keys \"size\" and \"count\".",
        r#"{"kind":"json","value":{"size":"M8","count":31}}"#,
        "{\"count\": 31, \"size\": \"M8\"}",
        true,
    ),
];

/// A board that is written and not started, and this provider.
fn beside(provider: Scripted) -> Result<(Scripted, Setup)> {
    let setup = Setup::new()?
        .policy(POLICY)
        .remote(CLOUD, provider.address(), "any", "key")?;
    setup.write()?;
    Ok((provider, setup))
}

async fn board() -> Result<(Scripted, Setup)> {
    let provider = Scripted::start(|_, body: &Value| {
        let asked = body["messages"].to_string();
        // Told to check an answer, it is content.
        if asked.contains("ACCEPT") {
            return Line::Says("ACCEPT".to_owned());
        }
        let start = |prompt: &str| prompt[..24].to_owned();
        let said = SAID
            .iter()
            .find(|(prompt, ..)| asked.contains(&start(prompt)));
        Line::Says(
            said.map_or("I do not know.", |(_, _, said, _)| said)
                .to_owned(),
        )
    })
    .await?;
    beside(provider)
}

#[tokio::test]
async fn one_worker_is_put_beside_several_on_tasks_of_a_file() -> Result<()> {
    let (provider, setup) = board().await?;
    let file = setup.data().join("tasks.jsonl");
    let lines = (1..).zip(SAID).map(|(id, (prompt, check, ..))| {
        format!(
            "{{\"id\":\"{id}\",\"prompt\":{},\"check\":{check}}}\n",
            json!(prompt)
        )
    });
    std::fs::write(&file, lines.collect::<String>())?;
    let file = file.to_string_lossy();
    let ran = setup
        .run(&["eval", "orchestrate", "--data", &file, "--json"])
        .await?;
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&ran.stdout)?;
    assert_eq!(
        (&report["rows"], &report["unchecked"]),
        (&json!(4), &json!(0))
    );
    assert_eq!(report["best_single"], CLOUD);
    let strategies = report["strategies"].as_object().context("no strategies")?;
    assert_eq!(strategies.len(), 6, "{report}");
    // The same worker by other ways is as often right.
    for name in [CLOUD, "best-of-n", "same-plans"] {
        let strategy = &strategies[name];
        assert_eq!(strategy["accuracy"], 0.75, "{name}: {strategy}");
        assert_eq!(strategy["against_best"]["mean"], 0.0, "{name}: {strategy}");
        assert!(strategy["cost"].as_f64() > Some(0.0), "{name}: {strategy}");
        assert_eq!(strategy["left"], 1.0);
    }
    let local = &strategies["local"];
    assert!(local["accuracy"].as_f64() < Some(0.75), "{local}");
    assert_eq!((&local["cost"], &local["left"]), (&json!(0.0), &json!(0.0)));
    for strategy in strategies.values() {
        for key in ["tokens", "seconds"] {
            assert!(strategy[key].as_f64() > Some(0.0), "{key}: {strategy}");
        }
    }
    assert!(!provider.requests().is_empty());

    let text = setup
        .run(&["eval", "orchestrate", "--data", &file, "--tasks", "1"])
        .await?;
    let text = String::from_utf8(text.stdout)?;
    assert!(
        text.contains("1 tasks, each done in every way")
            && text.contains("Is orchestration worth it here?")
            && text.contains("shoal-mini: "),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn a_worker_is_measured_on_tasks_made_for_it() -> Result<()> {
    let (provider, setup) = board().await?;
    let out = setup.data().join("outcomes.jsonl");
    let named = out.to_string_lossy();
    let mut arguments = vec!["calibrate", "--tasks", "10", "--seed", "3", "--json"];
    arguments.extend(["--worker", "local", "--out", &named]);
    let ran = setup.run(&arguments).await?;
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&ran.stdout)?;
    let local = &report["workers"]["local"];
    let share = local["accuracy"]["mean"].as_f64().context("no accuracy")?;
    assert_eq!(
        local["by_kind"].as_object().map(serde_json::Map::len),
        Some(5)
    );
    assert!(local["tokens_per_second"].as_f64() > Some(0.0));
    assert_eq!(local["strength"].as_f64(), Some((share * 100.0).round()));
    let lines = std::fs::read_to_string(&out)?;
    let outcomes: Vec<Value> = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let right: f64 = outcomes
        .iter()
        .filter_map(|o| o["scores"]["local"].as_f64())
        .sum();
    assert_eq!((outcomes.len(), right), (10, (share * 10.0).round()));
    assert!(provider.requests().is_empty(), "nobody else was asked");

    let unknown = setup.run(&["calibrate", "--worker", "clod"]).await?;
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(
        !unknown.status.success()
            && said.contains("there is no worker \"clod\"; there are local, cloud"),
        "{said}"
    );
    Ok(())
}

/// How good the answers of both workers to this prompt are said to be.
fn said_of(prompt: &str, turned: bool) -> [(&'static str, &'static str); 2] {
    if prompt.contains("pump") != turned {
        [(CLOUD, "good"), ("local", "bad")]
    } else {
        [(CLOUD, "bad"), ("local", "0.9")]
    }
}

#[tokio::test]
async fn a_head_is_learnt_from_what_people_said_and_replaced_only_by_a_better_one() -> Result<()> {
    let (_provider, setup) = board().await?;
    let appliance = setup.start().await?;
    let prompts: Vec<String> = (1..=16)
        .flat_map(|n| {
            [
                format!("Why does pump {n} leak at its seal when it is cold?"),
                format!("Write a short poem about the number {n} and the sea."),
            ]
        })
        .collect();
    let id = |number: usize, worker: &str| format!("t{number}-{worker}");
    for (number, prompt) in prompts.iter().enumerate() {
        for worker in [CLOUD, "local"] {
            let task = id(number, worker);
            let body = json!({"id": task, "model": worker, "prompt": prompt, "max_tokens": 2});
            appliance.post("/api/tasks?wait=60", body).await?;
        }
    }
    let rate = async |turned: bool| -> Result<()> {
        for (number, prompt) in prompts.iter().enumerate() {
            for (worker, score) in said_of(prompt, turned) {
                let task = id(number, worker);
                appliance.printed_by(&["feedback", &task, score]).await?;
            }
        }
        Ok(())
    };
    let nothing = appliance.run(&["learn", "route", "--from-traces"]).await?;
    let told = String::from_utf8_lossy(&nothing.stderr);
    assert!(
        !nothing.status.success() && told.contains("there is nothing to learn from"),
        "{told}"
    );
    rate(false).await?;
    let head = appliance.data().join("routing.safetensors");
    let place = head.to_string_lossy();
    let first = ["learn", "route", "--from-traces", "--out", &place, "--json"];
    let report: Value = serde_json::from_str(&appliance.printed_by(&first).await?)?;
    assert_eq!(
        (&report["rows"], &report["from_traces"], &report["workers"]),
        (&json!(64), &json!(64), &json!([CLOUD, "local"]))
    );
    let config = appliance.data().join("shoal.toml");
    let text = std::fs::read_to_string(&config)?;
    let named = "[conductor]\nrouting_head = \"routing.safetensors\"\n";
    let named = text.replace("[conductor]\n", named);
    assert_ne!(named, text);
    std::fs::write(&config, named)?;

    // Learnt from the same again, it is no better.
    let before = std::fs::read(&head)?;
    let live = ["learn", "route", "--from-traces", "--live"];
    let told = appliance.printed_by(&live).await?;
    assert!(told.contains("stays as it is"), "{told}");
    assert_eq!(std::fs::read(&head)?, before);
    // People have changed their minds.
    rate(true).await?;
    let told = appliance.printed_by(&live).await?;
    assert!(told.contains("puts the former one back"), "{told}");
    assert_ne!(std::fs::read(&head)?, before);
    let back = ["learn", "route", "--rollback"];
    appliance.printed_by(&back).await?;
    assert_eq!(std::fs::read(&head)?, before);
    let again = appliance.run(&back).await?;
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(told.contains("there is no former head"), "{told}");
    Ok(())
}

/// Says the code of a part only to whoever shows notes of a thinker.
async fn needs_notes() -> Result<(Scripted, Setup)> {
    let provider = Scripted::start(|_, body: &Value| {
        let asked = body["messages"].to_string();
        let part = asked
            .split("part ")
            .nth(1)
            .and_then(|rest| rest.split('?').next());
        let says = match part {
            Some(part) if asked.contains("Notes of a colleague") => format!("P-{part}"),
            _ => "Look it up.".to_owned(),
        };
        Line::Says(says)
    })
    .await?;
    beside(provider)
}

#[tokio::test]
async fn roles_are_learnt_from_whole_tasks_and_a_search_that_was_cut_off_goes_on() -> Result<()> {
    let (_provider, setup) = needs_notes().await?;
    let data = setup.data().to_owned();
    let tasks = data.join("tasks.jsonl");
    let lines = (100..140).map(|part| {
        let prompt = format!("Explain what the code of part {part}? is.");
        let check = json!({"kind": "exact", "value": format!("P-{part}")});
        json!({"id": part.to_string(), "prompt": prompt, "check": check}).to_string() + "\n"
    });
    std::fs::write(&tasks, lines.collect::<String>())?;
    let outcomes = data.join("outcomes.jsonl");
    let lines = (0..40).map(|n| {
        let scores = json!({CLOUD: 1.0 - f64::from(n % 5) / 10.0, "local": 0.0});
        json!({"id": n.to_string(), "prompt": format!("Part {n}"), "scores": scores}).to_string()
            + "\n"
    });
    std::fs::write(&outcomes, lines.collect::<String>())?;
    let (tasks, outcomes) = (tasks.to_string_lossy(), outcomes.to_string_lossy());
    let head = data.join("routing.safetensors");
    let search = [
        "learn",
        "roles",
        "--data",
        &tasks,
        "--population",
        "8",
        "--replications",
        "1",
        "--sigma",
        "1",
        "--generations",
        "6",
    ];
    let none = setup.run(&search).await?;
    let told = String::from_utf8_lossy(&none.stderr);
    assert!(told.contains("shoal.toml names no head"), "{told}");

    let config = data.join("shoal.toml");
    let text = std::fs::read_to_string(&config)?;
    let named = "[conductor]\nrouting_head = \"routing.safetensors\"\n";
    std::fs::write(&config, text.replace("[conductor]\n", named))?;
    let place = head.to_string_lossy();
    let route = ["learn", "route", "--data", &outcomes, "--out", &place];
    let made = setup.run(&route).await?;
    let told = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{told}");
    let before = std::fs::read(&head)?;

    let state = data.join("roles.json");
    let mut cut = shoal_tests::appliance::command(&data)?
        .args(search)
        .spawn()?;
    until("the first generation is kept", async || {
        state.exists().then_some(())
    })
    .await?;
    cut.kill().await?;
    let other = setup.run(&[&search[..], &["--seed", "2"]].concat()).await?;
    let told = String::from_utf8_lossy(&other.stderr);
    assert!(
        told.contains("is of a search with another head or other options"),
        "{told}"
    );
    let done = setup.run(&[&search[..], &["--json"]].concat()).await?;
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success() && told.contains("the search goes on"),
        "{told}"
    );
    let report: Value = serde_json::from_slice(&done.stdout)?;
    let trial = &report["trial"];
    assert_eq!(
        (&report["written"], &trial["generations"], &trial["tasks"]),
        (&json!(true), &json!(6), &json!(20)),
        "{report}"
    );
    assert_eq!(
        (&trial["learnt"]["right"], &trial["in_use"]["right"]),
        (&json!(1.0), &json!(0.0)),
        "{report}"
    );
    assert!(!state.exists() && std::fs::read(&head)? != before);

    // What was learnt is what the appliance does.
    let plan = setup
        .run(&["plan", "Explain what the code of part 7? is."])
        .await?;
    let told = String::from_utf8_lossy(&plan.stdout);
    assert!(
        told.contains("by what was learnt of roles: thinking"),
        "{told}{}",
        String::from_utf8_lossy(&plan.stderr)
    );
    Ok(())
}

#[tokio::test]
async fn a_wrong_sum_is_mended_before_it_is_answered() -> Result<()> {
    let provider = Scripted::start(|_, body: &Value| {
        let is_told = body["messages"].to_string().contains("REVISE");
        let says = if is_told {
            "12 * 7 = 84"
        } else {
            "12 * 7 = 85"
        };
        Line::Says(says.to_owned())
    })
    .await?;
    let appliance = Setup::new()?
        .policy(POLICY)
        .remote(CLOUD, provider.address(), "any", "key")?
        .start()
        .await?;
    let body =
        json!({"id": "t1", "model": "shoal-mini", "prompt": "Calculate 12 * 7 and explain why."});
    let done = appliance.post("/api/tasks?wait=60", body).await?;
    assert_eq!(done["answer"]["text"], "12 * 7 = 84", "{done}");
    let shown = appliance.printed_by(&["trace", "t1"]).await?;
    assert!(
        shown.contains("verifier by shoal-check") && shown.contains("12 * 7 = 85 (it is 84)"),
        "{shown}"
    );
    Ok(())
}
