//! Cascades: what can be asked of whom.

use super::*;

/// An assistant of kind `cascade` with `more` in its sections.
fn cascade(more: &str) -> String {
    format!("[[assistants]]\nname = \"a\"\n[assistants.engine]\nkind = \"cascade\"\n{more}")
}

fn check_with(more: &str, keys: &[(&str, &str)], expected: &str) {
    assert_eq!(mistakes(&cascade(more), keys), expected, "with:\n{more}");
}

const OPENAI: (&str, &str) = ("OPENAI_API_KEY", "sk-1");

#[test]
fn one_key_is_enough_for_a_cascade() {
    check_with("", &[OPENAI], "");
    let config = load(&cascade(""), &[OPENAI]);
    let assistant = config.assistant("a").unwrap();
    assert_eq!(assistant.engine.kind, EngineKind::Cascade);
    assert_eq!(assistant.cascade.filler.as_deref(), Some("One moment."));
    assert_eq!(assistant.cascade.language.as_deref(), Some("en"));
}

#[test]
fn each_stage_needs_its_key() {
    let needs = |key: &str, variable: &str, provider: &str| {
        format!("assistants[0].{key}: cascade needs the environment variable {variable} (providers.{provider}.api_key_env)")
    };
    let all = ["transcriber", "model", "voice"].map(|stage| needs(&format!("{stage}.provider"), "OPENAI_API_KEY", "openai"));
    check_with("", &[], &all.join("\n"));
    check_with(
        "[assistants.voice]\nprovider = \"elevenlabs\"",
        &[OPENAI],
        &needs("voice.provider", "ELEVENLABS_API_KEY", "elevenlabs"),
    );
    let fallback = "[[assistants.fallback]]\nstage = \"model\"\nprovider = \"groq\"";
    check_with(fallback, &[OPENAI], &needs("fallback (model 1)", "GROQ_API_KEY", "groq"));
}

#[test]
fn a_provider_must_be_there_and_able() {
    check_with(
        "[assistants.model]\nprovider = \"acme\"",
        &[OPENAI],
        "assistants[0].model.provider: there is no [providers.acme]",
    );
    let keys = [OPENAI, ("DEEPGRAM_API_KEY", "k"), ("ANTHROPIC_API_KEY", "k")];
    check_with("[assistants.model]\nprovider = \"deepgram\"", &keys, "assistants[0].model.provider: deepgram cannot be a model");
    check_with(
        "[assistants.voice]\nprovider = \"anthropic\"",
        &keys,
        "assistants[0].voice.provider: anthropic cannot be a voice",
    );
    let local = "[providers.local]\nkind = \"compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n";
    let unnamed = format!("{}{local}", cascade("[assistants.model]\nprovider = \"local\"\n"));
    assert_eq!(mistakes(&unnamed, &[OPENAI]), "assistants[0].model.provider: no model is named");
    let named = format!("{}{local}", cascade("[assistants.model]\nprovider = \"local\"\nname = \"llama\"\n"));
    assert_eq!(mistakes(&named, &[OPENAI]), "");
    check("[providers.local]\nkind = \"compatible\"", "providers.local.base_url: must be set");
}

#[test]
fn rows_and_numbers_are_checked() {
    check_with(
        "[[assistants.fallback]]\nstage = \"ears\"\n[assistants.model]\ntemperature = 3\n",
        &[OPENAI],
        "assistants[0].model.temperature: 3 is outside 0-2\n\
         assistants[0].fallback[0].provider: must be set\n\
         assistants[0].fallback[0].stage: \"ears\" is not one of transcriber, model, voice",
    );
    check_with("[assistants.timeouts]\ntoken_ms = 1\n", &[OPENAI], "assistants[0].timeouts.token_ms: 1 ms is below 200 ms");
}

#[test]
fn what_is_told_reaches_the_providers_settings() {
    let keys = [OPENAI, ("DEEPGRAM_API_KEY", "k"), ("ELEVENLABS_API_KEY", "k")];
    let more = "[assistants.transcriber]\nprovider = \"deepgram\"\nmodel = \"flux-general-en\"\nkeywords = [\"Offhook\"]\n\
         [assistants.voice]\nprovider = \"elevenlabs\"\n[assistants.voice.settings]\nspeed = 1.1\n\
         [assistants.pronunciations]\nOffhook = \"off hook\"\n";
    let config = load(&cascade(more), &keys);
    let cascade = &config.assistant("a").unwrap().cascade;
    let deepgram = cascade.transcriber(&cascade.transcribers[0], &config.providers["deepgram"]);
    assert_eq!((deepgram.keyterms, deepgram.eager_end), (vec!["Offhook".to_owned()], Some(0.5)));
    assert_eq!(deepgram.account.base_url, "https://api.deepgram.com");
    let elevenlabs = cascade.synthesizer(&cascade.voices[0], &config.providers["elevenlabs"]);
    assert_ne!(elevenlabs.voice, "marin", "OpenAI's voice means nothing to others");
    assert_eq!(elevenlabs.speed, Some(1.1));
    assert_eq!(cascade.pronunciations, [("Offhook".to_owned(), "off hook".to_owned())]);
}

#[test]
fn only_openai_speaks_realtime() {
    let realtime = "[[assistants]]\nname = \"a\"\n[assistants.engine]\nkind = \"realtime\"\nprovider = \"deepgram\"";
    assert_eq!(mistakes(realtime, &[]), "assistants[0].engine.provider: deepgram does not speak OpenAI Realtime");
}
