//! The Gateless client.
