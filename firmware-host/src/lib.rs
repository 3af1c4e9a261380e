//! The appliance: the LAN API, the MQTT link, the store, approvals and the command line around the conductor.
//!
//! A task comes in over HTTP ([`api`]) or MQTT, is in the store before anyone is told so, is run by the conductor with
//! the workers of [`pool`], and its answer and trace are kept. How to plan and what may leave is the conductor's
//! business; how a model runs is that of `shoal-models`.

pub mod accelerate;
pub mod api;
pub mod appliance;
pub mod cli;
pub mod client;
pub mod config;
pub mod exit;
pub mod head;
pub mod link;
pub mod memory;
pub mod nowhere;
pub mod outbox;
pub mod pool;
pub mod proving;
pub mod reload;
mod residents;
pub mod retention;
pub mod rule;
pub mod running;
mod said;
pub mod sandbox;
pub mod secret;
pub mod store;
pub mod tls;
pub mod weights;
