//! The certificate: made at the first start, kept, and known by its fingerprint.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

/// How long a certificate of our own is valid. Clients know it by its fingerprint, and nobody comes to renew it.
const VALIDITY: Duration = Duration::days(3650);
/// A board without a battery may have a clock that is behind.
const BACKDATED: Duration = Duration::days(2);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} is not usable: {reason}; put a PEM file there, or remove both cert.pem and key.pem to have new ones made", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(String),
}

/// What is known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of it, as browsers and openssl show it.
    pub fingerprint: String,
    /// The last second of its validity, since 1970.
    pub not_after: i64,
}

impl Certificate {
    /// The fingerprint in two lines of the same length.
    #[must_use]
    pub fn halves(&self) -> String {
        match self.fingerprint.split_at_checked(48) {
            Some((first, second)) => format!("{first}\n{second}"),
            None => self.fingerprint.clone(),
        }
    }
}

/// Where certificate and key are.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// In the data folder.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self {
            folder: data.join("tls"),
        }
    }

    /// The certificate's file.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// The key's file.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    /// Reads certificate and key, or makes them if neither is there.
    pub fn load_or_make(&self) -> Result<(Arc<ServerConfig>, Certificate), TlsError> {
        if !self.certificate().exists() && !self.key().exists() {
            self.make()?;
        }
        let chain = self.chain()?;
        let known = self.describe(&chain)?;
        let key = PrivateKeyDer::from_pem_file(self.key())
            .map_err(|error| self.unusable(self.key(), error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| self.unusable(self.certificate(), error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok((Arc::new(config), known))
    }

    /// What the certificate says; `None` if there is none yet.
    pub fn inspect(&self) -> Result<Option<Certificate>, TlsError> {
        if !self.certificate().exists() {
            return Ok(None);
        }
        let chain = self.chain()?;
        self.describe(&chain).map(Some)
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let path = self.certificate();
        let chain = CertificateDer::pem_file_iter(&path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| self.unusable(path.clone(), error))?;
        if chain.is_empty() {
            return Err(self.unusable(path, "it has no certificate"));
        }
        Ok(chain)
    }

    fn describe(&self, chain: &[CertificateDer<'_>]) -> Result<Certificate, TlsError> {
        let der = chain.first().map_or(&[][..], |first| first.as_ref());
        let (_, parsed) = x509_parser::parse_x509_certificate(der)
            .map_err(|error| self.unusable(self.certificate(), error))?;
        Ok(Certificate {
            fingerprint: fingerprint(der),
            not_after: parsed.validity().not_after.timestamp(),
        })
    }

    fn make(&self) -> Result<(), TlsError> {
        let made = |error: rcgen::Error| TlsError::Make(error.to_string());
        let mut params = rcgen::CertificateParams::new(names()).map_err(made)?;
        let now = OffsetDateTime::now_utc();
        params.not_before = now - BACKDATED;
        params.not_after = now + VALIDITY;
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Shoal appliance");
        let key = rcgen::KeyPair::generate().map_err(made)?;
        let certificate = params.self_signed(&key).map_err(made)?;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|source| TlsError::File {
                action: "make",
                path: self.folder.clone(),
                source,
            })?;
        // The key first: without it the certificate is of no use, and the other way round it is made again.
        write(&self.key(), &key.serialize_pem())?;
        write(&self.certificate(), &certificate.pem())
    }

    fn unusable(&self, path: PathBuf, reason: impl std::fmt::Display) -> TlsError {
        TlsError::Content {
            path,
            reason: reason.to_string(),
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), TlsError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .map_err(|source| TlsError::File {
            action: "write",
            path: path.to_owned(),
            source,
        })
}

fn fingerprint(der: &[u8]) -> String {
    let digits: Vec<String> = Sha256::digest(der)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    digits.join(":")
}

/// Every name and address that this machine is reached by.
fn names() -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    if let Some(host) = host_name() {
        if !host.contains('.') {
            names.push(format!("{host}.local"));
        }
        names.push(host);
    }
    names.extend(addresses().iter().map(ToString::to_string));
    names.sort();
    names.dedup();
    names
}

/// The machine's name, where it is one that a certificate can hold.
#[must_use]
pub fn host_name() -> Option<String> {
    sysinfo::System::host_name().ok().filter(|name| {
        !name.is_empty()
            && name.len() < 64
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
    })
}

/// The addresses of this machine that others can use, IPv4 first.
#[must_use]
pub fn addresses() -> Vec<IpAddr> {
    let Ok(networks) = sysinfo::Networks::new_with_refreshed_list() else {
        return Vec::new();
    };
    let mut all: Vec<IpAddr> = networks
        .values()
        .flat_map(|network| network.ip_networks().iter().map(|net| net.addr))
        .filter(|address| match address {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_certificate_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of(folder.path());
        assert_eq!(files.inspect().unwrap(), None);
        let (_, first) = files.load_or_make().unwrap();
        let (_, second) = files.load_or_make().unwrap();
        assert_eq!(first, second);
        assert_eq!(files.inspect().unwrap(), Some(first.clone()));
        assert_eq!(first.fingerprint.len(), 32 * 3 - 1);
        let years = (first.not_after - OffsetDateTime::now_utc().unix_timestamp()) / 31_557_600;
        assert_eq!(years, 9);
        let mode = std::fs::metadata(files.key()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_no_certificate_is_told_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of(folder.path());
        files.load_or_make().unwrap();
        std::fs::write(files.certificate(), "rubbish").unwrap();
        assert!(matches!(
            files.load_or_make(),
            Err(TlsError::Content { .. })
        ));
        assert_eq!(
            std::fs::read_to_string(files.certificate()).unwrap(),
            "rubbish"
        );
    }

    #[test]
    fn a_key_without_its_certificate_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of(folder.path());
        files.load_or_make().unwrap();
        std::fs::remove_file(files.certificate()).unwrap();
        assert!(files.load_or_make().is_err());
    }
}
