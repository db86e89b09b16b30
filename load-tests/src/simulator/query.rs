//! The query of a URL.

/// Names and values in order, percent-decoded. A name may come more than once.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        Self(pairs.map(pair).collect())
    }

    /// The value of a name, where it is given and not empty.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The first name that is none of `known`.
    pub(super) fn unknown(&self, known: &[&str]) -> Option<&str> {
        self.0.iter().map(|(key, _)| key.as_str()).find(|key| !known.contains(key))
    }

    /// A number within bounds, `None` where it is not given; what is wrong with it otherwise.
    pub(super) fn number(&self, name: &str, within: std::ops::RangeInclusive<f64>) -> Result<Option<f64>, String> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.parse::<f64>() {
            Ok(number) if within.contains(&number) => Ok(Some(number)),
            _ => Err(format!("{name} {value} is not within {} to {}", within.start(), within.end())),
        }
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => b'?',
                }
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_leniently() {
        let query = Query::parse("a=1&b=x%20y+z&b=2&empty=&flag&bad=%Z&on=true");
        let values = ["a", "b", "empty", "flag", "bad", "none"].map(|name| query.value(name).unwrap_or("-"));
        assert_eq!(values, ["1", "x y z", "-", "-", "?", "-"]);
        assert_eq!((query.is_on("on"), query.is_on("a")), (true, false));
        assert_eq!(query.unknown(&["a", "b", "empty", "flag", "bad"]), Some("on"));
        assert_eq!(query.number("a", 0.0..=1.0), Ok(Some(1.0)));
        assert_eq!(query.number("b", 0.0..=1.0), Err("b x y z is not within 0 to 1".to_owned()));
    }
}
