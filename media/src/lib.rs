//! Media as pure state machines: RTP, jitter, sendout, codecs, VAD, turn-taking, WAV.
