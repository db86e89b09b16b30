//! Looks through a datagram before the library does: so much may come of a peer whom nobody knows yet.

/// Datagrams that are looked at before the keys are there: a chain of certificates in pieces is ten, each sent seven times.
const HANDSHAKE_DATAGRAMS_MAX: u32 = 128;
/// And after: the last flight again, and a goodbye.
const LATER_DATAGRAMS_MAX: u32 = 64;
/// Pieces of messages in all: of a peer that cuts its own in twenty, seven times. The library joins them by recursion.
const FRAGMENTS_MAX: u32 = 512;
/// Octets of a message of the handshake: a chain of certificates, and more than any real one. RFC 6347 allows 2^24.
const MESSAGE_MAX: usize = 16 * 1024;
/// Octets of an encrypted record of the handshake, which can only be the last message: 24, and what the cipher adds. Pieces in it cannot
/// be counted.
const FINISHED_MAX: usize = 128;

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// No record, or too much.
    Drop,
    /// A flight that was had, and answered by the one that was sent last.
    Repeated,
    /// For the library.
    Take,
}

/// Counts what one peer sends.
#[derive(Debug, Default)]
pub(super) struct Gate {
    datagrams: u32,
    fragments: u32,
    connected: bool,
    /// The last message of the peer that came in the clear.
    newest: Option<u16>,
    /// The same when our flight was sent, which answers it: nothing is left to say to what is not newer.
    answered: Option<u16>,
}

/// A record of a handshake in the clear, as far as it is looked at.
struct Piece {
    message: u16,
}

impl Gate {
    /// Judges a datagram, and counts it.
    pub(super) fn look(&mut self, datagram: &[u8]) -> Verdict {
        // Data, once there are keys: as much of it as comes, since what is forged is found out at once.
        if self.connected && datagram.first() == Some(&DATA) {
            return Verdict::Take;
        }
        let most = if self.connected { LATER_DATAGRAMS_MAX } else { HANDSHAKE_DATAGRAMS_MAX };
        if self.datagrams == most {
            return Verdict::Drop;
        }
        let Some(pieces) = self.pieces(datagram) else { return Verdict::Drop };
        self.datagrams += 1;
        let Some(last) = pieces.iter().map(|piece| piece.message).max() else { return Verdict::Take };
        let repeated = !self.connected && self.answered.is_some_and(|answered| last <= answered);
        self.newest = self.newest.max(Some(last));
        if repeated { Verdict::Repeated } else { Verdict::Take }
    }

    /// The pieces in the clear of whole records, or `None` if anything is wrong with one.
    fn pieces(&mut self, mut datagram: &[u8]) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        while !datagram.is_empty() {
            let header = datagram.get(..RECORD_HEADER)?;
            let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
            let body = datagram.get(RECORD_HEADER..RECORD_HEADER + length)?;
            datagram = &datagram[RECORD_HEADER + length..];
            let encrypted = header[3..5] != [0, 0];
            match header[0] {
                HANDSHAKE if encrypted && length > FINISHED_MAX => return None,
                HANDSHAKE if !encrypted => self.cut(body, &mut pieces)?,
                20..=23 => {}
                _ => return None,
            }
        }
        Some(pieces)
    }

    fn cut(&mut self, mut body: &[u8], pieces: &mut Vec<Piece>) -> Option<()> {
        let number = |octets: &[u8]| octets.iter().fold(0, |number, octet| number << 8 | usize::from(*octet));
        while !body.is_empty() {
            let header = body.get(..MESSAGE_HEADER)?;
            let (length, offset, here) = (number(&header[1..4]), number(&header[6..9]), number(&header[9..12]));
            let whole = offset.checked_add(here).is_some_and(|end| end <= length);
            // An empty piece of a message that is not empty is no piece.
            let empty = here == 0 && length > 0;
            if length > MESSAGE_MAX || !whole || empty || self.fragments == FRAGMENTS_MAX {
                return None;
            }
            self.fragments += 1;
            pieces.push(Piece { message: u16::from_be_bytes([header[4], header[5]]) });
            body = body.get(MESSAGE_HEADER + here..)?;
        }
        Some(())
    }

    /// Our flight was sent, with this datagram at its end.
    pub(super) fn flight_sent(&mut self, last: &[u8]) {
        // A peer that lacks our cookie begins anew, and the library answers that by itself.
        let cookie = last.get(RECORD_HEADER) == Some(&HELLO_VERIFY_REQUEST) && last.first() == Some(&HANDSHAKE);
        self.answered = if cookie { None } else { self.newest };
    }

    /// The handshake is over: what comes now repeats its end, or says goodbye.
    pub(super) fn connected(&mut self) {
        self.connected = true;
        (self.datagrams, self.fragments) = (0, 0);
    }
}

/// Octets of a record before its contents: type, version, epoch, number, length.
const RECORD_HEADER: usize = 13;
/// Octets of a piece of a message before the piece: type, length, number, offset, length of the piece.
const MESSAGE_HEADER: usize = 12;
/// The type of record that carries a handshake.
const HANDSHAKE: u8 = 22;
/// The type of record that carries data.
const DATA: u8 = 23;
/// The message that asks for a cookie.
const HELLO_VERIFY_REQUEST: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of a handshake: message number, its length, offset and octets of the piece.
    fn record(epoch: u8, message: u8, length: usize, offset: usize, here: usize) -> Vec<u8> {
        let three = |number: usize| [(number >> 16) as u8, (number >> 8) as u8, number as u8];
        let mut body = vec![1];
        body.extend(three(length));
        body.extend([0, message]);
        body.extend(three(offset));
        body.extend(three(here));
        body.resize(MESSAGE_HEADER + here, 7);
        let mut record = vec![HANDSHAKE, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 0];
        record.extend((body.len() as u16).to_be_bytes());
        record.extend(body);
        record
    }

    #[test]
    fn what_is_no_whole_record_is_dropped() {
        let good = record(0, 0, 40, 0, 40);
        assert_eq!(Gate::default().look(&good), Verdict::Take);
        for end in 1..good.len() {
            assert_eq!(Gate::default().look(&good[..end]), Verdict::Drop, "{end}");
        }
        for bad in [
            record(0, 0, MESSAGE_MAX + 1, 0, 10),
            record(0, 0, 40, 30, 11),
            record(0, 0, 40, 0, 0),
            record(1, 0, 200, 0, 200),
            [&[99], &good[1..]].concat(),
            [&good[..], &[22]].concat(),
        ] {
            assert_eq!(Gate::default().look(&bad), Verdict::Drop, "{bad:?}");
        }
    }

    #[test]
    fn a_flood_ends() {
        let mut gate = Gate::default();
        let taken = (0..1_000).filter(|_| gate.look(&record(0, 1, 40, 3, 1)) == Verdict::Take).count();
        assert_eq!(taken, HANDSHAKE_DATAGRAMS_MAX as usize);
        let mut gate = Gate::default();
        let many: Vec<u8> = (0..20).flat_map(|_| record(0, 1, 40, 3, 1)).collect();
        let taken = (0..1_000).filter(|_| gate.look(&many) == Verdict::Take).count();
        assert_eq!(taken, FRAGMENTS_MAX as usize / 20);
    }

    #[test]
    fn what_our_flight_has_answered_is_a_repetition() {
        let mut gate = Gate::default();
        let cookie = {
            let mut cookie = record(0, 0, 30, 0, 30);
            cookie[RECORD_HEADER] = HELLO_VERIFY_REQUEST;
            cookie
        };
        let looked = |gate: &mut Gate, message| gate.look(&record(0, message, 40, 0, 40));
        assert_eq!(looked(&mut gate, 0), Verdict::Take);
        gate.flight_sent(&cookie);
        assert_eq!((looked(&mut gate, 0), looked(&mut gate, 1)), (Verdict::Take, Verdict::Take));
        gate.flight_sent(&record(0, 1, 40, 0, 40));
        assert_eq!((looked(&mut gate, 1), looked(&mut gate, 2)), (Verdict::Repeated, Verdict::Take));
        gate.connected();
        assert_eq!(looked(&mut gate, 2), Verdict::Take);
    }
}
