//! A request on its way in, with what matching needs (RFC 3261 §17.2.3).

use crate::dialog::DialogId;
use crate::flow::Flow;
use crate::message::{CSeq, Method, Request, Via, name};

/// A request read once: its parts, and where its answer goes.
#[derive(Debug)]
pub(super) struct Incoming {
    pub request: Box<Request>,
    pub flow: Flow,
    pub cseq: CSeq,
    pub to_tag: Option<String>,
    via: Via,
    call_id: String,
    pub from_tag: String,
}

impl Incoming {
    /// Marks the top Via with the source and reads what is needed. `None` cannot happen for a parsed request.
    pub fn read(mut request: Box<Request>, flow: Flow) -> Option<Self> {
        request.add_received_rport(flow.remote);
        let headers = &request.headers;
        Some(Self {
            flow,
            cseq: headers.cseq().ok()?,
            to_tag: headers.to().ok()?.tag().map(str::to_owned),
            via: headers.top_via().ok()?,
            call_id: headers.call_id().ok()?.to_owned(),
            from_tag: headers.from().ok()?.tag().unwrap_or_default().to_owned(),
            request,
        })
    }

    /// Names the server transaction, as if the request had this method: an ACK or CANCEL asks for the INVITE's.
    /// Without a unique branch it is the fields that RFC 2543 matched by; our own tag in the To is left out, as the INVITE
    /// could not know it.
    pub fn transaction_key(&self, method: &Method) -> String {
        match self.via.unique_branch() {
            Some(branch) => {
                let port = self.via.port.unwrap_or_default();
                format!("{branch} {}:{port} {method}", self.via.host).to_ascii_lowercase()
            }
            None => format!("{} {} {} {} {} {method}", self.via, self.request.uri, self.call_id, self.from_tag, self.cseq.number),
        }
    }

    /// Equal for copies of one request that came on several ways (RFC 3261 §8.2.2.2).
    pub fn merge_key(&self) -> String {
        format!("{} {} {}", self.call_id, self.from_tag, self.cseq)
    }

    /// Why it was sent, in all lines of its Reason header (RFC 3326).
    pub fn reason(&self) -> Option<String> {
        let values: Vec<&str> = self.request.headers.get_all(name::REASON).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The dialog that it claims to belong to.
    pub fn dialog_id(&self) -> DialogId {
        let to_tag = self.to_tag.as_deref().unwrap_or_default();
        DialogId::new(&self.call_id, to_tag, &self.from_tag)
    }

    /// Where responses go (RFC 3261 §18.2.2, RFC 3581 §4): back on the connection; over UDP to the source address, and to the
    /// source port when `rport` asks for it, else to the port of sent-by. `maddr` is ignored: it would let anyone aim us.
    pub fn reply_flow(&self) -> Flow {
        let mut flow = self.flow;
        if !flow.transport.is_reliable() && !self.via.wants_rport() {
            let port = self.via.port.unwrap_or(flow.transport.default_port());
            flow.remote.set_port(port);
        }
        flow
    }
}
