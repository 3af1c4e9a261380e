//! What an appliance and the devices around it say to each other over MQTT.
//!
//! For programs without an operating system as well: no heap, every text has a longest length, and messages are written
//! into a buffer that the caller brings and read out of the bytes that came ([`codec`]). Decisions can be signed by the
//! device itself (feature `sign`). `firmware/` is a whole device; `cargo xtask wire` compiles it for a
//! Cortex-M4 and measures what it takes.
//!
//! The appliance uses the same types. It knows nothing of transport, encryption or how a task is done.

#![no_std]

pub mod codec;
mod decision;
mod label;
mod name;
mod question;
mod request;
mod result;
#[cfg(feature = "sign")]
mod sign;
mod signature;
mod site;
mod state;
mod telemetry;
mod text;
mod topic;

pub use decision::{
    BadNonce, Choice, Decision, MAX_DECISION, MAX_STATEMENT, Nonce, Reach, Statement,
};
pub use label::Label;
pub use name::{BadName, MAX_NAME, Name};
pub use question::{Digest, MAX_DIGEST, Question};
pub use request::{Absent, Effort, MAX_MESSAGES, MAX_STOPS, MAX_TASK, MAX_TOKENS, TaskRequest};
pub use result::{ResultHead, TaskResult, Usage};
#[cfg(feature = "sign")]
pub use sign::Draft;
pub use signature::{BadSignature, Signature};
pub use site::Site;
pub use state::{State, StateMessage};
pub use telemetry::Telemetry;
pub use text::Clip;
pub use topic::{MAX_TOPIC, Root, Topic};
