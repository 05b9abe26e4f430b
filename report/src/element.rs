//! HTML and SVG that is well-formed and escaped by construction.

use std::fmt::{Display, Write};

/// Elements without content; those of SVG may close themselves too.
const VOID: [&str; 7] = ["meta", "br", "path", "line", "rect", "circle", "polyline"];

/// An element, being built.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    name: &'static str,
    attributes: String,
    content: String,
}

/// An element without attributes and content.
pub(crate) fn el(name: &'static str) -> Element {
    Element { name, attributes: String::new(), content: String::new() }
}

impl Element {
    /// Sets an attribute.
    pub(crate) fn attr(mut self, name: &str, value: impl Display) -> Element {
        let _ = write!(self.attributes, " {name}=\"{}\"", Escaped(&value.to_string()));
        self
    }

    pub(crate) fn class(self, class: &str) -> Element {
        self.attr("class", class)
    }

    /// Appends text.
    pub(crate) fn text(mut self, text: impl Display) -> Element {
        let _ = write!(self.content, "{}", Escaped(&text.to_string()));
        self
    }

    /// Appends an element.
    pub(crate) fn child(mut self, child: Element) -> Element {
        self.content.push_str(&String::from(child));
        self
    }

    /// Appends elements.
    pub(crate) fn children(self, children: impl IntoIterator<Item = Element>) -> Element {
        children.into_iter().fold(self, Element::child)
    }

    /// Appends the content of `<style>`, which is not escaped: only a constant may stand there.
    pub(crate) fn style(mut self, css: &'static str) -> Element {
        self.content.push_str(css);
        self
    }
}

impl From<Element> for String {
    fn from(element: Element) -> String {
        let Element { name, attributes, content } = element;
        if content.is_empty() && VOID.contains(&name) {
            return format!("<{name}{attributes}/>");
        }
        format!("<{name}{attributes}>{content}</{name}>")
    }
}

/// Text in which nothing is markup, no character is forbidden, and none turns its neighbours around.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(' ')?,
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
                    f.write_char('\u{fffd}')?;
                }
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// At most `most` characters of a name; the rest is an ellipsis.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_comes_from_outside_becomes_markup() {
        let hostile = "</td><script>alert('x' & \"y\")</script>\u{202e}\0\n";
        let element = el("td").attr("title", hostile).text(hostile).child(el("br"));
        let escaped = "&lt;/td&gt;&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;\u{fffd}\u{fffd} ";
        assert_eq!(String::from(element), format!("<td title=\"{escaped}\">{escaped}<br/></td>"));
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äö…");
    }
}
