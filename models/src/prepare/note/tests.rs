use super::*;

/// SHA-256 of `abc`, as FIPS 180-2 gives it.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn machine() -> Machine {
    Machine {
        llama: "llama 1".into(),
        isa: "aarch64 dotprod".into(),
        accelerated: false,
    }
}

fn note() -> Note {
    let abc = Bytes {
        bytes: 3,
        sha256: ABC.to_owned(),
    };
    Note {
        recipe: "q4-0".into(),
        threads: 2,
        most_perplexity: 1.02,
        pace: Pace {
            prefill: 366.0,
            decode: 147.5,
        },
        machine: machine(),
        source: abc.clone(),
        prepared: Some(abc),
        measured: vec![Row {
            recipe: "q4-0".into(),
            bytes: Some(3),
            perplexity: Some(1.013),
            prefill: Some(4.48),
            decode: Some(1.6),
            remark: None,
        }],
    }
}

fn place() -> (tempfile::TempDir, Place) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::try_new(&folder.path().join("m.gguf")).unwrap();
    fs::write(&place.source, "abc").unwrap();
    fs::write(&place.prepared, "abc").unwrap();
    note().write(&place).unwrap();
    (folder, place)
}

#[test]
fn a_note_is_read_as_it_was_written_and_people_can_read_it() {
    let (_folder, place) = place();
    assert_eq!(Note::read(&place).unwrap(), Some(note()));
    note().check(&place, &machine(), 1.02).unwrap();
    insta::assert_snapshot!(fs::read_to_string(&place.note).unwrap());
}

#[test]
fn nothing_prepared_is_no_fault_and_a_file_without_a_note_is_one() {
    let (_folder, place) = place();
    fs::remove_file(&place.note).unwrap();
    assert!(matches!(Note::read(&place), Err(Misfit::NoNote)));
    fs::remove_file(&place.prepared).unwrap();
    assert_eq!(Note::read(&place).unwrap(), None);
}

#[test]
fn rubbish_and_foreign_keys_are_no_note() {
    let (_folder, place) = place();
    let whole = fs::read_to_string(&place.note).unwrap();
    let foreign = format!("colour = 1\n{whole}");
    let long = format!("{whole}\n{}", "#".repeat(70_000));
    for text in ["", "\0\0\0", &whole[..whole.len() / 2], &foreign, &long] {
        fs::write(&place.note, text).unwrap();
        assert!(matches!(Note::read(&place), Err(Misfit::Unreadable(_))));
    }
}

#[test]
fn each_misfit_says_what_differs() {
    let (_folder, place) = place();
    let other = [
        Machine {
            llama: "llama 2".into(),
            ..machine()
        },
        Machine {
            isa: "aarch64 dotprod i8mm".into(),
            ..machine()
        },
        Machine {
            accelerated: true,
            ..machine()
        },
    ];
    let mut said: Vec<String> = other
        .iter()
        .map(|now| note().check(&place, now, 1.02).unwrap_err().to_string())
        .collect();
    said.push(
        note()
            .check(&place, &machine(), 1.05)
            .unwrap_err()
            .to_string(),
    );
    insta::assert_snapshot!(said.join("\n"), @r"
    it was prepared for llama 1 and this is llama 2
    it was prepared for aarch64 dotprod and this is aarch64 dotprod i8mm
    it was prepared for the CPU alone and this is an accelerator
    it may lose 2.0 % in perplexity and the config says 5.0 %
    ");
}

#[test]
fn a_changed_download_and_a_damaged_file_are_told_apart() {
    for (change, text) in [(true, "abd"), (true, "ab"), (false, "abd"), (false, "abcd")] {
        let (_folder, place) = place();
        let file = if change {
            &place.source
        } else {
            &place.prepared
        };
        fs::write(file, text).unwrap();
        match note().check(&place, &machine(), 1.02).unwrap_err() {
            Misfit::Source(_) => assert!(change),
            Misfit::Damaged(_) => assert!(!change),
            other => panic!("{other}"),
        }
    }
    let (_folder, place) = place();
    fs::remove_file(&place.prepared).unwrap();
    assert!(matches!(
        note().check(&place, &machine(), 1.02),
        Err(Misfit::Damaged(VerifyError::Missing(_)))
    ));
}
