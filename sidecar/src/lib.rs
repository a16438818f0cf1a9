//! The data plane: routes, holds, gates, autoscales, runs instances, keeps the async queue.

pub mod instance;
