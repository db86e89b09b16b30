//! What a peer wants of the Opus that it gets: the parameters of its `a=fmtp` (RFC 7587 §6.1).

use super::parse::Media;

/// The wishes that change what we send. Stereo, sample rates and the rest make no difference to telephone band.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OpusWishes {
    /// `useinbandfec=1`: it can use what a packet says of the one before.
    pub fec: bool,
    /// `usedtx=1`: it wants hardly a packet in silence.
    pub dtx: bool,
    /// `cbr=1`: it wants a constant bit rate.
    pub cbr: bool,
    /// `maxaveragebitrate`, in bits a second.
    pub bitrate_max: Option<u32>,
}

impl OpusWishes {
    /// Of the `a=fmtp` of this payload type; what cannot be read is not wished.
    pub(super) fn read(media: &Media, payload_type: u8) -> Self {
        let mut wishes = Self::default();
        let parameters =
            media.fmtp(payload_type).unwrap_or_default().split(';').filter_map(|parameter| parameter.split_once('='));
        for (name, value) in parameters {
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "useinbandfec" => wishes.fec = value == "1",
                "usedtx" => wishes.dtx = value == "1",
                "cbr" => wishes.cbr = value == "1",
                "maxaveragebitrate" => wishes.bitrate_max = value.parse().ok(),
                _ => {}
            }
        }
        wishes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fmtp: &str, expected: OpusWishes) {
        let attributes = vec![("fmtp".to_owned(), "110 useinbandfec=1".to_owned()), ("fmtp".to_owned(), fmtp.to_owned())];
        let media = Media { attributes, ..Media::default() };
        assert_eq!(OpusWishes::read(&media, 111), expected, "{fmtp}");
    }

    #[test]
    fn wishes_are_read_and_the_rest_is_not() {
        check("", OpusWishes::default());
        check("111", OpusWishes::default());
        check("111 minptime=10;useinbandfec=1", OpusWishes { fec: true, ..OpusWishes::default() });
        check("111  UseInbandFEC = 1 ; usedtx=1;cbr=0;stereo=1;x", OpusWishes { fec: true, dtx: true, ..OpusWishes::default() });
        check("111 maxaveragebitrate=20000; cbr=1", OpusWishes { cbr: true, bitrate_max: Some(20_000), ..OpusWishes::default() });
        check("111 maxaveragebitrate=-1;usedtx=yes", OpusWishes::default());
    }
}
