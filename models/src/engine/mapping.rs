//! A model's weights, and the pages of its file that are in memory.

use std::{
    mem::ManuallyDrop,
    num::NonZero,
    ops::Deref,
    path::Path,
    ptr::NonNull,
    sync::{Mutex, MutexGuard, PoisonError},
};

use llama_cpp_2::model::{LlamaModel, params::LlamaModelParams};
use nix::sys::mman::{MmapAdvise, madvise};

use super::{
    load::{LoadError, backend, rejected},
    log,
};

/// Held while a model's file is unmapped, and while pages of one are let go: else those addresses could be another's by then.
static UNMAPPING: Mutex<()> = Mutex::new(());

fn unmapping() -> MutexGuard<'static, ()> {
    UNMAPPING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A loaded model.
#[derive(Debug)]
pub(crate) struct Weights(ManuallyDrop<LlamaModel>);

impl Weights {
    /// Maps the file and reads it in.
    pub(crate) fn load(path: &Path, params: &LlamaModelParams) -> Result<Self, LoadError> {
        let backend = backend()?;
        log::take_error();
        let model = LlamaModel::load_from_file(backend, path, params);
        let model = model.map_err(|e| {
            let reason = log::take_error().unwrap_or_else(|| e.to_string());
            rejected(path, &reason)
        })?;
        Ok(Self(ManuallyDrop::new(model)))
    }
}

impl Deref for Weights {
    type Target = LlamaModel;

    fn deref(&self) -> &LlamaModel {
        &self.0
    }
}

impl Drop for Weights {
    fn drop(&mut self) {
        let _alone = unmapping();
        // SAFETY: dropped here alone, and not used after.
        #[expect(unsafe_code, reason = "the file is unmapped while nobody looks")]
        unsafe {
            ManuallyDrop::drop(&mut self.0);
        }
    }
}

/// Lets go of the pages of a model's file that loading read.
///
/// Weights that llama.cpp rearranged for this CPU lie in memory of their own, and nobody reads their pages again. The
/// others come back at the first batch, out of the system's page cache.
pub(super) fn let_go(path: &Path) {
    let Ok(path) = path.canonicalize() else {
        return;
    };
    let _alone = unmapping();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for range in maps.lines().filter_map(|line| range_of(line, &path)) {
        let (Some(start), length) = (NonZero::new(range.start), range.len()) else {
            continue;
        };
        let start = NonNull::without_provenance(start);
        // SAFETY: the pages are a model file's, which is not unmapped meanwhile, and were never written to, so that
        // reading them again gives the same.
        #[expect(unsafe_code, reason = "llama.cpp keeps the mapping to itself")]
        let outcome = unsafe { madvise(start, length, MmapAdvise::MADV_DONTNEED) };
        if let Err(error) = outcome {
            tracing::debug!(%error, "pages of the model's file stay in memory");
        }
    }
}

/// The addresses that a line of `/proc/self/maps` gives, if they are a mapping of the file that nobody can write to.
fn range_of(line: &str, path: &Path) -> Option<std::ops::Range<usize>> {
    // Addresses, rights, offset, device, inode, and after blanks the path.
    let mut fields = line.splitn(6, ' ');
    let (addresses, rights) = (fields.next()?, fields.next()?);
    let file = fields.nth(3)?.trim_start();
    if Path::new(file) != path || rights.contains('w') {
        return None;
    }
    let (start, end) = addresses.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some(number(start)?..number(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_of_the_file_that_nobody_writes_to_is_found() {
        let path = Path::new("/srv/my models/a.gguf");
        let line = "7f00-8000 r--s 00001000 fe:00 262 /srv/my models/a.gguf";
        assert_eq!(range_of(line, path), Some(0x7f00..0x8000));
        let padded =
            "7f00-8000 r--p 00000000 fe:00 262                        /srv/my models/a.gguf";
        assert_eq!(range_of(padded, path), Some(0x7f00..0x8000));
        let other = "7f00-8000 r--s 00001000 fe:00 262 /srv/my models/b.gguf";
        assert_eq!(range_of(other, path), None);
        let writable = "7f00-8000 rw-p 00001000 fe:00 262 /srv/my models/a.gguf";
        assert_eq!(range_of(writable, path), None);
        assert_eq!(range_of("7f00-8000 rw-p 00000000 00:00 0 ", path), None);
        assert_eq!(range_of("", path), None);
    }
}
