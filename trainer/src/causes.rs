//! An error as one line for people.

use std::error::Error;

/// An error and what caused it, from the outside in; what a cause says that stands there already is not said again.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("{said}")]
    struct Outer {
        said: &'static str,
        source: io::Error,
    }

    #[test]
    fn causes_are_told_once() {
        #[track_caller]
        fn check(said: &'static str, cause: &str, expected: &str) {
            let source = io::Error::other(cause.to_owned());
            assert_eq!(with_causes(&Outer { said, source }), expected);
        }
        check(
            "the store refused",
            "no such table: x",
            "the store refused: no such table: x",
        );
        check(
            "cannot read a: not found",
            "not found",
            "cannot read a: not found",
        );
    }
}
