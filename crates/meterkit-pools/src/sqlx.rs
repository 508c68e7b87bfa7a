//! Pools of the crate `sqlx`.

use sqlx_core::database::Database;
use sqlx_core::pool::Pool;

use crate::pool::{ConnectionPool, PoolState};

impl<DB: Database> ConnectionPool for Pool<DB> {
    fn reader(&self) -> impl Fn() -> Option<PoolState> + Send + Sync + 'static {
        let pool = self.clone();
        move || {
            let (open, is_closed) = (u64::from(pool.size()), pool.is_closed());
            if is_closed && open == 0 {
                return None;
            }
            let idle = match is_closed {
                // A closed pool does not update its number of idle connections when it closes them.
                true => 0,
                // At most `open`: connections may be opened or closed between the two readings.
                false => (pool.num_idle() as u64).min(open),
            };
            let max = Some(u64::from(pool.options().get_max_connections()));
            Some(PoolState { idle, used: open - idle, max, ..PoolState::default() })
        }
    }
}
