//! States of fixed prompts, kept on disk so that a restart does not read them again.
//!
//! One file a prompt, named by what it depends on: the model, the cache's settings, llama.cpp's version and the tokens.
//! A file is a line of JSON (what it is, and the SHA-256 of the rest), then the state. It is written beside, synced and
//! renamed; one that does not match or is damaged is removed and the prompt is read again. Only prompts that the
//! conductor marks as its own words are kept: nobody's task is in them.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// States shorter than this are read again as fast as they are loaded.
pub(super) const LEAST: usize = 32;
/// The most files and bytes in the folder; the oldest go.
const MOST_FILES: usize = 32;
const MOST_BYTES: u64 = 1 << 30;
/// The longest first line: as many tokens as the longest context.
const MOST_LINE: u64 = 4 << 20;

/// The folder, for one model.
pub(super) struct Keep {
    folder: PathBuf,
    key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    key: String,
    tokens: Vec<i32>,
    bytes: u64,
    sha256: String,
}

/// A state and what it is of.
pub(super) struct State {
    pub(super) tokens: Vec<LlamaToken>,
    pub(super) bytes: Vec<u8>,
}

impl Keep {
    /// For the model whose file, settings and version `key` tells apart from all others.
    pub(super) fn new(folder: PathBuf, key: String) -> Self {
        Self { folder, key }
    }

    /// All states that fit, the latest used first.
    pub(super) fn load(&self) -> Vec<State> {
        let mut states: Vec<(SystemTime, State)> = Vec::new();
        for (path, _, time) in files(&self.folder) {
            match self.read(&path) {
                Ok(Some(state)) => states.push((time, state)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, file = %path.display(), "a kept state is not usable and is read anew");
                    let _ = fs::remove_file(&path);
                }
            }
        }
        states.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        states.into_iter().map(|(_, state)| state).collect()
    }

    /// The state in a file; none if it is another model's.
    fn read(&self, path: &Path) -> io::Result<Option<State>> {
        let mut reader = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        reader
            .by_ref()
            .take(MOST_LINE)
            .read_until(b'\n', &mut line)?;
        let head: Head = serde_json::from_slice(&line)?;
        if head.key != self.key {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        reader
            .take(head.bytes.saturating_add(1))
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 != head.bytes || digest(&head.tokens, &bytes) != head.sha256 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged"));
        }
        let tokens = head.tokens.into_iter().map(LlamaToken).collect();
        Ok(Some(State { tokens, bytes }))
    }

    /// Writes a state, on a thread of its own. What fails costs a later start some time, and nothing else.
    pub(super) fn store(&self, state: State) {
        let (folder, key) = (self.folder.clone(), self.key.clone());
        let written = std::thread::Builder::new()
            .name("shoal-keep".into())
            .spawn(move || {
                if let Err(error) = write(&folder, key, &state) {
                    tracing::warn!(%error, folder = %folder.display(), "a state was not kept");
                }
            });
        if let Err(error) = written {
            tracing::warn!(%error, "a state was not kept");
        }
    }
}

fn write(folder: &Path, key: String, state: &State) -> io::Result<()> {
    let tokens: Vec<i32> = state.tokens.iter().map(|token| token.0).collect();
    let head = Head {
        sha256: digest(&tokens, &state.bytes),
        bytes: state.bytes.len() as u64,
        tokens,
        key,
    };
    let mut name = Sha256::new();
    name.update(head.key.as_bytes());
    for token in &head.tokens {
        name.update(token.to_le_bytes());
    }
    let name = hex::encode(name.finalize());
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{name}.state"));
    // Written once: a card wears out. It was used now, so it is not among the oldest.
    if let Ok(file) = File::options().append(true).open(&path) {
        return file.set_modified(SystemTime::now());
    }
    let part = folder.join(format!("{name}.part"));
    make_room(folder, head.bytes);
    let mut file = File::create(&part)?;
    let mut line = serde_json::to_vec(&head)?;
    line.push(b'\n');
    let whole = file
        .write_all(&line)
        .and_then(|()| file.write_all(&state.bytes))
        .and_then(|()| file.sync_all());
    drop(file);
    whole
        .and_then(|()| fs::rename(&part, &path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&part);
        })
}

fn digest(tokens: &[i32], bytes: &[u8]) -> String {
    let mut hasher = Sha256::new();
    for token in tokens {
        hasher.update(token.to_le_bytes());
    }
    hasher.update(bytes);
    hex::encode(hasher.finalize())
}

fn make_room(folder: &Path, bytes: u64) {
    let mut files = files(folder);
    files.sort_by_key(|(_, _, time)| *time);
    let mut sum: u64 = files.iter().map(|(_, length, _)| length).sum();
    let mut count = files.len();
    for (path, length, _) in files {
        if count < MOST_FILES && sum.saturating_add(bytes) <= MOST_BYTES {
            return;
        }
        let _ = fs::remove_file(path);
        sum -= length;
        count -= 1;
    }
}

/// Path, length and time of change of each state.
fn files(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let state = |entry: fs::DirEntry| {
        let path = entry.path();
        let data = entry.metadata().ok()?;
        let is_state = path.extension().is_some_and(|e| e == "state");
        is_state.then(|| {
            (
                path,
                data.len(),
                data.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            )
        })
    };
    entries.flatten().filter_map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            tokens: vec![LlamaToken(1), LlamaToken(2)],
            bytes: vec![7; 1000],
        }
    }

    #[test]
    fn a_state_comes_back_to_the_same_model_alone() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a".into(), &state()).unwrap();
        let keep = |key: &str| Keep::new(folder.path().to_owned(), key.into());
        let [back] = &keep("a").load()[..] else {
            panic!("one state was written");
        };
        assert_eq!(
            (&back.tokens, &back.bytes),
            (&state().tokens, &state().bytes)
        );
        assert!(keep("b").load().is_empty());
        assert_eq!(
            keep("a").load().len(),
            1,
            "another model's file is left alone"
        );
    }

    #[test]
    fn a_damaged_state_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a".into(), &state()).unwrap();
        let (path, length, _) = files(folder.path()).remove(0);
        let whole = fs::read(&path).unwrap();
        let keep = Keep::new(folder.path().to_owned(), "a".into());
        let mut flipped = whole.clone();
        flipped[whole.len() - 10] ^= 1;
        let longer = [&whole[..], &[0]].concat();
        for bad in [
            &whole[..whole.len() - 1],
            &flipped,
            &longer,
            b"{}",
            b"",
            &[0xFF; 99],
        ] {
            fs::write(&path, bad).unwrap();
            assert!(keep.load().is_empty());
            assert!(!path.exists());
        }
        assert_eq!(length, whole.len() as u64);
    }

    #[test]
    fn there_are_only_so_many() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MOST_FILES + 3 {
            let state = State {
                tokens: vec![LlamaToken(i32::try_from(number).unwrap())],
                ..state()
            };
            write(folder.path(), "a".into(), &state).unwrap();
        }
        assert_eq!(files(folder.path()).len(), MOST_FILES);
    }
}
