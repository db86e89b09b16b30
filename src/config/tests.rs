//! Tests of the whole configuration: TOML and variables in, the mistakes or the values out.
#![allow(clippy::unwrap_used)]

mod ambience;
mod billing;
mod cascade;
mod events;
mod identity;
mod phrases;
mod retention;
mod security;
mod sip;
mod spend;
mod transfer;
mod trunk;

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::{Config, EngineKind, Environment, LogFormat, MenuAction, OfflineMode, bind_problem};

const REFERENCE: &str = include_str!("../../config/offhook.toml");
const PRODUCTION: &str = include_str!("../../config/production.toml");

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn load(text: &str, pairs: &[(&str, &str)]) -> Config {
    Config::read(text.parse().unwrap(), &environment(pairs)).unwrap()
}

/// What is wrong with `text` and `pairs`, a line a mistake; nothing when they can be used.
fn mistakes(text: &str, pairs: &[(&str, &str)]) -> String {
    match Config::read(text.parse().unwrap(), &environment(pairs)) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(mistakes(text, &[]), expected, "in:\n{text}");
}

#[test]
fn the_reference_file_is_the_defaults() {
    let bare = |mut config: Config| {
        config.settings.clear();
        config.file_rows.0.clear();
        config
    };
    assert_eq!(bare(load(REFERENCE, &[])), bare(load("", &[])));
}

#[test]
fn the_reference_file_documents_every_key_and_its_limits() {
    let config = load(REFERENCE, &[]);
    assert!(config.settings.len() > 50);
    for setting in &config.settings {
        let key = setting.key.rsplit('.').next().unwrap();
        let section = setting.key.strip_suffix(&format!(".{key}")).unwrap();
        let comment = comment_above(section, key).unwrap_or_else(|| panic!("config/offhook.toml has no {}", setting.key));
        assert!(!comment.is_empty(), "{} has no comment above it", setting.key);
        // An assistant's turn section has the limits of [turn].
        if let Some(limits) = setting.limits.as_ref().filter(|_| !section.ends_with("].turn")) {
            assert!(comment.contains(limits), "{} must say {limits}", setting.key);
        }
        let written = setting.given || REFERENCE.contains(&format!("\n# {key} = ")) || section.ends_with("].turn");
        assert!(written, "{} is not in config/offhook.toml", setting.key);
    }
}

/// The comment lines right above `key` of `section` in the reference file.
fn comment_above(section: &str, key: &str) -> Option<String> {
    let header = match section.strip_prefix("assistants[0]") {
        Some("") => "[[assistants]]".to_owned(),
        Some(".turn") => return Some("as [turn]".to_owned()),
        Some(rest) => format!("[assistants{rest}]"),
        None => format!("[{section}]"),
    };
    let (_, body) = REFERENCE.split_once(&format!("\n{header}\n"))?;
    let mut comment = String::new();
    for line in body.lines().take_while(|line| !line.starts_with('[')) {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if bare.starts_with(&format!("{key} = ")) {
            return Some(comment);
        } else if let Some(text) = line.strip_prefix("# ") {
            comment += text;
            comment += " ";
        } else {
            comment.clear();
        }
    }
    None
}

#[test]
fn the_production_file_passes() {
    let config = load(PRODUCTION, &[]);
    assert_eq!(config.sip.advertised, ["203.0.113.10".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
    assert_eq!(config.default_assistant, None);
}

#[test]
fn every_mistake_is_shown_at_once_with_its_key() {
    check(
        "[sip]\nlisten = \"abc\"\nlistn = 1\n[node]\nmax_calls = 0\n[jitter]\nmax_ms = 5000\n[sipp]\n",
        "node.max_calls: 0 is below 1\n\
         sip.listen: \"abc\" is not an address (ip:port)\n\
         sip.listn: unknown key; did you mean listen?\n\
         jitter.max_ms: 5000 ms is above 1000 ms\n\
         sipp: unknown section; did you mean sip?",
    );
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    check("[node]\nname = 5", "node.name: 5 is not text (\"...\")");
    check("[node]\nname = \"\"", "node.name: must not be empty");
    check("[node]\nmax_calls = \"9\"", "node.max_calls: \"9\" is not a whole number");
    check("[turn]\nspeech_probability = \"x\"", "turn.speech_probability: \"x\" is not a number");
    check("[turn]\nspeech_probability = 1.5", "turn.speech_probability: 1.5 is outside 0.3-0.85");
    check("[rtp]\ntimeout_s = -1", "rtp.timeout_s: -1 s is below 2 s");
    check("[codecs]\norder = 1", "codecs.order: 1 is not a list of texts ([\"...\"])");
    check("[twilio]\nauth_token = 5", "twilio.auth_token: is not text (\"...\")");
    check("sip = 5", "sip: 5 is not a section ([sip])");
    check("numbers = 5", "numbers: 5 is not a list of [[numbers]]");
    check("numbers = [5]", "numbers: 5 is not a [[numbers]] table");
    check("[security]\nkey = 1", "security.key: unknown key");
}

#[test]
fn words_are_chosen_from_a_list() {
    check("[recording]\nmode = \"maybe\"", "recording.mode: \"maybe\" is not one of always, off");
    check("[codecs]\norder = []", "codecs.order: needs at least one of pcmu, pcma, opus, g722");
    check("[codecs]\norder = [\"pcmu\", \"pcmu\"]", "codecs.order: \"pcmu\" is there twice");
    check("[codecs]\norder = [\"g729\"]", "codecs.order: \"g729\" is not one of pcmu, pcma, opus, g722");
    check(
        "[telemetry]\nlog_level = \"sip=loud\"",
        "telemetry.log_level: \"sip=loud\" is not a level (info) or a filter (info,sip=debug)",
    );
}

#[test]
fn traces_go_to_a_collector_or_nowhere() {
    let telemetry = load("[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318/\"\ntrace_ratio = 0.25", &[]).telemetry;
    assert_eq!(telemetry.otlp_endpoint.unwrap().as_str(), "http://127.0.0.1:4318");
    assert_eq!(telemetry.trace_ratio, 0.25);
    assert_eq!(load("", &[]).telemetry.otlp_endpoint, None);
    check(
        "[telemetry]\notlp_endpoint = \"127.0.0.1:4318\"\ntrace_ratio = 2",
        "telemetry.otlp_endpoint: \"127.0.0.1:4318\" is not an http(s) URL (https://host/path)\n\
         telemetry.trace_ratio: 2 is outside 0-1",
    );
    check(
        "[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318/v1/traces\"",
        "telemetry.otlp_endpoint: /v1/traces is added by itself: leave it out",
    );
}

#[test]
fn headers_for_the_collector_are_checked_and_not_repeated() {
    let refused = |variable: &str, headers: &str| mistakes("", &[(variable, headers)]);
    for headers in ["authorization=Bearer abc,x-tenant=7", "a=b=c", ""] {
        assert_eq!(refused("OTEL_EXPORTER_OTLP_HEADERS", headers), "", "{headers}");
    }
    for headers in ["hunter2", "=hunter2", "a b=hunter2", "a=hunter2,b"] {
        let expected = "OTEL_EXPORTER_OTLP_HEADERS: is not a list of headers (name=value,name=value)";
        assert_eq!(refused("OTEL_EXPORTER_OTLP_HEADERS", headers), expected);
    }
    let expected = "OTEL_EXPORTER_OTLP_TRACES_HEADERS: is not a list of headers (name=value,name=value)";
    assert_eq!(refused("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "hunter2"), expected);
}

#[test]
fn port_ranges_carry_pairs() {
    let ports = |range: &str| mistakes(&format!("[rtp]\nport_range = \"{range}\""), &[]);
    assert_eq!(ports("20000"), "rtp.port_range: \"20000\" is not a port range (20000-29999)");
    assert_eq!(ports("20001-29999"), "rtp.port_range: first port 20001 is odd: RTP takes even ports");
    assert_eq!(ports("20000-29998"), "rtp.port_range: last port 29998 is even: it must be an odd one, for RTCP");
    assert_eq!(ports("1000-29999"), "rtp.port_range: first port 1000 is below 1024");
    assert_eq!(ports("20000-10001"), "rtp.port_range: last port 10001 is below first port 20000");
    assert_eq!(ports("20000-20099"), "rtp.port_range: 20000-20099 has room for 50 calls, fewer than node.max_calls, 500");
    assert_eq!(ports("20000-20999"), "");
}

#[test]
fn addresses_must_be_reachable_and_apart() {
    check(
        "[sip]\nlisten = \"0.0.0.0:5060\"",
        "sip.advertised_address: must be set when sip.listen is 0.0.0.0:5060: callers cannot send to 0.0.0.0",
    );
    check("[sip]\nadvertised_address = \"::\"", "sip.advertised_address: callers cannot send to ::");
    check("[sip]\nadvertised_address = \"host\"", "sip.advertised_address: \"host\" is not an IP address");
    check(
        "[webrtc]\nlisten = \"0.0.0.0:40000\"",
        "webrtc.advertised: must be set when webrtc.listen is 0.0.0.0:40000: browsers cannot send to it",
    );
    check("[webrtc]\nadvertised = \"::\"", "webrtc.advertised: browsers cannot send to [::]:40000");
    check("[webrtc]\nadvertised = \"host\"", "webrtc.advertised: \"host\" is not an address (ip or ip:port)");
    let webrtc = |text: &str| load(text, &[]).webrtc.map(|webrtc| webrtc.advertised);
    assert_eq!(webrtc("[webrtc]\nlisten = \"\""), None);
    let told = "[webrtc]\nlisten = \"0.0.0.0:41000\"\nadvertised = [\"203.0.113.1\", \"203.0.113.2:9\"]";
    assert_eq!(webrtc(told), Some(vec!["203.0.113.1:41000".parse().unwrap(), "203.0.113.2:9".parse().unwrap()]));
    check("[metrics]\nlisten = \"127.0.0.1:8080\"", "metrics.listen: 127.0.0.1:8080 is also http.listen");
    check("[http]\nlisten = \"127.0.0.1:5060\"", "http.listen: 127.0.0.1:5060 is also sip.listen, which takes TCP too");
    check("[http]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"", "");
}

#[test]
fn delays_and_turns_are_in_order() {
    check("[jitter]\ninitial_ms = 5", "jitter.initial_ms: 5ms is below jitter.min_ms, 10ms");
    check("[jitter]\nmax_ms = 20", "jitter.max_ms: 20ms is below jitter.initial_ms, 25ms");
    check("[turn]\nbarge_in_commit_ms = 100", "turn.barge_in_commit_ms: 100ms is below backchannel_min_ms, 120ms");
}

#[test]
fn an_assistant_changes_the_turn_section_key_by_key() {
    let config =
        load("[turn]\nstart_speech_ms = 90\n[[assistants]]\nname = \"slow\"\n[assistants.turn]\nendpoint_silence_ms = 900", &[]);
    let turn = &config.assistant("slow").unwrap().turn;
    assert_eq!(turn.endpoint_silence, Duration::from_millis(900));
    assert_eq!(turn.start_speech, Duration::from_millis(90));
    assert_eq!(config.assistant("demo").unwrap().turn, config.turn);
}

#[test]
fn realtime_needs_its_provider_and_its_key() {
    let realtime = "[[assistants]]\nname = \"a\"\n[assistants.engine]\nkind = \"realtime\"\n";
    check(
        realtime,
        "assistants[0].engine.kind: realtime needs the environment variable OPENAI_API_KEY (providers.openai.api_key_env)",
    );
    check(&format!("{realtime}provider = \"other\""), "assistants[0].engine.provider: there is no [providers.other]");
    check(&format!("{realtime}provider = \"local\"\n[providers.local]\nbase_url = \"http://127.0.0.1:1\""), "");
    let config = load(realtime, &[("OPENAI_API_KEY", "sk-1")]);
    assert_eq!(config.assistants[0].engine.kind, EngineKind::Realtime);
}

#[test]
fn the_demo_assistant_uses_the_provider_when_its_key_is_set() {
    let kind = |pairs: &[(&str, &str)]| load("", pairs).assistant("demo").unwrap().engine.kind;
    assert_eq!(kind(&[]), EngineKind::Offline);
    assert_eq!(kind(&[("OPENAI_API_KEY", "")]), EngineKind::Offline);
    assert_eq!(kind(&[("OPENAI_API_KEY", "sk-1")]), EngineKind::Realtime);
}

/// An assistant with this prompt and these rows of a menu.
fn menu(prompt: &str, rows: &[&str]) -> String {
    let mut text = format!("[[assistants]]\nname = \"a\"\n[assistants.engine]\nmode = \"menu\"\nmenu_prompt = \"{prompt}\"\n");
    for row in rows {
        text += &format!("[[assistants.engine.menu]]\n{row}\n");
    }
    text
}

#[test]
fn a_menu_row_is_a_key_and_what_it_does() {
    let config =
        load(&menu("Press.", &["key = \"#\"\naction = \"hang_up\"", "key = \"1\"\naction = \"say\"\nsay = \"hi\""]), &[]);
    let engine = &config.assistants[0].engine;
    let menu = engine.menu.as_ref().unwrap();
    assert_eq!((engine.mode, menu.prompt.as_str()), (OfflineMode::Menu, "Press."));
    assert_eq!((menu.rows[0].key, &menu.rows[0].action), ('#', &MenuAction::HangUp));
    assert_eq!((menu.rows[1].key, &menu.rows[1].action), ('1', &MenuAction::Say("hi".to_owned())));
    assert_eq!(load("", &[]).assistants[0].engine.menu, None);
}

#[test]
fn a_menu_that_cannot_be_offered_is_refused() {
    let repeat = |key: &str| format!("key = \"{key}\"\naction = \"repeat\"");
    let both = "assistants[0].engine.menu_prompt: goes with rows of [[assistants.engine.menu]], and they with it";
    check(&menu("", &[&repeat("1")]), both);
    check(&menu("Press.", &[]), both);
    let row = "assistants[0].engine.menu[0]";
    check(&menu("Press.", &[""]), &format!("{row}.key: must be set\n{row}.action: must be set"));
    check(&menu("Press.", &[&repeat("x")]), &format!("{row}.key: \"x\" is not a key of a telephone (0-9, *, # or A-D)"));
    check(&menu("Press.", &[&repeat("1"), &repeat("1")]), "assistants[0].engine.menu[1].key: 1 is there twice");
    let say = format!("{row}.say: goes with action say, and it with a text");
    check(&menu("Press.", &[&(repeat("1") + "\nsay = \"x\"")]), &say);
    check(&menu("Press.", &["key = \"1\"\naction = \"say\""]), &say);
    check(
        &menu(&"x".repeat(2001), &[&repeat("1")]),
        &format!("assistants[0].engine.menu_prompt: 2001 bytes are above 2000\n{both}"),
    );
}

#[test]
fn assistants_and_numbers_name_each_other() {
    check("[[assistants]]", "assistants[0].name: must be set");
    check("[[assistants]]\nname = \"a\"\n[[assistants]]\nname = \"a\"", "assistants[1].name: \"a\" is there twice");
    check(
        "[[assistants]]\nname = \"a\"\nlanguage = \"english\"",
        "assistants[0].language: \"english\" is neither an ISO 639-1 code (en) nor auto",
    );
    check("[routing]\ndefault_assistant = \"x\"", "routing.default_assistant: there is no assistant \"x\"");
    check(
        "[[numbers]]\n[[numbers]]\nnumber = \"a b\"\nassistant = \"x\"",
        "numbers[0].number: must be set\n\
         numbers[0].assistant: must be set\n\
         numbers[1].number: is not a number (+15551234567) or SIP user of 1-64 characters\n\
         numbers[1].assistant: there is no assistant \"x\"",
    );
    let row = "[[numbers]]\nnumber = \"+15550100\"\nassistant = \"demo\"\n";
    check(&format!("{row}{row}"), "numbers[1].number: is there twice");
    let number = &load(row, &[]).numbers[0];
    assert_eq!(number.number.as_str(), "+15550100");
    assert_eq!(format!("{:?}", number.number), "...00");
}

#[test]
fn an_assistant_has_a_manner_a_language_and_a_clock() {
    let assistant = |keys: &str| load(&format!("[[assistants]]\nname = \"a\"\n{keys}"), &[]).assistants[0].clone();
    let set = assistant("personality = \"formal\"\nlanguage = \"de\"\ntimezone = \"Europe/Berlin\"");
    assert_eq!(set.personality.unwrap().to_string(), "formal");
    assert_eq!((set.language.name(), set.voice.offline_voice.as_str()), (Some("German"), "de"));
    assert_eq!(set.timezone.to_string(), "Europe/Berlin");
    assert_eq!(assistant("language = \"auto\"").voice.offline_voice, "en-us");
    assert_eq!(assistant("language = \"de\"\nvoice.offline_voice = \"mb-de2\"").voice.offline_voice, "mb-de2");
    check(
        "[[assistants]]\nname = \"a\"\npersonality = \"rude\"\ntimezone = \"CEST\"",
        "assistants[0].personality: \"rude\" is not one of concise, empathetic, energetic, formal, friendly\n\
         assistants[0].timezone: \"CEST\" is not an IANA time zone (Europe/Berlin)",
    );
    let long = format!("[[assistants]]\nname = \"a\"\nsystem_prompt = \"{}\"", "x".repeat(32_769));
    check(&long, "assistants[0].system_prompt: 32769 bytes are above 32768");
}

#[test]
fn analysis_and_memory_need_a_model_that_can_be_asked() {
    let with = |keys: &str| format!("[[assistants]]\nname = \"a\"\n{keys}");
    let key = "analysis and memory need the environment variable OPENAI_API_KEY (providers.openai.api_key_env)";
    check(&with("analysis.enabled = true"), &format!("assistants[0].analysis.provider: {key}"));
    check(&with("memory.enabled = true"), &format!("assistants[0].analysis.provider: {key}"));
    check(
        &with("memory.enabled = true\nanalysis.provider = \"x\""),
        "assistants[0].analysis.provider: there is no [providers.x], which analysis and memory ask",
    );
    check(&with("analysis.rubric = \"x\""), "assistants[0].analysis.rubric: is asked for only when enabled is true");
    let deaf = "analysis.enabled = true\nanalysis.provider = \"ears\"\n[providers.ears]\nkind = \"deepgram\"\napi_key_env = \"\"";
    check(&with(deaf), "assistants[0].analysis.provider: deepgram has no responder here");
    let local = "\n[providers.local]\nbase_url = \"http://127.0.0.1:1\"";
    let on = "analysis.enabled = true\nanalysis.provider = \"local\"\n";
    let config = load(&with(&format!("{on}analysis.fields = '{{\"type\": \"object\"}}'\nmemory.retention_days = 2{local}")), &[]);
    let assistant = &config.assistants[0];
    assert!(assistant.analysis.fields.is_some() && assistant.analysis.rubric.is_none());
    assert_eq!(assistant.memory.retention, Duration::from_secs(2 * 86_400));
    check(
        &with(&format!("{on}analysis.fields = \"[]\"{local}")),
        "assistants[0].analysis.fields: is not a JSON schema of an object ({\"type\": \"object\", ...})",
    );
    check(
        &with(&format!("{on}analysis.lead_criteria = \"{}\"{local}", "x".repeat(8_193))),
        "assistants[0].analysis.lead_criteria: 8193 bytes are above 8192",
    );
}

#[test]
fn providers_are_urls_with_plain_names() {
    check(
        "[providers.\"My-AI\"]\nbase_url = \"ftp://x\"",
        "providers.My-AI: a provider's name has a-z, 0-9 and single _ only\n\
         providers.My-AI.base_url: \"ftp://x\" is not an http(s) URL (https://host/path)",
    );
    check("[twilio]\npublic_url = \"https://\"", "twilio.public_url: \"https://\" is not an http(s) URL (https://host/path)");
    let config = load("[providers.local]\nbase_url = \"http://h:1/v1/\"", &[]);
    assert_eq!(config.providers["local"].base_url.as_str(), "http://h:1/v1");
    assert_eq!(config.providers["local"].api_key_env, None);
    assert_eq!(config.providers["openai"].base_url.as_str(), "https://api.openai.com/v1");
}

#[test]
fn signatures_are_checked_as_soon_as_there_is_a_token() {
    check(
        "[twilio]\nvalidate_signature = true",
        "twilio.validate_signature: true needs twilio.auth_token (OFFHOOK__TWILIO__AUTH_TOKEN)",
    );
    let validates = |text| load(text, &[]).twilio.validate_signature;
    assert!(!validates(""));
    assert!(validates("[twilio]\nauth_token = \"t\""));
    assert!(!validates("[twilio]\nauth_token = \"t\"\nvalidate_signature = false"));
}

#[test]
fn databases_are_sqlite_or_postgres() {
    check("[database]\nurl = \"mysql://x\"", "database.url: must begin with sqlite:// or postgres://");
    check("[database]\nurl = 1", "database.url: is not text (\"...\")");
}

#[test]
fn the_environment_overrides_the_file() {
    let config = load(
        "[sip]\nlisten = \"127.0.0.1:1\"",
        &[
            ("OFFHOOK__SIP__LISTEN", "127.0.0.1:5070"),
            ("OFFHOOK__NODE__DATA_DIR", "other"),
            ("OFFHOOK__NODE__MAX_CALLS", "7"),
            ("OFFHOOK__TURN__SPEECH_PROBABILITY", "0.7"),
            ("OFFHOOK__CODECS__ORDER", "pcma, pcmu"),
            ("OFFHOOK__PROVIDERS__OPENAI__BASE_URL", "http://127.0.0.1:9911/v1"),
            ("OFFHOOK__PROVIDERS__MY_AI__CONNECT_TIMEOUT_MS", "900"),
            ("OFFHOOK__TWILIO__AUTH_TOKEN", "hunter2"),
            ("OFFHOOK__TWILIO__VALIDATE_SIGNATURE", "false"),
            ("HOME", "/root"),
        ],
    );
    assert_eq!(config.sip.listen[0].port(), 5070);
    assert_eq!(config.database.url.expose(), "sqlite://other/offhook.db");
    assert_eq!(config.node.max_calls, 7);
    assert_eq!(config.turn.speech_probability, 0.7);
    assert_eq!(config.codecs.order[0], super::media::CodecName::Pcma);
    assert_eq!(config.providers["openai"].base_url.as_str(), "http://127.0.0.1:9911/v1");
    assert_eq!(config.providers["my_ai"].connect_timeout, Duration::from_millis(900));
    assert!(!config.twilio.validate_signature);
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let pairs = [
        ("OFFHOOK__SIP__LISTN", "127.0.0.1:1"),
        ("OFFHOOK__SIP__LISTEN", "x"),
        ("OFFHOOK__NODE__MAX_CALLS", "many"),
        ("OFFHOOK__TWILIO__VALIDATE_SIGNATURE", "yes"),
    ];
    assert_eq!(
        mistakes("", &pairs),
        "node.max_calls (OFFHOOK__NODE__MAX_CALLS): \"many\" is not a whole number\n\
         sip.listen (OFFHOOK__SIP__LISTEN): \"x\" is not an address (ip:port)\n\
         twilio.validate_signature (OFFHOOK__TWILIO__VALIDATE_SIGNATURE): \"yes\" is not true or false\n\
         OFFHOOK__SIP__LISTN: unknown key sip.listn; did you mean sip.listen?"
    );
}

#[test]
fn secrets_are_in_no_printed_form() {
    let config = load(
        "[twilio]\nauth_token = \"hunter2\"\n[database]\nurl = \"postgres://u:hunter2@h/d\"",
        &[("OPENAI_API_KEY", "hunter2")],
    );
    let effective = config.effective().join("\n");
    assert!(effective.contains("[twilio] auth_token=set"), "{effective}");
    assert!(effective.contains("api_key_env=\"OPENAI_API_KEY, set\""), "{effective}");
    assert!(effective.contains("[sip] listen=127.0.0.1:5060"), "{effective}");
    assert!(!effective.contains("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_file_that_cannot_be_read_is_one_line() {
    let load = |path: &Path| Config::load(Some(path), &Environment::new());
    let missing = load(Path::new("/nowhere/x.toml")).unwrap_err().to_string();
    assert_eq!(missing, "/nowhere/x.toml: No such file or directory (os error 2)");
    let path = std::env::temp_dir().join(format!("offhook-config-{}.toml", std::process::id()));
    std::fs::write(&path, "[sip]\nlisten = \n").unwrap();
    let broken = load(&path).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert!(broken.starts_with(&format!("{}: line 2: ", path.display())), "{broken}");
    assert_eq!(broken.lines().count(), 1, "{broken}");
}

#[test]
fn a_listener_that_does_not_open_names_its_key() {
    let text = |kind: ErrorKind| bind_problem("sip.listen", "127.0.0.1:5060".parse().unwrap(), &Error::from(kind)).to_string();
    assert_eq!(text(ErrorKind::AddrInUse), "sip.listen: 127.0.0.1:5060 is in use");
    assert_eq!(text(ErrorKind::AddrNotAvailable), "sip.listen: 127.0.0.1:5060 is not an address of this machine");
    assert_eq!(text(ErrorKind::PermissionDenied), "sip.listen: 127.0.0.1:5060 needs more rights (ports below 1024)");
    assert_eq!(text(ErrorKind::TimedOut), "sip.listen: 127.0.0.1:5060 cannot be opened: timed out");
}

#[test]
fn a_bot_is_read_with_what_it_is_told() {
    let text = "[[assistants]]\nname = \"demo\"\nrecording = \"off\"\n[assistants.engine]\nkind = \"stream\"\nurl = \"wss://bot.example/media\"\n\
                sip_headers = [\"X-Account\"]\nauth_token_env = \"BOT_TOKEN\"\n[assistants.engine.parameters]\ntier = \"gold\"";
    let config = load(text, &[("BOT_TOKEN", "hunter2")]);
    let demo = config.assistant("demo").unwrap();
    assert_eq!((demo.engine.kind, demo.recording), (EngineKind::Stream, Some(super::server::RecordingMode::Off)));
    let stream = &demo.engine.stream;
    assert_eq!((stream.url.as_str(), stream.sip_headers.join(",")), ("wss://bot.example/media", "X-Account".to_owned()));
    assert_eq!(stream.parameters, [("tier".to_owned(), "gold".to_owned())]);
    assert_eq!(stream.auth_token.as_ref().map(|token| token.expose()), Some("hunter2"));
    let effective = config.effective().join("\n");
    assert!(effective.contains("BOT_TOKEN, set") && !effective.contains("hunter2") && !effective.contains("gold"), "{effective}");
}

#[test]
fn mistakes_about_a_bot_show_all_at_once() {
    let engine = "[[assistants]]\nname = \"demo\"\n[assistants.engine]\n";
    check(&format!("{engine}kind = \"stream\""), "assistants[0].engine.url: must be set for kind stream (wss://host/path)");
    let text = format!(
        "{engine}kind = \"stream\"\nurl = \"wss://bot\"\naccount_sid = \"AC1\"\nauth_token_env = \"BOT_TOKEN\"\n\
         sip_headers = [\"X Y\"]\n[assistants.engine.parameters]\nfrom = \"me\"\nlong = \"{}\"",
        "x".repeat(497)
    );
    check(
        &text,
        "assistants[0].engine.auth_token_env: the environment variable BOT_TOKEN is not set\n\
         assistants[0].engine.account_sid: \"AC1\" is not AC and 32 hexadecimal digits\n\
         assistants[0].engine.sip_headers: \"X Y\" is not the name of a header (X-Account)\n\
         assistants[0].engine.parameters.from: \"from\" is told of every call already\n\
         assistants[0].engine.parameters.long: name and value have 501 characters, above 500",
    );
    let headers = |names: &str| format!("{engine}sip_headers = [{names}]");
    let key = "assistants[0].engine.sip_headers";
    check(&headers("\"a\", \"A\""), &format!("{key}: \"a\" is there twice"));
    check(&headers("\"Authorization\""), &format!("{key}: \"Authorization\" holds a password's proof, which is nobody else's"));
    let many: Vec<String> = (0..33).map(|number| format!("\"X-{number}\"")).collect();
    check(&headers(&many.join(",")), &format!("{key}: 33 headers are above 32"));
}

#[test]
fn the_knowledge_base_has_vectors_when_there_is_a_key() {
    let keyed = |text: &str| load(text, &[("OPENAI_API_KEY", "sk-hunter2"), ("PINECONE_API_KEY", "pc-hunter2")]).knowledge;
    assert_eq!(load("", &[]).knowledge.embeddings, None);
    let embeddings = keyed("").embeddings.unwrap();
    assert_eq!((embeddings.model.as_str(), embeddings.dimensions), ("text-embedding-3-small", Some(1536)));
    assert_eq!(keyed("[knowledge]\nembeddings_dimensions = 0").embeddings.unwrap().dimensions, None);
    assert_eq!(keyed("[knowledge]\nembeddings = \"off\"").embeddings, None);
    let local = "[providers.local]\nbase_url = \"http://127.0.0.1:11434/v1\"\n[knowledge]\nembeddings_provider = \"local\"";
    assert_eq!(load(local, &[]).knowledge.embeddings.unwrap().base_url.as_str(), "http://127.0.0.1:11434/v1");
    let pinecone = keyed("[knowledge]\nstore = \"pinecone\"\npinecone_host = \"idx-1.svc.pinecone.io\"");
    assert!(!format!("{pinecone:?}").contains("hunter2"));
    assert!(format!("{pinecone:?}").contains("https://idx-1.svc.pinecone.io"));
}

#[test]
fn mistakes_in_the_knowledge_base_are_named() {
    check(
        "[knowledge]\nembeddings = \"on\"",
        "knowledge.embeddings: on needs the environment variable OPENAI_API_KEY (providers.openai.api_key_env)",
    );
    check("[knowledge]\nembeddings_provider = \"x\"", "knowledge.embeddings_provider: there is no [providers.x]");
    check(
        "[knowledge]\nstore = \"pinecone\"",
        "knowledge.store: pinecone needs embeddings\nknowledge.pinecone_host: must be set with store pinecone",
    );
    check(
        "[knowledge]\nchunk_size = 200\nchunk_overlap = 100",
        "knowledge.chunk_overlap: 100 is not below half of chunk_size, 200",
    );
    check(
        "[[knowledge.documents]]\npath = \"a\"\nurl = \"b\"\n[[knowledge.documents]]\nbase = \"a b\"\npath = \"c\"",
        "knowledge.documents[0].path: either path or url must be set\n\
         knowledge.documents[1].base: \"a b\" is not 1-64 of a-z, A-Z, 0-9, - and _",
    );
    check(
        "[[assistants]]\nname = \"a\"\n[assistants.knowledge]\nbases = [\"a b\"]\nlimit = 21",
        "assistants[0].knowledge.bases: \"a b\" is not 1-64 of a-z, A-Z, 0-9, - and _\n\
         assistants[0].knowledge.limit: 21 is above 20",
    );
}
