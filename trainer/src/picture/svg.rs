//! Elements of SVG, written one behind the other.

use std::fmt::{Display, Write};

use crate::visible::is_hidden;

/// A picture while it is drawn. Coordinates are those of its view box.
pub struct Svg {
    text: String,
    groups: u32,
}

/// Which end of a text is at its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// What stands at an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// As it is shown.
    pub text: String,
    /// The time that it is, Unix seconds.
    pub at: Option<u32>,
}

impl Label {
    /// A text that is no time.
    pub fn plain(text: impl Into<String>) -> Label {
        Label {
            text: text.into(),
            at: None,
        }
    }
}

impl Anchor {
    fn as_str(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

impl Svg {
    /// A picture of this size with a name and a description.
    pub fn new(class: &str, size: (f64, f64), title: &str, description: &str) -> Svg {
        Svg::with_role("img", class, size, title, description)
    }

    /// The same with links in it: the children of an image are hidden from those who do not see it.
    pub fn linked(class: &str, size: (f64, f64), title: &str, description: &str) -> Svg {
        Svg::with_role("group", class, size, title, description)
    }

    fn with_role(
        role: &str,
        class: &str,
        (width, height): (f64, f64),
        title: &str,
        description: &str,
    ) -> Svg {
        let mut svg = Svg {
            text: String::new(),
            groups: 0,
        };
        let (width, height) = (number(width), number(height));
        svg.put(format_args!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"{role}\" focusable=\"false\"><title>{}</title>",
            escaped(title)
        ));
        if !description.is_empty() {
            svg.put(format_args!("<desc>{}</desc>", escaped(description)));
        }
        svg
    }

    /// One that says nothing which does not stand beside it.
    pub fn mute(class: &str, (width, height): (f64, f64)) -> Svg {
        let (width, height) = (number(width), number(height));
        Svg {
            text: format!(
                "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" aria-hidden=\"true\" focusable=\"false\">"
            ),
            groups: 0,
        }
    }

    /// A link around what follows until [`Svg::leave`].
    pub fn link(&mut self, href: &str, title: &str) {
        self.put(format_args!(
            "<a href=\"{}\"><title>{}</title>",
            escaped(href),
            escaped(title)
        ));
        self.groups += 1;
    }

    /// Ends a link.
    pub fn leave(&mut self) {
        if self.groups > 0 {
            self.groups -= 1;
            self.text.push_str("</a>");
        }
    }

    /// A rectangle: left, top, width, height.
    pub fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4]) {
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            number(x),
            number(y),
            number(width.max(0.0)),
            number(height.max(0.0))
        ));
    }

    /// A straight line between two points.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.put(format_args!(
            "<path class=\"{class}\" d=\"M{} {}L{} {}\"/>",
            number(from.0),
            number(from.1),
            number(to.0),
            number(to.1)
        ));
    }

    /// A line through points; nothing without any.
    pub fn path(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>, closed: bool) {
        let mut data = String::new();
        for (x, y) in points {
            let sign = if data.is_empty() { 'M' } else { 'L' };
            let _ = write!(data, "{sign}{} {}", number(x), number(y));
        }
        if !data.is_empty() {
            let end = if closed { "Z" } else { "" };
            self.put(format_args!("<path class=\"{class}\" d=\"{data}{end}\"/>"));
        }
    }

    /// Dots: lines without length, that the style gives round ends.
    pub fn dots(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut data = String::new();
        for (x, y) in points {
            let _ = write!(data, "M{} {}h0", number(x), number(y));
        }
        if !data.is_empty() {
            self.put(format_args!("<path class=\"{class}\" d=\"{data}\"/>"));
        }
    }

    /// A text at a point.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        self.put(format_args!(
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>",
            number(x),
            number(y),
            anchor.as_str(),
            escaped(text)
        ));
    }

    /// A text at a point, or a time, which a script shows in the viewer's zone.
    pub fn label(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, label: &Label) {
        let Some(at) = label.at else {
            return self.text(class, (x, y), anchor, &label.text);
        };
        self.put(format_args!(
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\" data-at=\"{at}\">{}</text>",
            number(x),
            number(y),
            anchor.as_str(),
            escaped(&label.text)
        ));
    }

    /// The whole of it.
    pub fn finish(mut self) -> String {
        while self.groups > 0 {
            self.leave();
        }
        self.text.push_str("</svg>");
        self.text
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(text);
    }
}

/// A coordinate with one decimal at most; what is no number is 0.
fn number(value: f64) -> impl Display {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded.is_finite() { rounded + 0.0 } else { 0.0 }
}

/// A text as it may stand between tags and in an attribute; what would turn or hide its neighbours is a question mark.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            hidden if is_hidden(hidden) => escaped.push('?'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "</title><script>alert(1)</script>\"'&\u{202e}\u{1b}[31m{{7*7}}";
        let mut svg = Svg::new("a", (10.0, 10.0), hostile, hostile);
        svg.link(hostile, hostile);
        svg.text("b", (1.0, 2.0), Anchor::Start, hostile);
        let text = svg.finish();
        assert!(!text.contains("<script") && !text.contains('\u{202e}') && !text.contains('\u{1b}'));
        assert_eq!(text.matches("&lt;script&gt;").count(), 5);
        assert_eq!(text.matches('<').count(), text.matches('>').count());
        assert!(text.ends_with("</text></a></svg>"), "what is open is closed");
    }

    #[test]
    fn coordinates_are_short_and_finite() {
        #[track_caller]
        fn check(value: f64, expected: &str) {
            assert_eq!(number(value).to_string(), expected);
        }
        check(1.0, "1");
        check(-0.01, "0");
        check(2.25, "2.3");
        check(f64::NAN, "0");
        check(f64::INFINITY, "0");
    }
}
