//! The heads: small networks on the backbone's hidden states, and how they are learnt.
//!
//! [`sensitivity`] finds what patterns cannot: names, places, organisations, addresses, in any script. It knows a backbone
//! only by the states that it gives ([`states`]); a head is a file that fits one backbone and one way of reading.

pub mod class;
pub mod cuts;
mod decode;
pub mod evolve;
pub mod example;
mod half;
pub mod learn;
mod matrix;
pub mod net;
mod random;
pub mod routing;
pub mod score;
pub mod sensitivity;
pub mod shape;
pub mod states;
pub mod teach;
pub mod tensors;
pub mod words;

/// The sensitivity head that comes with the program, for the default model.
pub const SHIPPED: &[u8] = include_bytes!("../heads/sensitivity.safetensors");
