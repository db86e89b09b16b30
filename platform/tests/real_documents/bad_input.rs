//! Documents that are none, and URLs that lead astray: each has its reason on it, and nothing else is touched.

use ai::net::guard::Reach;
use platform::knowledge::{KnowledgeConfig, Source, Upload};
use store::KnowledgeDocument;

use crate::{Base, shown, stubs, upload};

/// What becomes of a document.
async fn outcome(base: &Base, upload: Upload) -> String {
    match base.service.add(upload).await {
        Ok(document) => shown(&base.settled(&document).await),
        Err(error) => error.to_string(),
    }
}

fn url(url: &str) -> Upload {
    Upload { source: Source::Url(url.to_owned()), ..upload("a page", b"") }
}

#[tokio::test]
async fn documents_that_cannot_be_read_say_why() {
    let base = Base::start(KnowledgeConfig::default()).await;
    let check = async |name: &str, content: &[u8], expected: &str| {
        assert_eq!(outcome(&base, upload(name, content)).await, expected, "{name}");
    };
    check("a.pdf", b"hello", "content: the PDF cannot be read: it does not begin with %PDF-").await;
    let begun = outcome(&base, upload("begun.pdf", b"%PDF-1.4\nhello")).await;
    assert!(begun.starts_with("failed the PDF cannot be read: "), "{begun}");
    check("a.txt", b"a\0", "content: the text is no text: byte 1 is of none; save it as UTF-8").await;
    check("a.html", b"<script>alert(1)</script>", "failed the html has no text").await;
    check("b.txt", b" \n ", "failed the text has no text").await;
    check("c.txt", b"", "content: the document is empty").await;
    check("bad\nname", b"x", "name: has control characters").await;
    let many: String = (0..5001).map(|n| format!("# {n}\n\nx\n\n")).collect();
    check("many.md", many.as_bytes(), "failed the document has more than 5000 chunks; split it").await;
    // A better version of a failed one is ready.
    check("b.txt", b"b", "ready").await;
    check("a.txt", b"a", "ready").await;
    // A bad version leaves what was found, whether that shows at once or later.
    check("a.txt", b"\xff\0", "content: the text is no text: byte 0 is of none; save it as UTF-8").await;
    assert_eq!(base.names("a").await, "a.txt");
    check("a.txt", b" \n ", "failed the text has no text").await;
    assert_eq!(base.names("a").await, "a.txt");
}

#[tokio::test]
async fn a_url_is_fetched_and_read_by_what_it_is() {
    let web = stubs::web().await;
    let base = Base::start(KnowledgeConfig { reach: Reach::Private, ..KnowledgeConfig::default() }).await;
    assert_eq!(outcome(&base, url(&format!("{web}/page"))).await, "ready");
    let passage = base.ask("nine").await.passages.remove(0);
    assert_eq!((passage.heading.as_str(), passage.text.as_str()), ("Opening hours", "We open at nine."));
    assert_eq!(base.names("evil").await, "");
    assert_eq!(outcome(&base, url(&format!("{web}/moved"))).await, "ready");
    assert_eq!(outcome(&base, url(&format!("{web}/cyrillic"))).await, "ready");
    assert_eq!(base.ask("Часы").await.passages[0].text, "Часы работы");
    assert_eq!(outcome(&base, url(&format!("{web}/guide.md"))).await, "ready");
    assert_eq!(base.ask("star").await.passages[0].heading, "Guide");
    let formats = |document: KnowledgeDocument| document.format;
    assert_eq!(base.all().await.into_iter().map(formats).collect::<Vec<_>>(), [Some("markdown".to_owned())]);
}

#[tokio::test]
async fn a_url_that_leads_astray_says_where() {
    let web = stubs::web().await;
    let config = KnowledgeConfig { reach: Reach::Private, document_bytes_max: 20 << 20, ..KnowledgeConfig::default() };
    let base = Base::start(config).await;
    let check = async |path: &str, expected: &str| assert_eq!(outcome(&base, url(&format!("{web}{path}"))).await, expected);
    check("/big", "failed the document has more than 20971520 bytes").await;
    check("/endless", "failed the document has more than 20971520 bytes").await;
    check("/picture", "failed \"image/png\" is not a kind of document that is read").await;
    check("/empty", "failed the document is empty").await;
    check("/gone", "failed the server answered 410").await;
    check("/circle", "failed more than 5 redirects").await;
    // The first address is allowed, the one it leads to never is.
    check("/inside", "failed 169.254.169.254 is a link-local or metadata address (169.254.169.254), where no document is").await;
    check("/file", "failed the server answered 302").await;
    let down = base.service.add(url(&format!("{web}/down"))).await.unwrap();
    let down = base.until(&down, |document| document.reason.is_some()).await;
    assert_eq!(shown(&down), "pending the server answered 502");
}

/// A server that nobody allowed: everything here is on loopback.
#[tokio::test]
async fn private_addresses_are_refused() {
    let web = stubs::web().await;
    let base = Base::start(KnowledgeConfig::default()).await;
    let private =
        |host: &str, address: &str| format!("{host} is a private address ({address}); knowledge.allow_private_urls permits it");
    let check = async |place: &str, expected: String| assert_eq!(outcome(&base, url(place)).await, expected, "{place}");
    check(&format!("{web}/page"), format!("url: {}", private("127.0.0.1", "127.0.0.1"))).await;
    check("http://10.0.0.1/", format!("url: {}", private("10.0.0.1", "10.0.0.1"))).await;
    check("file:///etc/passwd", "url: the URL is neither http nor https".to_owned()).await;
    // This name is never anything else; others are looked at when they are resolved.
    let port = web.rsplit(':').next().unwrap();
    check(&format!("http://localhost:{port}/page"), format!("url: {}", private("localhost", "127.0.0.1"))).await;
    assert_eq!(base.names("nine").await, "");
}
