//! From what espeak-ng writes to what a telephone hears.

use media::resample;
use media::units::{Dbov, FRAME_SAMPLES, SampleRate};

/// Level of speech on a telephone line (ITU-T P.56 gives -26 to -15 dBov for good ones).
const LEVEL: Dbov = Dbov(-20.0);

/// Frames below are silence: cut off the ends, and not counted in the level.
const SILENCE: Dbov = Dbov(-50.0);

/// The WAV of espeak-ng as speech at 8 kHz and [`LEVEL`], without silence around it.
pub(super) fn decode(wav: &[u8]) -> Result<Vec<i16>, &'static str> {
    let (rate, data) = parse(wav)?;
    let samples: Vec<i16> = data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let mut speech = resample::convert(&samples, rate, SampleRate::HZ_8000).map_err(|_| "unusual sample rate")?;
    trim(&mut speech);
    if speech.is_empty() {
        return Err("silence");
    }
    normalise(&mut speech);
    Ok(speech)
}

/// Rate and samples of a mono 16-bit WAV. The sizes in the header are no help: written to a pipe, they are not known.
fn parse(wav: &[u8]) -> Result<(SampleRate, &[u8]), &'static str> {
    let header = wav.get(..44).ok_or("output too short")?;
    if &header[..4] != b"RIFF" || &header[8..16] != b"WAVEfmt " || &header[36..40] != b"data" {
        return Err("not a WAV file");
    }
    let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    if (number(20), number(22), number(34)) != (1, 1, 16) {
        return Err("not 16-bit mono");
    }
    let hz = u32::from_le_bytes([header[24], header[25], header[26], header[27]]);
    let rate = SampleRate::from_hz(hz).ok_or("unusual sample rate")?;
    Ok((rate, &wav[44..]))
}

fn trim(speech: &mut Vec<i16>) {
    let is_loud = |frame: &[i16]| Dbov::of(frame) > SILENCE;
    let Some(first) = speech.chunks(FRAME_SAMPLES).position(is_loud) else {
        return speech.clear();
    };
    let quiet = speech.rchunks(FRAME_SAMPLES).position(is_loud).unwrap_or(0);
    speech.truncate(speech.len() - quiet * FRAME_SAMPLES);
    speech.drain(..first * FRAME_SAMPLES);
}

/// Brings the frames that are not silent to [`LEVEL`], as far as the peaks allow.
fn normalise(speech: &mut [i16]) {
    let loud = speech.chunks(FRAME_SAMPLES).filter(|frame| Dbov::of(frame) > SILENCE);
    let (energy, count) = loud.fold((0.0, 0), |(energy, count), frame| {
        let frame_energy: f32 = frame.iter().map(|&sample| f32::from(sample).powi(2)).sum();
        (energy + frame_energy, count + frame.len())
    });
    let peak = speech.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    if count == 0 || peak == 0 {
        return;
    }
    let level = 10.0 * (energy / count as f32 / 32_768.0_f32.powi(2)).log10();
    let gain = 10_f32.powf((LEVEL.0 - level) / 20.0).min(32_767.0 / f32::from(peak));
    for sample in speech {
        *sample = (f32::from(*sample) * gain) as i16;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn wav(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
        let mut wav = b"RIFF\x24\xf0\xff\x7fWAVEfmt \x10\0\0\0\x01\0".to_vec();
        wav.extend(channels.to_le_bytes());
        wav.extend(rate.to_le_bytes());
        wav.extend((rate * 2).to_le_bytes());
        wav.extend(b"\x02\0\x10\0data\0\xf0\xff\x7f");
        wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        wav
    }

    fn tone(count: usize, peak: f32) -> Vec<i16> {
        (0..count).map(|n| ((n as f32 * 0.2).sin() * peak) as i16).collect()
    }

    #[test]
    fn speech_comes_out_at_8_khz_and_minus_20_dbov() {
        for peak in [600.0, 3_000.0, 30_000.0] {
            let speech = decode(&wav(22_050, 1, &tone(22_050, peak))).unwrap();
            assert_eq!(speech.len(), 8_000);
            let level = Dbov::of(&speech).0;
            assert!((level + 20.0).abs() < 0.3, "{level}");
        }
    }

    #[test]
    fn silence_around_the_speech_is_cut() {
        let mut samples = vec![0; 22_050];
        samples.extend(tone(22_050, 3_000.0));
        samples.extend(vec![0; 11_025]);
        let speech = decode(&wav(22_050, 1, &samples)).unwrap();
        assert!((8_000..8_480).contains(&speech.len()), "the speech and at most three frames: {}", speech.len());
    }

    #[test]
    fn a_peak_limits_the_gain() {
        let mut samples = tone(8_000, 300.0);
        samples[4_000] = 20_000;
        let speech = decode(&wav(8_000, 1, &samples)).unwrap();
        let peak = speech.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!((32_700..=32_767).contains(&peak), "{peak}");
    }

    #[test]
    fn what_is_not_speech_is_refused() {
        assert_eq!(decode(b"RIFF"), Err("output too short"));
        assert_eq!(decode(&[7; 100]), Err("not a WAV file"));
        assert_eq!(decode(&wav(22_050, 2, &[1; 50])), Err("not 16-bit mono"));
        assert_eq!(decode(&wav(0, 1, &[1; 50])), Err("unusual sample rate"));
        assert_eq!(decode(&wav(11_025, 1, &[1; 50])), Err("unusual sample rate"));
        assert_eq!(decode(&wav(22_050, 1, &[0; 4_000])), Err("silence"));
        assert_eq!(decode(&wav(22_050, 1, &[])), Err("silence"));
    }
}
