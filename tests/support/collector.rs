//! A collector of traces: takes OTLP over HTTP, and reads protobuf by the wire format alone, so that what the exporter's own types
//! would get wrong on both sides is seen.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request: its head as text, and its body.
#[derive(Clone)]
pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
}

pub struct Collector {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Collector {
    /// One that answers after `wait`.
    pub fn start(wait: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&requests);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (connection, all) = (connection.unwrap(), Arc::clone(&all));
                std::thread::spawn(move || serve(connection, wait, &all));
            }
        });
        Self { address, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The spans of all requests, as they came.
    pub fn spans(&self) -> Vec<Span> {
        self.requests().iter().flat_map(|request| spans_of(&request.body)).collect()
    }
}

/// Reads requests until the connection ends.
fn serve(connection: TcpStream, wait: Duration, all: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut connection = connection;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap()];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        all.lock().unwrap().push(Request { head, body });
        std::thread::sleep(wait);
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A span as it was sent.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty for a root.
    pub parent: String,
    pub name: String,
    /// `SpanKind` of trace.proto: 1 internal, 2 server, 3 client.
    pub kind: u64,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    pub attributes: BTreeMap<String, String>,
    /// Names.
    pub events: Vec<String>,
    /// Code of the status: 0 unset, 2 error.
    pub status: u64,
    /// Of the service that sent it.
    pub resource: BTreeMap<String, String>,
}

/// A field of a protobuf message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(number) => panic!("{number} is not a message"),
        }
    }

    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(bytes) => panic!("{bytes:?} is not a number"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    fn hex(&self) -> String {
        self.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Numbers and values of a message's fields, in order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = varint(&mut bytes);
                Field::Bytes(take(&mut bytes, length as usize))
            }
            5 => Field::Number(u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap()).into()),
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, field));
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

/// The values of one field of a message.
fn all(message: &[u8], number: u64) -> impl Iterator<Item = Field<'_>> {
    fields(message).into_iter().filter(move |(found, _)| *found == number).map(|(_, field)| field)
}

/// The spans of an `ExportTraceServiceRequest` (opentelemetry-proto, collector/trace/v1).
fn spans_of(request: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in all(request, 1) {
        let resource = all(of_resource.bytes(), 1).next().map(|resource| attributes(resource.bytes(), 1)).unwrap_or_default();
        for of_scope in all(of_resource.bytes(), 2) {
            spans.extend(all(of_scope.bytes(), 2).map(|span| span_of(span.bytes(), &resource)));
        }
    }
    spans
}

fn span_of(message: &[u8], resource: &BTreeMap<String, String>) -> Span {
    let one = |number: u64| all(message, number).next();
    let text = |number: u64| one(number).map(|field| field.text()).unwrap_or_default();
    let hex = |number: u64| one(number).map(|field| field.hex()).unwrap_or_default();
    let number = |number: u64| one(number).map(|field| field.number()).unwrap_or_default();
    Span {
        trace: hex(1),
        id: hex(2),
        parent: hex(4),
        name: text(5),
        kind: number(6),
        start: number(7),
        end: number(8),
        attributes: attributes(message, 9),
        events: all(message, 11).map(|event| all(event.bytes(), 2).next().unwrap().text()).collect(),
        status: one(15).and_then(|status| all(status.bytes(), 3).next().map(|code| code.number())).unwrap_or_default(),
        resource: resource.clone(),
    }
}

/// Key and value of every `KeyValue` in a field of a message.
fn attributes(message: &[u8], number: u64) -> BTreeMap<String, String> {
    let pairs = all(message, number).map(|pair| {
        let key = all(pair.bytes(), 1).next().unwrap().text();
        let value = all(pair.bytes(), 2).next().unwrap();
        let (kind, value) = fields(value.bytes()).remove(0);
        let value = match kind {
            1 => value.text(),
            4 => f64::from_bits(value.number()).to_string(),
            _ => value.number().to_string(),
        };
        (key, value)
    });
    pairs.collect()
}
