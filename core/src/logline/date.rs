//! Times as access logs write them, to unix seconds.

/// Reads a time in any spelling that access logs use: `20/Feb/2016:05:00:45 +0000` (with or without
/// brackets), ISO 8601, or seconds or milliseconds since 1970. Fractions of a second are cut off.
/// `None` for what is no time, for days that no calendar has, and outside 1970 to 2106.
pub fn any_time(text: &[u8]) -> Option<u32> {
    match text {
        [b'[', inner @ .., b']'] => any_time(inner),
        [_, _, b'/', ..] => clf(text),
        [_, _, _, _, b'-', ..] => iso8601(text),
        _ => epoch(text),
    }
}

/// Length of `20/Feb/2016:05:00:45 +0000`.
pub(super) const CLF_LENGTH: usize = 26;

/// `20/Feb/2016:05:00:45 +0000`, nginx's `$time_local` and Apache's `%t`.
pub(super) fn clf(text: &[u8]) -> Option<u32> {
    let text: &[u8; CLF_LENGTH] = text.try_into().ok()?;
    let separators = [text[2], text[6], text[11], text[14], text[17], text[20]];
    if separators != *b"//::: " {
        return None;
    }
    let month = match &text[3..6] {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    };
    let day = pair(text[0], text[1])?;
    let year = four(text[7], text[8], text[9], text[10])?;
    let clock = Clock::read(text[12..20].try_into().ok()?)?;
    seconds(Date { year, month, day }, clock, offset(&text[21..])?)
}

/// `2016-02-20T05:00:45+00:00`, nginx's `$time_iso8601`; also with a fraction, a space, `Z` or no offset.
fn iso8601(text: &[u8]) -> Option<u32> {
    let (head, tail) = text.split_at_checked(19)?;
    let head: &[u8; 19] = head.try_into().ok()?;
    if head[4] != b'-' || head[7] != b'-' || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let date = Date {
        year: four(head[0], head[1], head[2], head[3])?,
        month: pair(head[5], head[6])?,
        day: pair(head[8], head[9])?,
    };
    let clock = Clock::read(head[11..19].try_into().ok()?)?;
    let zone = match tail {
        [b'.' | b',', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            &fraction[digits..]
        }
        _ => tail,
    };
    let offset = match zone {
        b"" | b"Z" | b"z" => 0,
        _ => offset(zone)?,
    };
    seconds(date, clock, offset)
}

/// `1456789123.456`, nginx's `$msec`; 13 digits and more are milliseconds.
fn epoch(text: &[u8]) -> Option<u32> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction_is_sound = match &text[digits..] {
        [] => true,
        [b'.', fraction @ ..] => fraction.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if digits == 0 || digits > 15 || !fraction_is_sound {
        return None;
    }
    let value = text[..digits]
        .iter()
        .fold(0u64, |sum, &digit| sum * 10 + u64::from(digit - b'0'));
    u32::try_from(if digits >= 13 { value / 1000 } else { value }).ok()
}

struct Date {
    year: u32,
    month: u32,
    day: u32,
}

struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
}

impl Clock {
    fn read(text: &[u8; 8]) -> Option<Clock> {
        let clock = Clock {
            hour: pair(text[0], text[1])?,
            minute: pair(text[3], text[4])?,
            second: pair(text[6], text[7])?,
        };
        // A leap second is written 60 (ISO 8601) and falls on the next second, as POSIX counts.
        let sound =
            text[2] == b':' && text[5] == b':' && clock.hour < 24 && clock.minute < 60 && clock.second <= 60;
        sound.then_some(clock)
    }
}

/// `+0000`, `+00:00` or `+00`, in seconds east.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *text {
        [sign, a, b, c, d] | [sign, a, b, b':', c, d] => (sign, pair(a, b)?, pair(c, d)?),
        [sign, a, b] => (sign, pair(a, b)?, 0),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let east = i64::from(hours * 3600 + minutes * 60);
    match sign {
        b'+' => Some(east),
        b'-' => Some(-east),
        _ => None,
    }
}

fn seconds(date: Date, clock: Clock, east: i64) -> Option<u32> {
    if date.month == 0 || date.month > 12 || date.day == 0 || date.day > days_in_month(date.year, date.month)
    {
        return None;
    }
    let local =
        days_since_1970(&date) * 86_400 + i64::from(clock.hour * 3600 + clock.minute * 60 + clock.second);
    u32::try_from(local - east).ok()
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March (H. Hinnant,
/// "chrono-compatible low-level date algorithms", `days_from_civil`).
fn days_since_1970(date: &Date) -> i64 {
    let year = i64::from(date.year) - i64::from(date.month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(date.month) + 9) % 12) + 2) / 5 + i64::from(date.day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn pair(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

fn four(a: u8, b: u8, c: u8, d: u8) -> Option<u32> {
    Some(pair(a, b)? * 100 + pair(c, d)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_time() {
        #[track_caller]
        fn check(text: &str, expected: Option<u32>) {
            assert_eq!(any_time(text.as_bytes()), expected, "{text}");
        }
        check("20/Feb/2016:05:00:45 +0000", Some(1_455_944_445));
        check("[20/Feb/2016:05:00:45 +0000]", Some(1_455_944_445));
        check("20/Feb/2016:06:00:45 +0100", Some(1_455_944_445));
        check("19/Feb/2016:21:30:45 -0730", Some(1_455_944_445));
        check("2016-02-20T05:00:45+00:00", Some(1_455_944_445));
        check("2016-02-20T05:00:45.999Z", Some(1_455_944_445));
        check("2016-02-20 06:00:45+01", Some(1_455_944_445));
        check("1455944445", Some(1_455_944_445));
        check("1455944445.987", Some(1_455_944_445));
        check("1455944445987", Some(1_455_944_445));
        check("01/Jan/1970:00:00:00 +0000", Some(0));
        check("31/Dec/1969:23:59:59 +0000", None);
        check("01/Jan/1970:00:00:00 +0001", None);
        check("31/Dec/2099:23:59:59 +0000", Some(4_102_444_799));
        check("07/Feb/2106:06:28:15 +0000", Some(u32::MAX));
        check("07/Feb/2106:06:28:16 +0000", None);
        check("29/Feb/2016:00:00:00 +0000", Some(1_456_704_000));
        check("29/Feb/2015:00:00:00 +0000", None);
        check("29/Feb/2100:00:00:00 +0000", None);
        check("31/Apr/2016:00:00:00 +0000", None);
        check("00/Apr/2016:00:00:00 +0000", None);
        check("01/Foo/2016:00:00:00 +0000", None);
        check("2016-13-01T00:00:00Z", None);
        check("20/Feb/2016:24:00:00 +0000", None);
        check("31/Dec/2016:23:59:60 +0000", Some(1_483_228_800));
        check("20/Feb/2016:05:60:45 +0000", None);
        check("20/Feb/2016:05:00:4x +0000", None);
        check("20/Feb/2016:05:00:45 *0000", None);
        check("20/Feb/2016:05:00:45", None);
        check("1455944445.x", None);
        check("-", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn every_second_is_read_back(at: u32) {
            let stamp = jiff::Timestamp::from_second(i64::from(at)).unwrap();
            let clf = stamp.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
            prop_assert_eq!(any_time(clf.as_bytes()), Some(at));
            prop_assert_eq!(any_time(stamp.to_string().as_bytes()), Some(at));
            prop_assert_eq!(any_time(at.to_string().as_bytes()), Some(at));
        }

        #[test]
        fn any_bytes_are_taken(text: Vec<u8>) {
            any_time(&text);
        }
    }
}
