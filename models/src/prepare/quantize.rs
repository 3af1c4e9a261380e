//! llama.cpp's quantization, made safe.

use std::{
    ffi::{CString, NulError},
    fs::File,
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use llama_cpp_sys_2 as sys;

use super::{
    PrepareError,
    recipe::{Recipe, Stored, TOKENS, at_most},
};
use crate::{
    disk,
    engine::{load, log, sums::Sums},
    gguf::Header,
};

/// Bytes of tensors that are held at once.
const BUFFER: usize = 256 << 20;

/// Writes the model in `source` to `part` as the recipe says, whole and on the disk. What was there is replaced; after
/// an error, what is there is rubbish. Columns that `sums` says are used most are stored most exactly.
///
/// The same source, recipe and sums give the same bytes, whatever the number of threads.
pub(super) fn quantize(
    source: &Path,
    part: &Path,
    recipe: &Recipe,
    sums: &Sums,
    threads: u32,
) -> Result<(), PrepareError> {
    let header = load::header(source)?;
    load::backend()?;
    disk::check(part, at_most(header.parameters, header.bytes))?;
    log::take_error();
    let done =
        call(source, part, recipe, sums, threads).map_err(|e| failed(recipe, &e.to_string()))?;
    if !done {
        let reason = log::take_error().unwrap_or_else(|| "llama.cpp gave no reason".to_owned());
        return Err(failed(recipe, &reason));
    }
    // A stream that cannot write does not always say so.
    let written = Header::read(part).map_err(|e| failed(recipe, &e.to_string()))?;
    if written.parameters != header.parameters {
        return Err(failed(recipe, "weights are missing"));
    }
    File::open(part)
        .and_then(|file| file.sync_all())
        .map_err(|source| PrepareError::io(part, source))
}

fn failed(recipe: &Recipe, reason: &str) -> PrepareError {
    PrepareError::Quantize {
        recipe: recipe.name,
        reason: reason.to_owned(),
    }
}

#[expect(unsafe_code, reason = "the binding has no safe way to quantize")]
fn call(
    source: &Path,
    part: &Path,
    recipe: &Recipe,
    sums: &Sums,
    threads: u32,
) -> Result<bool, NulError> {
    let source = CString::new(source.as_os_str().as_bytes())?;
    let part = CString::new(part.as_os_str().as_bytes())?;
    let patterns: Vec<(CString, Stored)> = recipe
        .others
        .iter()
        .map(|(pattern, stored)| Ok((CString::new(*pattern)?, *stored)))
        .collect::<Result<_, NulError>>()?;
    // A null ends each of both lists.
    let overrides: Vec<sys::llama_model_tensor_override> = patterns
        .iter()
        .map(|(pattern, stored)| (pattern.as_ptr(), *stored))
        .chain([(std::ptr::null(), recipe.most)])
        .map(|(pattern, stored)| sys::llama_model_tensor_override {
            pattern,
            type_: stored.tensor_type(),
        })
        .collect();
    let names: Vec<CString> = sums
        .iter()
        .map(|(name, _)| CString::new(name))
        .collect::<Result<_, _>>()?;
    let columns: Vec<sys::llama_model_imatrix_data> = names
        .iter()
        .zip(sums.iter())
        .map(|(name, (_, columns))| (name.as_ptr(), columns))
        .chain([(std::ptr::null(), &[][..])])
        .map(|(name, columns)| sys::llama_model_imatrix_data {
            name,
            data: columns.as_ptr(),
            size: columns.len(),
        })
        .collect();
    // SAFETY: takes nothing and only fills in numbers and null pointers.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.nthread = i32::try_from(threads.max(1)).unwrap_or(1);
    params.ftype = recipe.most.file_type();
    params.output_tensor_type = TOKENS.tensor_type();
    params.token_embedding_type = TOKENS.tensor_type();
    params.allow_requantize = true;
    params.pure_ = true;
    params.max_buf_size = BUFFER;
    params.tt_overrides = overrides.as_ptr();
    params.imatrix = columns.as_ptr();
    // SAFETY: both paths end with NUL; `params` and the lists with their names, patterns and numbers live until after
    // the call, which keeps none of them; both lists end with null; and no C++ exception crosses, since the function
    // catches them all and gives 1. That the source is a whole GGUF file was checked, so that llama.cpp does not abort
    // on it.
    let code =
        unsafe { sys::llama_model_quantize(source.as_ptr(), part.as_ptr(), &raw const params) };
    Ok(code == 0)
}
