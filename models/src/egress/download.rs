//! Fetching a model file. Nothing goes out but the wish for it.
//!
//! What came so far lies beside the place in `.NAME.part`, and the next try goes on from there. The file gets its name
//! when its SHA-256 is right.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{
    Client, Response, StatusCode, Url,
    header::{CONTENT_RANGE, RANGE},
    redirect::{self, Attempt as Hop},
};

use super::{BadDestination, Destination, EgressError, destination, retry, tls};
use crate::{
    catalogue::{self, Expected, Verified, VerifyError},
    disk::{self, NoSpace},
};

/// How often a download that broke off goes on.
const TRIES: u32 = 5;
/// The wait before the second try.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest silence.
const SILENCE: Duration = Duration::from_secs(60);
/// How often a hub may send the client on; they keep large files elsewhere.
const MAX_HOPS: usize = 5;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// There is no way out.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The URL may not be used.
    #[error(transparent)]
    Destination(#[from] BadDestination),
    /// The other side said no.
    #[error("{host} answered {status}: {meaning}")]
    Refused {
        /// Whom.
        host: String,
        /// The status.
        status: u16,
        /// What it likely means.
        meaning: &'static str,
    },
    /// The connection did not come about or broke, and did so again.
    #[error(
        "the download from {host} broke off after {have} bytes: {reason}; the next try goes on from there"
    )]
    BrokeOff {
        /// From whom.
        host: String,
        /// Bytes that are there.
        have: u64,
        /// Why.
        reason: String,
    },
    /// The file is longer than it should be.
    #[error("{host} offers {found} bytes and the file should have {expected}")]
    WrongSize {
        /// Who.
        host: String,
        /// Bytes that were offered.
        found: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// The disk is too full.
    #[error(transparent)]
    NoSpace(#[from] NoSpace),
    /// It came, and is not what it should be.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Someone else fetches it.
    #[error("{} is being fetched by another program", .0.display())]
    Busy(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// One download.
#[derive(Clone, Debug)]
pub struct Download {
    /// Where it is; https, or http to this board.
    pub url: String,
    /// Where it is to be.
    pub place: PathBuf,
    /// What it must be.
    pub expected: Expected,
}

impl Download {
    /// Fetches the file unless it is there, and verifies it. Tells how many bytes are there, and of how many, if the
    /// other side said so.
    pub async fn run(
        &self,
        tell: &mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> Result<Verified, DownloadError> {
        match catalogue::verify(&self.place, &self.expected) {
            Err(VerifyError::Missing(_)) => {}
            other => return Ok(other?),
        }
        let url = Destination::try_new(&self.url, false)?;
        let url = url.url();
        let part = Part::open(&self.place)?;
        let client = client()?;
        let mut tries = 1;
        while let Err(error) = self.attempt(&client, url, &part, tell).await {
            if !matches!(error, DownloadError::BrokeOff { .. }) || tries >= TRIES {
                return Err(error);
            }
            tracing::info!(%error, tries, "the download goes on");
            tokio::time::sleep(retry::backoff(BACKOFF, tries)).await;
            tries += 1;
        }
        self.finish(&part)
    }

    async fn attempt(
        &self,
        client: &Client,
        url: &Url,
        part: &Part,
        tell: &mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> Result<(), DownloadError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut have = part.length()?;
        if self.expected.bytes == Some(have) {
            return Ok(());
        }
        let broke_off = |have: u64, error: &reqwest::Error| DownloadError::BrokeOff {
            host: host.clone(),
            have,
            reason: retry::words(error),
        };
        let mut request = client.get(url.clone());
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        let mut answer = request.send().await.map_err(|e| broke_off(have, &e))?;
        if !goes_on(&answer, have) {
            part.clear()?;
            have = 0;
        }
        if !answer.status().is_success() {
            return Err(refused(host, answer.status()));
        }
        let whole = answer
            .content_length()
            .map(|rest| have.saturating_add(rest));
        let bound = self.bound(&host, whole)?;
        disk::check(
            &self.place,
            whole.map_or(0, |whole| whole.saturating_sub(have)),
        )?;
        loop {
            tell(have, whole.or(self.expected.bytes));
            let piece = match answer.chunk().await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(()),
                Err(error) => return Err(broke_off(have, &error)),
            };
            have = have.saturating_add(piece.len() as u64);
            if have > bound {
                part.clear()?;
                return Err(self.wrong_size(&host, have));
            }
            // Blocking is right here: the command has nothing else to do.
            part.append(&piece)?;
        }
    }

    fn bound(&self, host: &str, whole: Option<u64>) -> Result<u64, DownloadError> {
        match (self.expected.bytes, whole) {
            (Some(expected), Some(whole)) if expected != whole => Err(self.wrong_size(host, whole)),
            (expected, whole) => Ok(expected.or(whole).unwrap_or(u64::MAX)),
        }
    }

    fn wrong_size(&self, host: &str, found: u64) -> DownloadError {
        DownloadError::WrongSize {
            host: host.to_owned(),
            found,
            expected: self.expected.bytes.unwrap_or_default(),
        }
    }

    /// Gives the file its name if it is the right one; a wrong one is thrown away.
    fn finish(&self, part: &Part) -> Result<Verified, DownloadError> {
        part.file.sync_all().map_err(|e| part.failed(e))?;
        if let Err(error) = catalogue::verify(&part.path, &self.expected) {
            disk::remove(&part.path).map_err(|e| part.failed(e))?;
            return Err(error.into());
        }
        disk::publish(&part.path, &self.place).map_err(|e| part.failed(e))?;
        Ok(catalogue::verify(&self.place, &self.expected)?)
    }
}

/// The bytes so far, which no other program adds to while this is open.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn open(place: &Path) -> Result<Self, DownloadError> {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let path = place.with_file_name(format!(".{name}.part"));
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(source) => return Err(DownloadError::Io { path, source }),
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(DownloadError::Busy(place.to_owned())),
            // A file system without locks is used without them.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self { path, file }),
        }
    }

    fn length(&self) -> Result<u64, DownloadError> {
        let data = self.file.metadata().map_err(|e| self.failed(e))?;
        Ok(data.len())
    }

    fn clear(&self) -> Result<(), DownloadError> {
        self.file.set_len(0).map_err(|e| self.failed(e))
    }

    fn append(&self, piece: &[u8]) -> Result<(), DownloadError> {
        let mut file = &self.file;
        file.write_all(piece).map_err(|e| self.failed(e))
    }

    fn failed(&self, source: io::Error) -> DownloadError {
        DownloadError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

/// Whether the answer's bytes follow those that are there.
fn goes_on(answer: &Response, have: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok());
    answer.status() == StatusCode::PARTIAL_CONTENT
        && range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")))
}

fn refused(host: String, status: StatusCode) -> DownloadError {
    DownloadError::Refused {
        host,
        status: status.as_u16(),
        meaning: match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "the file is not for everyone; fetch it with your account and put it in the models folder"
            }
            StatusCode::NOT_FOUND => "there is no such file; check owner, repository and file",
            StatusCode::TOO_MANY_REQUESTS => "it has had too many requests; try again later",
            StatusCode::RANGE_NOT_SATISFIABLE => "what came so far was too long; try again",
            _ if status.is_redirection() => "it points to where this board does not go",
            _ => "try again later",
        },
    }
}

fn client() -> Result<Client, DownloadError> {
    Client::builder()
        .tls_backend_preconfigured(tls::config(None)?)
        .no_proxy()
        .redirect(redirect::Policy::custom(hop))
        .referer(false)
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(SILENCE)
        .user_agent(concat!("shoal/", env!("CARGO_PKG_VERSION")))
        .resolve_to_addrs("localhost", &destination::LOOPBACK)
        .build()
        .map_err(|e| EgressError::Client(retry::words(&e)).into())
}

/// Follows a redirect a few times, and never into the clear.
fn hop(hop: Hop<'_>) -> redirect::Action {
    let allowed = Destination::is_allowed(hop.url()) && hop.previous().len() <= MAX_HOPS;
    if allowed { hop.follow() } else { hop.stop() }
}

#[cfg(test)]
mod tests;
