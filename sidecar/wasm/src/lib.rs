//! Runs `wasi:http` components inside the sidecar.
