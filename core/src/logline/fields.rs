//! What JSON lines and templates have in common: named pieces that become an entry.

use super::combined::number;
use super::escape::Escaping;
use super::request::Request;
use super::{Entry, Expected, ParseError, date};

/// Which part of an entry a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Client,
    Time,
    Request,
    Method,
    Target,
    Status,
    Bytes,
    Referer,
    UserAgent,
}

const FIELDS: usize = 9;

/// A piece of a line, still escaped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Where it begins, for errors.
    pub(super) offset: usize,
    pub(super) text: &'a [u8],
    /// Of two pieces for one field the one with the lower rank wins; of equals the first.
    pub(super) rank: u8,
}

/// The pieces of one line.
#[derive(Default)]
pub(super) struct Pieces<'a>([Option<Piece<'a>>; FIELDS]);

impl<'a> Pieces<'a> {
    pub(super) fn put(&mut self, field: Field, piece: Piece<'a>) {
        let place = &mut self.0[field as usize];
        if place.is_none_or(|there| piece.rank < there.rank) {
            *place = Some(piece);
        }
    }

    fn get(&self, field: Field) -> Option<Piece<'a>> {
        self.0[field as usize]
    }

    fn present(&self, field: Field) -> Option<&'a [u8]> {
        self.get(field)
            .map(|piece| piece.text)
            .filter(|text| !matches!(*text, b"" | b"-"))
    }

    /// `end` is where the line ends: the column of what is missing.
    pub(super) fn entry(&self, escaping: Escaping, end: usize) -> Result<Entry<'a>, ParseError> {
        let piece = |field, expected| self.get(field).ok_or(ParseError::at(end, expected));
        let client = piece(Field::Client, Expected::Client)?;
        if matches!(client.text, b"" | b"-") || client.text.iter().any(|&byte| byte < b' ' || byte == 127) {
            return Err(ParseError::at(client.offset, Expected::Client));
        }
        let time = piece(Field::Time, Expected::Time)?;
        let at = date::any_time(time.text).ok_or(ParseError::at(time.offset, Expected::Time))?;
        let request = match self.get(Field::Request) {
            Some(line) => Request::read(line.text, escaping),
            None => {
                let target = piece(Field::Target, Expected::Request)?;
                Request::assemble(
                    self.get(Field::Method).map_or(b"GET", |piece| piece.text),
                    target.text,
                    escaping,
                )
            }
        };
        let status = piece(Field::Status, Expected::Status)?;
        let bytes = match self.get(Field::Bytes) {
            Some(piece) => number(piece.text).ok_or(ParseError::at(piece.offset, Expected::Bytes))?,
            None => 0,
        };
        Ok(Entry {
            client: client.text,
            at,
            method: request.method,
            target: request.target,
            well_formed: request.well_formed,
            status: number(status.text)
                .and_then(|number| u16::try_from(number).ok())
                .filter(|&number| number < 1000)
                .ok_or(ParseError::at(status.offset, Expected::Status))?,
            bytes,
            referer: self.present(Field::Referer).map(|text| escaping.undo(text)),
            user_agent: self
                .present(Field::UserAgent)
                .map(|text| escaping.undo(text))
                .unwrap_or_default(),
        })
    }
}
