//! Each target over its seeds and over changes of them, by count and from a fixed seed: what the fuzzer does, for machines that have none.

use std::fs;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::TARGETS;

/// Changed seeds a target: seconds of a debug build.
const CHANGED: usize = 1_500;

/// Changes of one seed at most.
const CHANGES: usize = 6;

fn seeds(folders: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let files = folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).expect("the folder of the seeds"));
    let mut paths: Vec<_> = files.map(|file| file.expect("a seed").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// Octets taken, put in, or copied from elsewhere.
fn change(seed: &mut Vec<u8>, random: &mut StdRng) {
    let at = random.random_range(0..=seed.len());
    match random.random_range(0..4) {
        0 => {
            seed.drain(at..(at + random.random_range(0..8)).min(seed.len()));
        }
        1 => {
            let octets: Vec<u8> = (0..random.random_range(1..5)).map(|_| random.next_u32() as u8).collect();
            seed.splice(at..at, octets);
        }
        2 => {
            let from = random.random_range(0..=seed.len());
            let part = seed[from..(from + random.random_range(0..40)).min(seed.len())].to_vec();
            seed.splice(at..at, part);
        }
        _ => {
            if let Some(octet) = seed.get_mut(at) {
                *octet ^= 1 << random.random_range(0..8);
            }
        }
    }
}

fn smoke(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    let (seeds, mut random) = (seeds(target.seeds), StdRng::seed_from_u64(1));
    assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
    seeds.iter().for_each(|seed| (target.run)(seed));
    for round in 0..CHANGED {
        let mut input = seeds[round % seeds.len()].clone();
        for _ in 0..random.random_range(1..=CHANGES) {
            change(&mut input, &mut random);
        }
        (target.run)(&input);
    }
}

/// A test a target, so that they run side by side and are named when they fail.
macro_rules! smoke {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                smoke(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_run_here_and_by_the_fuzzer() {
            assert_eq!([$(stringify!($name)),*].as_slice(), TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
            let fuzz = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/Cargo.toml")).expect("the manifest");
            for target in TARGETS {
                assert!(fuzz.contains(&format!("name = \"{}\"", target.name)), "fuzz/Cargo.toml has no {}", target.name);
            }
        }
    };
}

smoke!(dialog dtls endpoint jitter rtcp rtp sdp sip_message stun transaction twilio);
