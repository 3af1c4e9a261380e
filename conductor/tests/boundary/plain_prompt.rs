use shoal_conductor::{prompt::Prompt, worker::{Call, Worker}};

async fn call(worker: &dyn Worker) {
    let _ = worker.run(Prompt::default(), Call::default()).await;
}

fn main() {
    let _ = call;
}
