use shoal_conductor::{cleared::Cleared, prompt::Prompt, worker::{Call, Worker}};

async fn call(worker: &dyn Worker, prompt: Cleared<Prompt>) {
    let _ = worker.run(prompt, Call::default()).await;
}

fn main() {
    let _ = call;
}
