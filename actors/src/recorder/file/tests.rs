//! Files of recordings, sealed and not: written, cut anywhere, resumed, repaired.

use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

struct Place(std::path::PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("offhook-recorder-{}-{name}.wav", std::process::id()));
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.0);
    }
}

fn keys() -> Keyring {
    KEY.parse().unwrap()
}

/// So many octets that are not the same anywhere.
fn audio(octets: usize) -> Vec<u8> {
    (0_u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).take(octets).collect()
}

/// Writes audio as the Recorder does: what it takes, a second at a time.
fn write(file: &mut RecordingFile, audio: &[u8], end: bool) {
    let mut waiting = Vec::new();
    for piece in audio.chunks(CHUNK + 640) {
        waiting.extend_from_slice(piece);
        let taken = file.takes(waiting.len(), false);
        file.append(&waiting[..taken], &wav::header(WavFormat::RECORDING, file.audio() + taken as u64), false).unwrap();
        waiting.drain(..taken);
    }
    if end {
        file.append(&waiting, &wav::header(WavFormat::RECORDING, file.audio() + waiting.len() as u64), true).unwrap();
    }
}

/// The WAV file of a place, and whether its end is there.
fn read(place: &Place, keys: &Keyring) -> (Vec<u8>, bool) {
    let mut reader = RecordingReader::open(File::open(&place.0).unwrap(), keys).unwrap();
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, reader.length());
    (bytes, reader.is_whole())
}

fn wav_of(audio: &[u8]) -> Vec<u8> {
    [&wav::header(WavFormat::RECORDING, audio.len() as u64)[..], audio].concat()
}

#[test]
fn what_is_written_sealed_reads_as_what_is_written_in_the_clear() {
    for octets in [0, 640, CHUNK - 640, CHUNK, CHUNK + 640, 3 * CHUNK, 3 * CHUNK + 1_280] {
        let audio = audio(octets);
        for (keys, name) in [(keys(), "sealed"), (Keyring::default(), "clear")] {
            let place = Place::new(&format!("{name}-{octets}"));
            let mut file = RecordingFile::create(&place.0, CallId::generate(), &keys).unwrap();
            write(&mut file, &audio, true);
            assert_eq!(read(&place, &keys), (wav_of(&audio), true), "{name} {octets}");
            assert_eq!(repair(&place.0, &keys).unwrap().1, (wav::HEADER + octets) as u64, "what is closed is let be");
            assert_eq!(read(&place, &keys), (wav_of(&audio), true), "{name} {octets}");
        }
    }
}

#[test]
fn a_file_that_was_cut_anywhere_is_repaired_up_to_its_last_whole_chunk() {
    let (keys, audio) = (keys(), audio(2 * CHUNK + 640));
    let place = Place::new("cut");
    let mut file = RecordingFile::create(&place.0, CallId::generate(), &keys).unwrap();
    write(&mut file, &audio, true);
    let whole = std::fs::read(&place.0).unwrap();
    let body = body_start() as usize;
    for cut in [
        HEAD,
        HEAD + 5,
        body,
        body + 1,
        body + SEALED_CHUNK - 1,
        body + SEALED_CHUNK,
        body + 2 * SEALED_CHUNK + 20,
        whole.len() - 1,
    ] {
        std::fs::write(&place.0, &whole[..cut]).unwrap();
        let chunks = cut.saturating_sub(body) / SEALED_CHUNK;
        let (duration, bytes) = repair(&place.0, &keys).unwrap();
        assert_eq!((duration.as_secs(), bytes), (chunks as u64, (wav::HEADER + chunks * CHUNK) as u64), "cut at {cut}");
        assert_eq!(read(&place, &keys), (wav_of(&audio[..chunks * CHUNK]), true), "cut at {cut}");
    }
    std::fs::write(&place.0, &whole[..HEAD - 1]).unwrap();
    assert!(repair(&place.0, &keys).is_err(), "without its key there is nothing to be had");
}

#[test]
fn a_recorder_that_takes_over_goes_on_behind_the_last_whole_piece() {
    let audio = audio(2 * CHUNK);
    for (keys, name) in [(keys(), "sealed"), (Keyring::default(), "clear")] {
        let place = Place::new(&format!("resumed-{name}"));
        let mut file = RecordingFile::create(&place.0, CallId::generate(), &keys).unwrap();
        write(&mut file, &audio[..CHUNK], false);
        drop(file);
        // Part of a piece that was on its way.
        let mut torn = OpenOptions::new().append(true).open(&place.0).unwrap();
        torn.write_all(&[7; 100]).unwrap();
        let mut file = RecordingFile::resume(&place.0, &keys).unwrap();
        assert_eq!(file.audio(), CHUNK as u64, "{name}");
        write(&mut file, &audio[CHUNK..], true);
        assert_eq!(read(&place, &keys), (wav_of(&audio), true), "{name}");
    }
}

#[test]
fn without_the_key_the_error_names_it() {
    let place = Place::new("missing");
    RecordingFile::create(&place.0, CallId::generate(), &keys()).unwrap();
    let error = repair(&place.0, &Keyring::default()).unwrap_err().to_string();
    let id = keys().newest().unwrap().id();
    assert_eq!(error, format!("it is sealed with the master key {id}, which is not configured"));
}
