//! What is wrong with an answer and shows without a model: it is not the JSON that was asked for, a sum in it is wrong, or the
//! code in it, where that may be run.
//!
//! Surer than a verifier, and free. Nothing is said of an answer that is right in form and numbers; that is for a verifier.

mod code;
mod sums;

use serde_json::Value;

use crate::{prompt::Format, prover::Prover};

/// The name that these checks have in plan and trace, among those of workers.
pub const CHECK: &str = "shoal-check";

/// What is wrong, as a verifier says it; `None` is that nothing was found.
#[must_use]
pub(crate) fn of(format: &Format, answer: &str) -> Option<String> {
    let fault = match format {
        Format::Text => sums::wrong(answer).map(|sum| format!("this is wrong: {sum}")),
        Format::Json | Format::JsonSchema(_) => json(format, answer),
        Format::Grammar(_) => None,
    };
    fault.map(|fault| format!("REVISE: {fault}"))
}

/// What is wrong with the code in an answer, as a verifier says it.
pub(crate) async fn of_code(prover: &dyn Prover, asked: &str, answer: &str) -> Option<String> {
    let program = code::program(asked, answer)?;
    let ran = prover.prove(&program).await;
    ran.err()
        .map(|fault| format!("REVISE: the code was run and ended with {fault}"))
}

fn json(format: &Format, answer: &str) -> Option<String> {
    let said: Value = match serde_json::from_str(answer) {
        Ok(said) => said,
        Err(error) => {
            return Some(format!(
                "the answer must be JSON and nothing else, and it is none: {error}"
            ));
        }
    };
    match format {
        Format::JsonSchema(schema) => against(schema, &said),
        _ if said.is_object() => None,
        _ => Some("the answer must be a JSON object".to_owned()),
    }
}

/// Where the answer breaks the schema. It is told by the schema's words alone: what the answer says may be long.
fn against(schema: &Value, said: &Value) -> Option<String> {
    // Patterns in linear time, whoever wrote the schema.
    let options = jsonschema::options().with_pattern_options(jsonschema::PatternOptions::regex());
    // A schema that cannot be used is the business of whoever is to write by it.
    let schema = options.build(schema).ok()?;
    let errors = schema.iter_errors(said);
    let mut places: Vec<String> = errors
        .take(3)
        .map(|error| error.schema_path().to_string())
        .collect();
    places.sort();
    (!places.is_empty()).then(|| {
        let places = places.join(" and ");
        format!("the answer breaks the JSON schema at {places}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_must_be_json_and_keep_to_its_schema() {
        let schema = Format::JsonSchema(json!({
            "type": "object",
            "properties": {"press": {"type": "integer"}, "code": {"pattern": "^E[0-9]+$"}},
            "required": ["press"],
        }));
        assert_eq!(of(&schema, "{\"press\": 7, \"code\": \"E42\"}"), None);
        assert_eq!(of(&Format::Json, "{}"), None);
        let faults = [
            of(&schema, "Here it is: {\"press\": 7}"),
            of(&schema, "{\"press\": \"seven\", \"code\": \"x\"}"),
            of(&schema, "{}"),
            of(&Format::Json, "[1]"),
        ];
        insta::assert_debug_snapshot!(faults.map(Option::unwrap));
    }

    #[test]
    fn a_schema_that_cannot_be_used_says_nothing_of_the_answer() {
        let schema = Format::JsonSchema(json!({"type": 7}));
        assert_eq!(of(&schema, "{}"), None);
    }

    #[test]
    fn a_remark_is_no_acceptance() {
        let fault = of(&Format::Text, "It is 2 + 2 = 5.").unwrap();
        assert!(!crate::brief::accepts(&fault));
        assert_eq!(fault, "REVISE: this is wrong: 2 + 2 = 5 (it is 4)");
    }
}
