//! A fleet: many boards, one queue, on the site's own broker.
//!
//! # How it goes
//! A task is published to `shoal/v1/{site}/tasks`, with an id. Every board of the group hears it; the broker's shared
//! subscription says which board is to have it first. A board with a free place says a **claim** on the task's own topic,
//! retained, with the task in it: an epoch, its name, and that it is `held`. The broker puts the messages of one topic in
//! one order, which all boards see alike, so each of them knows by itself which claim holds ([`book`]): the first one of
//! the highest epoch. A board begins once it has read its own claim in that order. Only then is the task acknowledged to the
//! broker, by every board. While it works the holder says the claim again, three times in a lease. An answer is first said
//! among the boards, retained, on a topic of its own (`done`), where the first one counts, whoever else says another: a board
//! publishes its answer once it has read there that it is the first. Then it is `closed`, which is kept for
//! [`FleetOptions::remember`].
//!
//! A task that nobody claims within [`book::PATIENCE`] is claimed by any board that has a place: so a board that died with
//! the task in its hands, or is full, holds nothing up, and who is faster does more.
//!
//! # What is guaranteed
//! - *A task that the broker has taken is done*, as long as the broker keeps what it holds and one board that is able comes
//!   back before [`FleetOptions::remember`] is over. Until it is claimed it is unacknowledged in the session of every
//!   board; from then on it is in the retained claim.
//! - *One answer*: of what boards say is the answer to an id the first in the broker's order is published, and no other. A
//!   board that was cut off, stopped or slow and comes back with another one reads first what is retained, and what it says
//!   after that is not the first. Claims, epochs and clocks only keep boards from doing the same work; the answer does not
//!   hang on them. One case is left: two boards say different answers within the time that a message takes, the second
//!   overwrites the first in what is retained, and every board of the group is gone before one of them has said the first
//!   one again, and before the first was closed. Then the second may be published too.
//! - *Published once*, but for one case: a board that dies between publishing the answer and closing the claim leaves it to
//!   another, which publishes the same bytes again, with the same `id` and `epoch`. So does MQTT at QoS 1 by itself when an
//!   acknowledgement is lost. A subscriber that must not act twice remembers the ids.
//! - *Work may be done twice*, by the board that was cut off and by the one that took over, and so may remote calls and
//!   their cost. Each has its own trace, `{id}.{epoch}`; that of the answer is named in it.
//!
//! # What is not guaranteed
//! - A broker that loses what it holds loses tasks. A clustered broker that gives two subscribers the messages of one topic
//!   in different orders may let two boards be first: connect the boards of a group to one node (`docs/fleet.md`).
//! - In a partition the side with the broker goes on. Boards on the other side finish what they hold; whether it counts is
//!   decided when they are back.
//! - The same id again is not done again, and not answered again, while its claim is remembered.
//! - Claims hold tasks and answers in the clear on the broker, as the tasks themselves do; its access list should let only
//!   boards read them.

mod able;
mod book;
mod claim;
mod work;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use shoal_conductor::id::WorkerId;
use shoal_wire::{Name, Site, State, StateMessage};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::{
    able::Able,
    book::{Act, Book, Times},
    claim::{Claim, Stage},
    work::{Finished, Works},
};
use super::{
    LinkOptions,
    backoff::Backoff,
    broker::Broken,
    side::{Incoming, Said, Side, SideOptions, Wanted},
};
use crate::{appliance::Appliance, store::Moment};

/// Tasks that may wait here without being claimed: the broker sends no more.
const WINDOW: u16 = 256;
/// Claims that the broker may send before one is acknowledged.
const CLAIMS: u16 = 1024;
/// How often it is looked at what there is to do.
const TICK: Duration = Duration::from_millis(250);
/// The number of the shared subscription.
const SHARED: usize = 1;
/// The number of the other one.
const WITNESS: usize = 2;

/// Which fleet, and what this board does in it.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetOptions {
    /// The boards that share tasks.
    pub group: Name,
    /// How long a board may be silent before another takes its task over.
    pub lease: Duration,
    /// How long it is remembered that a task was done.
    pub remember: Duration,
    /// Tasks of the fleet that this board does at once.
    pub capacity: usize,
    /// Workers without which it takes nothing.
    pub needs: Vec<WorkerId>,
    /// The temperature from which on it takes nothing, in degrees Celsius.
    pub max_temperature: f64,
}

/// Does its part until told to stop.
pub(super) async fn keep(
    link: LinkOptions,
    options: FleetOptions,
    appliance: Appliance,
    cancel: CancellationToken,
) {
    let site = match Site::try_new(link.root.site().as_str(), options.group.as_str()) {
        Ok(site) => site,
        Err(error) => {
            tracing::error!(%error, "there is no such fleet");
            return;
        }
    };
    let times = Times {
        lease: options.lease,
        capacity: options.capacity,
    };
    let (finished, coming) = mpsc::channel(WINDOW.into());
    let mut fleet = Fleet {
        book: Book::new(link.root.appliance().clone(), times),
        works: Works::new(
            appliance.clone(),
            link.root.appliance().clone(),
            site.tasks().as_str(),
            finished,
        ),
        able: Able::new(appliance, &options),
        site,
        link,
        remember: options.remember,
        start: Instant::now(),
        mark: 0,
        coming,
    };
    let mut backoff = Backoff::default();
    loop {
        let ended = tokio::select! {
            () = cancel.cancelled() => return,
            ended = fleet.serve(&mut backoff) => ended,
        };
        if let Err(broken) = ended {
            tracing::info!(reason = %broken, "no connection to the fleet");
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(backoff.next().min(fleet.book.lease() / 4)) => {}
        }
    }
}

struct Fleet {
    book: Book,
    works: Works,
    able: Able,
    site: Site,
    link: LinkOptions,
    remember: Duration,
    start: Instant,
    mark: u64,
    coming: mpsc::Receiver<Finished>,
}

impl Fleet {
    /// On one pair of connections.
    async fn serve(&mut self, backoff: &mut Backoff) -> Result<(), Broken> {
        let side = |name, session, window| SideOptions {
            link: self.link.clone(),
            name,
            session,
            window,
        };
        let mut claims = Side::connect(&side("claims", Duration::ZERO, CLAIMS)).await?;
        // A board that was away longer is told of tasks no more whose claims nobody remembers.
        let session = self.remember / 2;
        let mut tasks = Side::connect(&side("fleet", session, WINDOW)).await?;
        backoff.reset();
        self.book.connect();
        self.mark += 1;
        let mark = self.site.mark(self.link.root.appliance());
        let heard = [
            (self.site.claims(), true),
            (self.site.all_done(), true),
            (mark.clone(), false),
        ];
        let heard = heard.map(|(filter, retained)| Wanted {
            filter: filter.as_str().to_owned(),
            retained,
            mark: None,
        });
        claims.listen(&heard.into()).await?;
        let said = Said {
            topic: mark.as_str().to_owned(),
            payload: self.mark.to_string().into_bytes(),
            ..Said::default()
        };
        claims.say(said).await?;
        let mut tick = tokio::time::interval(TICK);
        let mut able = false;
        loop {
            let mut acts = tokio::select! {
                message = claims.next() => {
                    let message = message?;
                    claims.acknowledge(message.packet).await?;
                    self.claim(&message, mark.as_str()).await
                }
                message = tasks.next() => self.task(message?),
                Some(done) = self.coming.recv() => {
                    self.book.finished(&done.id, done.epoch, done.answer);
                    self.book.tick(self.now(), able)
                }
                _ = tick.tick() => {
                    able = self.able.is_able().await;
                    tasks.listen(&self.wanted(able)).await?;
                    self.book.tick(self.now(), able)
                }
            };
            // A place is free.
            if acts.iter().any(|act| matches!(act, Act::Publish(..))) {
                acts.extend(self.book.tick(self.now(), able));
            }
            for act in acts {
                self.act(act, &mut claims, &mut tasks).await?;
            }
        }
    }

    fn wanted(&self, able: bool) -> BTreeSet<Wanted> {
        let wanted = |filter: &str, mark| Wanted {
            filter: filter.to_owned(),
            retained: false,
            mark: Some(mark),
        };
        let mut all = BTreeSet::from([wanted(&self.site.tasks(), WITNESS)]);
        if able {
            all.insert(wanted(&self.site.shared_tasks(), SHARED));
        }
        all
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    async fn claim(&mut self, message: &Incoming, mark: &str) -> Vec<Act> {
        if message.topic == mark {
            if message.payload == self.mark.to_string().as_bytes() {
                let acts = self.book.synced(self.now());
                self.works.keep_only(self.book.holding()).await;
                return acts;
            }
            return Vec::new();
        }
        let Some(id) = self.site.claimed(&message.topic) else {
            return Vec::new();
        };
        let Ok(id) = Name::try_new(id) else {
            return Vec::new();
        };
        let claim = Claim::read(&message.payload);
        self.book.hear(&id, claim, message.retained, self.now())
    }

    fn task(&mut self, message: Incoming) -> Vec<Act> {
        let shared = message.marks.contains(&SHARED);
        match work::offered(&message) {
            Ok((id, work)) => self
                .book
                .offered(id, work, message.packet, shared, self.now()),
            Err(reason) => {
                let mut acts = vec![Act::Acknowledge(message.packet)];
                // The other boards hear it too.
                if shared {
                    acts.push(Act::Refuse(reason, message.response_topic));
                }
                acts
            }
        }
    }

    async fn act(&mut self, act: Act, claims: &mut Side, tasks: &mut Side) -> Result<(), Broken> {
        match act {
            Act::Say(id, claim) => {
                let topic = match claim.stage {
                    Stage::Held => self.site.claim(&id),
                    Stage::Done | Stage::Closed => self.site.done(&id),
                };
                let said = Said {
                    topic: topic.as_str().to_owned(),
                    payload: claim.write(),
                    retain: true,
                    // A claim that came late must not outlive what says that its task is closed.
                    expiry: Some(match claim.stage {
                        Stage::Held => self.remember / 2,
                        Stage::Done | Stage::Closed => self.remember,
                    }),
                    ..Said::default()
                };
                claims.say(said).await
            }
            Act::Forget(id) => {
                let said = Said {
                    topic: self.site.claim(&id).as_str().to_owned(),
                    retain: true,
                    ..Said::default()
                };
                claims.say(said).await
            }
            Act::Acknowledge(packet) => tasks.acknowledge(packet).await,
            Act::Start(id, epoch, work) => {
                let topic = self.site.task_state(&id).as_str().to_owned();
                let state = StateMessage {
                    id: id.clone(),
                    state: State::Accepted,
                    at: Moment::now().0,
                };
                let payload = serde_json::to_vec(&state).unwrap_or_default();
                let said = Said {
                    topic,
                    payload,
                    ..Said::default()
                };
                claims.say(said).await?;
                if let Err(error) = self.works.start(&id, epoch, &work).await {
                    tracing::warn!(task = %id, %error, "a task of the fleet is left to others");
                    self.book.abandon(&id);
                }
                Ok(())
            }
            Act::Stop(id, epoch) => {
                tracing::info!(task = %id, epoch, "another board does the task now");
                self.works.stop(&id, epoch).await;
                Ok(())
            }
            Act::Publish(id, work, answer) => {
                let own = self.site.task_result(&id);
                let said = Said {
                    topic: work.reply.unwrap_or_else(|| own.as_str().to_owned()),
                    payload: answer.into_bytes(),
                    correlation: work.correlation,
                    ..Said::default()
                };
                claims.say(said).await
            }
            Act::Refuse(reason, reply) => {
                let payload = serde_json::json!({"state": "failed", "error": reason});
                let own = self.site.errors();
                let said = Said {
                    topic: reply.unwrap_or_else(|| own.as_str().to_owned()),
                    payload: payload.to_string().into_bytes(),
                    ..Said::default()
                };
                claims.say(said).await
            }
        }
    }
}
