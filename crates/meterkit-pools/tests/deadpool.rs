//! A managed pool of `deadpool` whose connections are numbers.

use std::convert::Infallible;

use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleResult};
use meterkit_pools::observe_in;

use crate::seen::{pools, registry, wait_for};

struct Numbers;

impl Manager for Numbers {
    type Type = u32;
    type Error = Infallible;

    async fn create(&self) -> Result<u32, Infallible> {
        Ok(7)
    }

    async fn recycle(&self, _: &mut u32, _: &Metrics) -> RecycleResult<Infallible> {
        Ok(())
    }
}

fn pool() -> Pool<Numbers> {
    Pool::builder(Numbers).max_size(2).build().unwrap()
}

fn state(idle: u32, used: u32, pending: u32) -> [String; 4] {
    [
        format!("count{{pool.name=main,state=idle}} {idle}"),
        format!("count{{pool.name=main,state=used}} {used}"),
        "max{pool.name=main} 2".to_owned(),
        format!("pending_requests{{pool.name=main}} {pending}"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_and_pending_requests_are_counted() {
    let registry = registry();
    let pool = pool();
    let _observed = observe_in(&registry, &pool, "main").unwrap();
    assert_eq!(pools(&registry), state(0, 0, 0));
    let (first, second) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    assert_eq!(pools(&registry), state(0, 2, 0));

    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    wait_for(&registry, &state(0, 2, 1).each_ref().map(|line| &**line));
    drop(first);
    waiting.await.unwrap().unwrap();
    assert_eq!(pools(&registry), state(1, 1, 0));

    pool.close();
    assert_eq!(pools(&registry).len(), 4, "a connection is still in use");
    drop(second);
    assert_eq!(pools(&registry), [""; 0]);
}

#[tokio::test]
async fn a_dropped_pool_is_left_out_although_its_guard_is_kept() {
    let registry = registry();
    let pool = pool();
    observe_in(&registry, &pool, "main").unwrap().forget();
    let taken = Object::take(pool.get().await.unwrap());
    assert_eq!((taken, pools(&registry)), (7, state(0, 0, 0).to_vec()));
    drop(pool);
    assert_eq!(pools(&registry), [""; 0]);
}
