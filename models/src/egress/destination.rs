//! Where a provider listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;

/// This board, on the port that the URL names.
pub(super) const LOOPBACK: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0),
];

/// A base URL that may be spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    url: Url,
    loopback: bool,
}

/// Why a base URL cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadDestination {
    /// Not a URL.
    #[error("{text:?} is no URL: {reason}")]
    NotUrl {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Neither http nor https.
    #[error("a provider's URL begins with https:// or http://, not {0}:")]
    Scheme(String),
    /// A name or password in the URL, which logs would show.
    #[error("a provider's URL must not hold a user name or password; put the key in a key file")]
    Credentials,
    /// A question mark or hash sign.
    #[error("a provider's base URL ends with its path; {0:?} has a query or fragment")]
    Query(String),
    /// Plain HTTP to somewhere else.
    #[error(
        "plain http:// to {0} would show prompts and keys on the way; use https:// or set `insecure_http`"
    )]
    PlainHttp(String),
}

impl Destination {
    /// Checks a base URL such as `https://api.example.com/v1`.
    pub fn try_new(base_url: &str, insecure_http: bool) -> Result<Self, BadDestination> {
        let url = Url::parse(base_url).map_err(|e| BadDestination::NotUrl {
            // A password in a broken URL must not be shown; what follows an @ is safe.
            text: base_url.rsplit('@').next().unwrap_or_default().to_owned(),
            reason: e.to_string(),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadDestination::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadDestination::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadDestination::Query(base_url.to_owned()));
        }
        let loopback = is_loopback(&url);
        if url.scheme() == "http" && !loopback && !insecure_http {
            let host = url.host_str().unwrap_or_default();
            return Err(BadDestination::PlainHttp(host.to_owned()));
        }
        Ok(Self { url, loopback })
    }

    /// Whether it is on this board.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The URL as it was given.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether a redirect may lead there: https, or this board.
    pub(super) fn is_allowed(url: &Url) -> bool {
        url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
    }

    /// The URL of `path` below the base.
    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        url
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_board_is_spoken_to_in_the_clear() {
        let plain = |url| Destination::try_new(url, false);
        for here in [
            "http://127.0.0.1:9/v1",
            "http://[::1]/",
            "http://localhost:80/v1/",
            "http://127.9.9.9",
        ] {
            assert!(plain(here).unwrap().is_loopback(), "{here}");
        }
        for there in [
            "http://10.0.0.7/v1",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://[::ffff:10.0.0.7]",
        ] {
            assert!(
                matches!(plain(there), Err(BadDestination::PlainHttp(_))),
                "{there}"
            );
            assert!(!Destination::try_new(there, true).unwrap().is_loopback());
        }
        assert!(!plain("https://api.example.com/v1").unwrap().is_loopback());
        assert!(plain("https://127.0.0.1/v1").unwrap().is_loopback());
    }

    #[test]
    fn what_is_no_plain_base_is_refused() {
        let error = |url| Destination::try_new(url, true).unwrap_err();
        assert!(matches!(error("ftp://x/"), BadDestination::Scheme(_)));
        assert_eq!(error("https://me:secret@x/"), BadDestination::Credentials);
        assert!(matches!(
            error("https://x/?key=1"),
            BadDestination::Query(_)
        ));
        let broken = error("https://me:secret@[x").to_string();
        assert!(!broken.contains("secret"), "{broken}");
    }

    #[test]
    fn paths_join_with_one_slash() {
        for base in ["https://x/v1", "https://x/v1/"] {
            let url = Destination::try_new(base, false)
                .unwrap()
                .join("chat/completions");
            assert_eq!(url.as_str(), "https://x/v1/chat/completions");
        }
    }
}
