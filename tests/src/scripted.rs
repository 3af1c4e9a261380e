//! A provider that says what a test wants, over plain HTTP as OpenAI's API has it, and keeps every request.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What it does with one request.
#[derive(Clone, Debug)]
pub enum Line {
    /// Answers, a few bytes at a time.
    Says(String),
    /// Has no time.
    Busy,
    /// Says this and closes the connection in the middle of the answer.
    BreaksOff(String),
    /// Says nothing until the caller goes away.
    Hangs,
    /// Answers once it is true.
    Waits(watch::Receiver<bool>, String),
}

/// Decides on a request by its number, from 0, and its body.
type Script = dyn Fn(usize, &Value) -> Line + Send + Sync;

/// A provider on a port of its own. Ends with its owner.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Value>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Scripted {
    /// Starts one.
    pub async fn start(
        script: impl Fn(usize, &Value) -> Line + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::at(Ipv4Addr::LOCALHOST, script).await
    }

    /// The same, which other machines reach by this address of ours.
    pub async fn at(
        host: Ipv4Addr,
        script: impl Fn(usize, &Value) -> Line + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind((host, 0)).await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let script: Arc<Script> = Arc::new(script);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                tokio::spawn(async move {
                    // A client that breaks off is a client's right.
                    let _ = serve(client, &kept, &*script).await;
                });
            }
        });
        Ok(Self {
            address,
            requests,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bodies of all requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(client: TcpStream, kept: &Mutex<Vec<Value>>, script: &Script) -> Result<()> {
    let (reader, mut writer) = client.into_split();
    let mut reader = BufReader::new(reader);
    let body = request(&mut reader).await?;
    let number = {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(body.clone());
        kept.len() - 1
    };
    let (text, whole) = match script(number, &body) {
        Line::Says(text) => (text, true),
        Line::BreaksOff(text) => (text, false),
        Line::Waits(mut open, text) => {
            open.wait_for(|open| *open).await?;
            (text, true)
        }
        Line::Busy => {
            let busy = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return Ok(writer.write_all(busy).await?);
        }
        Line::Hangs => {
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).await?;
            return Ok(());
        }
    };
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    writer.write_all(head).await?;
    let letters: Vec<char> = text.chars().collect();
    for piece in letters.chunks(5) {
        let piece: String = piece.iter().collect();
        let event = json!({"choices": [{"delta": {"content": piece}}]});
        writer
            .write_all(format!("data: {event}\n\n").as_bytes())
            .await?;
    }
    if whole {
        let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
        let end = format!("data: {end}\n\ndata: [DONE]\n\n");
        writer.write_all(end.as_bytes()).await?;
    }
    Ok(writer.shutdown().await?)
}

/// Reads one request and gives its body.
async fn request(reader: &mut BufReader<tokio::net::tcp::OwnedReadHalf>) -> Result<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().context("a length")?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}
