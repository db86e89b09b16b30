//! Exports and erasures, and how long what is kept: who may ask for what, and what is wrong with it.

use serde_json::{Value, json};
use store::UserRole;

use crate::people::{House, errors};

#[tokio::test]
async fn a_wish_names_one_person_and_its_job_is_its_organization_s() {
    let house = House::unlimited().await;
    let (here, there) = (house.organization().await, house.organization().await);
    let (key, other) = (house.key(&here, UserRole::Admin).await, house.key(&there, UserRole::Owner).await);
    for (body, wrong) in [
        (json!({}), "phone: must be given, or email, and not both"),
        (json!({ "phone": "+4930555001", "email": "a@b.c" }), "phone: must be given, or email, and not both"),
        (json!({ "phone": "alice" }), "phone: is no number in international form, +49301234567: 3 to 15 digits behind the +"),
        (json!({ "email": "ada" }), "email: is no e-mail address of at most 254 bytes"),
    ] {
        let (status, _, answer) = house.ask("POST", "/api/v1/privacy/erase", &key, body).await;
        assert_eq!((status, errors(&answer).as_str()), (422, wrong));
    }
    let person = json!({ "phone": "0049 30 555-001" });
    let (status, headers, job) = house.ask("POST", "/api/v1/privacy/export", &key, person.clone()).await;
    let path = headers["location"].to_str().unwrap().to_owned();
    assert_eq!((status, &job["state"], &job["subject_kind"]), (202, &json!("pending"), &json!("phone")));
    assert!(!job.to_string().contains("555"), "{job}");
    let (_, _, erasure) = house.ask("POST", "/api/v1/privacy/erase", &key, person).await;
    assert_eq!(erasure["subject_hash"], job["subject_hash"], "one person, however the number is written");
    // Nobody works at them here.
    assert_eq!(house.ask("GET", &path, &key, Value::Null).await.0, 200);
    assert_eq!(house.ask("GET", &format!("{path}/file"), &key, Value::Null).await.0, 409);
    assert_eq!(house.ask("GET", &format!("{path}/report"), &key, Value::Null).await.0, 404, "an export has none");
    let report = format!("/api/v1/privacy/jobs/{}/report", erasure["id"].as_str().unwrap());
    assert_eq!(house.ask("GET", &report, &key, Value::Null).await.0, 409);
    for path in [&path, &format!("{path}/file"), &report] {
        assert_eq!(house.ask("GET", path, &other, Value::Null).await.0, 404, "{path}");
    }
    let (_, _, jobs) = house.ask("GET", "/api/v1/privacy/jobs", &key, Value::Null).await;
    assert_eq!(jobs["data"].as_array().unwrap().len(), 2);
    assert_eq!(house.ask("GET", "/api/v1/privacy/jobs", &other, Value::Null).await.2["data"], json!([]));
}

#[tokio::test]
async fn how_long_what_is_kept_is_said_once_a_version() {
    let house = House::unlimited().await;
    let here = house.organization().await;
    let key = house.key(&here, UserRole::Owner).await;
    let path = "/api/v1/privacy/retention";
    let wish = json!({ "recordings_days": 30, "logs_days": 0 });
    let bearer = format!("Bearer {key}");
    let with = |version: &'static str| [("authorization", bearer.as_str()), ("if-match", version)];
    let (status, headers, said) = house.ask_with("PUT", path, &with("\"1\""), wish.clone()).await;
    assert_eq!((status, &headers["etag"]), (200, &"\"2\"".parse().unwrap()));
    assert_eq!(said, json!({ "recordings_days": 30, "transcripts_days": null, "logs_days": 0 }));
    assert_eq!(house.ask_with("PUT", path, &with("\"1\""), wish).await.0, 412);
    let (status, _, wrong) = house.ask("PUT", path, &key, json!({ "logs_days": 3651 })).await;
    assert!(status == 422 && errors(&wrong).starts_with("logs_days: "), "{wrong}");
    assert_eq!(house.ask("GET", path, &key, Value::Null).await.2, said);
}
