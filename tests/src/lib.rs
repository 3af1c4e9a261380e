//! Whole appliances for tests: the real binary with a data folder of its own, a real broker, and a proxy that keeps every
//! byte that passes.
//!
//! `cargo xtask test` says by `SHOAL_BIN`, `SHOAL_MODEL` and `SHOAL_PYTHON` where binary, model and Python are; without
//! it the usual places under `target` are tried. What is missing fails a test; none is skipped.

pub mod appliance;
pub mod bench;
pub mod broker;
pub mod capture;
pub mod mqtt;
pub mod namespace;
pub mod npu;
pub mod place;
pub mod plain;
pub mod provider;
pub mod recorder;
pub mod scripted;
pub mod shift;
pub mod wait;
