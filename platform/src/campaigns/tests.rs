//! A whole world of campaigns in virtual time.
