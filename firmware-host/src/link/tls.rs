//! Whom to trust as the broker.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Why no encrypted connection can be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file with certificates or a key cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is nobody to trust.
    #[error("the system has no certificates; name the broker's in mqtt.ca_file")]
    NoRoots,
    /// The TLS library refuses the set-up.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificate chain that we show, and its key; both PEM.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The chain, our own first.
    pub cert: &'a Path,
    /// The key.
    pub key: &'a Path,
}

/// Trusts the system's certificates and those in `ca_file` (PEM), and shows `identity` where the broker asks for one.
pub fn client_config(
    ca_file: Option<&Path>,
    identity: Option<Identity<'_>>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add(&mut roots, path).map_err(|reason| TlsError::File {
            path: path.to_owned(),
            reason,
        })?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { cert, key }) => {
            let failed = |path: &Path, reason| TlsError::File {
                path: path.to_owned(),
                reason,
            };
            let chain = chain(cert).map_err(|reason| failed(cert, reason))?;
            let secret = PrivateKeyDer::from_pem_file(key);
            let secret = secret.map_err(|e| failed(key, e.to_string()))?;
            builder.with_client_auth_cert(chain, secret)?
        }
    };
    Ok(Arc::new(config))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())?;
    let all = all.collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|e| e.to_string())?;
    if all.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(all)
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    for certificate in chain(path)? {
        roots.add(certificate).map_err(|e| e.to_string())?;
    }
    Ok(())
}
