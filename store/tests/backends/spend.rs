//! Money that was spent.

use store::{SpentMinute, Store, StoreWrite};

/// A minute's last sum stays, by node, for two days.
pub async fn spent_minutes_are_kept_by_node_for_two_days(url: String) {
    let store = Store::open(&url).await.unwrap();
    let spent =
        |node: &str, minute, micros| StoreWrite::MoneySpent { node: node.to_owned(), spent: SpentMinute { minute, micros } };
    let writes = [spent("a", 10, 5), spent("a", 11, 7), spent("a", 10, 6), spent("b", 10, 1)];
    store.write_batch(&writes).await.unwrap();
    let read = |minutes: Vec<SpentMinute>| minutes.iter().map(|spent| (spent.minute, spent.micros)).collect::<Vec<_>>();
    assert_eq!(read(store.spent_since("a", 10).await.unwrap()), [(10, 6), (11, 7)]);
    assert_eq!(read(store.spent_since("a", 11).await.unwrap()), [(11, 7)]);
    store.write_batch(&[spent("a", 11 + 2880, 1)]).await.unwrap();
    assert_eq!(read(store.spent_since("a", 0).await.unwrap()), [(11, 7), (11 + 2880, 1)]);
    assert_eq!(read(store.spent_since("b", 0).await.unwrap()), [(10, 1)]);
}
