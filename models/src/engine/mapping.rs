//! The pages of a model's file that are in memory.

use std::{num::NonZero, path::Path, ptr::NonNull};

use nix::sys::mman::{MmapAdvise, madvise};

/// Lets go of the pages of the model's file that loading read.
///
/// Weights that llama.cpp rearranged for this CPU lie in memory of their own, and nobody reads their pages again. The
/// others come back at the first batch, out of the system's page cache.
pub(super) fn let_go(path: &Path) {
    let Ok(path) = path.canonicalize() else {
        return;
    };
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for range in maps.lines().filter_map(|line| range_of(line, &path)) {
        let (Some(start), length) = (NonZero::new(range.start), range.len()) else {
            continue;
        };
        let start = NonNull::without_provenance(start);
        // SAFETY: the pages are a file's and were never written to, so that reading them again gives the same.
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
