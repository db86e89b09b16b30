//! The part of TwiML that a media stream needs, found without an XML parser.

/// A `<Connect><Stream>` of an answer.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct StreamVerb {
    pub url: String,
    /// Names and values of its `<Parameter>`s.
    pub parameters: Vec<(String, String)>,
}

/// The stream that the document connects; none when it connects none.
pub(super) fn stream(document: &str) -> Option<StreamVerb> {
    let (_, connect) = document.split_once("<Connect")?;
    let (_, verb) = connect.split_once("<Stream")?;
    let (tag, rest) = verb.split_once('>')?;
    let inside = if tag.ends_with('/') { "" } else { rest.split_once("</Stream>")?.0 };
    let parameters = inside.split("<Parameter").skip(1).filter_map(|parameter| {
        let tag = parameter.split('>').next()?;
        Some((attribute(tag, "name")?, attribute(tag, "value")?))
    });
    Some(StreamVerb { url: attribute(tag, "url")?, parameters: parameters.collect() })
}

/// Whether the document speaks to the caller, or rejects the call, instead of connecting it.
pub(super) fn is_spoken(document: &str) -> bool {
    ["<Say", "<Play", "<Reject"].iter().any(|verb| document.contains(verb))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, value) = tag.split_once(&format!(" {name}="))?;
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let value = value[1..].split(quote).next()?;
    let plain = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(plain.replace("&#39;", "'").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, want: &str) {
        let got = stream(document).map_or("none".to_owned(), |verb| format!("{} {:?}", verb.url, verb.parameters));
        assert_eq!(got, want);
    }

    #[test]
    fn the_stream_and_its_parameters_are_found() {
        check(
            "<?xml version=\"1.0\"?><Response><Connect action=\"/x\"><Stream url=\"wss://h/twilio/stream\">\n\
             <Parameter name=\"call\" value=\"a&amp;b\"/><Parameter value='2' name='n'></Parameter></Stream></Connect></Response>",
            r#"wss://h/twilio/stream [("call", "a&b"), ("n", "2")]"#,
        );
        check("<Response><Connect><Stream url='wss://h/s'/></Connect></Response>", "wss://h/s []");
    }

    #[test]
    fn an_answer_without_a_stream_has_none() {
        check("<Response><Say>Sorry</Say><Hangup/></Response>", "none");
        check("<Response><Connect><Stream url=", "none");
        check("", "none");
        assert!(is_spoken("<Response><Say>Sorry</Say><Hangup/></Response>") && !is_spoken("<Response><Hangup/></Response>"));
    }
}
