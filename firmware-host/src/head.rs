//! The sensitivity head that the config asks for.

use std::sync::Arc;

use shoal_conductor::head::{SHIPPED, sensitivity::Sensitivity};
use shoal_models::catalogue;

use crate::{
    config::{Config, Head, Model},
    exit::{Exit, Fault},
};

/// The head; none where the config does without. With `model` it is checked against that model's file, which blocks. Without
/// a model nothing can be read, and the head is there to say so.
pub fn load(config: &Config, model: Option<&Model>) -> Result<Option<Arc<Sensitivity>>, Fault> {
    let bytes = match &config.head {
        Head::Off => return Ok(None),
        Head::Shipped => SHIPPED.to_vec(),
        Head::File(path) => std::fs::read(path).map_err(|error| {
            let place = path.display();
            Fault::usage(format!(
                "[privacy] head_file {place} cannot be read: {error}"
            ))
        })?,
    };
    let backbone = model.map(fingerprint).transpose()?;
    let head = Sensitivity::try_from_bytes(&bytes).and_then(|head| match &backbone {
        Some(backbone) => head.for_backbone(backbone),
        None => Ok(head),
    });
    let head = head.map_err(|error| {
        Fault::usage(format!(
            "{error}; or, to find by patterns and dictionaries alone, set [privacy] head = false in shoal.toml"
        ))
    })?;
    Ok(Some(Arc::new(head)))
}

/// The SHA-256 of the model's file. Blocks.
pub fn fingerprint(model: &Model) -> Result<String, Fault> {
    catalogue::digest(&model.path).map_err(|error| {
        let place = model.path.display();
        Fault::new(
            Exit::NoModel,
            format!(
                "the model file {place} cannot be read: {error}; put one there, or set [model] path in shoal.toml to where it is"
            ),
        )
    })
}
