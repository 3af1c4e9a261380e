//! How much stack each call takes, on this machine: `cargo xtask wire` runs it.
//!
//! A thread paints the stack below itself, makes the call, and looks how deep the paint is gone. It paints twice, with two
//! colours, so that nothing of the call looks like paint by chance. Its own memory it reads through the system, as reading
//! it as Rust does would be no defined behaviour.

use std::{fs::File, hint::black_box, io, os::unix::fs::FileExt as _, thread};

use shoal_wire::{
    Choice, Clip, Decision, Draft, Name, Nonce, Question, Reach, ResultHead, Root, TaskRequest,
    TaskResult,
    codec::{from_json, to_cbor, to_json},
};

/// What is painted, in bytes.
const PAINTED: usize = 96 * 1024;
const STACK: usize = 1024 * 1024;

fn main() -> io::Result<()> {
    let calls: [(&str, fn()); 7] = [
        ("nothing (what measuring itself takes)", nothing),
        ("a task as JSON", task_json),
        ("a task as CBOR", task_cbor),
        ("the head of a result from JSON", head),
        ("a result from JSON, 128 bytes of its answer", result),
        ("a question from JSON", question),
        ("a decision, signed, as JSON", decision),
    ];
    let mut lines = String::new();
    for (name, call) in calls {
        let bytes = measured(call)?;
        lines.push_str(&format!("{bytes:>7} bytes of stack  {name}\n"));
    }
    io::Write::write_all(&mut io::stdout(), lines.as_bytes())
}

fn measured(call: fn()) -> io::Result<usize> {
    let measuring = move || -> io::Result<usize> {
        let memory = File::open("/proc/self/mem")?;
        let mut kept = vec![[0; PAINTED]; 2];
        let mut deepest = 0;
        for colour in [0xa5, 0x5a] {
            let [before, after] = &mut kept[..] else {
                return Ok(0);
            };
            paint(colour, PAINTED / BLOCK);
            let top = look(&memory, before)?;
            paint(colour, PAINTED / BLOCK);
            call();
            look(&memory, after)?;
            // The stack grows down: the lowest byte that changed is the deepest.
            let changed = before.iter().zip(after.iter()).position(|(a, b)| a != b);
            deepest = deepest.max(changed.map_or(0, |at| top - at));
        }
        Ok(deepest)
    };
    let thread = thread::Builder::new().stack_size(STACK).spawn(measuring)?;
    thread
        .join()
        .map_err(|_| io::Error::other("the measuring thread ended"))?
}

const BLOCK: usize = 1024;

/// Leaves `blocks` blocks of a colour below its caller.
#[inline(never)]
fn paint(colour: u8, blocks: usize) {
    let mut block = [0u8; BLOCK];
    black_box(&mut block).fill(colour);
    if blocks > 0 {
        paint(colour, blocks - 1);
    }
    black_box(&block);
}

/// Copies the stack below here, and gives its length.
#[inline(never)]
fn look(memory: &File, into: &mut [u8; PAINTED]) -> io::Result<usize> {
    let here = 0u8;
    let top = black_box(&raw const here).addr();
    memory.read_exact_at(into, (top - PAINTED) as u64)?;
    Ok(PAINTED)
}

#[inline(never)]
fn nothing() {
    black_box(());
}

#[inline(never)]
fn task_json() {
    let task: TaskRequest<&str> = TaskRequest::new(black_box("vibration 7.1 mm/s: stop?"));
    let mut buffer = [0; 256];
    black_box(to_json(&task, &mut buffer).is_ok());
}

#[inline(never)]
fn task_cbor() {
    let task: TaskRequest<&str> = TaskRequest::new(black_box("vibration 7.1 mm/s: stop?"));
    let mut buffer = [0; 256];
    black_box(to_cbor(&task, &mut buffer).is_ok());
}

const RESULT: &[u8] = br#"{"id":"v-0017","state":"done","answer":"Stop at the next change of shift.\n","label":"internal","trace":"v-0017","cost_usd":0.0}"#;

#[inline(never)]
fn head() {
    black_box(from_json::<ResultHead>(black_box(RESULT), &mut []).is_ok());
}

#[inline(never)]
fn result() {
    let mut scratch = [0; 512];
    black_box(from_json::<TaskResult<Clip<128>>>(black_box(RESULT), &mut scratch).is_ok());
}

const QUESTION: &[u8] = br#"{"id":"a1","task":"v-0017","step":1,"worker":"cloud","rule":"","label":"confidential","expires_at":1790000000000,"shown":[],"digest":"d1","people":1}"#;

#[inline(never)]
fn question() {
    black_box(from_json::<Question>(black_box(QUESTION), &mut []).is_ok());
}

#[inline(never)]
fn decision() {
    let mut buffer = [0; 512];
    let signed = signed();
    black_box(signed.and_then(|decision| to_json(&decision, &mut buffer).ok().map(<[u8]>::len)));
}

fn signed() -> Option<Decision> {
    let question: Question = from_json(QUESTION, &mut []).ok()?;
    let draft = Draft {
        approver: Name::try_new("cabinet-3").ok()?,
        decision: Choice::Approve,
        reach: Reach::Once,
        nonce: Nonce::of(black_box([7; 16])),
        expires_at: 1_790_000_000_000,
    };
    let root = Root::try_new("plant", "line3").ok()?;
    draft.sign(&root, &question, black_box(&[9; 32]))
}
