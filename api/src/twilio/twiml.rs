//! The TwiML that we answer.

use store::CallId;

use crate::TwilioRefusal;

/// Connects the call to our media stream at `url`. The parameters come back in the stream's `start`: a stream's URL
/// cannot carry a query.
pub(crate) fn connect(url: &str, token: &str, call: CallId) -> String {
    let (url, token) = (escape(url), escape(token));
    document(&format!(
        "<Connect><Stream url=\"{url}\"><Parameter name=\"token\" value=\"{token}\"/>\
         <Parameter name=\"call\" value=\"{call}\"/></Stream></Connect>"
    ))
}

/// Says why the call is not taken, and hangs up.
pub(crate) fn apology(refusal: TwilioRefusal) -> String {
    let text = match refusal {
        TwilioRefusal::AtCapacity => "We are sorry, all our lines are busy. Please call again in a few minutes.",
        TwilioRefusal::Draining | TwilioRefusal::Failed => {
            "We are sorry, we cannot take your call at the moment. Please call again later."
        }
        TwilioRefusal::UnknownNumber => "We are sorry, this number is not in service.",
        TwilioRefusal::UsageLimit => {
            "We are sorry, this number takes no more calls at the moment. Please call again another day."
        }
    };
    document(&format!("<Say>{}</Say><Hangup/>", escape(text)))
}

fn document(verbs: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>{verbs}</Response>\n")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_call_is_connected_to_the_stream() {
        let call = "018f2f00-0000-7000-8000-000000000001".parse().unwrap();
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Connect>\
            <Stream url=\"wss://a/&quot;&lt;b&gt;&amp;&apos;\"><Parameter name=\"token\" value=\"t\"/>\
            <Parameter name=\"call\" value=\"018f2f00-0000-7000-8000-000000000001\"/>\
            </Stream></Connect></Response>\n";
        assert_eq!(connect("wss://a/\"<b>&'", "t", call), expected);
    }

    #[test]
    fn every_refusal_is_spoken_and_hangs_up() {
        let check = |refusal, words: &str| {
            let twiml = apology(refusal);
            assert!(twiml.contains(words), "{twiml}");
            assert!(twiml.ends_with("</Say><Hangup/></Response>\n"), "{twiml}");
        };
        check(TwilioRefusal::AtCapacity, "all our lines are busy");
        check(TwilioRefusal::Draining, "cannot take your call");
        check(TwilioRefusal::Failed, "cannot take your call");
        check(TwilioRefusal::UnknownNumber, "this number is not in service");
        check(TwilioRefusal::UsageLimit, "takes no more calls");
    }
}
