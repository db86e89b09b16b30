//! Headers of WAV files: written, read, and put right after a crash. Pure: bytes in, bytes out.

use crate::error::Error;
use crate::units::SampleRate;

/// Octets of the header written here.
pub const HEADER: usize = 44;

/// What a file holds; samples are 16-bit PCM.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WavFormat {
    /// 1 or 2.
    pub channels: u16,
    /// Samples a second in each channel.
    pub rate: SampleRate,
}

impl WavFormat {
    /// A recording: caller left, agent right.
    pub const RECORDING: Self = Self { channels: 2, rate: SampleRate::HZ_8000 };

    /// Octets of one sample of every channel.
    pub fn block(self) -> u32 {
        u32::from(self.channels) * 2
    }
}

/// Header of a file with `data_length` octets of samples.
///
/// Written with 0 when the file is opened and patched from time to time: sizes that lag behind are what [`repair`] is
/// for. At most 4 GiB fit, 37 hours of recording; beyond, the header stays at the last whole block.
pub fn header(format: WavFormat, data_length: u64) -> [u8; HEADER] {
    let block = format.block();
    let most = (u32::MAX - HEADER as u32) / block * block;
    let data = data_length.min(most.into()) as u32;
    let rate = format.rate.hz();
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(b"RIFF");
    header[4..8].copy_from_slice(&(data + HEADER as u32 - 8).to_le_bytes());
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16..20].copy_from_slice(&16_u32.to_le_bytes());
    header[20..22].copy_from_slice(&1_u16.to_le_bytes());
    header[22..24].copy_from_slice(&format.channels.to_le_bytes());
    header[24..28].copy_from_slice(&rate.to_le_bytes());
    header[28..32].copy_from_slice(&(rate * block).to_le_bytes());
    header[32..34].copy_from_slice(&(block as u16).to_le_bytes());
    header[34..36].copy_from_slice(&16_u16.to_le_bytes());
    header[36..40].copy_from_slice(b"data");
    header[40..44].copy_from_slice(&data.to_le_bytes());
    header
}

/// Where the samples of a file are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WavHeader {
    /// What the samples are.
    pub format: WavFormat,
    /// Octet of the first sample.
    pub data_start: usize,
    /// Octets of samples the header claims; a program that streams writes 0 or a huge number.
    pub data_length: u32,
}

/// Reads the header from the first octets of a file, skipping chunks that are neither `fmt ` nor `data`.
///
/// # Errors
/// `NotWav` with the field that is wrong; only 16-bit PCM in one or two channels is known.
pub fn read_header(bytes: &[u8]) -> Result<WavHeader, Error> {
    if bytes.get(..4) != Some(b"RIFF") {
        return Err(Error::NotWav { field: "RIFF" });
    }
    if bytes.get(8..12) != Some(b"WAVE") {
        return Err(Error::NotWav { field: "WAVE" });
    }
    let mut format = None;
    let mut at: usize = 12;
    while let Some(name) = bytes.get(at..at + 4) {
        let length = long(bytes, at + 4).ok_or(Error::NotWav { field: "chunk size" })?;
        at += 8;
        match name {
            b"fmt " => format = Some(read_format(bytes, at)?),
            b"data" => {
                let format = format.ok_or(Error::NotWav { field: "fmt" })?;
                return Ok(WavHeader { format, data_start: at, data_length: length });
            }
            _ => {}
        }
        at = at.saturating_add(length.next_multiple_of(2) as usize).min(bytes.len());
    }
    Err(Error::NotWav { field: "data" })
}

fn read_format(bytes: &[u8], at: usize) -> Result<WavFormat, Error> {
    let wrong = |field| Error::NotWav { field };
    if short(bytes, at) != Some(1) {
        return Err(wrong("encoding"));
    }
    let channels = short(bytes, at + 2).filter(|channels| (1..=2).contains(channels));
    let rate = long(bytes, at + 4).and_then(SampleRate::from_hz);
    if short(bytes, at + 14) != Some(16) {
        return Err(wrong("bits"));
    }
    Ok(WavFormat { channels: channels.ok_or(wrong("channels"))?, rate: rate.ok_or(wrong("rate"))? })
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let octets = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes([octets[0], octets[1]]))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(short(bytes, at)?) | u32::from(short(bytes, at + 2)?) << 16)
}

/// What a recording left by a crash needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repair {
    /// Nothing: its sizes are right.
    Intact,
    /// Cut the file to `file_length`, then write `header` over its start.
    Patch {
        /// The header with the right sizes.
        header: [u8; HEADER],
        /// Length without a last block that is not whole.
        file_length: u64,
    },
}

/// Compares the first [`HEADER`] octets of a recording with the length of its file.
///
/// # Errors
/// `NotWav` for a file that [`header`] did not begin; leave it alone.
pub fn repair(bytes: &[u8], file_length: u64) -> Result<Repair, Error> {
    let found = read_header(bytes)?;
    if found.data_start != HEADER || file_length < HEADER as u64 {
        return Err(Error::NotWav { field: "length" });
    }
    let data = file_length - HEADER as u64;
    let whole = data - data % u64::from(found.format.block());
    let right = header(found.format, whole);
    if bytes[..HEADER] == right && whole == data {
        return Ok(Repair::Intact);
    }
    Ok(Repair::Patch { header: right, file_length: HEADER as u64 + whole })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MONO_16K: WavFormat = WavFormat { channels: 1, rate: SampleRate::HZ_16000 };

    fn check(header_says: u64, file_length: u64, expected: &str) {
        let text = match repair(&header(WavFormat::RECORDING, header_says), file_length) {
            Ok(Repair::Intact) => "intact".to_owned(),
            Ok(Repair::Patch { header, file_length }) => {
                let data = read_header(&header).unwrap().data_length;
                let riff = long(&header, 4).unwrap();
                format!("riff {riff} data {data} file {file_length}")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn sizes_that_are_right_stay() {
        check(0, 44, "intact");
        check(640, 684, "intact");
    }

    #[test]
    fn stale_sizes_and_a_broken_last_block_are_put_right() {
        check(0, 684, "riff 676 data 640 file 684");
        check(640, 1_327, "riff 1316 data 1280 file 1324");
        check(640, 364, "riff 356 data 320 file 364");
        check(640, 687, "riff 676 data 640 file 684");
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused() {
        check(0, 43, "not a 16-bit PCM WAV file: length");
        let good = header(WavFormat::RECORDING, 0);
        for (at, field) in [(0, "RIFF"), (8, "WAVE"), (12, "fmt"), (20, "encoding"), (22, "channels"), (34, "bits")] {
            let mut bad = good;
            bad[at] = 0x7F;
            assert_eq!(repair(&bad, 44), Err(Error::NotWav { field }));
        }
        let mut bad = good;
        bad[24..28].fill(0);
        assert_eq!(repair(&bad, 44), Err(Error::NotWav { field: "rate" }));
        bad = good;
        bad[36] = 0;
        assert_eq!(repair(&bad, 44), Err(Error::NotWav { field: "data" }));
        assert_eq!(repair(&good[..42], 44), Err(Error::NotWav { field: "chunk size" }));
        assert_eq!(repair(&[], 0), Err(Error::NotWav { field: "RIFF" }));
    }

    #[test]
    fn chunks_before_the_samples_are_skipped() {
        let mut bytes = header(MONO_16K, u64::MAX)[..36].to_vec();
        bytes.extend(b"LIST\x03\0\0\0abc\0data\xFF\xFF\xFF\xFF");
        let found = read_header(&bytes).unwrap();
        assert_eq!((found.format, found.data_start, found.data_length), (MONO_16K, 56, u32::MAX));
        assert_eq!(repair(&bytes, 100), Err(Error::NotWav { field: "length" }));
    }

    #[test]
    fn a_header_never_claims_more_than_its_fields_hold() {
        let found = read_header(&header(WavFormat::RECORDING, u64::MAX)).unwrap();
        assert_eq!(found.data_length % 4, 0);
        assert!(u32::MAX - found.data_length <= 48);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..100), keep in 0usize..44) {
            let _ = read_header(&bytes);
            let good = header(MONO_16K, 8);
            let keep = keep.min(bytes.len());
            bytes[..keep].copy_from_slice(&good[..keep]);
            let _ = repair(&bytes, bytes.len() as u64);
        }
    }
}
