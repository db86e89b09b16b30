//! What the tables of torture messages have in common: a row, and where messages are not what their rows say.

mod facts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sip::message::{Message, ParseError, Parsed, check, parse};

/// A message, what parsing and the stateless check make of it, and facts of it as [`facts::fact`] names them.
///
/// `taken` is a request for the core or a response for its transaction; a number is the status that refuses the
/// request, with the reason or the header that goes with it; `dropped` gets no answer.
pub struct Row(pub &'static str, pub &'static str, pub &'static [(&'static str, &'static str)]);

pub const NOT_A_REGISTRAR: &str = "405 Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, PRACK, REFER, SUBSCRIBE, UPDATE";

/// The messages of one RFC, a file each.
pub struct Suite(pub &'static str);

impl Suite {
    pub fn load(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder().join(format!("{name}.dat"))).unwrap()
    }

    /// The names of all messages.
    pub fn names(&self) -> BTreeSet<String> {
        let files = fs::read_dir(self.folder()).unwrap();
        files.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
    }

    /// Where the messages are not what their rows say, all of it at once.
    pub fn differences(&self, rows: &[Row]) -> Vec<String> {
        let mut found = Vec::new();
        for Row(name, outcome, facts) in rows {
            let parsed = parse(&self.load(name));
            let mut compare = |what: &str, is: String, should: &str| {
                if is != should {
                    found.push(format!("{name} {what}: {is:?} is not {should:?}"));
                }
            };
            compare("outcome", decide(&parsed), outcome);
            for (path, value) in *facts {
                compare(path, parsed.as_ref().map_or_else(ToString::to_string, |parsed| facts::fact(parsed, path)), value);
            }
        }
        found
    }

    /// Whatever is taken is read back the same after writing.
    pub fn write_and_read_back(&self) {
        for name in self.names() {
            if let Ok(Parsed { message, .. }) = parse(&self.load(&name)) {
                let again = parse(&message.to_bytes()).unwrap();
                assert_eq!(again.message, message, "{name}");
                assert!(again.message.to_bytes() == message.to_bytes(), "{name}");
            }
        }
    }

    fn folder(&self) -> PathBuf {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).join(self.0)
    }
}

/// What parsing and the stateless check decide, in the words of [`Row`].
fn decide(parsed: &Result<Parsed, ParseError>) -> String {
    match parsed {
        Err(ParseError { reason, status: Some(status), .. }) => format!("{status} {reason}"),
        Err(ParseError { reason, .. }) => format!("dropped: {reason}"),
        Ok(Parsed { message: Message::Response(response), .. }) if !response.has_one_via() => {
            "dropped: more than one via".to_owned()
        }
        Ok(Parsed { message: Message::Response(_), .. }) => "taken".to_owned(),
        Ok(Parsed { message: Message::Request(request), .. }) => match check(request) {
            Ok(()) => "taken".to_owned(),
            Err(refusal) => {
                let said = refusal.headers.iter().map(|(name, value)| format!(" {name}: {value}"));
                format!("{}{}", refusal.status, said.collect::<String>())
            }
        },
    }
}
