//! What an appliance and the devices around it say to each other over MQTT.
//!
//! For programs without an operating system as well: no heap, every text has a longest length, and the only
//! dependencies are heapless and serde. It knows nothing of transport, encryption or how a task is done.

#![no_std]

mod name;
mod request;
mod result;
mod state;
mod topic;

pub use name::{BadName, MAX_NAME, Name};
pub use request::TaskRequest;
pub use result::ResultHead;
pub use state::{State, StateMessage};
pub use topic::{MAX_TOPIC, Root, Topic};
