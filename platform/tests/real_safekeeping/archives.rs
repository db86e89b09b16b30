//! Files of many parts: whole, cut and changed.

use std::path::{Path, PathBuf};

use platform::archive::{Archive, ArchiveWriter, hexadecimal};
use serde_json::json;
use sha2::{Digest as _, Sha256};

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("offhook-archive-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn made(path: &Path) -> u64 {
    let mut writer = ArchiveWriter::create(path).unwrap();
    writer.add("a.json", b"[1]").unwrap();
    writer.add("recordings/b.wav", &[7; 1_500]).unwrap();
    assert!(!writer.add_file("c", Path::new("/nowhere/at/all")).unwrap());
    let (bytes, sum) = writer.finish(json!({ "format": "test" })).unwrap();
    assert_eq!(bytes, std::fs::metadata(path).unwrap().len());
    assert_eq!(sum, hexadecimal(&Sha256::digest(std::fs::read(path).unwrap())));
    bytes
}

#[test]
fn what_was_put_in_comes_out() {
    let folder = folder("out");
    let path = folder.join("x.tar");
    made(&path);
    let archive = Archive::open(&path).unwrap();
    assert_eq!((&archive.manifest()["format"], archive.manifest()["parts"].as_object().unwrap().len()), (&json!("test"), 2));
    let target = folder.join("b");
    archive.extract(|name| (name == "recordings/b.wav").then(|| target.clone())).unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), [7; 1_500]);
    assert!(archive.extract(|_| Some(target.clone())).is_err(), "nothing is written over");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn one_that_was_cut_or_changed_anywhere_is_refused() {
    let folder = folder("cut");
    let path = folder.join("x.tar");
    let bytes = made(&path);
    let whole = std::fs::read(&path).unwrap();
    let refused = |content: &[u8], what: String| {
        std::fs::write(&path, content).unwrap();
        assert!(Archive::open(&path).is_err(), "{what}");
    };
    for at in (0..bytes as usize).step_by(37).chain([bytes as usize - 1]) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        refused(&changed, format!("byte {at} is another"));
        refused(&whole[..at], format!("cut at {at}"));
    }
    refused(&[&whole[..], &[0]].concat(), "a byte more".to_owned());
    refused(b"no archive at all", "something else".to_owned());
    std::fs::write(&path, &whole).unwrap();
    assert!(Archive::open(&path).is_ok());
    std::fs::remove_dir_all(folder).unwrap();
}
