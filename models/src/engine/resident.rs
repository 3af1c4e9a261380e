//! A model in memory: its context, what the cache holds, and the requests that run.

use std::{collections::HashMap, sync::Arc};

use llama_cpp_2::token::LlamaToken;
use shoal_conductor::prompt::{Message, Prompt, Speaker};

use super::{
    EngineOptions, LoadError, Speculation,
    batch::Batch,
    context::{Context, Shape},
    draft::Draft,
    grammar::Grammars,
    job::{Job, JobError, Source, Work},
    keep::{self, Keep},
    load, log,
    mapping::Weights,
    pace::Pace,
    prefix,
    request::{Each, Flow, Goal, Request, Write},
    ruler::Ruler,
    sampler::Sampler,
    sequences::{Sequences, Start},
    shelf::Shelf,
    step,
    template::Template,
};
use crate::{gguf::Header, writing::Writing};

/// Sequences beside those that run, for what earlier requests left.
pub(super) const CACHED: usize = 16;
/// Fixed prompts whose tokens are remembered.
const FIXED_PROMPTS: usize = 64;

/// A model in memory.
pub(super) struct Resident {
    pub(super) context: Context,
    pub(super) sequences: Sequences,
    pub(super) batch: Batch,
    pub(super) pace: Pace,
    /// Requests with a sequence.
    pub(super) running: Vec<Request>,
    /// Requests that had to give theirs up for want of cells.
    pub(super) put_off: Vec<Request>,
    /// Whether one had to since the last one ended; as long as that is so, nobody is let in.
    pub(super) crowded: bool,
    pub(super) model: Arc<Weights>,
    pub(super) slots: usize,
    pub(super) threads: u32,
    /// The most tokens of one batch.
    pub(super) chunk: usize,
    template: Template,
    pub(super) ruler: Ruler,
    grammars: Grammars,
    pub(super) keep: Option<Keep>,
    pub(super) shelf: Shelf,
    fixed: HashMap<Vec<Message>, Vec<LlamaToken>>,
    limit: usize,
    pub(super) hidden_limit: usize,
    pub(super) prefix_cache: bool,
    speculation: Speculation,
    arrivals: u64,
}

impl Resident {
    /// Makes the context of a loaded model in the room that it has, and loads the states of fixed prompts.
    pub(super) fn try_new(
        model: Arc<Weights>,
        header: &Header,
        options: &EngineOptions,
        room: load::Room,
    ) -> Result<Self, LoadError> {
        let trained = model.n_ctx_train().max(2);
        if options.context > trained {
            tracing::warn!(
                asked = options.context,
                trained,
                "the model was trained on less context; that is used"
            );
        }
        let tokens = options.context.clamp(2, trained);
        let slots = options.slots.clamp(1, 64);
        let count = slots + CACHED;
        let chunk = options.chunk.max(32);
        let shape = Shape {
            cells: room.cells.max(tokens),
            sequences: u32::try_from(count).unwrap_or(u32::MAX),
            // What is read, and what goes along with those that write.
            batch: chunk
                .saturating_add(u32::try_from(step::most_beside(slots)).unwrap_or(u32::MAX)),
            threads: options.threads,
        };
        log::take_error();
        let context = Context::try_new(Arc::clone(&model), shape).ok_or_else(|| {
            let reason = log::take_error().unwrap_or_else(|| "llama.cpp does not say why".into());
            let cells = shape.cells;
            load::rejected(
                &options.path,
                &format!("no context of {cells} tokens: {reason}"),
            )
        })?;
        let divisible = !model.is_recurrent() && !model.is_hybrid();
        let mut resident = Self {
            sequences: Sequences::new(count, context.cells(), divisible),
            context,
            batch: Batch::default(),
            pace: Pace::default(),
            running: Vec::new(),
            put_off: Vec::new(),
            crowded: false,
            template: Template::of(&model),
            ruler: Ruler::of(&model),
            model,
            slots,
            threads: options.threads,
            chunk: chunk as usize,
            grammars: Grammars::default(),
            keep: prefix::kept(options, header),
            shelf: Shelf::new(usize::try_from(room.shelf).unwrap_or(usize::MAX), divisible),
            fixed: HashMap::new(),
            limit: tokens as usize,
            hidden_limit: options.hidden_context.min(tokens) as usize,
            prefix_cache: options.prefix_cache,
            speculation: if divisible {
                options.speculation
            } else {
                Speculation::Off
            },
            arrivals: 0,
        };
        resident.restore();
        Ok(resident)
    }

    /// How many tokens prompt and answer may have together.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the model's file brought its template.
    pub(super) fn own_template(&self) -> bool {
        self.template.is_own()
    }

    /// Makes a request of a job, or ends it with an error.
    pub(super) fn prepare(&mut self, job: Job) -> Option<Request> {
        self.arrivals += 1;
        let arrived = self.arrivals;
        let flow = match job.task {
            Some(task) => Flow::Task(task.into()),
            None => Flow::Own(arrived),
        };
        let (tokens, fixed, goal) = match job.work {
            Work::Complete {
                prompt,
                pieces,
                done,
            } => match self.write(&prompt) {
                Ok((tokens, fixed, sampler)) => {
                    let room = (self.limit - tokens.len()).min(prompt.sampling.max_tokens as usize);
                    let write = Write {
                        sampler,
                        writing: Writing::new(&prompt.sampling.stop),
                        draft: Draft::new(self.speculation),
                        room,
                        pieces,
                        done,
                    };
                    (tokens, fixed, Goal::Write(Box::new(write)))
                }
                Err(error) => {
                    let _ = done.send(Err(error));
                    return None;
                }
            },
            Work::States {
                text,
                reading,
                piece,
                done,
            } => match self.piece(&text, &reading, piece) {
                Ok((tokens, wanted, states)) => {
                    let layers = reading.layers.clone();
                    let each = Each {
                        wanted,
                        layers,
                        states,
                        done,
                    };
                    (tokens, 0, Goal::Each(Box::new(each)))
                }
                Err(error) => {
                    let _ = done.send(Err(error));
                    return None;
                }
            },
            Work::Hidden { source, done } => match self.read(&source) {
                Ok((tokens, fixed)) => (tokens, fixed, Goal::State(done)),
                Err(error) => {
                    let _ = done.send(Err(error));
                    return None;
                }
            },
        };
        let prompt = tokens.len();
        let mut request = Request {
            prompt,
            tokens,
            read: 0,
            cached: 0,
            fixed,
            sequence: 0,
            priority: job.priority,
            flow,
            arrived,
            cancel: job.cancel,
            preempted: false,
            _place: job.place,
            goal,
        };
        // A grammar may say how the answer must begin, or all of it.
        match request.say(None, &self.model) {
            (_, Some(finish)) => {
                request.answer(finish);
                None
            }
            (_, None) => Some(request),
        }
    }

    fn write(&mut self, prompt: &Prompt) -> Result<(Vec<LlamaToken>, usize, Sampler), JobError> {
        let matcher = self.grammars.matcher(&self.model, &prompt.format)?;
        let (tokens, fixed) = self.tokens(prompt)?;
        Ok((tokens, fixed, Sampler::new(&prompt.sampling, matcher)))
    }

    /// The tokens that an answer follows, and how many of them are fixed.
    fn tokens(&mut self, prompt: &Prompt) -> Result<(Vec<LlamaToken>, usize), JobError> {
        // At least one token must be left to write.
        let limit = self.limit - 1;
        let tokens = self
            .template
            .tokens(&self.model, &self.ruler, &prompt.messages, limit)?;
        let fixed = self.fixed(prompt, &tokens);
        Ok((tokens, fixed))
    }

    /// The tokens whose last one is to have its state read.
    fn read(&mut self, source: &Source) -> Result<(Vec<LlamaToken>, usize), JobError> {
        if self.hidden_limit == 0 {
            let reason = "hidden states are off; set `hidden_context`".into();
            return Err(JobError::Internal(reason));
        }
        let (mut tokens, fixed) = match source {
            Source::Text(text) => {
                self.ruler.check([text.as_str()], self.hidden_limit)?;
                let tokens = self.model.vocab().tokenize(text.as_bytes(), true, false);
                if tokens.len() > self.hidden_limit {
                    let (tokens, limit) = (tokens.len(), self.hidden_limit);
                    return Err(JobError::TooLong { tokens, limit });
                }
                (tokens, 0)
            }
            Source::Prompt(prompt) => self.tokens(prompt)?,
        };
        if tokens.len() < 2 {
            return Err(JobError::Refused(format!(
                "a hidden state needs a text of at least 2 tokens, this one has {}",
                tokens.len()
            )));
        }
        // Attention looks back alone, so the last token changes nothing and is not read.
        tokens.pop();
        Ok((tokens, fixed))
    }

    /// How many leading tokens are the same whatever follows the fixed messages.
    fn fixed(&mut self, prompt: &Prompt, tokens: &[LlamaToken]) -> usize {
        let Some(messages) = prompt
            .messages
            .get(..prompt.fixed)
            .filter(|m| !m.is_empty())
        else {
            return 0;
        };
        if !self.fixed.contains_key(messages) {
            // The rendered text has no seam to cut at, since a token may span it: what two endings share is fixed.
            let with = |text: &str| {
                let ending = Message::new(Speaker::User, text);
                let messages: Vec<_> = messages.iter().cloned().chain([ending]).collect();
                self.template
                    .tokens(&self.model, &self.ruler, &messages, self.limit)
                    .unwrap_or_default()
            };
            let (one, other) = (with("0"), with("z"));
            let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
            if self.fixed.len() >= FIXED_PROMPTS {
                self.fixed.clear();
            }
            let first = one.get(..same).unwrap_or_default().to_vec();
            self.fixed.insert(messages.to_vec(), first);
        }
        let fixed = self.fixed.get(messages);
        fixed
            .filter(|fixed| fixed.len() >= keep::LEAST && tokens.starts_with(fixed))
            .map_or(0, Vec::len)
    }

    /// Gives a request a sequence and starts it, if there is room; else gives it back.
    pub(super) fn admit(&mut self, mut request: Request) -> Option<Request> {
        self.crowded &= !self.running.is_empty();
        if self.running.len() >= self.slots || self.crowded {
            return Some(request);
        }
        let like = self.like(&request);
        self.fetch(like);
        let spared = self.sequences.known(like);
        // Room for the prompt and a little of the answer; the rest is found as it is written.
        let needed = request.tokens.len() - spared + 32.min(self.room(&request));
        if needed > self.sequences.within_reach() && !self.running.is_empty() {
            return Some(request);
        }
        while !self.sequences.has_number() {
            if !self.evict() {
                return Some(request);
            }
        }
        if !self.prefix_cache {
            self.evict_idle();
        }
        if !self.seat(&mut request) {
            return Some(request);
        }
        self.running.push(request);
        self.fix_of(self.running.len() - 1);
        None
    }

    /// What a request may have in common with others. Nothing is like no tokens at all.
    pub(super) fn like<'r>(&self, request: &'r Request) -> &'r [LlamaToken] {
        match self.prefix_cache && !request.is_alone() {
            true => &request.tokens,
            false => &[],
        }
    }

    /// Gives a request a sequence that begins with what the cache has of it; false if none is free.
    pub(super) fn seat(&mut self, request: &mut Request) -> bool {
        let begun = match request.is_alone() {
            true => self.sequences.begin_alone().map(|new| (new, Start::Empty)),
            false => self.sequences.begin(self.like(request)),
        };
        let Some((sequence, start)) = begun else {
            return false;
        };
        match start {
            Start::Share { from, tokens } => self.context.share(from, sequence, tokens),
            Start::Continue { .. } => {}
            // What a failed batch may have left there.
            Start::Empty => drop(self.context.forget(sequence, 0)),
        }
        request.sequence = sequence;
        request.read = start.tokens();
        request.cached = request.cached.max(start.tokens().min(request.prompt));
        true
    }

    /// Keeps the fixed tokens of a request that runs, if it began with them.
    pub(super) fn fix_of(&mut self, at: usize) {
        if let Some(request) = self.running.get(at)
            && request.fixed > 0
            && request.read >= request.fixed
        {
            self.fix(request.sequence, request.fixed);
        }
    }

    fn room(&self, request: &Request) -> usize {
        match &request.goal {
            Goal::Write(write) => write.room.saturating_sub(request.written()),
            Goal::State(_) | Goal::Each(_) => 0,
        }
    }
}
