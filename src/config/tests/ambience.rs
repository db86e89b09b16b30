//! What is to be heard under an agent, and what of it is refused.

use super::{check, load};

#[test]
fn an_assistant_is_denoised_and_has_a_room_when_it_says_so() {
    let plain = load("", &[]).assistants.remove(0);
    assert_eq!((plain.background_denoising, plain.ambience.sound), (false, None));
    let text = "[[assistants]]\nname = \"demo\"\nbackground_denoising = true\n[assistants.ambience]\nsound = \"office\"";
    let own = load(text, &[]).assistants.remove(0);
    assert!(own.background_denoising);
    assert_eq!(format!("{:?}", own.ambience.sound), "Some(Ambience(20s at 8000 Hz))");
}

#[test]
fn a_file_that_cannot_be_played_is_refused_at_once() {
    let refused = |ambience: &str, expected: &str| {
        check(&format!("[[assistants]]\nname = \"demo\"\n[assistants.ambience]\n{ambience}"), expected);
    };
    refused("sound = \"forest\"", "assistants[0].ambience.sound: \"forest\" is not one of off, room, office, file");
    refused("sound = \"file\"", "assistants[0].ambience.file: must be set when sound is \"file\"");
    refused("file = \"a.wav\"", "assistants[0].ambience.file: is of no use unless sound is \"file\"");
    refused(
        "sound = \"file\"\nfile = \"/nowhere/a.wav\"",
        "assistants[0].ambience.file: \"/nowhere/a.wav\": No such file or directory (os error 2)",
    );
    refused("sound = \"file\"\nfile = \"/dev/zero\"", "assistants[0].ambience.file: \"/dev/zero\" has more than 24 MiB");
    refused(
        "sound = \"file\"\nfile = \"config/offhook.toml\"",
        "assistants[0].ambience.file: \"config/offhook.toml\": not a 16-bit PCM WAV file: RIFF",
    );
    refused("level_dbov = -20", "assistants[0].ambience.level_dbov: -20 is outside -60--25");
}
