//! What board this is, and how a language model best runs on it.
//!
//! [`detect`] reads the device tree, `/proc` and `/sys` below an injected root
//! and matches what it finds against one TOML profile per board; [`decide`]
//! turns that into threads, GPU layers, context and a memory budget, each with
//! its reason. Neither can fail: what cannot be read is a note, and a board
//! nobody described gets the generic profile of its architecture.
//!
//! This crate knows nothing of tasks, workers or the code that runs a model.

mod accelerator;
mod board;
mod bytes;
mod cgroup;
mod cpu;
mod decision;
mod error;
mod headroom;
mod health;
mod isa;
mod memory;
mod pressure;
mod profile;
mod report;
mod roots;
mod shortage;

pub use accelerator::{Accelerator, AcceleratorKind};
pub use board::{Board, detect};
pub use bytes::Bytes;
pub use cgroup::Limits;
pub use cpu::{Arch, Cpu};
pub use decision::{ALL_LAYERS, Decision, Suggestion, decide};
pub use error::BoardsError;
pub use headroom::Headroom;
pub use health::{Health, HealthReader};
pub use isa::Isa;
pub use memory::Memory;
pub use pressure::{Pressure, Stall, Stalls};
pub use profile::{Flash, FlashMethod, Offload, Profile, Tier};
pub use report::Report;
pub use roots::Roots;
pub use shortage::{Shortage, Thresholds};
