//! HTTP front doors: health, Twilio webhooks and Media Streams.
