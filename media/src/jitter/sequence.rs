//! Which packets of a stream have come: in order, out of order, twice, or not at all.

use crate::rtcp::MAX_DROPOUT;
use crate::units::SeqNo;

/// What a sequence number says of its packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arrival {
    /// New, in or out of order.
    New(SeqNo),
    /// Seen before.
    Duplicate,
    /// Far from all before; perhaps the stream restarted, perhaps a stray.
    Jump,
    /// Follows on the jump before: the stream did restart (RFC 3550 A.1).
    Restart,
}

/// Follows one stream's sequence numbers.
#[derive(Debug)]
pub(super) struct Sequence {
    highest: SeqNo,
    seen: u128, // bit n: `highest` - n
    after_jump: Option<u16>,
}

impl Sequence {
    /// Starts with this packet, which is seen.
    pub(super) fn new(wire: u16) -> Self {
        Self { highest: SeqNo::first(wire), seen: 1, after_jump: None }
    }

    /// Takes a packet, and corrects `lost` by what it shows: packets skipped, or one that came after all.
    pub(super) fn handle_packet(&mut self, wire: u16, lost: &mut u64) -> Arrival {
        let sequence = self.highest.extend(wire);
        let Some(ahead) = sequence.0.checked_sub(self.highest.0) else {
            return self.handle_older(sequence, wire, lost);
        };
        match ahead {
            0 => Arrival::Duplicate,
            1..=MAX_DROPOUT => {
                let shift = ahead as u32;
                self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
                self.highest = sequence;
                self.after_jump = None;
                *lost += ahead - 1;
                Arrival::New(sequence)
            }
            _ => self.handle_jump(wire),
        }
    }

    fn handle_older(&mut self, sequence: SeqNo, wire: u16, lost: &mut u64) -> Arrival {
        let bit = 1_u128.checked_shl((self.highest.0 - sequence.0) as u32);
        match bit {
            None => self.handle_jump(wire),
            Some(bit) if self.seen & bit != 0 => Arrival::Duplicate,
            Some(bit) => {
                self.seen |= bit;
                *lost = lost.saturating_sub(1);
                Arrival::New(sequence)
            }
        }
    }

    fn handle_jump(&mut self, wire: u16) -> Arrival {
        if self.after_jump == Some(wire) {
            return Arrival::Restart;
        }
        self.after_jump = Some(wire.wrapping_add(1));
        Arrival::Jump
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(first: u16, then: &[u16], expected: &str) {
        let mut sequence = Sequence::new(first);
        let mut lost = 0;
        let mut text: Vec<String> = then
            .iter()
            .map(|&wire| match sequence.handle_packet(wire, &mut lost) {
                Arrival::New(number) => format!("{}", number.0 - 0x1_0000),
                other => format!("{other:?}"),
            })
            .collect();
        text.push(format!("lost {lost}"));
        assert_eq!(text.join(" "), expected);
    }

    #[test]
    fn order_loss_and_duplicates_are_told_apart() {
        check(10, &[11, 12, 12, 15, 14, 14, 10], "11 12 Duplicate 15 14 Duplicate Duplicate lost 1");
    }

    #[test]
    fn the_wrap_is_no_jump() {
        check(65_534, &[65_535, 1, 0], "65535 65537 65536 lost 0");
    }

    #[test]
    fn a_packet_before_the_first_is_new() {
        check(10, &[9, 11], "9 11 lost 0");
    }

    #[test]
    fn a_stray_is_left_out_and_a_restart_needs_two() {
        check(10, &[30_000, 11, 30_001, 40_000, 40_001], "Jump 11 Jump Jump Restart lost 0");
        check(1_000, &[872, 871], "Jump Jump lost 0");
        check(1_000, &[873, 4_000, 7_001, 7_002], "873 4000 Jump Restart lost 2999");
    }
}
