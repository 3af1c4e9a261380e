//! Memory at rest beside the weights and the keys and values.

use std::time::Duration;

use super::{
    ask::{ask, question},
    engine,
    outcome::{Memory, Outcome, Side},
    setting::{Bench, Setting},
    words,
};
use crate::exit::Fault;

/// After so long without work the engine has given back what work left.
const REST: Duration = Duration::from_secs(2);

/// Reads and writes for a while, rests, and looks.
pub async fn measure(bench: &Bench) -> Result<Outcome, Fault> {
    let engine = engine(bench, &Setting::default()).await?;
    let timed = ask(
        &engine,
        question(Some(&words::report(1, 17)), words::STORY, 128),
    )
    .await?;
    tokio::time::sleep(REST).await;
    let (weights, kv) = (engine.info().bytes, engine.info().cache_bytes);
    let memory = Memory::new(resident()?, weights, kv + engine.shelf_bytes());
    let input = timed.usage.input.0;
    let tokens = input + timed.usage.output.0;
    let side = Side::new("read and written before it", tokens, timed.whole, input);
    Ok(Outcome {
        memory: Some(memory),
        ..Outcome::of("memory", side)
    })
}

/// Bytes of this process that are in memory now.
fn resident() -> Result<u64, Fault> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(Fault::failed)?;
    resident_in(&status)
        .ok_or_else(|| Fault::failed("the system does not say how much memory this takes"))
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::resident_in;

    #[test]
    fn resident_memory_is_in_kibibytes() {
        let status = "VmHWM:\t  300 kB\nVmRSS:\t  200 kB\n";
        assert_eq!(resident_in(status), Some(200 * 1024));
        assert_eq!(resident_in(""), None);
    }
}
