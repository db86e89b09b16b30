//! The program as a person at a terminal meets it: exit codes and what is printed where.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

/// Runs `offhook` with `arguments` and only these variables, at the root of the repository.
fn offhook(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
    command.args(arguments).env_clear().envs(environment.iter().copied()).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().unwrap()
}

/// Runs it and compares the exit code and the whole of standard error.
fn check(arguments: &[&str], environment: &[(&str, &str)], code: i32, errors: &str) {
    let output = offhook(arguments, environment);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), errors);
    assert_eq!(output.status.code(), Some(code));
}

#[test]
fn the_files_we_ship_pass() {
    check(&["check"], &[], 0, "");
    check(&["check", "--config", "config/production.toml"], &[], 0, "");
}

#[test]
fn check_prints_the_values_in_effect() {
    let output = offhook(&["check"], &[("OFFHOOK__SIP__LISTEN", "127.0.0.1:5070")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("[sip] listen=127.0.0.1:5070 "), "{text}");
}

#[test]
fn a_mistake_is_one_line_that_names_its_key() {
    let environment = [("OFFHOOK__SIP__LISTEN", "abc"), ("OFFHOOK__NODE__MAX_CALLS", "0")];
    let errors = "node.max_calls (OFFHOOK__NODE__MAX_CALLS): 0 is below 1\n\
                  sip.listen (OFFHOOK__SIP__LISTEN): \"abc\" is not an address (ip:port)\n";
    check(&["check"], &environment, 2, errors);
    check(&["serve"], &environment, 2, errors);
}

#[test]
fn a_named_file_must_exist() {
    check(&["check", "--config", "no.toml"], &[], 2, "no.toml: No such file or directory (os error 2)\n");
}

#[test]
fn the_version_is_that_of_the_package() {
    let output = offhook(&["--version"], &[]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("offhook {}\n", env!("CARGO_PKG_VERSION")));
}
