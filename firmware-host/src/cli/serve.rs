//! `shoal serve`: everything in the order it must happen, and back again at the end.

use std::{
    io::Write, net::SocketAddr, os::unix::fs::DirBuilderExt as _, sync::Arc, time::Duration,
};

use shoal_boards::{Report, Roots};
use shoal_conductor::{
    conductor::{Conductor, Parts},
    label::Label,
    policy::Policy,
};
use shoal_wire::Root;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::welcome::{Welcome, quoted};
use crate::{
    accelerate::Measure,
    api::{self, Api, Listening},
    appliance::{Appliance, ApplianceLimits, Slots, WaitingRoom},
    config::{Config, Places, write_defaults},
    exit::{Exit, Fault},
    head,
    link::{self, LinkHandle, LinkOptions},
    memory::{self, Watch},
    pool::Pool,
    reload::{self, PolicyState},
    retention,
    running::Running,
    sandbox,
    secret::Secret,
    store::{self, NewKey, Scope, Store},
    tls::{Certificate, Files, addresses, host_name},
};

/// How long the start waits for the broker before it says that it is not connected.
const BROKER_WAIT: Duration = Duration::from_secs(2);
/// How long the broker gets to take the last reports and the goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long open connections get once every task has ended.
const CLOSING: Duration = Duration::from_secs(2);

/// Runs until a signal comes.
pub async fn run(places: &Places, out: &mut dyn Write) -> Result<Exit, Fault> {
    let mut signals = Signals::new()?;
    let (config, policy) = prepare(places)?;
    let running = Running::claim(&config.data)?;
    let store = Store::open_with(&config.data, store_limits(&config), config.key_source()).await?;
    let (listening, addresses) = listen(&config).await?;
    let board = tokio::task::spawn_blocking(|| Report::of(&Roots::default()))
        .await
        .map_err(Fault::internal)?;
    let pool = Pool::build(&config, &board, Measure::IfNew).await?;
    let mut welcome = Welcome {
        admin: first_key(&store).await?,
        degraded: pool.degraded.clone(),
        model: pool
            .model
            .as_ref()
            .map(Clone::clone)
            .map_err(ToString::to_string),
        ..greeting(places, &config, &board, addresses)
    };
    let relief = pool.relief();
    let appliance = appliance(&config, policy, pool, &store).await?;
    let stopping = CancellationToken::new();
    let watch = Watch {
        roots: Roots::default(),
        every: memory::EVERY,
        thresholds: config.limits.memory,
    };
    appliance.heed(memory::start(watch, relief, stopping.clone()));
    let link = Link::start(&config, &appliance).await?;
    welcome.resumed = appliance.resume().await?;
    let policy = watch::Sender::new(PolicyState::new(config.policy.clone()));
    let api = Api::new(api::Parts {
        appliance: appliance.clone(),
        board,
        cli_key: running.key().clone(),
        limits: config.api,
        policy: policy.subscribe(),
        broker: link.as_ref().map(|link| link.handle.connected()),
        refusals: link.as_ref().map(|link| link.handle.refusals()),
        degraded: welcome.degraded.clone(),
        stopping: stopping.clone(),
    });
    let hangup = signal(SignalKind::hangup()).map_err(Fault::internal)?;
    let following = reload::follow(
        config.clone(),
        appliance.clone(),
        hangup,
        policy,
        stopping.clone(),
    );
    tokio::spawn(following);
    tokio::spawn(retention::keep(appliance.clone(), stopping.clone()));
    // First the key of the command line, so that whoever sees the server ready can use it.
    running.announce(welcome.http)?;
    let server = api::serve(api.router(), listening, config.api, stopping.clone());
    let server = tokio::spawn(server);
    welcome.connected = match &link {
        Some(link) => link.came_about().await,
        None => false,
    };
    write!(out, "{welcome}")?;
    out.flush()?;
    signals.wait().await;
    tracing::info!("told to stop");
    stopping.cancel();
    tokio::select! {
        () = stop(&config, &appliance, link, server) => tracing::info!("stopped"),
        () = signals.wait() => tracing::warn!("told to stop again; unfinished tasks go on at the next start"),
    }
    Ok(Exit::Done)
}

/// What is known before anything runs.
fn greeting(places: &Places, config: &Config, board: &Report, addresses: Addresses) -> Welcome {
    let program = std::env::args().next();
    Welcome {
        program: program.map_or_else(|| "shoal".to_owned(), |name| quoted(&name)),
        data_option: data_option(places),
        data: std::path::absolute(&config.data).unwrap_or_else(|_| config.data.clone()),
        http: addresses.http,
        https: addresses.https,
        certificate: addresses.certificate,
        admin: None,
        mqtt: config.mqtt.clone(),
        connected: false,
        root: format!("{}{}/{}", Root::PREFIX, config.site, config.appliance),
        model: Err(String::new()),
        board: board.board.profile.title.clone(),
        threads: config
            .model
            .threads
            .unwrap_or(board.decision.threads.into()),
        degraded: Vec::new(),
        resumed: 0,
    }
}

/// The data folder with config and policy, checked.
fn prepare(places: &Places) -> Result<(Config, Policy), Fault> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&places.data)
        .map_err(|error| {
            Fault::create(
                format!("cannot make the data folder {}", places.data.display()),
                &error,
            )
        })?;
    for path in write_defaults(places)?.0 {
        tracing::info!(path = %path.display(), "wrote a file with every setting at its default");
    }
    let config = Config::load(places)?;
    let policy = config.load_policy()?;
    for warning in config.warnings(&policy) {
        tracing::warn!("{warning}");
    }
    Ok((config, policy))
}

fn store_limits(config: &Config) -> store::Limits {
    store::Limits {
        outbox: config.limits.outbox,
        bytes: config.limits.store_bytes,
    }
}

/// Where it can be reached.
struct Addresses {
    http: SocketAddr,
    https: Vec<String>,
    certificate: Option<Certificate>,
}

/// Takes the ports before the model is loaded, so that a port in use is known at once.
async fn listen(config: &Config) -> Result<(Listening, Addresses), Fault> {
    let plain = bind(config.http, "http.listen").await?;
    let http = plain.local_addr().map_err(Fault::internal)?;
    let Some(address) = config.https else {
        let addresses = Addresses {
            http,
            https: Vec::new(),
            certificate: None,
        };
        return Ok((Listening { plain, tls: None }, addresses));
    };
    let (server, certificate) = Files::of(&config.data)
        .load_or_make()
        .map_err(|error| Fault::new(Exit::CannotCreate, error))?;
    let listener = bind(address, "https.listen").await?;
    let address = listener.local_addr().map_err(Fault::internal)?;
    let addresses = Addresses {
        http,
        https: urls(address),
        certificate: Some(certificate),
    };
    let tls = Some((listener, server));
    Ok((Listening { plain, tls }, addresses))
}

async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, Fault> {
    TcpListener::bind(address).await.map_err(|error| {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::AddrInUse => Fault::new(
                Exit::Unavailable,
                format!("{address} is in use by another program; stop it, or set {key} in shoal.toml to another port"),
            ),
            ErrorKind::PermissionDenied => Fault::new(
                Exit::Denied,
                format!("{address} may not be used: ports below 1024 need permission; set {key} in shoal.toml"),
            ),
            _ => Fault::new(
                Exit::Unavailable,
                format!("cannot listen on {address} ({key} in shoal.toml): {error}"),
            ),
        }
    })
}

fn urls(address: SocketAddr) -> Vec<String> {
    if !address.ip().is_unspecified() {
        return vec![format!("https://{address}")];
    }
    let port = address.port();
    let mut urls: Vec<String> = addresses()
        .into_iter()
        .filter(|ip| ip.is_ipv4() || address.is_ipv6())
        .map(|ip| format!("https://{}", SocketAddr::new(ip, port)))
        .take(4)
        .collect();
    if let Some(host) = host_name() {
        urls.push(format!("https://{host}:{port}"));
    }
    urls
}

async fn appliance(
    config: &Config,
    policy: Policy,
    pool: Pool,
    store: &Store,
) -> Result<Appliance, Fault> {
    let progress = pool.progress();
    let store_part = Arc::new(store.clone());
    let slots = Slots::new(config.limits.max_running);
    let route = head::route(config, pool.backbone.as_ref())?;
    let prover = sandbox::prover(config).await?;
    let conductor = Conductor::try_new(Parts {
        policy: Arc::new(policy),
        workers: pool.workers,
        backbone: pool.backbone,
        head: pool.head,
        route,
        journal: store_part.clone(),
        desk: Arc::new(WaitingRoom::new(store.clone(), slots.clone())),
        ledger: store_part,
        prover,
        ultra_min_parameters: config.ultra_min_parameters,
    })
    .map_err(Fault::usage)?;
    let limits = ApplianceLimits {
        max_open_tasks: config.limits.max_open_tasks,
    };
    Ok(Appliance::new(
        store.clone(),
        Arc::new(conductor),
        limits,
        slots,
        progress,
    ))
}

/// The admin key of a store that has never had one.
async fn first_key(store: &Store) -> Result<Option<Secret>, Fault> {
    let keys = store.keys().await?;
    if keys.iter().any(|key| key.allows(Scope::Admin)) {
        return Ok(None);
    }
    let new = NewKey {
        name: "admin".to_owned(),
        scopes: vec![Scope::Admin],
        label: Label::Public,
        workers: None,
    };
    Ok(Some(store.create_key(new).await?.1))
}

fn data_option(places: &Places) -> Option<String> {
    let data = places.data.display().to_string();
    (data != "data").then(|| quoted(&data))
}

/// Lets tasks end, tells the broker, and closes what is still open.
async fn stop(
    config: &Config,
    appliance: &Appliance,
    link: Option<Link>,
    server: tokio::task::JoinHandle<()>,
) {
    appliance.drain(config.api.drain).await;
    if let Some(link) = link {
        link.stop().await;
    }
    let abort = server.abort_handle();
    if timeout(CLOSING, server).await.is_err() {
        abort.abort();
    }
}

/// The link to the broker, and what ends it.
struct Link {
    handle: LinkHandle,
    cancel: CancellationToken,
}

impl Link {
    async fn start(config: &Config, appliance: &Appliance) -> Result<Option<Self>, Fault> {
        let Some(mqtt) = &config.mqtt else {
            appliance.store().report_under(None).await?;
            return Ok(None);
        };
        let tls = match mqtt.tls {
            true => {
                let identity = mqtt.identity.as_ref();
                let identity = identity.map(|(cert, key)| link::Identity { cert, key });
                let config = link::client_config(mqtt.ca_file.as_deref(), identity);
                Some(config.map_err(Fault::usage)?)
            }
            false => None,
        };
        let options = LinkOptions {
            host: mqtt.host.clone(),
            port: mqtt.port,
            tls,
            user: mqtt.user.clone(),
            password: mqtt.password.clone(),
            root: Root::try_new(&config.site, &config.appliance).map_err(Fault::usage)?,
            replay_per_second: mqtt.replay_per_second,
            tasks_per_minute: mqtt.tasks_per_minute,
        };
        let cancel = CancellationToken::new();
        let (home, fleet) = (config.home.clone(), config.fleet.clone());
        link::start_sides(&options, home, fleet, appliance, &cancel);
        let handle = link::start(options, appliance.clone(), cancel.clone()).await?;
        Ok(Some(Self { handle, cancel }))
    }

    /// Waits a moment for the broker, so that what is said of it is mostly true.
    async fn came_about(&self) -> bool {
        let mut connected = self.handle.connected();
        let waited = timeout(BROKER_WAIT, connected.wait_for(|connected| *connected)).await;
        matches!(waited, Ok(Ok(_)))
    }

    async fn stop(self) {
        self.cancel.cancel();
        if timeout(GOODBYE, self.handle.finished()).await.is_err() {
            tracing::warn!("the broker did not take the goodbye in time");
        }
    }
}

/// The signals that end it.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, Fault> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(Fault::internal)?,
            interrupt: signal(SignalKind::interrupt()).map_err(Fault::internal)?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
