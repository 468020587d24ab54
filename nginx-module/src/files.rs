//! What the directives that name files mean, and how they are refused.
//!
//! Pure: bytes in, values out. nginx appends `in FILE:LINE` to each message.

/// Parts of a share: a millionth.
const WHOLE: u32 = 1_000_000;
/// Digits of a percentage after its point: as many as a millionth has.
const DECIMALS: usize = 4;

/// Why a directive was refused, in nginx's voice.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum FileError {
    /// An argument that the directive does not know, or a second file.
    #[error("invalid parameter \"{0}\"")]
    Parameter(String),
    /// One argument given twice.
    #[error("duplicate parameter \"{0}\"")]
    Duplicate(String),
    /// No file where one is needed.
    #[error("\"{0}\" must have a file")]
    NoFile(&'static str),
    /// `contrast=` is no percentage.
    #[error(
        "invalid value \"{0}\": a percentage from 0% to 100% is expected, with at most {DECIMALS} decimals"
    )]
    Share(String),
}

/// A share of clients, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

impl Default for Share {
    /// One client in a hundred.
    fn default() -> Share {
        Share(WHOLE / 100)
    }
}

impl Share {
    /// Whether someone who drew `lot`, evenly from all numbers, belongs to it.
    pub fn holds(self, lot: u64) -> bool {
        (u128::from(lot) * u128::from(WHOLE)) >> 64 < u128::from(self.0)
    }

    fn parse(text: &[u8]) -> Option<Share> {
        let number = text.strip_suffix(b"%")?;
        let point = number.iter().position(|&byte| byte == b'.');
        let (whole, decimals) = match point {
            Some(point) => (&number[..point], &number[point + 1..]),
            None => (number, &b"0"[..]),
        };
        let digits =
            |part: &[u8]| (1..=DECIMALS).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
        if !digits(whole) || !digits(decimals) {
            return None;
        }
        let zeroes = std::iter::repeat_n(&b'0', DECIMALS - decimals.len());
        let millionths = whole.iter().chain(decimals).chain(zeroes);
        let millionths = millionths.fold(0, |sum, &digit| sum * 10 + u32::from(digit - b'0'));
        (millionths <= WHOLE).then_some(Share(millionths))
    }
}

/// `sekisho_model [FILE] [challenger=FILE]`; one of them is there.
#[derive(Debug, Default, PartialEq)]
pub struct ModelArguments<'a> {
    /// The model in force; `None` is the one built in.
    pub champion: Option<&'a [u8]>,
    /// The one that only scores beside it.
    pub challenger: Option<&'a [u8]>,
}

/// `sekisho_samples FILE [contrast=SHARE]`.
#[derive(Debug, PartialEq)]
pub struct SampleArguments<'a> {
    /// The file.
    pub file: &'a [u8],
    /// Share of passed clients whose scores are written, too.
    pub contrast: Share,
}

/// Reads the arguments of `sekisho_model`.
pub fn model_arguments<'a>(arguments: &[&'a [u8]]) -> Result<ModelArguments<'a>, FileError> {
    let mut model = ModelArguments::default();
    for argument in arguments {
        match argument.strip_prefix(b"challenger=") {
            Some(b"") => return Err(FileError::NoFile("challenger=")),
            Some(file) if model.challenger.replace(file).is_some() => {
                return Err(FileError::Duplicate(text(argument)));
            }
            Some(_) => {}
            None => only_file(&mut model.champion, argument)?,
        }
    }
    if model.champion.is_none() && model.challenger.is_none() {
        return Err(FileError::NoFile("sekisho_model"));
    }
    Ok(model)
}

/// Reads the arguments of `sekisho_samples`.
pub fn sample_arguments<'a>(arguments: &[&'a [u8]]) -> Result<SampleArguments<'a>, FileError> {
    let (mut file, mut contrast) = (None, None);
    for argument in arguments {
        match argument.strip_prefix(b"contrast=") {
            Some(value) => {
                let share = Share::parse(value).ok_or_else(|| FileError::Share(text(argument)))?;
                if contrast.replace(share).is_some() {
                    return Err(FileError::Duplicate(text(argument)));
                }
            }
            None => only_file(&mut file, argument)?,
        }
    }
    Ok(SampleArguments {
        file: file.ok_or(FileError::NoFile("sekisho_samples"))?,
        contrast: contrast.unwrap_or_default(),
    })
}

fn only_file<'a>(file: &mut Option<&'a [u8]>, argument: &'a [u8]) -> Result<(), FileError> {
    if argument.is_empty() || file.replace(argument).is_some() {
        return Err(FileError::Parameter(text(argument)));
    }
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
