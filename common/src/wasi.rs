//! What a component must export to be a function: judged by the server before it is stored, called by sidecars.

/// The handler of WASI 0.2, up to the patch version.
pub const HANDLER_0_2: &str = "wasi:http/incoming-handler@0.2.";

/// The handler of WASI 0.3, which sidecars call that are started with `--wasi-0-3`, up to the patch version.
pub const HANDLER_0_3: &str = "wasi:http/handler@0.3.";

/// Both as people read them, for messages.
pub const HANDLERS: &str = "wasi:http/incoming-handler@0.2 or wasi:http/handler@0.3";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read_is_what_is_looked_for() {
        let found: Vec<_> = HANDLERS
            .split(" or ")
            .map(|name| format!("{name}."))
            .collect();
        assert_eq!(found, [HANDLER_0_2, HANDLER_0_3]);
    }
}
