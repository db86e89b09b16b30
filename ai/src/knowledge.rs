//! What a knowledge base needs beside its tables: text out of documents, chunks, embeddings, ranks.
//!
//! [`extract`](mod@extract) makes blocks of text from what people write documents in, [`chunk`](mod@chunk) cuts them along their
//! structure, [`embeddings`] asks a server for vectors, [`vector`] keeps and compares them, [`rank`] joins the orders that
//! full text and vectors give, [`fetch`] gets a document by its URL without reaching into the private network, and
//! [`pinecone`] is a vector store elsewhere. None of them knows a database or a call.

pub mod chunk;
pub mod embeddings;
pub mod extract;
pub mod fetch;
pub mod http;
pub mod pinecone;
pub mod rank;
pub mod vector;
