//! Writing messages out. Content-Length is set here and nowhere else.

use std::fmt::Display;
use std::io::Write;

use bytes::Bytes;

use super::{Headers, Message, Request, Response};

impl Message {
    /// The bytes for the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// The bytes for the wire, `Content-Length` included.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out.into()
    }

    /// Appends the bytes for the wire, `Content-Length` included.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write_message(out, format_args!("{} {} SIP/2.0", self.method, self.uri), &self.headers, &self.body);
    }
}

impl Response {
    /// The bytes for the wire, `Content-Length` included.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        self.write_to(&mut out);
        out.into()
    }

    /// Appends the bytes for the wire, `Content-Length` included.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let reason = self.reason.replace(['\r', '\n'], " ");
        write_message(out, format_args!("SIP/2.0 {} {reason}", self.status), &self.headers, &self.body);
    }
}

fn write_message(out: &mut Vec<u8>, start_line: impl Display, headers: &Headers, body: &[u8]) {
    const INFALLIBLE: &str = "writing to a Vec does not fail";
    write!(out, "{start_line}\r\n").expect(INFALLIBLE);
    for (name, value) in headers.iter() {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    write!(out, "Content-Length: {}\r\n\r\n", body.len()).expect(INFALLIBLE);
    out.extend_from_slice(body);
}
