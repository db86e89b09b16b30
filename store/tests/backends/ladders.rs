//! The messages of a call read back.

use std::sync::Arc;

use store::*;

use crate::sample::*;

pub async fn messages_read_back_with_the_call_that_they_are_of(url: String) {
    let store = Store::open(&url).await.unwrap();
    let message = |offset, text: &str| SipMessage {
        at: at(offset),
        sent: offset % 2 == 1,
        transport: "UDP".to_owned(),
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: "[::1]:5070".parse().unwrap(),
        text: text.to_owned(),
    };
    let ladder = |began, texts: &[&str]| SipLadder {
        external_id: "a@b\0".to_owned(),
        began_at: at(began),
        messages: texts.iter().zip(began..).map(|(text, offset)| message(offset, text)).collect(),
        left_out: 3,
    };
    let first = ladder(10, &["INVITE\r\n\0\u{1F600}", "SIP/2.0 100 Trying"]);
    let later = ladder(5_000_000, &["INVITE again"]);
    let write = |ladder: &SipLadder| StoreWrite::SipSeen(Arc::new(ladder.clone()));
    store.write_batch(&[write(&first), write(&later), write(&first)]).await.unwrap();

    let kept = |ladder: SipLadder| Some(SipLadder { external_id: store_kept(&ladder.external_id), ..ladder });
    assert_eq!(store.sip_ladder("a@b\0", at(12)).await.unwrap(), kept(first));
    assert_eq!(store.sip_ladder("a@b\0", at(4_900_000)).await.unwrap(), kept(later.clone()));
    assert_eq!(store.sip_ladder("other", at(0)).await.unwrap(), None);
    let shown = format!("{later:?}");
    assert!(!shown.contains("INVITE"), "{shown}");
}

/// As texts are kept: PostgreSQL takes no NUL.
fn store_kept(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
