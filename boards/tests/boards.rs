//! Each folder of `fixtures` is a board: what is found on it, what is decided
//! for it, and rules that hold for every one of them.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use shoal_boards::{ALL_LAYERS, Profile, Report, Roots};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut boards: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    boards.sort();
    assert!(!boards.is_empty());
    boards
}

fn name(board: &Path) -> String {
    board.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn what_a_person_reads() {
    for board in fixtures() {
        let report = Report::of(&Roots::at(&board));
        insta::assert_snapshot!(name(&board), report);
    }
}

#[test]
fn what_a_program_reads() {
    let report = Report::of(&Roots::at(fixtures().remove(0)));
    let json = serde_json::to_value(&report).unwrap();
    let keys: BTreeSet<&String> = json["decision"].as_object().unwrap().keys().collect();
    let expected = [
        "context",
        "gpu_layers",
        "memory_budget",
        "model",
        "reasons",
        "threads",
    ];
    assert!(keys.into_iter().eq(expected), "{json:#}");
    assert!(json["board"]["memory"]["total"].is_u64(), "{json:#}");
}

#[test]
fn every_profile_has_a_board_that_takes_it() {
    let taken: BTreeSet<String> = fixtures()
        .iter()
        .map(|board| Report::of(&Roots::at(board)).board.profile.name)
        .collect();
    for profile in Profile::built_in() {
        assert!(taken.contains(&profile.name), "{}", profile.name);
    }
}

#[test]
fn decisions_are_within_what_the_board_has() {
    for path in fixtures() {
        let Report { board, decision } = Report::of(&Roots::at(&path));
        let on = name(&path);
        assert!(decision.threads >= 1, "{on}");
        assert!(decision.threads <= board.cpu.logical.max(1), "{on}");
        assert!(decision.context >= 512, "{on}");
        let available = board.memory.available.unwrap_or_default();
        assert!(decision.memory_budget <= available, "{on}");
        let tier = board.profile.tier(decision.memory_budget.get());
        assert_eq!(tier.model, decision.model.name, "{on}");
        let offloads = board
            .accelerators
            .iter()
            .any(|a| board.profile.offload.to.contains(&a.kind));
        assert_eq!(decision.gpu_layers == ALL_LAYERS, offloads, "{on}");
        assert!(decision.reasons.len() >= 4, "{on}: {:?}", decision.reasons);
    }
}

#[test]
fn garbage_in_every_file_is_a_generic_board_with_notes() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        "proc/cpuinfo",
        "proc/meminfo",
        "proc/self/cgroup",
        "proc/self/status",
        "proc/device-tree/model",
        "proc/device-tree/compatible",
        "sys/fs/cgroup/memory.max",
        "sys/fs/cgroup/cpu.max",
        "sys/class/thermal/thermal_zone0/temp",
    ];
    for garbage in [
        &b""[..],
        b"\xff\xfe:\0:\n::\n0::/\n",
        b"processor\t: -1\nCPU part: 0x\n",
    ] {
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, garbage).unwrap();
        }
        let report = Report::of(&Roots::at(dir.path()));
        assert_eq!(report.board.matched, None, "{report}");
        assert_eq!(report.decision.threads, 1, "{report}");
        assert!(!report.board.notes.is_empty(), "{report}");
    }
}

#[test]
fn a_folder_where_a_file_should_be_is_as_good_as_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for file in [
        "proc/cpuinfo",
        "proc/meminfo",
        "proc/device-tree/compatible",
    ] {
        fs::create_dir_all(dir.path().join(file)).unwrap();
    }
    let report = Report::of(&Roots::at(dir.path()));
    assert_eq!(report.board.cpu.logical, 0);
    assert_eq!(report.board.memory.total, None);
}

#[test]
fn this_machine_is_a_board() {
    let report = Report::of(&Roots::default());
    assert!(report.board.cpu.logical > 0, "{report}");
    assert!(report.decision.threads >= 1, "{report}");
}
