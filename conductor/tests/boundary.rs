//! Code that would hand a worker something the gate has not cleared does not compile.

use shoal_conductor::{
    cleared::Cleared,
    prompt::Prompt,
    worker::{Call, Worker},
};

/// What the others do but for their fault. It stands here, since `trybuild` compiles all that this crate needs a second
/// time for one that is to compile, and only checks it for those that are not.
async fn run(worker: &dyn Worker, prompt: Cleared<Prompt>) {
    drop(worker.run(prompt, Call::default()).await);
}

#[test]
fn nothing_but_the_gate_makes_a_cleared_prompt() {
    let _ = run;
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/boundary/plain_prompt.rs");
    cases.compile_fail("tests/boundary/forged_clearance.rs");
    cases.compile_fail("tests/boundary/made_clearance.rs");
    cases.compile_fail("tests/boundary/one_clearing_is_one_call.rs");
}
