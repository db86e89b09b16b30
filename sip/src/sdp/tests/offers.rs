//! Offers as devices make them, each with what we agree on.

/// Who offers, the offer, and what comes of it.
pub(super) const OFFERS: &[(&str, &str, &str)] = &[
    (
        "asterisk",
        "v=0\r\no=- 1820 1820 IN IP4 192.0.2.10\r\ns=Asterisk\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 10452 RTP/AVP 8 0 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n\
         a=maxptime:150\r\na=sendrecv\r\n",
        "Pcma 8 event 101 ptime 20/20 rtp 192.0.2.10:10452 rtcp 192.0.2.10:10453 SendRecv",
    ),
    (
        "freeswitch",
        "v=0\no=FreeSWITCH 1700000000 1700000001 IN IP4 192.0.2.20\ns=FreeSWITCH\nc=IN IP4 192.0.2.20\nt=0 0\n\
         m=audio 27894 RTP/AVP 102 9 0 8 103 101\na=rtpmap:102 opus/48000/2\na=fmtp:102 useinbandfec=1\na=rtpmap:9 G722/8000\n\
         a=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:103 telephone-event/48000\na=rtpmap:101 telephone-event/8000\n\
         a=fmtp:101 0-15\na=rtcp-mux\na=rtcp:27894 IN IP4 192.0.2.20\na=ptime:20\n",
        "Opus 102 fec event 103/48000 ptime 20/20 rtp 192.0.2.20:27894 rtcp 192.0.2.20:27894 mux SendRecv",
    ),
    (
        "linphone",
        "v=0\r\no=alice 2890 3012 IN IP4 192.0.2.30\r\ns=Talk\r\nc=IN IP4 192.0.2.30\r\nt=0 0\r\na=rtcp-xr:rcvr-rtt=all:10000\r\n\
         m=audio 7078 RTP/AVPF 96 97 0 8 18 101 99\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 speex/16000\r\n\
         a=rtpmap:101 telephone-event/48000\r\na=rtpmap:99 telephone-event/8000\r\na=rtcp-fb:* trr-int 1000\r\n\
         m=video 9078 RTP/AVPF 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n",
        "Opus 96 event 101/48000 ptime 20/20 rtp 192.0.2.30:7078 rtcp 192.0.2.30:7079 SendRecv",
    ),
    (
        "twilio",
        "v=0\r\no=root 185 185 IN IP4 172.18.142.35\r\ns=Twilio Media Gateway\r\nc=IN IP4 168.86.128.5\r\nt=0 0\r\n\
         m=audio 15474 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:20\r\na=sendrecv\r\n",
        "Pcmu 0 event 101 ptime 20/20 rtp 168.86.128.5:15474 rtcp 168.86.128.5:15475 SendRecv",
    ),
    (
        "baresip",
        "v=0\r\no=- 3894 1021 IN IP4 192.0.2.50\r\ns=-\r\nc=IN IP4 192.0.2.50\r\nt=0 0\r\na=tool:baresip 3.1\r\n\
         m=audio 19224 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000/1\r\na=rtpmap:8 PCMA/8000/1\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=rtcp:19225\r\na=rtcp-mux\r\na=sendrecv\r\na=label:1\r\na=ssrc:1 cname:x\r\na=ptime:20\r\n",
        "Pcmu 0 event 101 ptime 20/20 rtp 192.0.2.50:19224 rtcp 192.0.2.50:19224 mux SendRecv",
    ),
    (
        "sipp",
        "v=0\r\no=user1 53655765 2353687637 IN IP4 192.0.2.60\r\ns=-\r\nc=IN IP4 192.0.2.60\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n",
        "Pcmu 0 ptime 20/20 rtp 192.0.2.60:6000 rtcp 192.0.2.60:6001 SendRecv",
    ),
    (
        "static payload without rtpmap, carrier asking for 30 ms",
        "v=0\r\no=x 1 1 IN IP4 192.0.2.70\r\ns=-\r\nt=0 0\r\nm=audio 6000/2 RTP/AVP 18 8\r\nc=IN IP4 192.0.2.71\r\na=ptime:30\r\n\
         a=rtcp:7001 IN IP4 192.0.2.72\r\n",
        "Pcma 8 ptime 30/30 rtp 192.0.2.71:6000 rtcp 192.0.2.72:7001 SendRecv",
    ),
    (
        "dynamic payload for PCMU, low maxptime",
        "v=0\r\no=x 1 1 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 192.0.2.70\r\nt=0 0\r\nm=audio 6000 RTP/AVP 97 98\r\n\
         a=rtpmap:97 pcmu/8000\r\na=rtpmap:98 telephone-event/16000\r\na=maxptime:10\r\na=ptime:5\r\n",
        "Pcmu 97 ptime 10/10 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 SendRecv",
    ),
    (
        "held by direction of the session",
        "v=0\r\no=x 1 2 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 192.0.2.70\r\nt=0 0\r\na=sendonly\r\nm=audio 6000 RTP/AVP 0\r\n",
        "Pcmu 0 ptime 20/20 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 RecvOnly",
    ),
    (
        "held the old way",
        "v=0\r\no=x 1 2 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=sendrecv\r\n",
        "Pcmu 0 ptime 20/20 rtp 0.0.0.0:6000 rtcp 0.0.0.0:6001 RecvOnly",
    ),
    (
        "inactive",
        "v=0\r\no=x 1 2 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 192.0.2.70\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=inactive\r\n",
        "Pcmu 0 ptime 20/20 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 Inactive",
    ),
    (
        "peer only listens",
        "v=0\r\nc=IN IP4 192.0.2.70\r\nm=audio 6000 RTP/AVP 0\r\na=recvonly\r\n",
        "Pcmu 0 ptime 20/20 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 SendOnly",
    ),
    (
        "telnyx",
        "v=0\no=Telnyx 1700000100 1700000101 IN IP4 103.115.244.150\ns=Telnyx\nc=IN IP4 103.115.244.150\nt=0 0\n\
         m=audio 24860 RTP/AVP 0 8 9 101 13\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:9 G722/8000\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=rtpmap:13 CN/8000\na=rtcp:24861 IN IP4 103.115.244.150\na=ptime:20\n",
        "Pcmu 0 event 101 noise 13 ptime 20/20 rtp 103.115.244.150:24860 rtcp 103.115.244.150:24861 SendRecv",
    ),
    (
        "asterisk with wide band and silence suppression",
        "v=0\r\no=- 900 900 IN IP4 192.0.2.11\r\ns=Asterisk\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\nm=audio 11000 RTP/AVP 9 8 0 3 13 101\r\n\
         a=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:3 GSM/8000\r\na=rtpmap:13 CN/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:140\r\na=sendrecv\r\na=rtcp-mux\r\n",
        "G722 9 event 101 noise 13 ptime 20/20 rtp 192.0.2.11:11000 rtcp 192.0.2.11:11000 mux SendRecv",
    ),
    (
        "cisco call manager",
        "v=0\r\no=CiscoSystemsCCM-SIP 2000 1 IN IP4 192.0.2.80\r\ns=SIP Call\r\nc=IN IP4 192.0.2.81\r\nb=TIAS:64000\r\nb=AS:64\r\nt=0 0\r\n\
         m=audio 17456 RTP/AVP 9 0 8 116 18 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:116 iLBC/8000\r\na=maxptime:60\r\na=fmtp:116 mode=20\r\na=rtpmap:18 G729/8000\r\n\
         a=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n",
        "G722 9 event 101 ptime 20/20 rtp 192.0.2.81:17456 rtcp 192.0.2.81:17457 SendRecv",
    ),
    (
        "cisco desk phone with packets of 30 ms",
        "v=0\r\no=- 2154 2154 IN IP4 192.0.2.82\r\ns=-\r\nc=IN IP4 192.0.2.82\r\nt=0 0\r\nm=audio 16420 RTP/AVP 18 0 8 2 100 101\r\n\
         a=rtpmap:18 G729a/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:2 G726-32/8000\r\na=rtpmap:100 NSE/8000\r\n\
         a=fmtp:100 192-193\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:30\r\na=sendrecv\r\n",
        "Pcmu 0 event 101 ptime 30/30 rtp 192.0.2.82:16420 rtcp 192.0.2.82:16421 SendRecv",
    ),
    (
        "zoiper",
        "v=0\no=Z 1700000200 1 IN IP4 192.0.2.90\ns=Z\nc=IN IP4 192.0.2.90\nt=0 0\nm=audio 49170 RTP/AVP 106 9 98 101 0 8 3\n\
         a=rtpmap:106 opus/48000/2\na=fmtp:106 sprop-maxcapturerate=16000; minptime=20; useinbandfec=1\na=rtpmap:98 telephone-event/48000\n\
         a=fmtp:98 0-16\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=sendrecv\na=rtcp-mux\n",
        "Opus 106 fec event 98/48000 ptime 20/20 rtp 192.0.2.90:49170 rtcp 192.0.2.90:49170 mux SendRecv",
    ),
    (
        "comfort noise of another clock, packets of 65 ms of which 45 are allowed",
        "v=0\r\nc=IN IP4 192.0.2.70\r\nm=audio 6000 RTP/AVP 0 97 98\r\na=rtpmap:97 CN/16000\r\na=rtpmap:98 CN/8000\r\na=ptime:65\r\n\
         a=maxptime:45\r\n",
        "Pcmu 0 noise 98 ptime 60/40 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 SendRecv",
    ),
    (
        "opus with digits of telephones only, in packets of 30 ms",
        "v=0\r\nc=IN IP4 192.0.2.70\r\nm=audio 6000 RTP/AVP 107 101 13\r\na=rtpmap:107 OPUS/48000/2\r\n\
         a=fmtp:107 usedtx=1;maxaveragebitrate=16000;useinbandfec=0\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:30\r\n",
        "Opus 107 dtx 16000 event 101 ptime 30/20 rtp 192.0.2.70:6000 rtcp 192.0.2.70:6001 SendRecv",
    ),
    (
        "chromium behind a gateway that ends its encryption",
        "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS\r\n\
         m=audio 41000 RTP/AVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 192.0.2.95\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=mid:0\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
         a=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n\
         a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:3735928559 cname:x\r\n",
        "Opus 111 fec event 110/48000 ptime 20/20 rtp 192.0.2.95:41000 rtcp 192.0.2.95:41000 mux SendRecv",
    ),
];

/// Offers with keys, as [`OFFERS`]; ours are taken where both want it.
pub(super) const ENCRYPTED: &[(&str, &str, &str)] = &[
    (
        "twilio with secure trunking",
        "v=0\r\no=root 2015 2015 IN IP4 172.18.142.36\r\ns=Twilio Media Gateway\r\nc=IN IP4 168.86.128.9\r\nt=0 0\r\n\
         m=audio 17020 RTP/SAVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-16\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\na=ptime:20\r\n\
         a=maxptime:20\r\na=sendrecv\r\n",
        "Pcmu 0 event 101 AesCm128Sha1_80 of line 1 ptime 20/20 rtp 168.86.128.9:17020 rtcp 168.86.128.9:17021 SendRecv",
    ),
    (
        "asterisk with optimistic encryption",
        "v=0\r\no=- 77 77 IN IP4 192.0.2.12\r\ns=Asterisk\r\nc=IN IP4 192.0.2.12\r\nt=0 0\r\nm=audio 12000 RTP/AVP 8 101\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n\
         a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n",
        "Pcma 8 event 101 AesCm128Sha1_80 of line 1 ptime 20/20 rtp 192.0.2.12:12000 rtcp 192.0.2.12:12001 SendRecv",
    ),
    (
        "freeswitch, strongest first",
        "v=0\no=FreeSWITCH 1700000300 1700000301 IN IP4 192.0.2.21\ns=FreeSWITCH\nc=IN IP4 192.0.2.21\nt=0 0\n\
         m=audio 22000 RTP/SAVP 0 101\na=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\n\
         a=crypto:1 AEAD_AES_256_GCM_8 inline:CcQSp6e0yH1YRsfvK4d+AJ8IhLJk84FqeWyLLHDVLgbYqrEnfW0dEfW9qZU=\n\
         a=crypto:2 AEAD_AES_256_GCM inline:CcQSp6e0yH1YRsfvK4d+AJ8IhLJk84FqeWyLLHDVLgbYqrEnfW0dEfW9qZU=\n\
         a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\na=ptime:20\n",
        "Pcmu 0 event 101 AeadAes256Gcm of line 2 ptime 20/20 rtp 192.0.2.21:22000 rtcp 192.0.2.21:22001 SendRecv",
    ),
    (
        "cisco desk phone with a lifetime, and a key that has an identifier",
        "v=0\r\no=- 31 31 IN IP4 192.0.2.83\r\ns=-\r\nc=IN IP4 192.0.2.83\r\nt=0 0\r\nm=audio 16500 RTP/SAVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^31|1:1\r\n\
         a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^31\r\n",
        "Pcma 8 event 101 AesCm128Sha1_32 of line 2 ptime 20/20 rtp 192.0.2.83:16500 rtcp 192.0.2.83:16501 SendRecv",
    ),
    (
        "linphone with a stream of its own for each",
        "v=0\r\no=alice 12 12 IN IP4 192.0.2.31\r\ns=Talk\r\nc=IN IP4 192.0.2.31\r\nt=0 0\r\nm=audio 7078 RTP/AVP 0\r\n\
         m=audio 7080 RTP/SAVPF 0 101\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=crypto:1 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==\r\n",
        "Pcmu 0 event 101 AeadAes128Gcm of line 1 ptime 20/20 rtp 192.0.2.31:7080 rtcp 192.0.2.31:7081 SendRecv",
    ),
];
