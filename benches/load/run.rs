//! What is true of run number n: computed from n alone, and the source of both the bytes and the truth.

use super::random::mix;

/// All of one length, so that they can be patched into place.
pub const AGENTS: [&str; 8] =
    ["router-agent", "search-agent", "writer-agent", "review-agent", "travel-agent", "ledger-agent", "triage-agent", "memory-agent"];
/// One run in so many ends with an error.
const ERROR_EVERY: u64 = 40;
/// Tokens that take two bytes on the wire, so that any of them fits in the place of another.
const TOKENS_MIN: u64 = 128;
const TOKENS_SPAN: u64 = 4_000;
const USD_PER_INPUT_TOKEN: f64 = 2.5e-6;
const USD_PER_OUTPUT_TOKEN: f64 = 10e-6;
const MILLISECOND: u64 = 1_000_000;

/// The size of the world, and where in time it lies.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub seed: u64,
    pub sessions: u64,
    pub runs_per_session: u64,
    /// Start of the first run, nanoseconds since 1970.
    pub epoch: u64,
    /// From the start of a run to the start of the next.
    pub step: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub n: u64,
    pub session: u64,
    pub agent: u8,
    pub start: u64,
    pub is_error: bool,
    pub calls: [Tokens; 2],
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    pub input: u64,
    pub output: u64,
}

/// How many sessions are being talked in at one time.
const INTERLEAVED: u64 = 64;

// === impl World ===

impl World {
    pub fn runs(&self) -> u64 {
        self.sessions.saturating_mul(self.runs_per_session)
    }

    pub fn run(&self, n: u64) -> Run {
        let luck = mix(self.seed, n);
        let block = INTERLEAVED * self.runs_per_session;
        let first = n / block * INTERLEAVED;
        let width = INTERLEAVED.min(self.sessions - first);
        let tokens = |salt: u64| Tokens {
            input: TOKENS_MIN + mix(luck, salt) % TOKENS_SPAN,
            output: TOKENS_MIN + mix(luck, salt + 1) % (TOKENS_SPAN / 4),
        };
        Run {
            n,
            session: first + n % block % width,
            agent: (luck % AGENTS.len() as u64) as u8,
            start: self.epoch + n * self.step,
            is_error: (luck >> 8).is_multiple_of(ERROR_EVERY),
            calls: [tokens(10), tokens(20)],
            seed: luck,
        }
    }
}

// === impl Run ===

impl Run {
    pub fn trace_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(mix(self.seed, 1) | 1).to_be_bytes());
        id[8..].copy_from_slice(&self.n.to_be_bytes());
        id
    }

    pub fn span_id(&self, which: usize) -> [u8; 8] {
        (mix(self.seed, 2 + which as u64) | 1).to_be_bytes()
    }

    /// Start and end of its span `which`, in the order of `shape::Kind`.
    pub fn times(&self, which: usize) -> (u64, u64) {
        const OFFSETS: [(u64, u64); 6] = [(5, 5), (10, 900), (950, 950), (960, 960), (1_000, 2_400), (0, 2_500)];
        let (start, end) = OFFSETS[which];
        (self.start + start * MILLISECOND, self.start + end * MILLISECOND)
    }

    pub fn end(&self) -> u64 {
        self.times(5).1
    }

    pub fn tokens(&self) -> u64 {
        self.calls.iter().map(|call| call.input + call.output).sum()
    }

    pub fn cost_nanos(&self) -> u64 {
        self.calls.iter().map(|call| (call.cost_usd() * 1e9).round() as u64).sum()
    }
}

// === impl Tokens ===

impl Tokens {
    /// In floating point, as an SDK computes it.
    pub fn cost_usd(&self) -> f64 {
        self.input as f64 * USD_PER_INPUT_TOKEN + self.output as f64 * USD_PER_OUTPUT_TOKEN
    }
}
