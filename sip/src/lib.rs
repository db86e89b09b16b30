//! SIP as pure state machines: messages, transactions, dialogs, SDP.
