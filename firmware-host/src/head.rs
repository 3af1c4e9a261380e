//! The heads that the config asks for.

use std::sync::Arc;

use shoal_conductor::{
    head::{SHIPPED, routing::Routing, sensitivity::Sensitivity},
    route::{Route, learned::Learned, rule::Rule},
    worker::Backbone,
};
use shoal_models::catalogue::{self, Expected, VerifyError};

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
    let mut head = Sensitivity::try_from_bytes(&bytes);
    if let (Ok(read), Some(model)) = (&head, model) {
        let backbone = fingerprint(model, &read.backbone)?;
        head = head.and_then(|head| head.for_backbone(&backbone));
    }
    let head = head.map_err(|error| {
        Fault::usage(format!(
            "{error}; or, to find by patterns and dictionaries alone, set [privacy] head = false in shoal.toml"
        ))
    })?;
    Ok(Some(Arc::new(head)))
}

/// How `shoal-mini` chooses: by the routing head that the config names, or else by the rule. Blocks.
pub fn route(
    config: &Config,
    backbone: Option<&Arc<dyn Backbone>>,
) -> Result<Arc<dyn Route>, Fault> {
    Ok(match learned(config, backbone)? {
        Some(learned) => learned,
        None => Arc::new(Rule),
    })
}

/// The route by the routing head that the config names; none where it names none or there is no model. Blocks.
pub fn learned(
    config: &Config,
    backbone: Option<&Arc<dyn Backbone>>,
) -> Result<Option<Arc<Learned>>, Fault> {
    let Some(path) = &config.routing_head else {
        return Ok(None);
    };
    let place = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        Fault::usage(format!(
            "[conductor] routing_head {place} cannot be read: {error}; make it with `shoal learn route`, or remove the key from shoal.toml"
        ))
    })?;
    let Some(backbone) = backbone else {
        tracing::warn!(head = %place, "there is no model to read prompts with, so the routing head is not used");
        return Ok(None);
    };
    let named = |error| Fault::usage(format!("[conductor] routing_head {place}: {error}"));
    let head = Routing::try_from_bytes(&bytes).map_err(named)?;
    let found = fingerprint(&config.model, &head.backbone)?;
    let head = head.for_backbone(&found).map_err(named)?;
    let learned = Learned::new(Arc::new(head), Arc::clone(backbone));
    Ok(Some(Arc::new(learned)))
}

/// The SHA-256 of the model's file, which is not read where it is known to be the `likely` one. Blocks.
pub fn fingerprint(model: &Model, likely: &str) -> Result<String, Fault> {
    let expected = Expected {
        bytes: None,
        sha256: likely.to_owned(),
    };
    match catalogue::verify(&model.path, &expected) {
        Ok(_) => Ok(expected.sha256),
        Err(VerifyError::WrongHash { found, .. }) => Ok(found),
        Err(error) => Err(Fault::new(
            Exit::NoModel,
            format!("{error}; put a model there, or set [model] path in shoal.toml to where it is"),
        )),
    }
}
