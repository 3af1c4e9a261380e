use shoal_conductor::{cleared::Cleared, id::WorkerId, prompt::Prompt};

fn forge(worker: WorkerId) -> Cleared<Prompt> {
    Cleared {
        worker,
        inner: Prompt::default(),
    }
}

fn main() {
    let _ = forge;
}
