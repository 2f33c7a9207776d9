//! Reads what stands behind the question mark of a request.

use std::borrow::Cow;

/// The parameters of a query in their order, with escapes undone. A plus stands for itself: times
/// have one in front of their offset, and nothing that is asked for here has spaces.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name, unescaped(value))
    })
}

/// `%3A` as `:`; what is no escape, or no UTF-8 afterwards, stays as it was or is marked.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let hex = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_what_is_none_is_left() {
        let of = |query| parameters(query).map(|(_, value)| value.into_owned()).collect::<Vec<_>>();
        assert_eq!(of("since=2026-01-05T12%3A00%3a00Z&step=5"), ["2026-01-05T12:00:00Z", "5"]);
        assert_eq!(of("a=1+02:00&b=1%2B02%3A00"), ["1+02:00", "1+02:00"]);
        assert_eq!(of("a=%&b=%4&c=%+1&d=%zz&e=%25&f"), ["%", "%4", "%+1", "%zz", "%", ""]);
        assert_eq!(of("a=%ff&&b=%C3%BC"), ["\u{fffd}", "ü"]);
        assert_eq!(of(""), [""; 0]);
    }
}
