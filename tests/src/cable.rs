//! A cable to a broker that can be cut: what is sent over it waits until it is mended, as in a network that fails.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Stands between an appliance and its broker. Ends with its owner.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    whole: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Cable {
    /// Passes everything on to a port of this machine.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (whole, watching) = watch::channel(true);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let watching = watching.clone();
                tokio::spawn(async move {
                    // Whoever hangs up ends it.
                    let _ = pass(client, port, watching).await;
                });
            }
        });
        Ok(Self {
            address,
            whole,
            accepting,
        })
    }

    /// Where to connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Nothing passes any more.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// It passes again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(client: TcpStream, port: u16, mut whole: watch::Receiver<bool>) -> Result<()> {
    whole.wait_for(|whole| *whole).await?;
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        up = copy(from_client, to_server, whole.clone()) => up,
        down = copy(from_server, to_client, whole) => down,
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut whole: watch::Receiver<bool>,
) -> Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        whole.wait_for(|whole| *whole).await?;
        to.write_all(&buffer[..read]).await?;
    }
}
