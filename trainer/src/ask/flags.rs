//! A form as a person would write it: the flags of `sekisho ask`.

use std::fmt::Write;

use super::form::Form;

impl Form {
    /// The same question as flags of `sekisho ask`.
    pub fn flags(&self) -> String {
        let mut text = String::new();
        for filter in &self.filters {
            let condition = format!(
                "{}{}{}",
                filter.field.word(),
                filter.comparison.sign(),
                filter.value
            );
            let _ = write!(text, " --where {}", quoted(&condition));
        }
        for (flag, value) in [("from", &self.from), ("to", &self.to)] {
            if let Some(value) = value {
                let _ = write!(text, " --{flag} {}", quoted(value));
            }
        }
        if !self.by.is_empty() {
            let words: Vec<&str> = self.by.iter().map(|field| field.word()).collect();
            let _ = write!(text, " --by {}", words.join(","));
        }
        let _ = write!(text, " --count {} --rows {}", self.measure.word(), self.rows);
        text.trim_start().to_owned()
    }
}

/// For a shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,@%+=".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::{Field, Filter, Measure};
    use super::*;

    #[test]
    fn a_form_is_shown_as_flags_that_make_it_again() {
        let filters = ["path^=/it's", "verdict=REJECTED"].map(|text| Filter::read(text).unwrap());
        let form = Form {
            filters: filters.to_vec(),
            from: Some("24h".into()),
            to: None,
            by: vec![Field::Network, Field::Hour],
            measure: Measure::Requests,
            rows: 10,
        };
        assert_eq!(
            form.flags(),
            r"--where 'path^=/it'\''s' --where verdict=REJECTED --from 24h --by network,hour --count requests --rows 10"
        );
    }
}
