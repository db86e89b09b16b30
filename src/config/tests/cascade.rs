//! Cascades: what can be asked of whom.

use ai::vendor::{PROVIDERS, ProviderKind, ProviderRow};

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
    check_with(fallback, &[OPENAI], &needs("fallback[0].provider", "GROQ_API_KEY", "groq"));
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
    assert_eq!(mistakes(&unnamed, &[OPENAI]), "assistants[0].model.name: no model is named");
    let named = format!("{}{local}", cascade("[assistants.model]\nprovider = \"local\"\nname = \"llama\"\n"));
    assert_eq!(mistakes(&named, &[OPENAI]), "");
    check("[providers.local]\nkind = \"compatible\"", "providers.local.base_url: must be set");
}

/// What a stage is called in the file, and what a provider does there by default.
fn stages(row: &ProviderRow) -> [(&'static str, &'static str); 3] {
    [("transcriber", row.transcriber), ("model", row.responder), ("voice", row.synthesizer)]
}

/// Every provider at a stage, the others as they are by default. Those without a default model are told one.
fn at_stage(row: &ProviderRow, stage: &str, more: &str) -> String {
    let compatible = row.kind == ProviderKind::Compatible;
    let name = if stage == "model" { "name" } else { "model" };
    let model = if compatible && more.is_empty() { format!("{name} = \"m\"\n") } else { more.to_owned() };
    let own = if compatible { "[providers.local]\nkind = \"compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n" } else { "" };
    let provider = if compatible { "local" } else { row.name };
    format!("{}{own}", cascade(&format!("[assistants.{stage}]\nprovider = \"{provider}\"\n{model}")))
}

fn every_key() -> Vec<(&'static str, &'static str)> {
    PROVIDERS.iter().map(|row| (row.key_variable, "k")).collect()
}

#[test]
fn each_provider_at_each_stage_is_taken_or_refused_with_the_keys_name() {
    for row in &PROVIDERS {
        for (stage, own) in stages(row) {
            let able = !own.is_empty() || row.kind == ProviderKind::Compatible;
            let refused = format!("assistants[0].{stage}.provider: {} cannot be a {stage}", row.name);
            assert_eq!(mistakes(&at_stage(row, stage, ""), &every_key()), if able { "" } else { refused.as_str() });
            // Without its key, while the others have theirs.
            let keys: Vec<_> = every_key().into_iter().filter(|(name, _)| *name != row.key_variable).collect();
            let missing = mistakes(&at_stage(row, stage, ""), &keys);
            let needs = format!("assistants[0].{stage}.provider: cascade needs the environment variable {}", row.key_variable);
            assert!(if row.keyless { missing.is_empty() } else { missing.contains(&needs) }, "{} {stage}: {missing}", row.name);
        }
    }
}

#[test]
fn each_model_at_another_stage_of_its_provider_is_refused_with_the_keys_name() {
    let mut seen = 0;
    for row in PROVIDERS.iter().filter(|row| row.kind != ProviderKind::Compatible) {
        for (stage, own) in stages(row).into_iter().filter(|(_, own)| !own.is_empty()) {
            for (_, other) in stages(row).into_iter().filter(|(of, other)| *of != stage && !other.is_empty()) {
                let name = if stage == "model" { "name" } else { "model" };
                let told = mistakes(&at_stage(row, stage, &format!("{name} = \"{other}\"\n")), &every_key());
                assert!(told.starts_with(&format!("assistants[0].{stage}.{name}: {other} is ")), "{own} {other}: {told}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn settings_that_a_provider_does_not_take_are_refused_with_the_keys_name() {
    let check = |more: &str, expected: &str| check_with(more, &every_key(), expected);
    check(
        "[assistants.voice]\nprovider = \"deepgram\"\nvoice_id = \"aura-2-apollo-en\"",
        "assistants[0].voice.voice_id: a voice of deepgram is named as its model, not as \"aura-2-apollo-en\"",
    );
    check(
        "[assistants.voice]\nmodel = \"tts-1\"",
        "assistants[0].voice.voice_id: tts-1 has no voice \"marin\"; it has alloy, ash, coral, echo, sage, shimmer, fable, nova, onyx",
    );
    check(
        "[[assistants.fallback]]\nstage = \"voice\"\nprovider = \"deepgram\"\n\
         [[assistants.fallback]]\nstage = \"voice\"\nprovider = \"deepgram\"\nmodel = \"nova-3\"",
        "assistants[0].fallback[1].model: nova-3 is a transcriber, not a voice",
    );
    check(
        "[assistants.voice]\nprovider = \"elevenlabs\"\nsettings = { speed = 2.0, style = 0.5 }",
        "assistants[0].voice.settings.speed: 2 is outside 0.7-1.2, which elevenlabs takes",
    );
    check(
        "[assistants.voice.settings]\nstyle = 0.5",
        "assistants[0].voice.settings.style: is of elevenlabs, which none of the voices is of",
    );
    check(
        "[assistants.model]\nprovider = \"anthropic\"\ntemperature = 1.5",
        "assistants[0].model.temperature: 1.5 is above 1, the most that anthropic takes",
    );
    check(
        "[assistants.transcriber]\nprovider = \"deepgram\"\nmodel = \"flux-general-en\"\nlanguage = \"de\"",
        "assistants[0].transcriber.language: flux-general-en does not hear \"de\"; flux-general-multi may",
    );
}

#[test]
fn a_realtime_engine_is_checked_alike() {
    let check = |more: &str, expected: &str| {
        let realtime = format!("[[assistants]]\nname = \"a\"\n[assistants.engine]\nkind = \"realtime\"\n{more}");
        assert_eq!(mistakes(&realtime, &[OPENAI]), expected);
    };
    check("", "");
    check("model = \"gpt-4.1\"", "assistants[0].engine.model: gpt-4.1 is a language model, not a realtime model");
    check("transcription_model = \"tts-1\"", "assistants[0].engine.transcription_model: tts-1 is a voice, not a transcriber");
    check(
        "[assistants.voice]\nvoice_id = \"onyx\"",
        "assistants[0].voice.voice_id: realtime has no voice \"onyx\"; it has alloy, ash, coral, echo, sage, shimmer, ballad, cedar, \
         marin, verse",
    );
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
