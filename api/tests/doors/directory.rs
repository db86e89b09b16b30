//! What calls are answered by, over HTTP: rows of organizations, their versions, rows of the file.

use serde_json::{Value, json};
use store::{OrganizationId, UserRole};

use crate::people::{House, errors};

const ASSISTANTS: &str = "/api/v1/assistants";

#[tokio::test]
async fn an_assistant_is_made_patched_rolled_back_and_deleted() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    let key = house.key(&here, UserRole::Admin).await;
    let ask = async |method: &str, path: &str, body: Value| house.ask(method, path, &key, body).await;

    let wish = json!({ "name": "anna", "first_message": "One.", "voice": { "voice_id": "a", "settings": { "speed": 1.5 } } });
    let (status, headers, made) = ask("POST", ASSISTANTS, wish).await;
    let path = format!("{ASSISTANTS}/{}", made["id"].as_str().unwrap());
    assert_eq!((status, headers["location"].to_str().unwrap(), headers["etag"].to_str().unwrap()), (201, path.as_str(), "\"1\""));
    assert_eq!(
        (&made["source"], &made["version"], &made["first_message"], &made["engine"]),
        (&json!("api"), &json!(1), &json!("One."), &Value::Null)
    );

    let patch = json!({ "first_message": null, "voice": { "voice_id": "b" } });
    let (status, _, changed) = ask("PATCH", &path, patch.clone()).await;
    assert_eq!((status, &changed["first_message"]), (200, &Value::Null));
    assert_eq!(changed["voice"], json!({ "voice_id": "b", "settings": { "speed": 1.5 } }));
    let stale = [("authorization", &*format!("Bearer {key}")), ("if-match", "\"1\"")];
    assert_eq!(house.ask_with("PATCH", &path, &stale, patch).await.0, 412);
    let (status, _, answer) = ask("PATCH", &path, json!({ "name": null })).await;
    assert_eq!((status, errors(&answer)), (422, "name: must be set".to_owned()));
    let (status, _, answer) = ask("PATCH", &path, json!({ "first_message": 1, "tools": "x" })).await;
    assert_eq!((status, errors(&answer)), (422, "first_message: is not a text; tools: is not an array".to_owned()));

    let (_, _, versions) = ask("GET", &format!("{path}/versions?limit=1"), Value::Null).await;
    assert_eq!((&versions["data"][0]["version"], &versions["next_cursor"]), (&json!(2), &json!("2")));
    let (_, _, versions) = ask("GET", &format!("{path}/versions?cursor=2"), Value::Null).await;
    assert_eq!((&versions["data"][0]["fields"]["first_message"], &versions["next_cursor"]), (&json!("One."), &Value::Null));
    assert_eq!(ask("POST", &format!("{path}/versions/7/restore"), json!({})).await.0, 404);
    let (status, headers, restored) = ask("POST", &format!("{path}/versions/1/restore"), json!({})).await;
    assert_eq!((status, headers["etag"].to_str().unwrap(), &restored["first_message"]), (200, "\"3\"", &json!("One.")));
    assert_eq!(restored["voice"]["voice_id"], "a");

    let number = json!({ "number": "+49301", "assistant_id": made["id"] });
    let (status, _, number) = ask("POST", "/api/v1/phone-numbers", number).await;
    assert_eq!(status, 201, "{number}");
    let (status, _, answer) = ask("DELETE", &path, Value::Null).await;
    assert!(status == 409 && answer["detail"].as_str().unwrap().contains("others use it"), "{answer}");
    let number = format!("/api/v1/phone-numbers/{}", number["id"].as_str().unwrap());
    assert_eq!(ask("DELETE", &number, Value::Null).await.0, 204);
    assert_eq!(ask("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(ask("GET", &path, Value::Null).await.0, 404);
}

#[tokio::test]
async fn rows_are_one_organization_s_and_those_of_the_file_the_operator_s() {
    let house = House::unlimited().await;
    let (here, there) = (house.organization().await, house.organization().await);
    let mut keys = Vec::new();
    for organization in [&here, &there, &OrganizationId::operator()] {
        keys.push(house.key(organization, UserRole::Owner).await);
    }
    let [mine, stranger, operator] = &keys[..] else { panic!() };
    for name in ["a", "b"] {
        assert_eq!(house.ask("POST", ASSISTANTS, mine, json!({ "name": name })).await.0, 201);
    }
    assert_eq!(house.ask("POST", ASSISTANTS, mine, json!({ "name": "a" })).await.0, 409, "a name stands once");
    let (_, _, list) = house.ask("GET", ASSISTANTS, mine, Value::Null).await;
    let names = |list: &Value| {
        list["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(&list), &list["next_cursor"]), (vec!["b".to_owned(), "a".to_owned()], &Value::Null));
    let row = format!("{ASSISTANTS}/{}", list["data"][0]["id"].as_str().unwrap());
    for (method, path) in
        [("GET", row.clone()), ("PATCH", row.clone()), ("DELETE", row.clone()), ("GET", format!("{row}/versions"))]
    {
        assert_eq!(house.ask(method, &path, stranger, json!({})).await.0, 404, "{method} {path}");
    }
    assert_eq!(house.ask("POST", &format!("{row}/versions/1/restore"), stranger, json!({})).await.0, 404);
    assert_eq!(names(&house.ask("GET", ASSISTANTS, stranger, Value::Null).await.2), Vec::<String>::new());

    assert_eq!(house.ask("POST", ASSISTANTS, operator, json!({ "name": "own" })).await.0, 201);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, _, list) = house.ask("GET", &format!("{ASSISTANTS}?limit=2{cursor}"), operator, Value::Null).await;
        assert_eq!(status, 200);
        seen.extend(names(&list));
        match list["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["own", "file-1", "file-2", "file-3"]);
    let of_file = format!("{ASSISTANTS}/file-1");
    let (status, _, row) = house.ask("GET", &of_file, operator, Value::Null).await;
    assert_eq!((status, &row["source"], &row["version"], &row["created_at"]), (200, &json!("file"), &json!(0), &Value::Null));
    for method in ["PATCH", "DELETE"] {
        let (status, _, answer) = house.ask(method, &of_file, operator, json!({ "first_message": "x" })).await;
        assert!(status == 409 && answer["detail"].as_str().unwrap().contains("change it there"), "{answer}");
    }
    assert_eq!(house.ask("POST", ASSISTANTS, operator, json!({ "name": "file-1" })).await.0, 409);
    assert_eq!(house.ask("GET", &of_file, mine, Value::Null).await.0, 404);
}

#[tokio::test]
async fn values_and_flags_are_typed() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    let key = house.key(&here, UserRole::Admin).await;
    let ask = async |method: &str, path: &str, body: Value| house.ask(method, path, &key, body).await;
    let values = "/api/v1/configurations";
    let (status, _, value) = ask("POST", values, json!({ "key": "limit", "value": 5, "type": "number" })).await;
    assert_eq!((status, &value["value"], &value["type"]), (201, &json!(5), &json!("number")), "{value}");
    let path = format!("{values}/{}", value["id"].as_str().unwrap());
    let (status, _, answer) = ask("PATCH", &path, json!({ "value": "five" })).await;
    assert_eq!((status, errors(&answer)), (422, "value: is not a number".to_owned()));
    assert_eq!(ask("PATCH", &path, json!({ "value": "five", "type": "string" })).await.0, 200);
    assert_eq!(ask("POST", values, json!({ "key": "x", "value": 1, "type": "int" })).await.0, 422);
    assert_eq!(ask("POST", values, json!({ "key": "limit", "value": 1 })).await.0, 409);

    let flags = "/api/v1/feature-flags";
    let (status, _, answer) = ask("POST", flags, json!({ "key": "a b" })).await;
    assert_eq!(status, 422);
    assert_eq!(errors(&answer), "key: is not 1-128 of a-z, A-Z, 0-9, ., - and _; enabled: is missing");
    let (status, _, flag) = ask("POST", flags, json!({ "key": "recording", "enabled": false })).await;
    assert_eq!((status, &flag["enabled"]), (201, &json!(false)));
    let viewer = house.key(&here, UserRole::Viewer).await;
    assert_eq!(house.ask("GET", flags, &viewer, Value::Null).await.2["data"][0]["key"], "recording");
    assert_eq!(house.ask("GET", values, &viewer, Value::Null).await.0, 403, "values are not for everybody");
}

#[tokio::test]
async fn a_row_has_a_length() {
    let house = House::unlimited().await;
    let key = house.key(&house.organization().await, UserRole::Admin).await;
    let (_, _, made) = house.ask("POST", ASSISTANTS, &key, json!({ "name": "a" })).await;
    let path = format!("{ASSISTANTS}/{}", made["id"].as_str().unwrap());
    let mut statuses = Vec::new();
    for part in 0..3 {
        let patch = json!({ "metadata": { part.to_string(): "x".repeat(50_000) } });
        statuses.push(house.ask("PATCH", &path, &key, patch).await.0);
    }
    assert_eq!(statuses, [200, 200, 422]);
}

#[tokio::test]
async fn values_of_headers_stay_and_are_not_shown() {
    let house = House::unlimited().await;
    let operator = OrganizationId::operator();
    let key = house.key(&operator, UserRole::Owner).await;
    let ask = async |method: &str, path: &str, body: Value| house.ask(method, path, &key, body).await;
    let wish = json!({ "name": "crm", "url": "https://a.example/", "headers": { "A": "s3cret", "B": "other" } });
    let (status, _, made) = ask("POST", "/api/v1/tools", wish).await;
    assert_eq!((status, &made["headers"]), (201, &json!({ "A": "(hidden)", "B": "(hidden)" })));
    let path = format!("/api/v1/tools/{}", made["id"].as_str().unwrap());
    let patch = json!({ "headers": { "A": "(hidden)", "B": null, "C": "new" } });
    let (status, _, changed) = ask("PATCH", &path, patch).await;
    assert_eq!((status, &changed["headers"]), (200, &json!({ "A": "(hidden)", "C": "(hidden)" })));
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let kept = house.people.store().resource(&operator, store::ResourceKind::Tool, id).await.unwrap().unwrap();
    assert_eq!(kept.fields["headers"], json!({ "A": "s3cret", "C": "new" }));
    let (status, _, answer) = ask("PATCH", &path, json!({ "url": "https://eve.example/" })).await;
    assert_eq!((status, errors(&answer).as_str()), (422, "headers.A: must be given again, or null, where url changes"));
    let (status, _, answer) = ask("PATCH", &path, json!({ "headers": { "D": "(hidden)" } })).await;
    assert_eq!((status, errors(&answer)), (422, "headers.D: has no value that could stay".to_owned()));
    let (_, _, log) = ask("GET", "/api/v1/audit-log", Value::Null).await;
    assert!(!log.to_string().contains("s3cret"), "{log}");

    let (status, _, ran) = ask("POST", &format!("{path}/test"), json!({ "arguments": { "a": 1 } })).await;
    assert_eq!((status, ran["output"].as_str().unwrap()), (200, "true crm {\"a\":1}"));
    let (_, _, server) = ask("POST", "/api/v1/mcp-servers", json!({ "name": "orders" })).await;
    let tools = format!("/api/v1/mcp-servers/{}/tools", server["id"].as_str().unwrap());
    assert_eq!(ask("GET", &tools, Value::Null).await.2["data"][0]["name"], "find");
}

#[tokio::test]
async fn trunks_and_the_node_tell_how_they_are() {
    let house = House::unlimited().await;
    let key = house.key(&OrganizationId::operator(), UserRole::Owner).await;
    let ask = async |method: &str, path: &str, body: Value| house.ask(method, path, &key, body).await;
    let (_, _, trunk) = ask("POST", "/api/v1/trunks", json!({ "name": "carrier" })).await;
    let status = format!("/api/v1/trunks/{}/status", trunk["id"].as_str().unwrap());
    let (code, _, answer) = ask("GET", &status, Value::Null).await;
    assert_eq!((code, &answer["registered"], &answer["targets"][0]["health"]), (200, &json!(true), &json!("up")));
    let (_, _, unused) = ask("POST", "/api/v1/trunks", json!({ "name": "unused" })).await;
    assert_eq!(ask("GET", &format!("/api/v1/trunks/{}/status", unused["id"].as_str().unwrap()), Value::Null).await.0, 409);

    let (code, _, node) = ask("GET", "/api/v1/admin/node", Value::Null).await;
    assert_eq!(
        (code, &node["name"], &node["calls"], &node["actors"][0]["mailbox_dropped"]),
        (200, &json!("a"), &json!(2), &json!(3))
    );
    let (code, _, answer) = ask("POST", "/api/v1/admin/reload", Value::Null).await;
    assert_eq!((code, errors(&answer)), (422, "node.max_cals: unknown key".to_owned()));
    assert_eq!(ask("POST", "/api/v1/admin/drain", Value::Null).await.0, 202);
}
