//! Has this crate built again when the dashboard was, since its files go into the program. Debug builds read them from disk instead.

fn main() {
    let watched =
        if std::env::var_os("PROFILE").is_some_and(|profile| profile == "release") { "../dashboard/dist" } else { "build.rs" };
    println!("cargo:rerun-if-changed={watched}");
}
