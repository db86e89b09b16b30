//! `[[assistants.transfer]]`: whom an assistant may put its callers through to.

use std::sync::Arc;

use actors::config::Uri;
use ai::tools::transfer::{Destination, MAX_DESTINATIONS, Way};

use super::assistant::spoken;
use super::reader::Section;

/// The longest name, and the longest description, in bytes.
const NAME_BYTES_MAX: usize = 64;
const DESCRIPTION_BYTES_MAX: usize = 500;

/// Reads an assistant's destinations.
pub(super) fn read_transfers(assistant: &mut Section<'_>) -> Vec<Arc<Destination>> {
    let mut destinations: Vec<Arc<Destination>> = Vec::new();
    let tables = assistant.tables("transfer").unwrap_or_default();
    if tables.len() > MAX_DESTINATIONS {
        assistant.refuse("transfer", format!("{} are above {MAX_DESTINATIONS}", tables.len()));
    }
    for (index, table) in tables.into_iter().enumerate() {
        let mut row = assistant.row("transfer", index, table);
        for key in ["name", "target", "description"].into_iter().filter(|key| !row.has(key)).collect::<Vec<_>>() {
            row.refuse(key, "must be set");
        }
        let destination = Destination {
            name: row.parsed("name", String::new(), |text| line(text, NAME_BYTES_MAX)),
            target: row.value("target", String::new(), |given| target(&given.text()?)),
            description: row.parsed("description", String::new(), |text| line(text, DESCRIPTION_BYTES_MAX)),
            say: row.parsed("say", String::new(), spoken),
            way: row.choice("way", Way::default(), &Way::ALL),
        };
        let twice = destinations.iter().any(|other| other.name.eq_ignore_ascii_case(&destination.name));
        if twice && !destination.name.is_empty() {
            row.refuse("name", format!("{:?} is there twice", destination.name));
        }
        row.finish();
        destinations.push(Arc::new(destination));
    }
    destinations
}

fn line(text: &str, longest: usize) -> Result<String, String> {
    match text {
        "" => Err("must not be empty".to_owned()),
        _ if text.contains(['\r', '\n']) => Err("must be one line".to_owned()),
        _ if text.len() > longest => Err(format!("{} bytes are above {longest}", text.len())),
        _ => Ok(text.to_owned()),
    }
}

/// What a peer can be asked to call, and we ourselves; it is not repeated in the error, as it may be a person's number.
fn target(text: &str) -> Result<String, String> {
    match text.parse() {
        Ok(Uri::Sip(uri)) if uri.headers.is_none() => Ok(text.to_owned()),
        Ok(Uri::Tel(_)) => Ok(text.to_owned()),
        _ => Err("is not a sip:, sips: or tel: URI without headers".to_owned()),
    }
}
