//! Twilio's side of one media stream, message by message: for what a well-behaved caller never does.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// Posts a form to a webhook, unsigned.
pub fn webhook(http: SocketAddr, path: &str, call_sid: &str) -> (u16, String) {
    let body = format!("CallSid={call_sid}&From=%2B15550199999&To=%2B15550100000&CallStatus=ringing");
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    super::http(http, &request).expect("webhooks are answered")
}

/// The one-time token of the TwiML.
pub fn token(twiml: &str) -> String {
    let (_, after) = twiml.split_once("name=\"token\" value=\"").unwrap_or_else(|| panic!("no token: {twiml}"));
    after.split('"').next().unwrap().to_owned()
}

pub struct MediaStream(pub WebSocket<TcpStream>);

impl MediaStream {
    /// Opens the socket and says `connected` and `start`.
    pub fn start(http: SocketAddr, call_sid: &str, token: &str) -> Self {
        Self::start_with(http, call_sid, json!({"token": token}))
    }

    /// With these parameters, our token among them.
    pub fn start_with(http: SocketAddr, call_sid: &str, parameters: Value) -> Self {
        let stream = TcpStream::connect(http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (socket, _) = tungstenite::client(format!("ws://{http}/twilio/stream"), stream).unwrap();
        let mut stream = Self(socket);
        stream.send(&json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
        let format = json!({"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1});
        stream.send(&json!({
            "event": "start", "sequenceNumber": "1", "streamSid": "MZ1",
            "start": {"streamSid": "MZ1", "accountSid": "AC1", "callSid": call_sid, "tracks": ["inbound"],
                      "mediaFormat": format, "customParameters": parameters},
        }));
        stream
    }

    pub fn send(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    /// The next message with this event, others passed over; the close code when the server ends the stream first.
    pub fn wait(&mut self, event: &str) -> Result<Value, u16> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            match self.0.read() {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["event"] == event {
                        return Ok(message);
                    }
                }
                Ok(Message::Close(frame)) => return Err(frame.map_or(0, |frame| frame.code.into())),
                Ok(_) => {}
                Err(error) => panic!("no {event}: {error}"),
            }
        }
        panic!("no {event} within 20 s");
    }
}
