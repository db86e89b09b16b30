//! `/`: the dashboard, a page built from the folder `dashboard` into this program (in debug builds read from that folder).
//!
//! Names under `/assets/` carry a hash of what they hold and are kept by browsers for good; the page itself is asked for each time. A path
//! that nobody serves is the page's own to interpret, when it is a browser that asks. Files come packed where the build packed them.

use std::borrow::Cow;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use rust_embed::RustEmbed;
use uuid::Uuid;

use crate::problem::Problem;

/// What `scripts/dashboard.sh` has built; nothing, where nobody ran it.
#[derive(RustEmbed)]
#[folder = "../dashboard/dist"]
struct Built;

/// First parts of paths that are never the page's.
const NOT_THE_PAGES: &[&str] = &["api", "assets", "docs", "healthz", "metrics", "readyz", "twilio"];

/// Where the page wants the word by which its styles are let in.
const NONCE: &str = "__CSP_NONCE__";

const FOR_GOOD: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Offhook</title>
<h1>Offhook</h1>
<p>A telephony media server for voice AI is running here. It was built without its dashboard: run <code>scripts/dashboard.sh</code>, then build
the server again (<code>make run</code> does both).</p>
<ul>
<li><a href=\"/healthz\">/healthz</a>: the process lives
<li><a href=\"/readyz\">/readyz</a>: it can take calls
<li><a href=\"/docs\">/docs</a>: the REST API
<li>/twilio/voice, /twilio/status, /twilio/stream: what a Twilio number points at
</ul>
</html>
";

/// Finds a file of the build by its path.
type Find = fn(&str) -> Option<Cow<'static, [u8]>>;

fn built(path: &str) -> Option<Cow<'static, [u8]>> {
    Built::get(path).map(|file| file.data)
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(async || page(built)))
        .route("/assets/{*path}", get(asked))
        .route("/favicon.svg", get(asked))
        .route("/theme.js", get(asked))
}

async fn asked(request: Request) -> Response {
    file(built, request.uri().path(), request.headers())
}

/// What is nowhere else: the page, where a browser wants to see one.
pub(crate) async fn elsewhere(request: Request) -> Response {
    let (path, headers) = (request.uri().path(), request.headers());
    if is_pages(request.method(), path, headers) {
        return page(built);
    }
    Problem::new(StatusCode::NOT_FOUND, "nothing is here").into_response()
}

/// Whether a path is the page's own: a browser asks for it to be shown, and it is neither of the API nor a file.
fn is_pages(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let shown = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|all| all.contains("text/html"));
    let mut parts = path.trim_start_matches('/').split('/');
    let ours = parts.next().is_some_and(|first| !NOT_THE_PAGES.contains(&first));
    let is_file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    matches!(*method, Method::GET | Method::HEAD) && shown && ours && !is_file
}

fn page(find: Find) -> Response {
    let index = find("index.html").and_then(|index| String::from_utf8(index.into_owned()).ok());
    let Some(index) = index else { return ([(header::CACHE_CONTROL, "no-store")], Html(NOT_BUILT)).into_response() };
    let nonce = Uuid::new_v4().simple().to_string();
    let mut response = Html(index.replace(NONCE, &nonce)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(ASK_AGAIN));
    if let Ok(policy) = HeaderValue::from_str(&policy(&nonce)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// What the page may load: what is ours. Recordings, waveforms and QR codes are made in it.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

fn file(find: Find, path: &str, headers: &HeaderMap) -> Response {
    let path = path.trim_start_matches('/');
    let kept = if path.starts_with("assets/") { FOR_GOOD } else { ASK_AGAIN };
    let Some(kind) = kind(path) else { return missing() };
    let packed = packings(headers).find_map(|(word, ending)| Some((Some(word), find(&format!("{path}.{ending}"))?)));
    let Some((packing, bytes)) = packed.or_else(|| Some((None, find(path)?))) else { return missing() };
    let body = match bytes {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = body.into_response();
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(packing) = packing {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(packing));
    }
    response
}

fn missing() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "nothing is here").into_response()
}

/// How the asker may be sent a file, the smallest first: what is named, and not with a weight of nothing.
fn packings(headers: &HeaderMap) -> impl Iterator<Item = (&'static str, &'static str)> {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let taken = |word: &str| {
        accepted.split(',').any(|way| {
            let mut parts = way.split(';').map(str::trim);
            parts.next() == Some(word) && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
    };
    let (brotli, gzip) = (taken("br"), taken("gzip"));
    [("br", "br", brotli), ("gzip", "gz", gzip)].into_iter().filter(|(.., taken)| *taken).map(|(word, ending, _)| (word, ending))
}

/// The type of a file by its ending. The build makes no others; what it keeps for itself has none.
fn kind(path: &str) -> Option<&'static str> {
    let (_, ending) = path.rsplit_once('.')?;
    match ending {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "woff2" => Some("font/woff2"),
        "wasm" => Some("application/wasm"),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn build(path: &str) -> Option<Cow<'static, [u8]>> {
        let text: &'static str = match path {
            "index.html" => "<meta content=\"__CSP_NONCE__\">",
            "assets/a-1.js" => "whole",
            "assets/a-1.js.br" => "brotli",
            "assets/a-1.js.gz" => "gzip",
            "assets/b-1.woff2" => "letters",
            "theme.js" => "theme",
            ".gitignore" => "*",
            _ => return None,
        };
        Some(Cow::Borrowed(text.as_bytes()))
    }

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    fn told<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    async fn text(response: Response) -> String {
        String::from_utf8(axum::body::to_bytes(response.into_body(), 65_536).await.unwrap().to_vec()).unwrap()
    }

    async fn check(path: &str, accepted: &'static str, expected: &str) {
        let response = file(build, path, &headers(header::ACCEPT_ENCODING, accepted));
        let (status, kept) = (response.status().as_u16(), told(&response, "cache-control").to_owned());
        let packing = told(&response, "content-encoding").to_owned();
        let said = format!("{status} {packing} {kept} {}", text(response).await);
        assert_eq!(said.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{path} {accepted}");
    }

    #[tokio::test]
    async fn files_come_as_small_as_the_asker_takes_them() {
        let kept = "public, max-age=31536000, immutable";
        check("/assets/a-1.js", "gzip, deflate, br", &format!("200 br {kept} brotli")).await;
        check("/assets/a-1.js", "gzip;q=1.0, br;q=0", &format!("200 gzip {kept} gzip")).await;
        check("/assets/a-1.js", "", &format!("200 {kept} whole")).await;
        check("/assets/b-1.woff2", "br", &format!("200 {kept} letters")).await;
        check("/theme.js", "br", "200 no-cache theme").await;
        for path in ["/assets/none.js", "/.gitignore", "/assets/a-1.js.br", "/assets/../Cargo.toml", "/assets/a"] {
            check(path, "br", "404").await;
        }
    }

    #[tokio::test]
    async fn each_page_has_a_nonce_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..2 {
            let response = page(build);
            assert_eq!(
                (told(&response, "cache-control"), told(&response, "content-type")),
                ("no-cache", "text/html; charset=utf-8")
            );
            let policy = told(&response, "content-security-policy").to_owned();
            let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
            assert_eq!(text(response).await, format!("<meta content=\"{nonce}\">"));
            assert!(!policy.contains("unsafe"), "{policy}");
            seen.insert(nonce);
        }
        assert_eq!(seen.len(), 2);
    }

    #[tokio::test]
    async fn without_a_build_the_page_says_how_to_make_one() {
        let response = page(|_| None);
        assert_eq!(told(&response, "cache-control"), "no-store");
        assert!(text(response).await.contains("scripts/dashboard.sh"));
    }

    #[test]
    fn paths_that_a_browser_wants_to_see_are_the_pages() {
        let check = |method: Method, path: &str, accept: &'static str, expected: bool| {
            assert_eq!(is_pages(&method, path, &headers(header::ACCEPT, accept)), expected, "{method} {path} {accept}");
        };
        let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
        check(Method::GET, "/calls/0190", browser, true);
        check(Method::HEAD, "/users", browser, true);
        check(Method::GET, "/calls/0190", "*/*", false);
        check(Method::POST, "/calls/0190", browser, false);
        for path in ["/api/v1/none", "/api", "/twilio/none", "/docs/none", "/assets/none", "/metrics", "/robots.txt"] {
            check(Method::GET, path, browser, false);
        }
    }
}
