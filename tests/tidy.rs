//! The house rules that text can show, each a test whose message names the place and the mend.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Who may depend on whom: the arrows of ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    (".", &["actors", "ai", "api", "platform", "store"]),
    ("actors", &["ai", "media", "sip", "store"]),
    ("ai", &["media"]),
    ("api", &["actors", "platform", "store"]),
    ("benches", &["actors", "ai", "media", "platform", "sip", "store"]),
    ("fuzz-harness", &["ai", "media", "sip"]),
    ("load-tests", &["media", "sip"]),
    ("media", &[]),
    ("platform", &["ai", "store"]),
    ("sip", &[]),
    ("store", &[]),
];

/// Crates whose time, randomness and packets are arguments.
const PURE: &[&str] = &["media", "sip"];

/// What a pure crate must not even depend on.
const IMPURE: &[&str] = &["anyhow", "axum", "metrics", "ractor", "serde", "socket2", "sqlx", "tokio", "tracing"];

/// What a pure crate's clippy.toml must ban.
const BANNED_IN_PURE: &[&str] =
    &["std::time::Instant::now", "std::time::SystemTime::now", "std::net::UdpSocket", "std::fs::File", "std::sync::Mutex"];

/// Files and folders of `actors/src` that are about one call.
const PER_CALL: &[&str] = &["ai_session", "call", "calls", "jitter_buffer", "leg", "recorder", "vad"];

const FILE_LINES_MAX: usize = 800;
const LIB_LINES_MAX: usize = 120;
const FUNCTION_LINES_MAX: usize = 70;
const INLINE_TEST_LINES_MAX: usize = 150;

/// In a function it says that its length is one `match` with an arm for each state. Test functions are often one table.
const STATE_TABLE: &str = "// tidy: state table";

#[test]
fn crates_depend_along_the_arrows_only() {
    let mut wrong = Vec::new();
    for (member, allowed) in ARROWS {
        for name in dependencies(member) {
            let ours = ARROWS.iter().any(|(other, _)| *other == name) || name.starts_with("offhook");
            if ours && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{member}/Cargo.toml: {name} is not an arrow of ARCHITECTURE.md; move the code instead"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_workspace_member_has_its_arrows() {
    let manifest = manifest(".");
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let unknown = |name: &&str| !ARROWS.iter().any(|(member, _)| member == name);
    let wrong: Vec<_> = members.iter().filter_map(Value::as_str).filter(unknown).collect();
    assert_eq!(wrong, Vec::<&str>::new(), "members without a row in ARROWS of tests/tidy.rs");
}

#[test]
fn pure_crates_know_no_runtime() {
    let mut wrong = Vec::new();
    for member in PURE {
        for name in dependencies(member).into_iter().filter(|name| IMPURE.contains(&name.as_str())) {
            wrong.push(format!("{member}/Cargo.toml: {name} does not belong in a pure crate"));
        }
        let lints = fs::read_to_string(root().join(member).join("clippy.toml")).unwrap_or_default();
        for path in BANNED_IN_PURE.iter().filter(|path| !lints.contains(**path)) {
            wrong.push(format!("{member}/clippy.toml: must ban {path}"));
        }
    }
    none(&wrong);
}

#[test]
fn anyhow_stays_in_programs() {
    let libraries = ARROWS.iter().map(|(member, _)| *member).filter(|member| ![".", "benches", "load-tests"].contains(member));
    let with = libraries.filter(|member| dependencies(member).iter().any(|name| name == "anyhow"));
    let wrong: Vec<_> = with.map(|member| format!("{member}/Cargo.toml: anyhow; give the crate an error enum")).collect();
    none(&wrong);
}

#[test]
fn rsip_is_known_to_one_module() {
    let others = sources().into_iter().filter(|source| !source.path.starts_with("sip/src/message"));
    refuse(others, Part::All, |line| {
        let named = ["rsip::", "use rsip;"].iter().any(|name| line.contains(name));
        named.then_some("rsip outside sip::message; go through our own types")
    });
    for (member, _) in ARROWS.iter().filter(|(member, _)| *member != "sip") {
        assert!(!dependencies(member).contains(&"rsip".to_owned()), "{member}/Cargo.toml: only sip may depend on rsip");
    }
}

#[test]
fn every_file_says_what_it_is() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    none(
        &silent.map(|source| format!("{}:1: must begin with a `//!` line that says what it is", source.path)).collect::<Vec<_>>(),
    );
}

#[test]
fn files_stay_short() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.tests.iter().filter(|test| !**test).count();
        let max = if source.path.ends_with("/src/lib.rs") { LIB_LINES_MAX } else { FILE_LINES_MAX };
        if lines > max {
            wrong.push(format!("{}: {lines} lines are above {max}; split it by what it owns", source.path));
        }
    }
    none(&wrong);
}

#[test]
fn long_tests_have_their_own_file() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test_file()) {
        let lines = source.tests.iter().filter(|test| **test).count();
        if lines > INLINE_TEST_LINES_MAX {
            let (path, max) = (&source.path, INLINE_TEST_LINES_MAX);
            wrong.push(format!(
                "{path}: {lines} lines of tests are above {max}; move them to {}/tests.rs",
                path.trim_end_matches(".rs")
            ));
        }
    }
    none(&wrong);
}

#[test]
fn functions_stay_short() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (first, last) in functions(&source.code) {
            let length = last - first + 1;
            let mut lines = source.text.lines().take(last).skip(first);
            let exempt = source.tests[first] || lines.any(|line| line.trim() == STATE_TABLE);
            if length > FUNCTION_LINES_MAX && !exempt {
                let (path, line) = (&source.path, first + 1);
                wrong.push(format!("{path}:{line}: a function of {length} lines; split it at {FUNCTION_LINES_MAX}"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore", "#[should_panic"];
    refuse(sources(), Part::All, |line| {
        marks.iter().any(|mark| line.contains(mark)).then_some("left for later; do it now, or say what is wrong in an assertion")
    });
}

#[test]
fn unwrap_is_for_tests() {
    let unwraps = |line: &str| line.contains(".unwrap()");
    refuse(sources(), Part::Product, |line| {
        unwraps(line).then_some("an unwrap; say why it holds with expect, or return the error")
    });
}

#[test]
fn tests_do_not_sleep() {
    // What the real_* tests share waits for processes and sockets, as they do.
    let waits = |path: &str| path.contains("/real_") || path.starts_with("tests/support/");
    let stepped = sources().into_iter().filter(|source| !waits(&source.path));
    let sleeps = |line: &str| ["::sleep(", " sleep(", "sleep_until("].iter().any(|name| line.contains(name));
    refuse(stepped, Part::Tests, |line| sleeps(line).then_some("a sleep; step the time, or make it a real_* test"));
}

#[test]
fn lines_about_a_call_name_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let part = source.path.strip_prefix("actors/src/").and_then(|path| path.split(['/', '.']).next());
        if !part.is_some_and(|part| PER_CALL.contains(&part)) {
            continue;
        }
        // A trace line is about a packet.
        for level in ["error", "warn", "info", "debug"] {
            for (at, _) in source.code.match_indices(&format!("tracing::{level}!(")) {
                let line = source.code[..at].matches('\n').count();
                if !source.tests[line] && !source.code[at..].split(';').next().unwrap().contains("call = %") {
                    wrong.push(format!("{}:{}: a line of the log without `call = %...`", source.path, line + 1));
                }
            }
        }
    }
    none(&wrong);
}

#[test]
fn metrics_in_code_are_in_the_catalogue() {
    let known = catalogue();
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.crate_is("load-tests")) {
        for (index, line) in source.text.lines().enumerate().filter(|(index, _)| !source.tests[*index]) {
            for name in names_in(line, "\"offhook_").filter(|name| !known.contains(name)) {
                wrong.push(format!("{}:{}: {name} is not in src/telemetry/catalogue.rs", source.path, index + 1));
            }
        }
    }
    none(&wrong);
}

#[test]
fn metrics_of_the_catalogue_are_emitted() {
    let product = sources().into_iter().filter(|source| {
        source.path.contains("src/") && !source.crate_is("load-tests") && source.path != "src/telemetry/catalogue.rs"
    });
    let mut emitted = Vec::new();
    for source in product {
        let lines = source.text.lines().zip(&source.tests).filter(|(_, test)| !**test);
        emitted.extend(lines.flat_map(|(line, _)| names_in(line, "\"offhook_")));
    }
    let idle = catalogue().into_iter().filter(|name| !emitted.contains(name));
    none(&idle.map(|name| format!("src/telemetry/catalogue.rs: nothing emits {name}")).collect::<Vec<_>>());
}

#[test]
fn the_map_names_every_crate() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(map.lines().count() <= 320, "ARCHITECTURE.md is above 320 lines");
    for (member, _) in ARROWS.iter().filter(|(member, _)| *member != ".") {
        assert!(map.contains(&format!("`{member}/`")), "ARCHITECTURE.md does not explain {member}/");
    }
    let wrong: Vec<_> =
        ARROWS.iter().flat_map(|(member, _)| dependencies(member)).filter(|name| !map.contains(name.as_str())).collect();
    assert!(wrong.is_empty(), "ARCHITECTURE.md does not say why we depend on {wrong:?}");
}

/// One file of Rust, with what is code and what is test told apart.
struct Source {
    /// From the root, with `/`.
    path: String,
    text: String,
    /// `text` with comments and literals blanked, line for line.
    code: String,
    /// For each line: whether it is test code.
    tests: Vec<bool>,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let code = blank(&text);
        let mut source = Self { path, tests: vec![false; text.lines().count()], text, code };
        if source.is_test_file() {
            source.tests.fill(true);
        }
        for (first, last) in items_after(&source.code, "#[cfg(test)]") {
            source.tests[first..=last].fill(true);
        }
        source
    }

    fn is_test_file(&self) -> bool {
        let folder = |name: &str| self.path.split('/').any(|part| part == name);
        folder("tests") || self.path.ends_with("/tests.rs")
    }

    fn crate_is(&self, member: &str) -> bool {
        self.path.starts_with(&format!("{member}/"))
    }
}

/// Every .rs file of the workspace.
fn sources() -> Vec<Source> {
    let folders = ["src", "tests"];
    let members = ARROWS.iter().flat_map(|(member, _)| folders.map(|folder| root().join(member).join(folder)));
    let paths = members.flat_map(|folder| files(&folder, "rs"));
    paths.map(|path| Source::read(&path.components().collect::<PathBuf>())).collect()
}

/// Which lines of a file a rule is about.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Part {
    All,
    Product,
    Tests,
}

/// Fails with every line of `part` that `mend` has a word for; comments and literals do not count.
fn refuse(sources: impl IntoIterator<Item = Source>, part: Part, mend: impl Fn(&str) -> Option<&'static str>) {
    let mut wrong = Vec::new();
    for source in sources {
        for (index, line) in source.code.lines().enumerate() {
            let here = part == Part::All || (part == Part::Tests) == source.tests[index];
            if let Some(mend) = mend(line).filter(|_| here) {
                wrong.push(format!("{}:{}: {mend}", source.path, index + 1));
            }
        }
    }
    none(&wrong);
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).components().collect()
}

/// Every file below `folder` with this extension, in order; none when there is no such folder.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let below = |path: PathBuf| match path.is_dir() {
        true => files(&path, extension),
        false => Vec::from_iter(path.extension().is_some_and(|found| found == extension).then_some(path)),
    };
    paths.into_iter().flat_map(below).collect()
}

fn manifest(member: &str) -> Table {
    fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap().parse().unwrap()
}

/// The names `member` depends on outside its tests, for any platform.
fn dependencies(member: &str) -> Vec<String> {
    let manifest = manifest(member);
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = platforms.filter_map(Value::as_table).chain([&manifest]);
    let kinds = tables.flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)));
    kinds.flatten().filter_map(Value::as_table).flat_map(Table::keys).cloned().collect()
}

/// The names of src/telemetry/catalogue.rs.
fn catalogue() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/telemetry/catalogue.rs")).unwrap();
    text.lines().flat_map(|line| names_in(line, "\"offhook_")).collect()
}

/// The metric names in `line` that begin where `start` (a prefix of theirs, perhaps quoted) does.
fn names_in(line: &str, start: &str) -> impl Iterator<Item = String> {
    let rests = line.match_indices(start).map(|(at, _)| line[at..].trim_start_matches('"'));
    rests.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
}

/// First and last line, from 0, of every function with a body.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let starts = code.match_indices("fn ").filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    });
    starts.filter_map(|(at, _)| body_lines(code, at)).collect()
}

/// First and last line, from 0, of every item that follows `mark` and has a body.
fn items_after(code: &str, mark: &str) -> Vec<(usize, usize)> {
    code.match_indices(mark).filter_map(|(at, _)| body_lines(code, at)).collect()
}

/// The lines from `start` to the end of the first `{...}` after it; none when a `;` comes before.
fn body_lines(code: &str, start: usize) -> Option<(usize, usize)> {
    let (mut nested, mut braces) = (0_i32, 0_i32);
    for (at, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            ';' if nested == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' if braces == 1 => {
                let line = |end: usize| code[..end].matches('\n').count();
                return Some((line(start), line(start + at)));
            }
            '}' => braces -= 1,
            _ => {}
        }
    }
    None
}

/// `text` with the content of comments, strings and characters replaced by spaces, so that braces and words in it do
/// not count. Lines stay where they are.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let literal = literal_length(rest, code.chars().next_back());
        if literal == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..literal].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[literal..];
        }
    }
    code
}

/// How long the comment or literal at the start of `rest` is; 0 when there is none. `before` is what precedes it.
fn literal_length(rest: &str, before: Option<char>) -> usize {
    let to = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        to("*/", 2)
    } else if rest.starts_with('"') {
        string_length(rest)
    } else if rest.starts_with('\'') {
        character_length(rest)
    } else if let Some(raw) = rest.strip_prefix('r').filter(|_| !in_word || before == Some('b')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        match raw[hashes..].starts_with('"') {
            true => to(&format!("\"{}", "#".repeat(hashes)), hashes + 2),
            false => 0,
        }
    } else {
        0
    }
}

/// The length of the string that `rest` begins with.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of the character that `rest` begins with; 0 for a lifetime.
fn character_length(rest: &str) -> usize {
    let inner = &rest[1..];
    match inner.strip_prefix('\\') {
        Some(escape) => {
            let first = escape.chars().next().map_or(0, char::len_utf8);
            escape[first..].find('\'').map_or(0, |end| 2 + first + end + 1)
        }
        None => {
            let first = inner.chars().next().map_or(0, char::len_utf8);
            if inner[first..].starts_with('\'') { first + 2 } else { 0 }
        }
    }
}

#[test]
fn literals_and_comments_are_no_code() {
    let check = |text: &str, code: &str| assert_eq!(blank(text), code, "{text}");
    check("a // {\nb", "a     \nb");
    check("a /* { */ b", "a         b");
    check(r#"a("}\"{", 'x')"#, "a(      ,    )");
    check("r#\"{\"# b\"}\" br\"{\"", "       b    b    ");
    check("'{' '\\'' '\\u{1f}' &'a b", "                  &'a b");
}

#[test]
fn functions_are_measured_by_their_braces() {
    let code = "fn a(x: [u8; 4]) {\n}\nfn b();\npub fn c() {\n  if d {\n  }\n}\n";
    assert_eq!(functions(code), [(0, 1), (3, 6)]);
    assert_eq!(items_after("x\n#[cfg(test)]\nmod t {\n}\n", "#[cfg(test)]"), [(1, 3)]);
}
