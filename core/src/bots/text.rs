//! Reads a list of bots.

use std::collections::HashMap;

use ipnet::IpNet;

use super::{Bot, BotId, Bots, Kind, MAX_BOTS, MAX_SUFFIXES, MAX_TOKEN, MAX_TOKENS, MIN_TOKEN, Token};
use crate::lines::{self, Counted, Fault, LineError};

/// A list while it is read.
#[derive(Default)]
pub(super) struct Reader {
    bots: Vec<Bot>,
    networks: Vec<Vec<IpNet>>,
    names: HashMap<Box<str>, usize>,
    tokens: HashMap<Box<[u8]>, BotId>,
    counted: Counted,
    /// The bot that the lines are about.
    open: Option<usize>,
}

impl Reader {
    /// Reads one text after another: a later text may go on with a bot of an earlier one.
    pub(super) fn read(&mut self, text: &[u8]) -> Vec<LineError> {
        self.open = None;
        lines::read(text, |line| self.line(line))
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if let Some(name) = lines::after(line, "bot") {
            // What follows a bad name must not go to the bot before it.
            self.open = None;
            self.open = Some(self.open(name)?);
            return Ok(());
        }
        let open = self.open.ok_or(Fault::Homeless("bot"));
        if let Some(word) = lines::after(line, "kind") {
            self.bots[open?].kind = Kind::from_word(word).ok_or(Fault::Kind)?;
        } else if let Some(token) = lines::after(line, "agent") {
            self.token(open?, token)?;
        } else if let Some(suffix) = lines::after(line, "dns") {
            self.suffix(open?, suffix)?;
        } else if line == b"complete" {
            self.bots[open?].complete = true;
        } else {
            let network = self.counted.network(line)?;
            self.networks[open?].push(network);
        }
        Ok(())
    }

    fn open(&mut self, name: &[u8]) -> Result<usize, Fault> {
        let name = lines::name(name)?;
        if let Some(&index) = self.names.get(name) {
            return Ok(index);
        }
        let index = self.bots.len();
        if index == MAX_BOTS {
            return Err(Fault::Full {
                what: "bots",
                max: MAX_BOTS,
            });
        }
        self.names.insert(name.into(), index);
        self.bots.push(Bot::new(name));
        self.networks.push(Vec::new());
        Ok(index)
    }

    fn token(&mut self, bot: usize, text: &[u8]) -> Result<(), Fault> {
        let fits = (MIN_TOKEN..=MAX_TOKEN).contains(&text.len())
            && text[0].is_ascii_alphanumeric()
            && text.iter().all(|byte| (b' '..=b'~').contains(byte));
        if !fits {
            return Err(Fault::Agent);
        }
        let bot = BotId(bot as u16);
        let text = text.to_ascii_lowercase().into_boxed_slice();
        if self.tokens.get(&text).is_some_and(|&owner| owner != bot) {
            return Err(Fault::TakenAgent);
        }
        if self.tokens.len() == MAX_TOKENS {
            return Err(Fault::Full {
                what: "agent tokens",
                max: MAX_TOKENS,
            });
        }
        self.tokens.insert(text, bot);
        Ok(())
    }

    fn suffix(&mut self, bot: usize, text: &[u8]) -> Result<(), Fault> {
        let suffix = domain(text).ok_or(Fault::Suffix)?;
        let suffixes = &mut self.bots[bot].suffixes;
        if suffixes.contains(&suffix) {
            return Ok(());
        }
        if suffixes.len() == MAX_SUFFIXES {
            return Err(Fault::Full {
                what: "dns suffixes of a bot",
                max: MAX_SUFFIXES,
            });
        }
        suffixes.push(suffix);
        Ok(())
    }

    /// The list as it is searched.
    pub(super) fn finish(self) -> Bots {
        let mut bots = self.bots;
        for (bot, networks) in bots.iter_mut().zip(self.networks) {
            bot.networks = networks.into_iter().collect();
        }
        let tokens = self.tokens.into_iter().map(|(text, bot)| Token { text, bot });
        let mut tokens: Vec<Token> = tokens.collect();
        let order = |token: &Token| (token.text[0], std::cmp::Reverse(token.text.len()));
        tokens.sort_unstable_by(|one, other| {
            order(one)
                .cmp(&order(other))
                .then_with(|| one.text.cmp(&other.text))
        });
        let mut starts = [0u16; 257];
        for (byte, start) in starts.iter_mut().enumerate() {
            *start = tokens.partition_point(|token| usize::from(token.text[0]) < byte) as u16;
        }
        Bots { bots, tokens, starts }
    }
}

impl Bot {
    fn new(name: &str) -> Bot {
        Bot {
            name: name.into(),
            kind: Kind::default(),
            networks: Default::default(),
            suffixes: Vec::new(),
            complete: false,
        }
    }
}

/// A domain of two labels or more, in lower case. A single label would be a whole top-level domain.
fn domain(text: &[u8]) -> Option<Box<[u8]>> {
    let text = text.strip_prefix(b".").unwrap_or(text);
    let text = text.strip_suffix(b".").unwrap_or(text).to_ascii_lowercase();
    let label = |label: &[u8]| {
        (1..=63).contains(&label.len())
            && label
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let labels = || text.split(|&byte| byte == b'.');
    (text.len() <= 253 && labels().count() >= 2 && labels().all(label)).then(|| text.into_boxed_slice())
}
