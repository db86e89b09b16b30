//! The ports to AI providers and one module per vendor.
