use shoal_conductor::{cleared::Cleared, id::WorkerId, prompt::Prompt};

fn make(worker: WorkerId) -> Cleared<Prompt> {
    Cleared::new(worker, Prompt::default())
}

fn main() {
    let _ = make;
}
