//! What was measured, for machines and for people.

use serde_json::{Map, Value, json};
use shoal_conductor::head::routing::{
    curve::calibration_error,
    measure::{Field, Opinion},
};

use super::Opinions;

/// Shares of calls that the table shows.
const SHARES: [f64; 11] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// What cost may count, where there is no pair.
const PRICES: [f32; 11] = [1.0, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.06, 0.03, 0.01, 0.0];

/// The numbers of all opinions; the first one's stand alone and the others' under `baselines`.
pub fn report(field: &Field<'_>, opinions: &Opinions, draws: usize) -> Value {
    let mut all = opinions.iter();
    let Some((_, head)) = all.next() else {
        return json!({});
    };
    let mut report = numbers(field, head);
    report.insert("ece".to_owned(), json!(ece(field, head)));
    let mut baselines = Map::new();
    for (name, opinion) in all {
        let mut of = numbers(field, opinion);
        let [accuracy, apgr] = field.intervals(head, opinion, draws);
        of.insert("head_better_accuracy".to_owned(), json!(accuracy));
        if apgr.is_some() {
            of.insert("head_better_apgr".to_owned(), json!(apgr));
        }
        baselines.insert((*name).to_owned(), of.into());
    }
    report.insert("baselines".to_owned(), baselines.into());
    report.into()
}

fn numbers(field: &Field<'_>, opinion: &Opinion) -> Map<String, Value> {
    let outcome = field.outcome(opinion);
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("rows", json!(field.rows.len()));
    put("accuracy", json!(outcome.accuracy));
    put("cost", json!(outcome.cost));
    if let Some([apgr, cpt50, cpt80, cpt100]) = outcome.pair {
        put("apgr", json!(apgr));
        put("cpt50", json!(cpt50));
        put("cpt80", json!(cpt80));
        put("cpt100", json!(cpt100));
    }
    put("curve", json!(points(field, opinion, &SHARES)));
    out
}

/// How far the chances are from what came of them.
fn ece(field: &Field<'_>, opinion: &Opinion) -> f64 {
    let rows = field.rows.iter();
    let scores = rows.flat_map(|&row| &field.table.rows[row].scores);
    let pairs = opinion.values.iter().zip(scores);
    calibration_error(pairs.filter_map(|(chance, score)| {
        let known = score.filter(|_| !chance.is_nan())?;
        Some((*chance, known))
    }))
}

/// Cost and accuracy: at these shares of calls to the strong worker, or where there is no pair as cost counts less and less.
pub fn points(field: &Field<'_>, opinion: &Opinion, shares: &[f64]) -> Vec<(f64, f64)> {
    match field.curve(opinion, &field.places()) {
        Some(curve) => shares.iter().map(|&at| (at, curve.accuracy(at))).collect(),
        None => PRICES
            .iter()
            .map(|&price| {
                let (accuracy, cost) = field.at_price(opinion, price);
                (cost, accuracy)
            })
            .collect(),
    }
}

/// The same as tables.
pub fn text(report: &Value) -> String {
    let mut all = vec![("head", report)];
    for (name, value) in report["baselines"].as_object().into_iter().flatten() {
        all.push((name, value));
    }
    let has_pair = report.get("apgr").is_some();
    let keys = ["accuracy", "cost", "apgr", "cpt50", "cpt80", "cpt100"];
    let keys = if has_pair { &keys[..] } else { &keys[..2] };
    let mut out = format!("{} rows\n\n{:<12}", report["rows"], "");
    for key in keys {
        out.push_str(&format!("{key:>10}"));
    }
    out.push_str("   the head is better by (95 %)\n");
    for (name, value) in &all {
        out.push_str(&format!("{name:<12}"));
        for key in keys {
            out.push_str(&format!(
                "{:>10.4}",
                value[key].as_f64().unwrap_or_default()
            ));
        }
        let interval = |key: &str| {
            let ends = value[key].as_array()?;
            let end = |at: usize| ends.get(at).and_then(Value::as_f64);
            Some(format!("{:+.3} to {:+.3}", end(0)?, end(1)?))
        };
        if let Some(accuracy) = interval("head_better_accuracy") {
            out.push_str(&format!("   accuracy {accuracy}"));
        }
        if let Some(apgr) = interval("head_better_apgr") {
            out.push_str(&format!(", APGR {apgr}"));
        }
        out.push('\n');
    }
    let ece = report["ece"].as_f64().unwrap_or_default();
    let axis = if has_pair {
        "accuracy at a share of calls to the strong worker"
    } else {
        "cost and accuracy as cost counts less and less"
    };
    let time = report["head_ms"].as_f64().unwrap_or_default();
    out.push_str(&format!(
        "\ncalibration error {ece:.4}; the head takes {time:.3} ms once the prompt is read\n\n{axis}\n"
    ));
    for (name, value) in &all {
        out.push_str(&format!("{name:<12}"));
        for point in value["curve"].as_array().into_iter().flatten() {
            let of = |at: usize| point[at].as_f64().unwrap_or_default();
            out.push_str(&format!(" {:.2}:{:.3}", of(0), of(1)));
        }
        out.push('\n');
    }
    for point in report["learning"].as_array().into_iter().flatten() {
        let accuracy = point["accuracy"].as_f64().unwrap_or_default();
        let apgr = point["apgr"].as_f64();
        let apgr = apgr.map_or_else(String::new, |apgr| format!(", APGR {apgr:.4}"));
        out.push_str(&format!(
            "\nlearnt from {:>6} rows: accuracy {accuracy:.4}{apgr}",
            point["rows"]
        ));
    }
    for (worker, joined) in report["join"].as_object().into_iter().flatten() {
        let of = |key: &str| joined[key].as_f64().unwrap_or_default();
        out.push_str(&format!(
            "\n{worker:<32} joined late: accuracy {:.4}, learnt with all {:.4}; lost {:+.4}, at most {:+.4}",
            of("joined"),
            of("full"),
            of("lost"),
            of("lost_at_most")
        ));
    }
    out.push('\n');
    out
}
