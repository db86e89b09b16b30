//! Documents over HTTP: put, read in the background, asked, deleted, and nobody else's.

use std::time::Duration;

use serde_json::{Value, json};
use store::{OrganizationId, UserRole};

use crate::people::{House, errors};

const DOCUMENTS: &str = "/api/v1/knowledge/documents";
const SEARCH: &str = "/api/v1/knowledge/search";

#[tokio::test]
async fn a_document_is_put_read_found_replaced_and_deleted() {
    let house = House::unlimited().await;
    let (here, there) = (house.organization().await, house.organization().await);
    let (key, stranger) = (house.key(&here, UserRole::Admin).await, house.key(&there, UserRole::Owner).await);
    let _worker = house.knowledge.work().await.unwrap();
    let ask = async |method: &str, path: &str, body: Value| house.ask(method, path, &key, body).await;

    let wish =
        json!({ "name": "hours.md", "base": "faq", "text": "# Hours\n\nWe open at nine.\n\n# Parking\n\nBehind the house." });
    let (status, headers, made) = ask("POST", DOCUMENTS, wish.clone()).await;
    assert_eq!(
        (status, &made["status"], &made["format"], &made["base"]),
        (201, &json!("queued"), &json!("markdown"), &json!("faq"))
    );
    let path = format!("{DOCUMENTS}/{}", made["id"].as_str().unwrap());
    assert_eq!(headers["location"].to_str().unwrap(), path);
    assert!(house.knowledge.settled(Duration::from_secs(20)).await.unwrap());
    let (_, _, ready) = ask("GET", &path, Value::Null).await;
    assert_eq!((&ready["status"], &ready["chunks"], &ready["reason"]), (&json!("ready"), &json!(2), &Value::Null));
    let (_, _, chunks) = ask("GET", &format!("{path}/chunks?limit=1"), Value::Null).await;
    assert_eq!((&chunks["data"][0]["heading"], &chunks["next_cursor"]), (&json!("Hours"), &json!("0")));
    let (_, _, chunks) = ask("GET", &format!("{path}/chunks?cursor=0"), Value::Null).await;
    assert_eq!((&chunks["data"][0]["text"], &chunks["next_cursor"]), (&json!("Behind the house."), &Value::Null));

    let question = json!({ "query": "Where is parking?", "limit": 1 });
    let (status, _, found) = ask("POST", SEARCH, question.clone()).await;
    let best = &found["data"][0];
    assert_eq!(
        (status, &best["heading"], &best["document_id"], &found["by_vectors"]),
        (200, &json!("Parking"), &made["id"], &json!(false))
    );

    // Nobody else has it: neither another organization nor the operator.
    let operator = house.key(&OrganizationId::operator(), UserRole::Owner).await;
    for other in [&stranger, &operator] {
        assert_eq!(house.ask("GET", &path, other, Value::Null).await.0, 404);
        assert_eq!(house.ask("GET", &format!("{path}/chunks"), other, Value::Null).await.0, 404);
        assert_eq!(house.ask("PATCH", &path, other, json!({ "text": "x" })).await.0, 404);
        assert_eq!(house.ask("DELETE", &path, other, Value::Null).await.0, 404);
        assert_eq!(house.ask("GET", DOCUMENTS, other, Value::Null).await.2["data"], json!([]));
        assert_eq!(house.ask("POST", SEARCH, other, question.clone()).await.2["data"], json!([]));
    }

    let (status, _, again) = ask("PATCH", &path, json!({ "content": "V2Ugb3BlbiBhdCB0ZW4u" })).await;
    assert_eq!((status, &again["id"], &again["format"]), (200, &made["id"], &json!("markdown")));
    assert!(house.knowledge.settled(Duration::from_secs(20)).await.unwrap());
    let (_, _, found) = ask("POST", SEARCH, json!({ "query": "open" })).await;
    assert_eq!(found["data"].as_array().unwrap().iter().map(|one| &one["text"]).collect::<Vec<_>>(), [&json!("We open at ten.")]);
    assert_eq!(ask("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(ask("GET", &path, Value::Null).await.0, 404);
    assert_eq!(ask("POST", SEARCH, json!({ "query": "open" })).await.2["data"], json!([]));
    let (_, _, log) = ask("GET", "/api/v1/audit-log", Value::Null).await;
    let deeds: Vec<_> = log["data"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).take(3).collect();
    assert_eq!(deeds, ["document.deleted", "document.put", "document.put"]);
}

#[tokio::test]
async fn what_cannot_be_a_document_is_refused_with_its_field() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    let key = house.key(&here, UserRole::Admin).await;
    let check = async |body: Value, expected: &str| {
        let (status, _, answer) = house.ask("POST", DOCUMENTS, &key, body).await;
        let said = errors(&answer);
        assert_eq!(format!("{status} {}", if said.is_empty() { answer["detail"].as_str().unwrap() } else { &said }), expected);
    };
    check(json!({ "name": "a" }), "422 text: exactly one of text, content and url must be there").await;
    check(
        json!({ "name": "a", "text": "x", "url": "https://example.com/" }),
        "422 text: exactly one of text, content and url must be there",
    )
    .await;
    check(json!({ "text": "x" }), "422 name: is missing").await;
    check(json!({ "name": "a", "content": "!" }), "422 content: is not base64 (RFC 4648 §4)").await;
    check(json!({ "name": "a", "base": "a b", "text": "x" }), "422 base: does not match ^[A-Za-z0-9_-]+$").await;
    check(json!({ "name": "a\nb", "text": "x" }), "422 name: has control characters").await;
    check(json!({ "name": "a.pdf", "text": "no PDF" }), "422 content: the PDF cannot be read: it does not begin with %PDF-")
        .await;
    check(json!({ "url": "https://example.com/", "format": "pdf" }), "422 format: is said by the server of the URL").await;
    for url in [
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "file:///etc/passwd",
        "https://u:p@example.com/",
    ] {
        let (status, _, answer) = house.ask("POST", DOCUMENTS, &key, json!({ "url": url })).await;
        assert_eq!((status, answer["errors"][0]["field"].as_str()), (422, Some("url")), "{url}: {answer}");
    }
    // Longer than other bodies may be, and no longer than a document.
    let (status, _, answer) = house.ask("POST", DOCUMENTS, &key, json!({ "name": "long", "text": "x ".repeat(45_000) })).await;
    assert_eq!(status, 201, "{answer}");
    let (status, ..) = house.ask("POST", DOCUMENTS, &key, json!({ "name": "long", "text": "x".repeat(1_300_000) })).await;
    assert_eq!(status, 413);
    let (status, ..) = house.ask("POST", SEARCH, &key, json!({ "query": "x".repeat(70_000) })).await;
    assert_eq!(status, 413);
    let unknown = json!({ "query": "x", "assistant_id": "nobody" });
    let (status, _, answer) = house.ask("POST", SEARCH, &key, unknown).await;
    assert_eq!((status, errors(&answer)), (422, "assistant_id: there is no such assistant".to_owned()));
    // By the same key again it is the same document, and a hundred wait at most.
    let mut refused = None;
    for number in 0..101 {
        let (status, _, answer) = house.ask("POST", DOCUMENTS, &key, json!({ "name": format!("{number}"), "text": "x" })).await;
        if status != 201 {
            refused = Some((status, answer["detail"].as_str().unwrap().to_owned()));
            break;
        }
    }
    assert_eq!(refused.unwrap(), (409, "100 documents wait to be read: put this one when some are ready".to_owned()));
}
