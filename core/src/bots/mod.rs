//! Bots that say who they are, and whether that is true.
//!
//! A user agent costs nothing to write, so it is never evidence about behaviour. Here it is a claim and
//! nothing else: either the bot's published networks or its forward-confirmed host name prove it, or it
//! counts for nothing. [`Bots::claimed`] finds the claim, [`Bots::proves`] tells what the address makes of
//! it. Asking DNS is not done here: [`Bots::hostname_matches`] judges the name that came back.

mod text;

use crate::lines::LineError;
use crate::networks::Networks;

/// The bundled list; `models/lists/README.md` says where it is from and how to refresh it.
pub const DEFAULT: &str = include_str!("../../../models/lists/bots.txt");

/// Bots in one list.
pub const MAX_BOTS: usize = 1_024;

/// Agent tokens in one list.
pub const MAX_TOKENS: usize = 4_096;

/// DNS suffixes of one bot.
pub const MAX_SUFFIXES: usize = 64;

/// Bytes of a user agent that are searched. The names of well-behaved bots stand in the first 200.
pub const MAX_AGENT: usize = 512;

/// Shortest agent token: its first four bytes are compared at once.
const MIN_TOKEN: usize = 4;

/// Longest agent token.
const MAX_TOKEN: usize = 64;

/// A bot of one list. Another list, or the same one read again, numbers its bots anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BotId(u16);

/// What a bot is for: not every operator wants every kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Collects pages for a search engine, or checks them for its advertisements.
    Search,
    /// Fetches one page that a person shared or asked for.
    Preview,
    /// Tells its operator whether the site is up.
    Monitor,
    /// Collects pages for language models.
    Ai,
    /// Collects links and prices to sell what it found.
    Seo,
    /// Keeps pages for later readers.
    Archive,
    /// Anything else.
    #[default]
    Other,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 7] = [
        Kind::Search,
        Kind::Preview,
        Kind::Monitor,
        Kind::Ai,
        Kind::Seo,
        Kind::Archive,
        Kind::Other,
    ];

    /// The word in lists and directives.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Search => "search",
            Kind::Preview => "preview",
            Kind::Monitor => "monitor",
            Kind::Ai => "ai",
            Kind::Seo => "seo",
            Kind::Archive => "archive",
            Kind::Other => "other",
        }
    }

    /// The kind that a word names.
    pub fn from_word(word: &[u8]) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word().as_bytes() == word)
    }
}

/// What an address makes of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Proven: the address is in the bot's published networks.
    Range,
    /// Open: the bot's host name can prove it. Its reverse name must match
    /// ([`Bots::hostname_matches`]) and lead back to the address.
    NeedsDns,
    /// Refuted: the list holds all networks of this bot, and the address is in none of them.
    Contradicted,
    /// Neither proven nor refuted: the list may lack networks, or the bytes are no address.
    Unproven,
}

/// A list of bots.
#[derive(Clone, Debug)]
pub struct Bots {
    bots: Vec<Bot>,
    /// Sorted by first letter, longer before shorter.
    tokens: Vec<Token>,
    /// Where the tokens of each first byte start; one more than bytes, so that the next start is the end.
    starts: [u16; 257],
}

#[derive(Clone, Debug)]
struct Bot {
    name: Box<str>,
    kind: Kind,
    networks: Networks,
    /// In lower case, without dots at the ends.
    suffixes: Vec<Box<[u8]>>,
    /// Whether `networks` is all there is.
    complete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    /// In lower case.
    text: Box<[u8]>,
    bot: BotId,
}

impl Bots {
    /// Reads a list. See [`crate::lines`] for comments, bad lines and bounds; the lines are
    ///
    /// ```text
    /// bot NAME           opens a bot, or goes on with it when the name came before
    /// kind WORD          search, preview, monitor, ai, seo, archive or other
    /// agent TOKEN        by this the user agent claims to be the bot; may contain spaces
    /// dns SUFFIX         its host names end so
    /// complete           it has no networks but the ones here: elsewhere the claim is false
    /// CIDR               an address or network of it
    /// ```
    pub fn parse(text: &[u8]) -> (Bots, Vec<LineError>) {
        let mut reader = text::Reader::default();
        let errors = reader.read(text);
        (reader.finish(), errors)
    }

    /// Reads several lists as one, such as [`DEFAULT`] and an operator's own, which may go on with a bot of
    /// an earlier list. The errors are given list by list.
    pub fn parse_all(texts: &[&[u8]]) -> (Bots, Vec<Vec<LineError>>) {
        let mut reader = text::Reader::default();
        let errors = texts.iter().map(|text| reader.read(text)).collect();
        (reader.finish(), errors)
    }

    /// The bot that a user agent claims to be: the first token in it, in any case, as a whole word. A word
    /// starts the agent or follows a space, `(` or `;`, and ends before anything but a letter or digit.
    /// Of tokens that start together the longest counts. Only the first [`MAX_AGENT`] bytes are searched.
    pub fn claimed(&self, agent: &[u8]) -> Option<BotId> {
        let agent = &agent[..agent.len().min(MAX_AGENT)];
        // A loop over bytes: words are short, and a vector search costs more to start than to skip one.
        let opens = |byte: &u8| matches!(byte, b' ' | b'(' | b';');
        let starts = (1..).zip(agent).filter(|(_, byte)| opens(byte));
        let mut words = starts.map(|(start, _)| &agent[start..]);
        self.token_at(agent)
            .or_else(|| words.find_map(|rest| self.token_at(rest)))
    }

    /// The bot with a token at the start of `rest`.
    #[inline]
    fn token_at(&self, rest: &[u8]) -> Option<BotId> {
        let head = folded(rest.first_chunk()?);
        let first = usize::from(rest[0].to_ascii_lowercase());
        let of_letter = usize::from(self.starts[first])..usize::from(self.starts[first + 1]);
        let found = self.tokens[of_letter]
            .iter()
            .find(|token| token.opens(rest, head))?;
        Some(found.bot)
    }

    /// What an address of 4 or 16 bytes makes of the claim to be `bot`.
    pub fn proves(&self, bot: BotId, address: &[u8]) -> Proof {
        let Some(bot) = self.get(bot) else {
            return Proof::Unproven;
        };
        if bot.networks.contains(address) {
            Proof::Range
        } else if !matches!(address.len(), 4 | 16) {
            Proof::Unproven
        } else if !bot.suffixes.is_empty() {
            Proof::NeedsDns
        } else if bot.complete {
            Proof::Contradicted
        } else {
            Proof::Unproven
        }
    }

    /// Whether a host name is one of the bot's, by whole labels, in any case, with or without the root's dot.
    /// Proves nothing until the name leads back to the client's address.
    pub fn hostname_matches(&self, bot: BotId, host: &[u8]) -> bool {
        let host = host.strip_suffix(b".").unwrap_or(host);
        let suffixes = self.get(bot).map_or(&[][..], |bot| &bot.suffixes);
        suffixes.iter().any(|suffix| {
            let Some(start) = host.len().checked_sub(suffix.len()) else {
                return false;
            };
            host[start..].eq_ignore_ascii_case(suffix) && (start == 0 || host[start - 1] == b'.')
        })
    }

    /// The name, fit for logs and labels. Empty for a bot of another list.
    pub fn name(&self, bot: BotId) -> &str {
        self.get(bot).map_or("", |bot| &bot.name)
    }

    /// What the bot is for.
    pub fn kind(&self, bot: BotId) -> Kind {
        self.get(bot).map_or(Kind::Other, |bot| bot.kind)
    }

    /// The bot of a name.
    pub fn id(&self, name: &str) -> Option<BotId> {
        self.ids().find(|&id| self.name(id) == name)
    }

    /// All bots, in the order of the list.
    pub fn ids(&self) -> impl Iterator<Item = BotId> {
        (0..self.bots.len()).map(|index| BotId(index as u16))
    }

    /// Bots in the list.
    pub fn len(&self) -> usize {
        self.bots.len()
    }

    /// Whether the list has no bot: then nothing is ever claimed.
    pub fn is_empty(&self) -> bool {
        self.bots.is_empty()
    }

    fn get(&self, bot: BotId) -> Option<&Bot> {
        self.bots.get(usize::from(bot.0))
    }
}

impl Token {
    /// Whether `rest`, whose first bytes are `head`, starts with this token as a whole word.
    #[inline]
    fn opens(&self, rest: &[u8], head: u32) -> bool {
        let length = self.text.len();
        let same_head = self.text.first_chunk().is_some_and(|chunk| folded(chunk) == head);
        same_head
            && rest
                .get(..length)
                .is_some_and(|start| start.eq_ignore_ascii_case(&self.text))
            && !rest.get(length).is_some_and(u8::is_ascii_alphanumeric)
    }
}

/// Four bytes at once, letters in lower case; bytes that are no letters may collide with others.
#[inline]
fn folded(head: &[u8; MIN_TOKEN]) -> u32 {
    u32::from_ne_bytes(*head) | 0x2020_2020
}

#[cfg(test)]
mod tests;
