//! Which of several plugins for the same thing suits this machine best.

use std::{
    ffi::c_int,
    path::{Path, PathBuf},
};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

/// The variant with the highest score by its own word, or the one that has no variants. None where none runs here.
///
/// The paths are of one kind: `libggml-cpu-haswell.so`, `libggml-cpu-zen4.so`, or `libggml-cpu.so` alone.
pub(super) fn best(variants: &[PathBuf]) -> Option<PathBuf> {
    let scored = variants
        .iter()
        .filter_map(|path| Some((score(path)?, path)));
    let runs = scored.filter(|(score, _)| *score > 0);
    runs.max_by_key(|(score, _)| *score)
        .map(|(_, path)| path.clone())
}

/// 0 if it does not run here, none if it cannot be asked. A plugin without the function has one variant, for anyone.
fn score(path: &Path) -> Option<c_int> {
    let library = open(path).inspect_err(|error| {
        tracing::info!(path = %path.display(), %error, "a plugin cannot be loaded");
    });
    let library = library.ok()?;
    // SAFETY: llama.cpp's plugins export the function with this type (GGML_BACKEND_DL_SCORE_IMPL), and the library is
    // open while it is called.
    #[expect(unsafe_code, reason = "asking a plugin for its score")]
    unsafe {
        match library.get::<unsafe extern "C" fn() -> c_int>(b"ggml_backend_score\0") {
            Ok(score) => Some(score()),
            Err(_) => Some(1),
        }
    }
}

/// Why llama.cpp would not take a file.
pub(super) fn complaint(path: &Path) -> String {
    match open(path) {
        Err(error) => error.to_string(),
        Ok(_) => {
            "llama.cpp does not take it: it does not run here, or is of another version".to_owned()
        }
    }
}

fn open(path: &Path) -> Result<Library, libloading::Error> {
    // SAFETY: the file is a plugin from a folder of root, of this user or of whoever owns this program; what it
    // runs when it is opened is C++'s set-up of static values.
    #[expect(unsafe_code, reason = "opening a library runs its code")]
    unsafe {
        Library::open(Some(path), RTLD_NOW | RTLD_LOCAL)
    }
}
