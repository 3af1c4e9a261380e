//! SQLite's write-ahead log, as its file format has it.

const HEADER: usize = 32;
const FRAME: usize = 24;

fn number(log: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(log[at..at + 4].try_into().unwrap())
}

/// The bytes of a page.
pub(crate) fn page(log: &[u8]) -> usize {
    number(log, 8) as usize
}

/// The running checksum: the last bit of the log's first word says in which order of bytes it is reckoned.
fn checksum(log: &[u8], bytes: &[u8], (mut a, mut b): (u32, u32)) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let bytes: [u8; 4] = bytes.try_into().unwrap();
        match number(log, 0) & 1 {
            1 => u32::from_be_bytes(bytes),
            _ => u32::from_le_bytes(bytes),
        }
    };
    for pair in bytes.chunks_exact(8) {
        a = a.wrapping_add(word(&pair[..4])).wrapping_add(b);
        b = b.wrapping_add(word(&pair[4..])).wrapping_add(a);
    }
    (a, b)
}

/// Where each transaction ends: the last frame of one says how large the database is. What was left by a longer log, and
/// what is torn, does not count.
pub(crate) fn commits(log: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    if log.len() < HEADER {
        return ends;
    }
    let frame = FRAME + page(log);
    let mut sum = checksum(log, &log[..24], (0, 0));
    let mut at = HEADER;
    while at + frame <= log.len() && log[at + 8..at + 16] == log[16..24] {
        sum = checksum(log, &log[at..at + 8], sum);
        sum = checksum(log, &log[at + FRAME..at + frame], sum);
        if sum != (number(log, at + 16), number(log, at + 20)) {
            break;
        }
        if number(log, at + 4) != 0 {
            ends.push(at + frame);
        }
        at += frame;
    }
    ends
}
