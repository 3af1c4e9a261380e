//! The API over a real store and conductor, with workers that say what they are told to.

mod access;
mod chat;
mod tasks;

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    body::Body,
    http::{Request, Response, StatusCode, request},
};
use serde_json::Value;
use shoal_boards::{Report, Roots};
use shoal_conductor::{
    cleared::Cleared,
    conductor::{Conductor, Parts as ConductorParts},
    id::{TaskId, WorkerId},
    label::Label,
    policy::Policy,
    prompt::Prompt,
    route::rule::Rule,
    task::State,
    unit::Tokens,
    worker::{Call, Finish, Place, Reply, Usage, Worker, WorkerError},
};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Api, Parts};
use crate::{
    appliance::{Appliance, ApplianceLimits, Slots},
    config::ApiLimits,
    reload::PolicyState,
    secret::Secret,
    store::{NewKey, Scope, Store},
};

/// The longest time that a test waits for something.
const DEADLINE: Duration = Duration::from_secs(20);
const POLICY: &str =
    "[escalation]\nconfidential = \"approve\"\n[workers.cloud]\nclearance = \"internal\"\n";

/// Answers "hello world", unless the text asks for something else.
struct Puppet {
    id: WorkerId,
    place: Place,
}

#[async_trait]
impl Worker for Puppet {
    fn id(&self) -> &WorkerId {
        &self.id
    }

    fn place(&self) -> Place {
        self.place
    }

    async fn run(&self, prompt: Cleared<Prompt>, call: Call) -> Result<Reply, WorkerError> {
        let prompt = prompt.open(&self.id)?;
        let asked: String = prompt.messages.iter().map(|m| m.content.as_str()).collect();
        if asked.contains("hang") {
            call.cancel.cancelled().await;
            return Err(WorkerError::Cancelled);
        }
        if asked.contains("too long") {
            return Err(WorkerError::TooLong {
                worker: self.id.clone(),
                tokens: 9,
                limit: 8,
            });
        }
        if asked.contains("break") {
            return Err(WorkerError::Internal {
                worker: self.id.clone(),
                reason: "it broke".into(),
            });
        }
        if let Some(stream) = &call.stream {
            for piece in ["hello", " world"] {
                stream.send(piece.to_owned()).await.ok();
            }
        }
        Ok(Reply {
            text: "hello world".into(),
            finish: Finish::Stop,
            usage: Usage {
                input: Tokens(12),
                cached: Tokens(3),
                output: Tokens(2),
            },
        })
    }
}

/// An appliance behind an API.
struct Bench {
    api: Api,
    store: Store,
    _data: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let store = Store::open(data.path()).await.unwrap();
        let puppet = |name: &str, place| -> Arc<dyn Worker> {
            let id = WorkerId::try_new(name).unwrap();
            Arc::new(Puppet { id, place })
        };
        let part = Arc::new(store.clone());
        let conductor = Conductor::try_new(ConductorParts {
            policy: Arc::new(Policy::parse(POLICY, Path::new("/")).unwrap()),
            workers: vec![
                puppet("local", Place::Board),
                puppet("cloud", Place::Remote),
            ],
            backbone: None,
            head: None,
            route: Arc::new(Rule),
            journal: part.clone(),
            desk: part.clone(),
            ledger: part,
            prover: None,
            ultra_min_parameters: 1,
        })
        .unwrap();
        let limits = ApplianceLimits { max_open_tasks: 3 };
        let appliance = Appliance::new(
            store.clone(),
            Arc::new(conductor),
            limits,
            Slots::new(3),
            Arc::new(|| 0),
        );
        let api = Api::new(Parts {
            appliance,
            board: Report::of(&Roots::at(data.path())),
            cli_key: Secret::new("sk-cli-test"),
            limits: ApiLimits {
                body: 4096,
                connections: 4,
                header: Duration::from_secs(5),
                drain: Duration::ZERO,
            },
            policy: watch::Sender::new(PolicyState::new("/policy.toml".into())).subscribe(),
            broker: None,
            refusals: None,
            degraded: vec!["one thing".into()],
            stopping: CancellationToken::new(),
        });
        Self {
            api,
            store,
            _data: data,
        }
    }

    /// A new key.
    async fn key(&self, name: &str, scopes: &[Scope]) -> String {
        self.key_with(name, scopes, Label::Public, None).await
    }

    async fn key_with(
        &self,
        name: &str,
        scopes: &[Scope],
        label: Label,
        workers: Option<&[&str]>,
    ) -> String {
        let id = |name: &&str| WorkerId::try_new(*name).unwrap();
        let new = NewKey {
            name: name.into(),
            scopes: scopes.to_vec(),
            label,
            workers: workers.map(|names| names.iter().map(id).collect()),
        };
        self.store
            .create_key(new)
            .await
            .unwrap()
            .1
            .expose()
            .to_owned()
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        let work = self.api.router().oneshot(request);
        tokio::time::timeout(DEADLINE, work).await.unwrap().unwrap()
    }

    async fn get(&self, key: &str, path: &str) -> Answer {
        let request = asking("GET", key, path).body(Body::empty()).unwrap();
        Answer::of(self.send(request).await).await
    }

    async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.post_with(key, path, body, &[]).await
    }

    async fn post_with(
        &self,
        key: &str,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        Answer::of(self.send(posting(key, path, body, headers)).await).await
    }

    /// Waits until a task stands like this.
    async fn until(&self, id: &str, state: State) {
        let id = TaskId::try_new(id).unwrap();
        let reached = async {
            let mut changes = self.store.task_changes();
            loop {
                let record = self.store.task(&id).await.unwrap();
                if record.is_some_and(|record| record.state == state) {
                    return;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(DEADLINE, reached).await.unwrap();
    }
}

fn asking(method: &str, key: &str, path: &str) -> request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {key}"))
}

fn posting(key: &str, path: &str, body: &Value, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = asking("POST", key, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_string())).unwrap()
}

/// A whole response.
struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let read = axum::body::to_bytes(body, 1 << 20);
        let bytes = tokio::time::timeout(DEADLINE, read).await.unwrap().unwrap();
        Self {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }
}
