//! Who does which task, as one board knows it from the order of claims; and what it does about it. No clock of its own, no
//! connection: time and messages are given to it.
//!
//! A task is `held` on one topic and `done`, then `closed`, on another. Of those that hold it, in the order of the topic,
//! these are valid: the first one, one of a higher epoch, and the holder's own again. Of the answers the first one is valid,
//! whoever says it; after it nothing that is held is. What is not valid has still overwritten what is retained on its topic.
//! So whoever said that it holds a task and does not says again who does; and each board that hears a second answer says
//! the first one again, if it was there when that was said. A board that knows an answer only from what is retained, which a
//! second one may have overwritten, takes the word of the others: so all come to agree, and the talk ends.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use shoal_wire::Name;

use super::claim::{Claim, Stage, Work};

/// How long a task is left to the board that the broker gave it to.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// The most tasks whose claims are remembered; beyond it closed ones are forgotten here, though not at the broker.
const MOST: usize = 100_000;

/// How long things take, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// How long a holder may be silent.
    pub(super) lease: Duration,
    /// Tasks that this board does at once.
    pub(super) capacity: usize,
}

/// What is to be done about a message or the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Say a claim, or that it is done or closed.
    Say(Name, Claim),
    /// Nobody need know any more who held it.
    Forget(Name),
    /// The broker need not deliver this packet again.
    Acknowledge(u16),
    /// Begin a task.
    Start(Name, u32, Work),
    /// Leave a task to another board.
    Stop(Name, u32),
    /// Publish an answer.
    Publish(Name, Work, String),
    /// Say what is wrong with a message, at its response topic where it has one.
    Refuse(String, Option<String>),
}

/// A task that nobody has claimed.
#[derive(Debug)]
struct Pending {
    work: Work,
    packets: Vec<u16>,
    since: Duration,
    /// The broker gave it to this board.
    shared: bool,
}

/// The valid claim of a task.
#[derive(Debug)]
struct Entry {
    claim: Claim,
    heard: Duration,
    /// This board was there when it was said, and knows that nothing came before it.
    witnessed: bool,
}

/// A task that this board does.
#[derive(Debug)]
struct Held {
    epoch: u32,
    said: Duration,
    answer: Option<String>,
}

/// What one board knows.
#[derive(Debug)]
pub(super) struct Book {
    me: Name,
    times: Times,
    synced: bool,
    entries: HashMap<String, Entry>,
    /// Those of them that are not closed.
    open: BTreeSet<String>,
    pending: BTreeMap<String, Pending>,
    /// Claims of ours that have not come back.
    claiming: HashMap<String, Duration>,
    held: HashMap<String, Held>,
}

impl Book {
    pub(super) fn new(me: Name, times: Times) -> Self {
        Self {
            me,
            times,
            synced: false,
            entries: HashMap::new(),
            open: BTreeSet::new(),
            pending: BTreeMap::new(),
            claiming: HashMap::new(),
            held: HashMap::new(),
        }
    }

    pub(super) const fn lease(&self) -> Duration {
        self.times.lease
    }

    /// The tasks that this board does, with their epochs.
    pub(super) fn holding(&self) -> Vec<(String, u32)> {
        let held = self.held.iter();
        held.map(|(id, held)| (id.clone(), held.epoch)).collect()
    }

    /// The connections are new: what was known is hearsay, and packets have other numbers.
    pub(super) fn connect(&mut self) {
        self.synced = false;
        self.entries.clear();
        self.open.clear();
        self.claiming.clear();
        self.pending.clear();
    }

    /// All that is retained has been heard. What this board held and another has now is stopped.
    pub(super) fn synced(&mut self, now: Duration) -> Vec<Act> {
        self.synced = true;
        let mut acts = Vec::new();
        let (entries, me) = (&self.entries, &self.me);
        self.held.retain(|id, held| {
            let ours = entries.get(id).is_some_and(|entry| {
                let claim = &entry.claim;
                claim.epoch == held.epoch && claim.board == *me && claim.stage == Stage::Held
            });
            if !ours && let Ok(name) = Name::try_new(id) {
                acts.push(Act::Stop(name, held.epoch));
            }
            // Said again at once, so that nobody takes it over.
            held.said = now.saturating_sub(Duration::from_secs(3600));
            ours
        });
        acts
    }

    /// A task came.
    pub(super) fn offered(
        &mut self,
        id: Name,
        work: Work,
        packet: u16,
        shared: bool,
        now: Duration,
    ) -> Vec<Act> {
        if self.entries.contains_key(id.as_str()) {
            return vec![Act::Acknowledge(packet)];
        }
        let pending = self.pending.entry(id.as_str().to_owned());
        let pending = pending.or_insert_with(|| Pending {
            work,
            packets: Vec::new(),
            since: now,
            shared,
        });
        pending.packets.push(packet);
        pending.shared |= shared;
        Vec::new()
    }

    /// A claim came, or one is forgotten.
    pub(super) fn hear(
        &mut self,
        id: &Name,
        claim: Option<Claim>,
        retained: bool,
        now: Duration,
    ) -> Vec<Act> {
        let key = id.as_str();
        // A claim is forgotten when its task is closed.
        let Some(claim) = claim else {
            return Vec::new();
        };
        let entry = self.entries.get(key);
        if entry.is_some_and(|entry| !follows(&entry.claim, &claim)) {
            return self.contradicted(id, claim, retained, now);
        }
        let known = entry.map(|entry| &entry.claim);
        let is_first = known.is_none_or(|known| known.stage == Stage::Held);
        let fresh = known.is_none_or(|known| known.epoch != claim.epoch);
        let is_new = is_first && (fresh || claim.stage != Stage::Held);
        let witnessed = !retained && (is_new || entry.is_some_and(|entry| entry.witnessed));
        let mut acts = Vec::new();
        if let Some(pending) = self.pending.remove(key) {
            acts.extend(pending.packets.into_iter().map(Act::Acknowledge));
        }
        let claimed = self.claiming.remove(key).is_some();
        let ours = claim.board == self.me;
        if let Some(held) = self.held.get(key)
            && (!ours || held.epoch != claim.epoch || claim.stage != Stage::Held)
        {
            let epoch = held.epoch;
            self.held.remove(key);
            if claim.stage == Stage::Held || !ours || claim.epoch != epoch {
                acts.push(Act::Stop(id.clone(), epoch));
            }
        }
        match (claim.stage, &claim.work, &claim.answer) {
            (Stage::Held, Some(work), _) if ours && claimed && fresh && !retained => {
                let held = Held {
                    epoch: claim.epoch,
                    said: now,
                    answer: None,
                };
                self.held.insert(key.to_owned(), held);
                acts.push(Act::Start(id.clone(), claim.epoch, work.clone()));
            }
            (Stage::Done, Some(work), Some(answer)) if ours && is_first && !retained => {
                acts.push(Act::Publish(id.clone(), work.clone(), answer.clone()));
                acts.push(Act::Say(id.clone(), claim.closed()));
                acts.push(Act::Forget(id.clone()));
            }
            _ => {}
        }
        match claim.stage {
            Stage::Closed => self.open.remove(key),
            Stage::Held | Stage::Done => self.open.insert(key.to_owned()),
        };
        let entry = Entry {
            claim,
            heard: now,
            witnessed,
        };
        self.entries.insert(key.to_owned(), entry);
        self.forget();
        acts
    }

    /// Something was said that is not valid after what is known.
    fn contradicted(&mut self, id: &Name, claim: Claim, retained: bool, now: Duration) -> Vec<Act> {
        let holds = self.held.contains_key(id.as_str());
        let Some(entry) = self.entries.get_mut(id.as_str()).filter(|_| !retained) else {
            return Vec::new();
        };
        let known = &entry.claim;
        let ours = claim.board == self.me;
        let knows = entry.witnessed || holds;
        let (again, believes) = match (known.stage, claim.stage) {
            // Whoever said a claim that does not count has overwritten what is retained.
            (Stage::Held, _) if claim.epoch < known.epoch => (ours, false),
            (Stage::Held, _) => (ours && knows, !knows),
            // On its own topic a claim overwrites nothing that is done.
            (_, Stage::Held) => (false, false),
            // What is closed was published.
            (Stage::Closed, Stage::Done) => (true, false),
            _ => (entry.witnessed, !entry.witnessed),
        };
        if again {
            return vec![Act::Say(id.clone(), known.clone())];
        }
        // Its own claim or answer is the late one.
        if believes && !ours {
            if claim.stage == Stage::Closed {
                self.open.remove(id.as_str());
            }
            entry.claim = claim;
            entry.heard = now;
        }
        Vec::new()
    }

    /// The board's own work on a task has ended. It is said at the next tick, if it still counts.
    pub(super) fn finished(&mut self, id: &Name, epoch: u32, answer: String) {
        if let Some(held) = self.held.get_mut(id.as_str())
            && held.epoch == epoch
        {
            held.answer = Some(answer);
            held.said = Duration::ZERO;
        }
    }

    /// This board cannot do it after all; another takes it over after the lease.
    pub(super) fn abandon(&mut self, id: &Name) {
        self.held.remove(id.as_str());
    }

    /// Time has passed. `able` says whether the board may begin anything.
    pub(super) fn tick(&mut self, now: Duration, able: bool) -> Vec<Act> {
        if !self.synced {
            return Vec::new();
        }
        let mut acts = self.beats(now);
        acts.extend(self.left_behind(now));
        let lease = self.times.lease;
        self.claiming
            .retain(|_, said| now.saturating_sub(*said) < lease);
        if able {
            acts.extend(self.take(now));
        }
        acts
    }

    /// What this board holds, said again; with the answer where there is one.
    fn beats(&mut self, now: Duration) -> Vec<Act> {
        let (lease, entries) = (self.times.lease, &self.entries);
        let mut acts = Vec::new();
        for (id, held) in &mut self.held {
            let since = now.saturating_sub(held.said);
            let due = since >= lease / 3 || (held.answer.is_some() && held.said.is_zero());
            let (Some(entry), Ok(name), true) = (entries.get(id), Name::try_new(id), due) else {
                continue;
            };
            held.said = now.max(Duration::from_nanos(1));
            let mut claim = entry.claim.clone();
            if let Some(answer) = &held.answer {
                claim.stage = Stage::Done;
                claim.answer = Some(answer.clone());
            }
            acts.push(Act::Say(name, claim));
        }
        acts
    }

    /// Answers whose board died before it published them.
    fn left_behind(&mut self, now: Duration) -> Vec<Act> {
        let mut acts = Vec::new();
        for id in &self.open {
            let Some(entry) = self.entries.get_mut(id) else {
                continue;
            };
            let claim = &entry.claim;
            let mut patience = self.times.lease;
            if claim.board != self.me {
                patience += spread(&self.me, id, self.times.lease);
            }
            let silent = now.saturating_sub(entry.heard);
            if claim.stage != Stage::Done || silent < patience {
                continue;
            }
            if let (Ok(name), Some(work), Some(answer)) =
                (Name::try_new(id), &claim.work, &claim.answer)
            {
                acts.push(Act::Publish(name.clone(), work.clone(), answer.clone()));
                acts.push(Act::Say(name.clone(), claim.closed()));
                acts.push(Act::Forget(name));
            }
            entry.heard = now;
        }
        acts
    }

    /// Claims what there is a place for: what the broker gave to this board, what nobody took, and what was left.
    fn take(&mut self, now: Duration) -> Vec<Act> {
        let lease = self.times.lease;
        let room = self.times.capacity;
        let mut room = room.saturating_sub(self.held.len() + self.claiming.len());
        let mut wanted: Vec<(bool, Duration, String, u32, Work)> = Vec::new();
        for (id, pending) in &self.pending {
            let waited = now.saturating_sub(pending.since);
            if pending.shared || waited >= PATIENCE + spread(&self.me, id, PATIENCE) {
                let work = pending.work.clone();
                wanted.push((!pending.shared, pending.since, id.clone(), 1, work));
            }
        }
        let open = self.open.iter();
        for (id, entry) in open.filter_map(|id| Some((id, self.entries.get(id)?))) {
            let claim = &entry.claim;
            let (Stage::Held, Some(work)) = (claim.stage, &claim.work) else {
                continue;
            };
            // A board that does not hold what is held in its name was started anew: nobody need wait for it.
            let dead = claim.board == self.me && !self.held.contains_key(id);
            let silent = now.saturating_sub(entry.heard);
            if dead || (claim.board != self.me && silent >= lease + spread(&self.me, id, lease / 2))
            {
                wanted.push((
                    false,
                    entry.heard,
                    id.clone(),
                    claim.epoch + 1,
                    work.clone(),
                ));
            }
        }
        wanted.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        let mut acts = Vec::new();
        for (_, _, id, epoch, work) in wanted {
            let (Ok(name), false) = (Name::try_new(&id), self.claiming.contains_key(&id)) else {
                continue;
            };
            if room == 0 {
                break;
            }
            room -= 1;
            self.claiming.insert(id, now);
            let claim = Claim {
                epoch,
                board: self.me.clone(),
                stage: Stage::Held,
                work: Some(work),
                answer: None,
            };
            acts.push(Act::Say(name, claim));
        }
        acts
    }

    fn forget(&mut self) {
        if self.entries.len() > MOST {
            self.entries
                .retain(|_, entry| entry.claim.stage != Stage::Closed);
        }
    }
}

/// Whether a claim is valid after the one that holds.
fn follows(known: &Claim, next: &Claim) -> bool {
    let same = next.epoch == known.epoch && next.board == known.board;
    match (known.stage, next.stage) {
        (Stage::Held, Stage::Held) => next.epoch > known.epoch || same,
        (Stage::Held, Stage::Done | Stage::Closed) => true,
        (Stage::Done, Stage::Closed) => same,
        (Stage::Done, Stage::Done) | (Stage::Closed, Stage::Closed) => next == known,
        (Stage::Done | Stage::Closed, _) => false,
    }
}

/// A part of `most` that is another one for each board and task, so that not all wait equally long.
fn spread(board: &Name, id: &str, most: Duration) -> Duration {
    // FNV-1a, 32 bits.
    let bytes = board.as_str().bytes().chain(id.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    most * (hash % 1024) / 1024
}

#[cfg(test)]
mod tests;
