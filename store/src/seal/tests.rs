//! Keys, values and files, without a database.

use std::io::{Cursor, Read as _, Seek as _, SeekFrom};

use super::stream::{
    CHUNK, FileKey, HEAD, PRELUDE, SEALED_CHUNK, begin_file, body_start, is_sealed, key_of_file, open_file, rewrap,
};
use super::{BadKey, KEYS_MAX, Keyring, MasterKey, Place, RecordingReader, SealError};

const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "6fd1c1ffe9cd2ae0b7e6a32ba8a5bb5c4be87b47d7c34ba7fb4de3ab9d0e4c11";
const CALL: [u8; 16] = *b"sixteen octets!!";
const HERE: Place<'_> = Place { table: "webhooks", column: "secret", row: "1" };

fn ring(text: &str) -> Keyring {
    text.parse().unwrap()
}

fn refused(text: &str, expected: BadKey) {
    assert_eq!(text.parse::<Keyring>().unwrap_err(), expected, "{text}");
}

#[test]
fn keys_are_read_a_line_each_and_named_by_their_hash() {
    let both = ring(&format!("# of this year\n {NEW} \n\n{OLD}\n"));
    let ids: Vec<_> = both.ids().map(|id| id.to_string()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.len() == 16 && !NEW.contains(id.as_str())));
    assert_eq!(both.newest().unwrap().id(), NEW.parse::<MasterKey>().unwrap().id());
    // The same key is the same in each of its forms.
    let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    for same in [OLD, OLD.trim_end_matches('='), hex, &hex.to_uppercase()] {
        assert_eq!(ring(same).newest().unwrap().id(), ring(OLD).newest().unwrap().id(), "{same}");
    }
    let shown = format!("{both:?}");
    assert!(!shown.contains("6fd1") && shown.contains(&ids[0]), "{shown}");
}

#[test]
fn what_is_no_key_is_refused() {
    for text in ["AAAA", "secret", &NEW[1..], &format!("{NEW}00"), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=x"] {
        refused(text, BadKey::Form);
    }
    refused("", BadKey::None);
    refused("# only words", BadKey::None);
    refused(&"00".repeat(32), BadKey::Weak);
    refused(&format!("{OLD}\n{OLD}"), BadKey::Twice(ring(OLD).newest().unwrap().id()));
    let many: Vec<String> = (0..=KEYS_MAX).map(|number| format!("{number:064x}ff")[2..].to_owned()).collect();
    refused(&many.join("\n"), BadKey::TooMany);
}

#[test]
fn a_value_opens_in_its_own_place_only() {
    let keys = ring(OLD);
    let sealed = keys.seal(HERE, "whsec_c2VjcmV0");
    assert!(sealed.starts_with("sealed:1:") && !sealed.contains("whsec"), "{sealed}");
    assert_ne!(sealed, keys.seal(HERE, "whsec_c2VjcmV0"), "the same value is never the same twice");
    assert_eq!(keys.open(HERE, sealed.clone()).unwrap(), "whsec_c2VjcmV0");
    let id = keys.newest().unwrap().id();
    for elsewhere in [Place { row: "2", ..HERE }, Place { column: "url", ..HERE }, Place { table: "users", ..HERE }] {
        assert_eq!(keys.open(elsewhere, sealed.clone()), Err(SealError::Broken(id)), "{elsewhere:?}");
    }
    let last = if sealed.ends_with('A') { 'B' } else { 'A' };
    assert!(keys.open(HERE, format!("{}{last}", &sealed[..sealed.len() - 1])).is_err());
    assert_eq!(ring(NEW).open(HERE, sealed.clone()), Err(SealError::Missing(id)));
    assert_eq!(ring(&format!("{NEW}\n{OLD}")).open(HERE, sealed).unwrap(), "whsec_c2VjcmV0");
    for form in
        ["sealed:1:", "sealed:1:00:AA", "sealed:1:0011223344556677", &format!("sealed:1:{id}:%%"), &format!("sealed:1:{id}:AAAA")]
    {
        assert_eq!(keys.open(HERE, form.to_owned()), Err(SealError::Malformed), "{form}");
    }
}

#[test]
fn without_a_key_values_stay_as_they_are() {
    let none = Keyring::default();
    assert_eq!(none.seal(HERE, "whsec_c2VjcmV0"), "whsec_c2VjcmV0");
    assert_eq!(none.open(HERE, "whsec_c2VjcmV0".to_owned()).unwrap(), "whsec_c2VjcmV0");
    assert_eq!(ring(OLD).open(HERE, "whsec_c2VjcmV0".to_owned()).unwrap(), "whsec_c2VjcmV0", "what is in the clear is read");
}

/// Octets that are not the same anywhere.
fn octets(count: usize) -> Vec<u8> {
    (0_u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).take(count).collect()
}

/// A closed file of whole chunks and a rest.
fn file(keys: &Keyring, body: &[u8]) -> (Vec<u8>, FileKey) {
    let (head, key) = begin_file(keys, CALL).unwrap();
    let mut bytes = [&head[..], &key.prelude(&[7; PRELUDE])].concat();
    let (chunks, rest) = body.as_chunks::<CHUNK>();
    for (number, chunk) in (0..).zip(chunks) {
        key.seal_chunk(number, chunk, &mut bytes);
    }
    key.seal_last(chunks.len() as u64, rest, &mut bytes);
    (bytes, key)
}

fn opened(bytes: &[u8], keys: &Keyring) -> std::io::Result<RecordingReader<Cursor<Vec<u8>>>> {
    RecordingReader::open(Cursor::new(bytes.to_vec()), keys)
}

#[test]
fn any_part_of_a_file_is_read_without_the_rest() {
    let (keys, body) = (ring(OLD), octets(2 * CHUNK + 77));
    let (bytes, _) = file(&keys, &body);
    let clear = [&[7; PRELUDE][..], &body].concat();
    let mut reader = opened(&bytes, &keys).unwrap();
    assert_eq!((reader.length(), reader.call(), reader.is_whole()), (clear.len() as u64, Some(CALL), true));
    let edges =
        [0, 1, PRELUDE - 1, PRELUDE, PRELUDE + 1, PRELUDE + CHUNK - 1, PRELUDE + CHUNK, PRELUDE + 2 * CHUNK, clear.len() - 1];
    for start in edges {
        for end in edges.into_iter().chain([clear.len()]).filter(|end| *end >= start) {
            let mut part = vec![0; end - start];
            reader.seek(SeekFrom::Start(start as u64)).unwrap();
            reader.read_exact(&mut part).unwrap();
            assert!(part == clear[start..end], "{start}..{end}");
        }
    }
    assert_eq!(reader.seek(SeekFrom::End(0)).unwrap(), clear.len() as u64);
    assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(
        reader.seek(SeekFrom::Start(1 << 40)).and_then(|_| reader.read(&mut [0; 10])).unwrap(),
        0,
        "behind the end is nothing"
    );
    assert!(reader.seek(SeekFrom::Current(-(1 << 41))).is_err());
}

#[test]
fn a_file_in_the_clear_is_read_as_it_is() {
    let mut reader = opened(b"RIFF and so on", &Keyring::default()).unwrap();
    assert_eq!((reader.length(), reader.is_sealed(), reader.is_whole(), reader.call()), (14, false, true, None));
    let mut rest = String::new();
    reader.seek(SeekFrom::Start(5)).unwrap();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "and so on");
}

#[test]
fn a_file_that_is_cut_says_so_and_pieces_cannot_be_moved() {
    let (keys, body) = (ring(OLD), octets(3 * CHUNK + 5));
    let (bytes, _) = file(&keys, &body);
    let start = body_start() as usize;
    // At the edge of a chunk, in the last one, in a chunk.
    for (cut, chunks) in [(start, 0), (start + 2 * SEALED_CHUNK, 2), (bytes.len() - 1, 3), (start + SEALED_CHUNK + 99, 1)] {
        let mut reader = opened(&bytes[..cut], &keys).unwrap();
        assert_eq!((reader.is_whole(), reader.length()), (false, (PRELUDE + chunks * CHUNK) as u64), "cut at {cut}");
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(all[PRELUDE..] == body[..chunks * CHUNK], "cut at {cut}");
    }
    let broken = |bytes: &[u8]| opened(bytes, &keys).and_then(|mut reader| reader.read_to_end(&mut Vec::new())).is_err();
    assert!(!broken(&bytes));
    let mut moved = bytes.clone();
    moved[start..start + 2 * SEALED_CHUNK].rotate_left(SEALED_CHUNK);
    assert!(broken(&moved), "two chunks changed places");
    let (other, _) = file(&keys, &body);
    let mut mixed = bytes.clone();
    mixed[start..start + SEALED_CHUNK].copy_from_slice(&other[start..start + SEALED_CHUNK]);
    assert!(broken(&mixed), "a chunk of another file of the same call");
    let mut early = bytes.clone();
    early.drain(start + SEALED_CHUNK..start + 3 * SEALED_CHUNK);
    assert!(!opened(&early, &keys).unwrap().is_whole(), "the last chunk is the last in its own place only");
    for at in [9, 30, 40, 91, HEAD + 3, start + 3] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(broken(&changed), "octet {at}");
    }
    assert!(broken(&bytes[..HEAD - 1]) && broken(&bytes[..start - 1]));
}

#[test]
fn a_new_master_key_takes_another_head_and_nothing_else() {
    let (old, new, both) = (ring(OLD), ring(NEW), ring(&format!("{NEW}\n{OLD}")));
    let (mut bytes, key) = file(&old, &octets(CHUNK + 9));
    let head: [u8; HEAD] = bytes[..HEAD].try_into().unwrap();
    assert_eq!(key_of_file(&head).unwrap(), (old.newest().unwrap().id(), CALL));
    assert_eq!(rewrap(&old, &head), Ok(None));
    assert_eq!(rewrap(&Keyring::default(), &head), Ok(None));
    assert_eq!(rewrap(&new, &head), Err(SealError::Missing(old.newest().unwrap().id())));
    let other = rewrap(&both, &head).unwrap().unwrap();
    bytes[..HEAD].copy_from_slice(&other);
    // Who writes it goes on with the key of the file.
    key.prelude(&[8; PRELUDE]).iter().zip(HEAD..).for_each(|(octet, at)| bytes[at] = *octet);
    let mut all = Vec::new();
    opened(&bytes, &new).unwrap().read_to_end(&mut all).unwrap();
    assert!(all[PRELUDE..] == octets(CHUNK + 9) && all[0] == 8);
    let missing = opened(&bytes, &old).err().unwrap().to_string();
    assert_eq!(missing, format!("it is sealed with the master key {}, which is not configured", new.newest().unwrap().id()));
    assert!(begin_file(&Keyring::default(), CALL).is_none() && !is_sealed(b"RIFF"));
    assert!(open_file(&old, &head).is_ok());
}
