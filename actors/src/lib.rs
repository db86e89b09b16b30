//! Every actor, mailbox bounds, supervision and the media clock.
