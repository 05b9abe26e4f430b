//! How the page looks.

use sha2::{Digest, Sha256};

/// The only style sheet of the page.
pub(crate) const CSS: &str = include_str!("style.css");

/// What the page's security policy knows the style sheet by.
pub(crate) fn hash() -> String {
    format!("sha256-{}", base64(&Sha256::digest(CSS.as_bytes())))
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number =
            (0..3).fold(0_u32, |number, place| number << 8 | u32::from(chunk.get(place).copied().unwrap_or(0)));
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_style_sheet_asks_for_nothing_and_cannot_end_early() {
        for forbidden in ["url(", "@import", "</", "&", "expression"] {
            assert!(!CSS.contains(forbidden), "{forbidden}");
        }
    }
}
