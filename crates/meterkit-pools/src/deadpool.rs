//! Managed pools of the crate `deadpool`, and of crates that build on it.

use deadpool::managed::{Manager, Object, Pool};

use crate::pool::{ConnectionPool, PoolState};

impl<M, W> ConnectionPool for Pool<M, W>
where
    M: Manager + 'static,
    W: From<Object<M>> + 'static,
{
    fn reader(&self) -> impl Fn() -> Option<PoolState> + Send + Sync + 'static {
        let pool = self.weak();
        move || {
            let pool = pool.upgrade()?;
            let status = pool.status();
            if pool.is_closed() && status.size == 0 {
                return None;
            }
            Some(PoolState {
                idle: status.available as u64,
                used: status.size.saturating_sub(status.available) as u64,
                max: Some(status.max_size as u64),
                pending_requests: Some(status.waiting as u64),
                ..PoolState::default()
            })
        }
    }
}
