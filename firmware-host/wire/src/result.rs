//! How a task ended.

use serde::{Deserialize, Serialize};

use crate::{name::Name, state::State};

/// The part of a result that a device needs to decide what to do; the answer itself may be longer than its memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultHead {
    /// The task.
    pub id: Name,
    /// `done`, `failed` or `cancelled`.
    pub state: State,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_from_a_whole_result() {
        let text = r#"{"id":"t1","state":"done","answer":"close valve 3","cost_usd":0.001}"#;
        let head: ResultHead = serde_json::from_str(text).unwrap();
        assert_eq!(head.state, State::Done);
        assert_eq!(head.id.as_str(), "t1");
    }
}
