//! Says no to a store that wants more memory, tables or core instances than its function may have, and
//! remembers that it did: the guest sees only a failed `memory.grow`, and most trap on it.

use wasmtime::{ResourceLimiter, Result};

use crate::settings::Limits;

/// Linear memories and tables of one component. Components of several modules have a handful.
const MAX_MEMORIES: usize = 16;
const MAX_TABLES: usize = 64;

/// Bounds of one store; counts over all its memories and tables.
pub(crate) struct Limiter {
    memory_limit: u64,
    memory_used: u64,
    table_limit: u64,
    table_used: u64,
    instances: usize,
    /// A memory was refused growth.
    pub(crate) memory_refused: bool,
    /// A table was refused growth.
    pub(crate) table_refused: bool,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_limit: limits.memory_bytes,
            memory_used: 0,
            table_limit: limits.table_elements,
            table_used: 0,
            instances: limits.core_instances as usize,
            memory_refused: false,
            table_refused: false,
        }
    }
}

/// Whether growth by `more` fits; counts it if so.
fn grow(used: &mut u64, limit: u64, more: usize) -> bool {
    let wanted = used.saturating_add(more as u64);
    let fits = wanted <= limit;
    if fits {
        *used = wanted;
    }
    fits
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false); // the component's own bound, or the pool's: not this limit
        }
        let more = desired.saturating_sub(current);
        let fits = grow(&mut self.memory_used, self.memory_limit, more);
        self.memory_refused |= !fits;
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let more = desired.saturating_sub(current);
        let fits = grow(&mut self.table_used, self.table_limit, more);
        self.table_refused |= !fits;
        Ok(fits)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 << 10;

    #[test]
    fn memories_count_together() {
        let limits = Limits {
            memory_bytes: 3 * PAGE as u64,
            ..Limits::default()
        };
        let mut limiter = Limiter::new(&limits);
        assert!(limiter.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(limiter.memory_growing(0, PAGE, None).unwrap());
        assert!(!limiter.memory_refused);
        assert!(!limiter.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        assert!(limiter.memory_refused);
    }
}
