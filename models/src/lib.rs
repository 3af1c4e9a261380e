//! Models behind the conductor's two traits: llama.cpp on this board, and providers elsewhere.
//!
//! [`engine`] owns the weights and serves the backbone and the [`local`] worker; [`openai`] speaks to servers that
//! understand OpenAI's chat API, through [`egress`], the only module through which bytes leave the board.
//! [`plugin`] loads what computes, and [`offload`] measures whether an accelerator is worth it.
//! [`catalogue`] says which model files there are and whether one is whole, and [`prepare`] stores one as this machine
//! computes it fastest. This crate knows nothing of MQTT, SQL or the appliance's own API.

pub mod catalogue;
pub mod disk;
pub mod egress;
pub mod engine;
pub mod gguf;
pub mod local;
pub mod offload;
pub mod openai;
pub mod plugin;
pub mod prepare;
pub mod residence;
pub mod secret;
mod writing;

#[cfg(test)]
mod testing;
