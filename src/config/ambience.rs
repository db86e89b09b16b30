//! An assistant's `ambience`: what is to be heard under its voice.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use actors::config::{Ambience, Dbov, SampleRate, Surroundings};

use super::reader::Section;

/// Well below speech, and above what G.711 makes of silence.
const LEVEL_DBOV: f64 = -45.0;

/// An assistant's `ambience`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AmbienceConfig {
    /// The sound at its level, -60 to -25 dBov, default -45 dBov; `None` (written "off"): none.
    pub sound: Option<Arc<Ambience>>,
}

/// What `sound` may say.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    File,
    Made(Surroundings),
    Nothing,
}

/// Reads an assistant's `ambience`, and the file that it names.
pub(super) fn read_ambience(mut section: Section<'_>) -> AmbienceConfig {
    let sounds = [
        ("off", Wanted::Nothing),
        ("room", Wanted::Made(Surroundings::Room)),
        ("office", Wanted::Made(Surroundings::Office)),
        ("file", Wanted::File),
    ];
    let wanted = section.choice("sound", Wanted::Nothing, &sounds);
    let file = section.free_text("file", "");
    let level = Dbov(section.number("level_dbov", LEVEL_DBOV, -60.0..=-25.0) as f32);
    let sound = match wanted {
        Wanted::Nothing => None,
        Wanted::Made(surroundings) => Some(Ambience::made(surroundings, SampleRate::HZ_8000, level)),
        Wanted::File => read_file(&file, level).map_err(|reason| section.refuse("file", reason)).ok(),
    };
    if wanted != Wanted::File && !file.is_empty() {
        section.refuse("file", "is of no use unless sound is \"file\"");
    }
    section.finish();
    AmbienceConfig { sound: sound.map(Arc::new) }
}

/// Reads no more than a file may have, whatever it is: a device has no end.
fn read_file(path: &str, level: Dbov) -> Result<Ambience, String> {
    if path.is_empty() {
        return Err("must be set when sound is \"file\"".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("{path:?}: {error}"))?;
    file.take(Ambience::FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| format!("{path:?}: {error}"))?;
    if bytes.len() as u64 > Ambience::FILE_MAX {
        return Err(format!("{path:?} has more than {} MiB", Ambience::FILE_MAX >> 20));
    }
    Ambience::of_wav(&bytes, SampleRate::HZ_8000, level).map_err(|error| format!("{path:?}: {error}"))
}
