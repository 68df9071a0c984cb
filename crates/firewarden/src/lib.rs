//! firewarden
