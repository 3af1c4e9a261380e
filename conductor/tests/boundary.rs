//! Code that would hand a worker something the gate has not cleared does not compile.

#[test]
fn nothing_but_the_gate_makes_a_cleared_prompt() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/boundary/cleared_prompt_runs.rs");
    cases.compile_fail("tests/boundary/plain_prompt.rs");
    cases.compile_fail("tests/boundary/forged_clearance.rs");
    cases.compile_fail("tests/boundary/made_clearance.rs");
    cases.compile_fail("tests/boundary/one_clearing_is_one_call.rs");
}
