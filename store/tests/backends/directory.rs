//! What calls are answered by: rows, their versions, what they use, whose they are.

use serde_json::{Value, json};
use store::*;

use crate::people::{act, all, organization};

fn wish<'a>(name: &'a str, fields: &'a Value) -> ResourceWish<'a> {
    ResourceWish { name, fields, uses: &[] }
}

pub async fn a_row_is_made_changed_once_a_version_and_each_version_stays(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (here, there) = (organization(&store, "here").await, organization(&store, "there").await);
    let before = store.directory_revision().await.unwrap();
    let (kind, one) = (ResourceKind::Assistant, json!({ "name": "anna", "first_message": "One." }));
    let row = store.create_resource(&here, kind, wish("anna", &one), &act(1)).await.unwrap();
    assert_eq!((row.version, &row.fields, row.name.as_str(), row.created_at), (1, &one, "anna", act(1).at));
    assert_eq!(store.directory_revision().await.unwrap(), before + 1);
    let again = store.create_resource(&here, kind, wish("anna", &one), &act(1)).await;
    assert!(matches!(again, Err(StoreError::Taken { .. })), "{again:?}");
    assert_eq!(store.directory_revision().await.unwrap(), before + 1, "what failed counts nothing");
    store.create_resource(&there, kind, wish("anna", &one), &act(1)).await.unwrap();
    store.create_resource(&here, ResourceKind::Tool, wish("anna", &one), &act(1)).await.unwrap();

    let two = json!({ "name": "anna", "first_message": "Two.", "tools": [] });
    let Changed::Done(changed) = store.change_resource(&row, 1, wish("anna", &two), &act(2)).await.unwrap() else { panic!() };
    assert_eq!((changed.version, &changed.fields, changed.updated_at), (2, &two, act(2).at));
    assert_eq!(store.change_resource(&row, 1, wish("anna", &two), &act(3)).await.unwrap(), Changed::Stale);
    let versions = store.resource_versions(&here, row.id, &all()).await.unwrap();
    let shown: Vec<_> = versions.iter().map(|one| (one.version, &one.fields, one.changed_by.as_str())).collect();
    assert_eq!(shown, [(2, &two, "node"), (1, &one, "node")]);
    let page = Page { limit: 1, after: Some("2".to_owned()) };
    assert_eq!(store.resource_versions(&here, row.id, &page).await.unwrap()[0].version, 1);
    let log = store.audit_log(&here, &all()).await.unwrap();
    assert_eq!((log[0].action.as_str(), &log[0].resource), ("assistant.changed", &format!("assistant:{}", row.id)));
    assert_eq!(log[0].details["fields"], json!(["first_message", "tools"]), "by name only");

    // Nobody of another organization, and not by another kind.
    assert_eq!(store.resource(&there, kind, row.id).await.unwrap(), None);
    assert_eq!(store.resource(&here, ResourceKind::Tool, row.id).await.unwrap(), None);
    assert_eq!(store.resource_versions(&there, row.id, &all()).await.unwrap(), []);
    let theirs = Resource { organization: there.clone(), ..row.clone() };
    assert_eq!(store.change_resource(&theirs, 2, wish("eve", &two), &act(3)).await.unwrap(), Changed::Missing);
    assert_eq!(store.delete_resource(&there, kind, row.id, None, &act(3)).await.unwrap(), Changed::Missing);

    assert_eq!(store.delete_resource(&here, kind, row.id, Some(1), &act(4)).await.unwrap(), Changed::Stale);
    assert_eq!(store.delete_resource(&here, kind, row.id, Some(2), &act(4)).await.unwrap(), Changed::Done(()));
    assert_eq!(store.resource_versions(&here, row.id, &all()).await.unwrap(), []);
    assert_eq!(store.directory().await.unwrap().len(), 2);
}

pub async fn old_versions_go_and_the_latest_stay(url: String) {
    let store = Store::open(&url).await.unwrap();
    let here = OrganizationId::operator();
    let fields = json!({});
    let mut row = store.create_resource(&here, ResourceKind::Assistant, wish("a", &fields), &act(1)).await.unwrap();
    for version in 1..=VERSIONS_KEPT + 2 {
        let Changed::Done(next) = store.change_resource(&row, version, wish("a", &fields), &act(2)).await.unwrap() else {
            panic!()
        };
        row = next;
    }
    let versions = store.resource_versions(&here, row.id, &all()).await.unwrap();
    let numbers: Vec<u64> = versions.iter().map(|one| one.version).collect();
    assert_eq!((numbers.len() as u64, numbers[0], numbers.last()), (VERSIONS_KEPT, VERSIONS_KEPT + 3, Some(&4)));
}

pub async fn an_organization_s_rows_have_a_size_in_sum(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (here, there) = (organization(&store, "here").await, organization(&store, "there").await);
    let kind = ResourceKind::Assistant;
    // Of two bytes each: the sum is of bytes.
    let long = json!({ "system_prompt": "ü".repeat(100_000) });
    let first = store.create_resource(&here, kind, wish("a", &long), &act(1)).await.unwrap();
    for number in 1..RESOURCE_BYTES_MAX / 200_100 {
        store.create_resource(&here, kind, wish(&number.to_string(), &long), &act(1)).await.unwrap();
    }
    let over = json!({ "system_prompt": "x".repeat(200_000) });
    let refused = store.create_resource(&here, kind, wish("c", &over), &act(2)).await;
    assert!(matches!(refused, Err(StoreError::TooLong { limit: RESOURCE_BYTES_MAX, .. })), "{refused:?}");
    let longer = json!({ "system_prompt": "x".repeat(250_000) });
    for name in 1..=3 {
        let longer = json!({ "system_prompt": "x".repeat(50_000), "name": name });
        let _until_there_is_no_room = store.create_resource(&here, kind, wish(&format!("b{name}"), &longer), &act(2)).await;
    }
    let refused = store.change_resource(&first, 1, wish("a", &longer), &act(2)).await;
    assert!(matches!(refused, Err(StoreError::TooLong { .. })), "{refused:?}");
    let revision = store.directory_revision().await.unwrap();
    assert!(store.create_resource(&here, kind, wish("c", &over), &act(2)).await.is_err());
    assert_eq!(store.directory_revision().await.unwrap(), revision, "what failed counts nothing");
    store.create_resource(&there, kind, wish("c", &over), &act(2)).await.unwrap();
    store.create_resource(&here, ResourceKind::Configuration, wish("c", &over), &act(2)).await.unwrap();
    let short = json!({});
    let Changed::Done(_) = store.change_resource(&first, 1, wish("a", &short), &act(3)).await.unwrap() else { panic!() };
    store.create_resource(&here, ResourceKind::Tool, wish("c", &json!({ "text": "x".repeat(150_000) })), &act(4)).await.unwrap();
}

pub async fn what_is_used_stays_and_a_number_is_one_organization_s(url: String) {
    let store = Store::open(&url).await.unwrap();
    let (here, there) = (organization(&store, "here").await, organization(&store, "there").await);
    let fields = json!({});
    let assistant = store.create_resource(&here, ResourceKind::Assistant, wish("a", &fields), &act(1)).await.unwrap();
    let uses = [assistant.id];
    let number = ResourceWish { name: "+49301", fields: &fields, uses: &uses };
    let number = store.create_resource(&here, ResourceKind::PhoneNumber, number, &act(1)).await.unwrap();
    let squatter = store.create_resource(&there, ResourceKind::PhoneNumber, wish("+49301", &fields), &act(1)).await;
    assert!(matches!(squatter, Err(StoreError::Taken { .. })), "{squatter:?}");
    let gone = [ResourceId::generate()];
    let gone = ResourceWish { name: "+49302", fields: &fields, uses: &gone };
    let gone = store.create_resource(&here, ResourceKind::PhoneNumber, gone, &act(1)).await;
    assert!(matches!(gone, Err(StoreError::InUse { .. })), "{gone:?}");

    let deed = act(2);
    let delete = || store.delete_resource(&here, ResourceKind::Assistant, assistant.id, None, &deed);
    let revision = store.directory_revision().await.unwrap();
    assert!(matches!(delete().await, Err(StoreError::InUse { .. })));
    assert_eq!(store.directory_revision().await.unwrap(), revision);
    let Changed::Done(_) = store.change_resource(&number, 1, wish("+49301", &fields), &act(3)).await.unwrap() else { panic!() };
    assert_eq!(delete().await.unwrap(), Changed::Done(()));

    // An organization goes with all that is its own, and nodes hear of it; so they do of one that is switched off.
    store.create_resource(&here, ResourceKind::Assistant, wish("b", &fields), &act(4)).await.unwrap();
    let revision = store.directory_revision().await.unwrap();
    let off = OrganizationChange { is_active: Some(false), ..OrganizationChange::default() };
    store.change_organization(&here, None, &off, &act(5)).await.unwrap();
    assert_eq!(store.inactive_organizations().await.unwrap(), std::slice::from_ref(&here));
    assert_eq!(store.delete_organization(&here, None, &act(6)).await.unwrap(), Changed::Done(()));
    assert_eq!((store.directory().await.unwrap().len(), store.directory_revision().await.unwrap()), (0, revision + 2));
}
