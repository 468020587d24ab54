//! Markdown of ours as HTML. Reports quote what others said, so nothing in them becomes a tag, a link or a picture.

use std::fmt::Write;

use askama::filters::{Html, escape};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The HTML of a text; headings are one lower than they say, as a page has its own.
pub fn html(text: &str) -> String {
    let mut html = String::new();
    let mut in_head = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::TableHead) => {
                in_head = true;
                html.push_str("<thead><tr>");
            }
            Event::End(TagEnd::TableHead) => {
                in_head = false;
                html.push_str("</tr></thead><tbody>");
            }
            Event::Start(Tag::TableCell) => html.push_str(if in_head { "<th>" } else { "<td>" }),
            Event::End(TagEnd::TableCell) => html.push_str(if in_head { "</th>" } else { "</td>" }),
            Event::Start(tag) => html.push_str(&opened(&tag)),
            Event::End(tag) => html.push_str(&closed(tag)),
            Event::Code(code) => {
                html.push_str("<code>");
                plain(&mut html, &code);
                html.push_str("</code>");
            }
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => plain(&mut html, &text),
            Event::SoftBreak => html.push('\n'),
            Event::HardBreak => html.push_str("<br>"),
            Event::Rule => html.push_str("<hr>"),
            _ => {}
        }
    }
    html
}

fn plain(html: &mut String, text: &str) {
    let Ok(escaped) = escape(text, Html);
    // A string takes everything.
    let _ = write!(html, "{escaped}");
}

fn opened(tag: &Tag<'_>) -> String {
    match tag {
        Tag::Heading { level, .. } => format!("<h{}>", lower(*level as u8)),
        Tag::Table(_) => "<div class=\"wide\" tabindex=\"0\"><table>".to_owned(),
        Tag::TableRow => "<tr>".to_owned(),
        tag => name(tag.to_end()).map_or_else(String::new, |name| format!("<{name}>")),
    }
}

fn closed(tag: TagEnd) -> String {
    match tag {
        TagEnd::Heading(level) => format!("</h{}>", lower(level as u8)),
        TagEnd::Table => "</tbody></table></div>".to_owned(),
        TagEnd::TableRow => "</tr>".to_owned(),
        tag => name(tag).map_or_else(String::new, |name| format!("</{name}>")),
    }
}

/// Tags without attributes. Links and pictures are their text.
fn name(tag: TagEnd) -> Option<&'static str> {
    Some(match tag {
        TagEnd::Paragraph => "p",
        TagEnd::BlockQuote(_) => "blockquote",
        TagEnd::CodeBlock => "pre",
        TagEnd::List(true) => "ol",
        TagEnd::List(false) => "ul",
        TagEnd::Item => "li",
        TagEnd::Emphasis => "em",
        TagEnd::Strong => "strong",
        _ => return None,
    })
}

fn lower(level: u8) -> u8 {
    (level + 1).min(6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html_and_nothing_in_it_runs() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(html(text), expected);
        }
        check(
            "# A\n\nb *c* **d** `e<f`",
            "<h2>A</h2><p>b <em>c</em> <strong>d</strong> <code>e&#60;f</code></p>",
        );
        check("- a\n- b", "<ul><li>a</li><li>b</li></ul>");
        check(
            "| a | b |\n|---|---|\n| 1 | 2 |",
            "<div class=\"wide\" tabindex=\"0\"><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table></div>",
        );
        check(
            "<script>alert(1)</script>",
            "&#60;script&#62;alert(1)&#60;/script&#62;",
        );
        check(
            "a <img src=x onerror=alert(1)> b",
            "<p>a &#60;img src=x onerror=alert(1)&#62; b</p>",
        );
        check(
            "[x](javascript:alert(1)) ![y](http://evil.example/)",
            "<p>x y</p>",
        );
        check("    <b>", "<pre>&#60;b&#62;</pre>");
    }
}
