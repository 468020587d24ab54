//! Claims to be somebody's bot: made by the user agent, proven by published networks or by host names.
//!
//! A host name takes two look-ups, which nginx's resolver does beside the request. What came of them is kept in
//! the client's record, and here, so that the next request of the same address asks nobody.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::path::Path;

use lru::LruCache;
use sekisho_core::bots::{self, BotId, Kind, Proof};
use sekisho_core::checkpoint::Trust;
use sekisho_core::key::ClientKey;
use sekisho_core::lines::MAX_BYTES;

use crate::regular_file;

/// Answers that one worker keeps.
const MAX_ANSWERS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// How long an answer holds, in seconds: as long as a host name usually lives in a cache.
const ANSWER_SECONDS: u32 = 86_400;
/// How long no answer holds, in seconds; then the resolver is asked again.
const RETRY_SECONDS: u32 = 60;
/// Look-ups that one worker has under way at most.
const MAX_PENDING: u32 = 64;
/// Kinds of bots that are let through when proven, unless configured otherwise: those that bring visitors, and
/// those that the site's own people have sent.
const DEFAULT_KINDS: [Kind; 3] = [Kind::Search, Kind::Preview, Kind::Monitor];

/// An address as a map's key: octets, and how many.
pub type Octets = ([u8; 16], u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Pending,
    Genuine,
    False,
    None,
}

/// What is to be done about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This is known of it.
    Known(Trust),
    /// Nothing yet: look-ups are under way. The client is not judged meanwhile.
    Pending,
    /// Nothing: the resolver is to be asked.
    Ask(BotId),
}

/// `sekisho_bots`.
pub struct Bots {
    list: bots::Bots,
    allowed: Option<Vec<BotId>>,
    answers: RefCell<LruCache<(BotId, Octets), (Answer, u32)>>,
    pending: std::cell::Cell<u32>,
}

/// The address as a map's key; an IPv4 address mapped into IPv6 is the IPv4 address.
pub fn octets(address: &[u8]) -> Octets {
    let key = ClientKey::from_octets(address);
    let bytes = key.as_ref().map_or(&[][..], |key| key.as_bytes());
    let mut octets = [0; 16];
    octets[..bytes.len()].copy_from_slice(bytes);
    (octets, bytes.len() as u8)
}

impl Bots {
    /// The list that this library was built with.
    pub fn bundled() -> Bots {
        Bots::of(bots::Bots::parse(bots::DEFAULT.as_bytes()).0)
    }

    fn of(list: bots::Bots) -> Bots {
        Bots {
            list,
            allowed: None,
            answers: RefCell::new(LruCache::new(MAX_ANSWERS)),
            pending: std::cell::Cell::new(0),
        }
    }

    /// Adds the bots of a file to the bundled ones. Bad lines are told to `warn` and left out.
    pub fn read(&mut self, path: &Path, warn: &dyn Fn(&str)) -> Result<(), String> {
        let shown = path.display();
        let text = regular_file::read(path, MAX_BYTES)
            .map_err(|error| format!("sekisho_bots file \"{shown}\" cannot be read: {error}"))?;
        let (list, errors) = bots::Bots::parse_all(&[bots::DEFAULT.as_bytes(), &text]);
        for error in errors.iter().flatten() {
            warn(&format!("sekisho_bots file \"{shown}\": {error}"));
        }
        self.list = list;
        Ok(())
    }

    /// Lets only these through: names of bots or of kinds, separated by commas.
    pub fn allow_only(&mut self, names: &[u8]) -> Result<(), String> {
        let mut allowed = Vec::new();
        for name in names.split(|&byte| byte == b',') {
            let text = String::from_utf8_lossy(name);
            match (Kind::from_word(name), self.list.id(&text)) {
                (Some(kind), _) => allowed.extend(self.list.ids().filter(|&bot| self.list.kind(bot) == kind)),
                (None, Some(bot)) => allowed.push(bot),
                (None, None) => return Err(format!("unknown bot or kind \"{text}\"")),
            }
        }
        self.allowed = Some(allowed);
        Ok(())
    }

    /// What is known of a client's claim. `can_ask` says whether there is a resolver.
    pub fn claim(&self, agent: &[u8], address: &[u8], at: u32, can_ask: bool) -> Claim {
        let Some(bot) = self.list.claimed(agent) else {
            return Claim::Known(Trust::None);
        };
        match self.list.proves(bot, address) {
            Proof::Range => Claim::Known(self.genuine(bot)),
            Proof::Contradicted => Claim::Known(Trust::FalseClaim),
            Proof::Unproven => Claim::Known(Trust::None),
            Proof::NeedsDns => self.answered(bot, address, at, can_ask),
        }
    }

    fn answered(&self, bot: BotId, address: &[u8], at: u32, can_ask: bool) -> Claim {
        let answer = self.answers.borrow_mut().get(&(bot, octets(address))).copied();
        match answer.filter(|&(_, until)| at < until) {
            Some((Answer::Pending, _)) => Claim::Pending,
            Some((Answer::Genuine, _)) => Claim::Known(self.genuine(bot)),
            Some((Answer::False, _)) => Claim::Known(Trust::FalseClaim),
            Some((Answer::None, _)) => Claim::Known(Trust::Unknown),
            None if can_ask && self.pending.get() < MAX_PENDING => Claim::Ask(bot),
            None => Claim::Known(Trust::Unknown),
        }
    }

    /// A proven bot that is not let through is a client like others.
    fn genuine(&self, bot: BotId) -> Trust {
        let allowed = match &self.allowed {
            Some(bots) => bots.contains(&bot),
            None => DEFAULT_KINDS.contains(&self.list.kind(bot)),
        };
        if allowed { Trust::Verified } else { Trust::None }
    }

    /// The resolver was asked about an address.
    pub fn asked(&self, bot: BotId, address: Octets, at: u32) {
        self.pending.set(self.pending.get() + 1);
        self.keep(bot, address, Answer::Pending, at.saturating_add(RETRY_SECONDS));
    }

    /// The resolver answered: whether the address is the bot's, or `None` when that could not be found out.
    pub fn learn(&self, bot: BotId, address: Octets, at: u32, genuine: Option<bool>) {
        self.pending.set(self.pending.get().saturating_sub(1));
        let (answer, seconds) = match genuine {
            Some(true) => (Answer::Genuine, ANSWER_SECONDS),
            Some(false) => (Answer::False, ANSWER_SECONDS),
            None => (Answer::None, RETRY_SECONDS),
        };
        self.keep(bot, address, answer, at.saturating_add(seconds));
    }

    fn keep(&self, bot: BotId, address: Octets, answer: Answer, until: u32) {
        self.answers.borrow_mut().put((bot, address), (answer, until));
    }

    /// Whether a host name is one of the bot's. Proves nothing until the name leads back to the address.
    pub fn hostname_matches(&self, bot: BotId, host: &[u8]) -> bool {
        self.list.hostname_matches(bot, host)
    }
}
