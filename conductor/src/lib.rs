//! Conducting: how several models work on one task, and what each of them may read.
//!
//! A task's text is labelled, a conductor writes a workflow, the gate judges each step, and the steps run. This crate
//! knows nothing of HTTP, MQTT, SQL or llama.cpp: models stand behind [`worker::Worker`] and [`worker::Backbone`].

mod brief;
pub mod cleared;
pub mod conductor;
pub mod desk;
pub mod detect;
pub mod document;
pub mod exercise;
pub mod explain;
#[cfg(test)]
mod fake;
pub mod fault;
pub mod feature;
pub mod gate;
pub mod head;
pub mod id;
pub mod label;
pub mod ledger;
pub mod limits;
mod mini;
mod pace;
pub mod plan;
pub mod policy;
pub mod prompt;
pub mod prover;
mod reader;
pub mod route;
mod rules;
mod run;
mod suggestion;
pub mod task;
pub mod text;
pub mod trace;
mod ultra;
pub mod unit;
pub mod vault;
pub mod verdict;
pub mod worker;
pub mod workflow;
