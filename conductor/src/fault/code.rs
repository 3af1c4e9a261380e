//! Python in an answer: with the tests that the task states, or else whether it is Python at all.

use crate::exercise::check::code;

/// The program that comes to its end if the code is right, as far as can be seen; none where there is no Python.
pub(super) fn program(asked: &str, answer: &str) -> Option<String> {
    let code = code(answer);
    let tests: Vec<&str> = asked.lines().filter_map(test).collect();
    let is_marked = ["```python", "```py\n"]
        .iter()
        .any(|mark| answer.contains(mark));
    let begins = ["def ", "import ", "from ", "class ", "async def "];
    let looks = begins.iter().any(|word| code.starts_with(word));
    if code.trim().is_empty() || !(is_marked || (looks && !tests.is_empty())) {
        return None;
    }
    if tests.is_empty() {
        // A JSON text is a Python text.
        let text = serde_json::Value::from(code).to_string();
        return Some(format!("compile({text}, \"answer\", \"exec\")"));
    }
    Some(format!("{code}\n\n{}\n", tests.join("\n")))
}

/// A line of `assert` in a task, perhaps in a list.
fn test(line: &str) -> Option<&str> {
    let line = line.trim_start_matches([' ', '-', '*', '`', '>']);
    let line = line.trim_end_matches([' ', '`']);
    line.starts_with("assert ").then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_run_with_the_tests_of_the_task_and_without_them_only_compiled() {
        let answer = "Here:\n```python\ndef f(x):\n    return \"é\"\n```\nDone.";
        assert_eq!(
            program("Write f.\n- `assert f(1) == 2`\nassert f(2) == 3", answer).unwrap(),
            "def f(x):\n    return \"é\"\n\nassert f(1) == 2\nassert f(2) == 3\n"
        );
        assert_eq!(
            program("Write f.", answer).unwrap(),
            "compile(\"def f(x):\\n    return \\\"é\\\"\", \"answer\", \"exec\")"
        );
        let bare = "def f(x):\n    return 1\n";
        assert!(program("Write f.\nassert f(1) == 1", bare).is_some());
    }

    #[test]
    fn what_is_no_python_is_let_be() {
        for answer in [
            "It is 7.",
            "```\nls -l\n```",
            "```rust\nfn f() {}\n```",
            "",
            "```python\n```",
        ] {
            assert_eq!(program("assert that it works", answer), None, "{answer}");
        }
        assert_eq!(program("Explain f.", "def f(x): it defines f."), None);
    }
}
