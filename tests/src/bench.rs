//! Parts of the benchmarks: both sides of a comparison, and the table.
//!
//! Each pair is measured in rounds, one side right after the other, and what is told is the median of the rounds'
//! ratios. Nothing here passes or fails: a target stands beside what was measured.

pub mod chats;
pub mod engine;
pub mod llama;
pub mod ours;
pub mod row;
pub mod table;
