//! A vendor's server for the NPU, as far as its HTTP goes: it speaks OpenAI's chat API with the liberties that those
//! servers take, and answers with what it read.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The longest request, in bytes.
const MOST: usize = 1 << 20;

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// In events that end without a reason, and without counting, as RKLLM's demo servers do.
    Rkllm,
    /// In one piece, as a server may that cannot stream.
    Hailo,
}

/// A running server. Ends with its owner.
#[derive(Debug)]
pub struct Npu {
    address: SocketAddr,
    room: Arc<Room>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Room {
    manner: Manner,
    /// The hardware does one thing at a time; whoever comes meanwhile is sent away.
    at_work: AtomicBool,
    sent_away: AtomicUsize,
    read: Mutex<Vec<String>>,
}

impl Npu {
    /// Starts one on loopback.
    pub async fn start(manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let room = Arc::new(Room {
            manner,
            at_work: AtomicBool::new(false),
            sent_away: AtomicUsize::new(0),
            read: Mutex::default(),
        });
        let shared = Arc::clone(&room);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let room = Arc::clone(&shared);
                // A client that sends nonsense or goes away ends its own connection alone.
                tokio::spawn(async move { room.serve(client).await });
            }
        });
        Ok(Self {
            address,
            room,
            accepting,
        })
    }

    /// The lines of `shoal.toml` that make it a worker named `npu`.
    #[must_use]
    pub fn worker(&self) -> String {
        let runtime = match self.room.manner {
            Manner::Rkllm => "rkllm",
            Manner::Hailo => "hailo",
        };
        format!(
            "\n[[workers]]\nid = \"npu\"\nkind = \"npu\"\nruntime = \"{runtime}\"\n\
             base_url = \"http://{}/v1\"\nmodel = \"qwen\"\n",
            self.address
        )
    }

    /// The prompts that it read.
    #[must_use]
    pub fn read(&self) -> Vec<String> {
        let read = self.room.read.lock();
        read.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests came while it was at work.
    #[must_use]
    pub fn sent_away(&self) -> usize {
        self.room.sent_away.load(Ordering::Relaxed)
    }
}

impl Drop for Npu {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Room {
    async fn serve(&self, mut client: TcpStream) -> Result<()> {
        let body = request(&mut client).await?;
        if self.at_work.swap(true, Ordering::AcqRel) {
            self.sent_away.fetch_add(1, Ordering::Relaxed);
            let busy = json!({"status": "error", "message": "the server is busy"});
            return answer(
                &mut client,
                "503 Busy",
                "application/json",
                &busy.to_string(),
            )
            .await;
        }
        let asked: String = body["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|message| message["content"].as_str())
            .collect();
        let reply = format!("I read: {asked}");
        let read = self.read.lock();
        read.unwrap_or_else(PoisonError::into_inner).push(asked);
        let told = match self.manner {
            Manner::Rkllm => {
                let usage = json!({"prompt_tokens": null, "completion_tokens": null});
                let event = |piece: &str| {
                    let event = json!({"choices": [{"delta": {"content": piece}}], "usage": usage});
                    format!("data: {event}\n\n")
                };
                let events: String = reply.split_inclusive(' ').map(event).collect();
                answer(&mut client, "200 OK", "text/event-stream", &events).await
            }
            Manner::Hailo => {
                let said = json!({"role": "assistant", "content": reply});
                let whole = json!({"choices": [{"message": said, "finish_reason": "stop"}]});
                answer(
                    &mut client,
                    "200 OK",
                    "application/json",
                    &whole.to_string(),
                )
                .await
            }
        };
        self.at_work.store(false, Ordering::Release);
        told
    }
}

/// Reads one request to the chat API.
async fn request(client: &mut TcpStream) -> Result<Value> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(client.read_buf(&mut bytes).await? > 0, "it hung up");
        ensure!(bytes.len() < MOST, "its head is too long");
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    ensure!(text.starts_with("post /v1/chat/completions "), "{text}");
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("no length")?.trim().parse()?;
    ensure!(length < MOST, "its body is too long");
    while bytes.len() < head + length {
        ensure!(client.read_buf(&mut bytes).await? > 0, "it hung up");
    }
    Ok(serde_json::from_slice(&bytes[head..head + length])?)
}

/// As small servers do: what follows the head until the connection ends.
async fn answer(client: &mut TcpStream, status: &str, kind: &str, body: &str) -> Result<()> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    client.write_all(head.as_bytes()).await?;
    client.write_all(body.as_bytes()).await?;
    Ok(client.shutdown().await?)
}
