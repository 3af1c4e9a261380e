//! The MQTT link: tasks in, states, results, questions and health out.
//!
//! - A connection is made with the will `offline` on the status topic and says `online` there; a clean stop says
//!   `stopped`. The session outlives the connection at the broker, so tasks sent meanwhile are waiting there.
//! - A task is acknowledged to the broker once it is in the store, or once its refusal is in the outbox. Until then the
//!   broker delivers it again; its id, or the message's fingerprint where it has none, makes it one task.
//! - Reports leave from the outbox in their order and stay in it until the broker acknowledged them. When a connection
//!   breaks in between, a report may arrive twice; it never arrives not at all.
//! - A message that is too large, malformed, expired, one too many or not allowed is answered with the reason at its own
//!   response topic, and counted ([`Refusals`]).
//! - Rules of the policy make tasks of ordinary messages, on a connection of their own; see [`rules`].
//! - A signed decision is counted once it is verified; see [`decision`]. A task is cancelled by a message too; see [`cancel`].
//! - After an outage the reports that had to wait leave at a bounded rate, and new ones are not held up by them.
//! - Without a broker the appliance runs, one warning is logged for each outage, and the outbox holds.
//!
//! This module knows nothing of SQL and of how tasks are done; what it needs of a broker is [`broker`], and rumqttc
//! stands behind that alone.

mod alias;
mod backoff;
mod broker;
mod cancel;
mod client;
mod decision;
mod fleet;
mod home;
mod intake;
pub mod measure;
mod mqtt;
mod rate;
mod refusal;
mod reply;
mod request;
mod rules;
mod session;
mod side;
mod telemetry;
mod tls;

use std::{sync::Arc, time::Duration};

use rustls::ClientConfig;
use shoal_wire::Root;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use fleet::FleetOptions;
pub use home::HomeOptions;
pub use refusal::{Refusals, Refused};
pub use tls::{Identity, TlsError, client_config};

use self::side::SideOptions;

use crate::{
    appliance::Appliance,
    secret::Secret,
    store::{Moment, StoreError},
};

/// Which broker, and as whom.
#[derive(Clone)]
pub struct LinkOptions {
    /// The broker's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Set for an encrypted connection; [`client_config`] makes one.
    pub tls: Option<Arc<ClientConfig>>,
    /// The user, if the broker wants one.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// The topics.
    pub root: Root,
    /// Reports of a backlog that are sent in a second.
    pub replay_per_second: u32,
    /// Tasks that one client may send in a minute.
    pub tasks_per_minute: u32,
}

/// Shows no password.
impl std::fmt::Debug for LinkOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .field("user", &self.user)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// A link at work.
#[derive(Debug)]
pub struct LinkHandle {
    connected: watch::Receiver<bool>,
    delivered_at: watch::Receiver<Option<Moment>>,
    refusals: Arc<Refusals>,
    task: JoinHandle<()>,
}

impl LinkHandle {
    /// Whether the broker is there.
    #[must_use]
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    /// When the broker last acknowledged a report.
    #[must_use]
    pub fn delivered_at(&self) -> watch::Receiver<Option<Moment>> {
        self.delivered_at.clone()
    }

    /// How many messages were refused.
    #[must_use]
    pub fn refusals(&self) -> Arc<Refusals> {
        self.refusals.clone()
    }

    /// Waits until the link has said `stopped` and ended, after its token was cancelled.
    pub async fn finished(self) {
        // It only ends early by a panic, which the runtime reports.
        let _ = self.task.await;
    }
}

/// What the link's parts tell the outside.
struct Signs {
    connected: watch::Sender<bool>,
    delivered_at: watch::Sender<Option<Moment>>,
}

/// Starts the link; it ends cleanly when `cancel` is cancelled. From now on the store reports under `options.root`.
/// Start it before [`Appliance::resume`], so that nothing goes unreported. An appliance without MQTT calls
/// [`crate::store::Store::report_under`] with `None` instead.
pub async fn start(
    options: LinkOptions,
    appliance: Appliance,
    cancel: CancellationToken,
) -> Result<LinkHandle, StoreError> {
    let store = appliance.store();
    store.report_under(Some(options.root.clone())).await?;
    let (connected, connected_out) = watch::channel(false);
    let (delivered_at, delivered_out) = watch::channel(None);
    let signs = Signs {
        connected,
        delivered_at,
    };
    let refusals = Arc::new(Refusals::default());
    let link = session::Link::new(options, appliance, signs, refusals.clone());
    Ok(LinkHandle {
        connected: connected_out,
        delivered_at: delivered_out,
        refusals,
        task: tokio::spawn(link.run(cancel)),
    })
}

/// Starts what has a connection of its own beside the link's: rules, Home Assistant, the fleet; and telemetry.
pub fn start_sides(
    options: &LinkOptions,
    home: HomeOptions,
    fleet: Option<FleetOptions>,
    appliance: &Appliance,
    cancel: &CancellationToken,
) {
    let side = |name, session, window| SideOptions {
        link: options.clone(),
        name,
        session,
        window,
    };
    let (appliance, root) = (appliance.clone(), options.root.clone());
    let rules = side("rules", rules::SESSION, rules::WINDOW);
    let watch = rules::Watch::new(appliance.clone());
    tokio::spawn(side::keep(rules, watch, cancel.clone()));
    let telemetry = telemetry::keep(
        appliance.clone(),
        root.clone(),
        home.telemetry,
        cancel.clone(),
    );
    tokio::spawn(telemetry);
    let shown = home::Home::new(home, root, appliance.clone());
    let connection = side("home", Duration::ZERO, home::WINDOW);
    tokio::spawn(side::keep(connection, shown, cancel.clone()));
    if let Some(fleet) = fleet {
        tokio::spawn(fleet::keep(
            options.clone(),
            fleet,
            appliance,
            cancel.clone(),
        ));
    }
}

#[cfg(test)]
mod tests;
